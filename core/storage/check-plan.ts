// What a check has to hash, and what it may leave out because files are missing or short. Pure.
import type { Bitfield } from '../base/bitfield.ts';
import { type FileMap, PADDING } from './file-map.ts';
import type { FileStamp } from './journal-state.ts';
import { pieceSizeOf, type StoreConfig } from './store-config.ts';
import type { FileLook } from './trust.ts';

/** Pieces first <= piece < end. */
export interface PieceRange {
  readonly first: number;
  readonly end: number;
}

interface Ground {
  readonly config: StoreConfig;
  readonly map: FileMap;
}

/** @param looks by file index, the part file last */
export function planCheck(
  ground: Ground,
  inPart: Bitfield,
  looks: readonly FileLook[],
  ranges: readonly PieceRange[],
): { readonly whole: readonly number[]; readonly absent: readonly number[]; readonly absentBytes: number } {
  const whole: number[] = [];
  const absent: number[] = [];
  let absentBytes = 0;
  for (const { first, end } of ranges) {
    for (let piece = first; piece < end; piece++) {
      if (isWhole(ground, inPart, looks, piece)) whole.push(piece);
      else {
        absent.push(piece);
        absentBytes += pieceSizeOf(ground.config, piece);
      }
    }
  }
  return { whole, absent, absentBytes };
}

/** Whether every file of the piece is long enough to hold its bytes. */
export function isWhole(
  { config, map }: Ground,
  inPart: Bitfield,
  looks: readonly FileLook[],
  piece: number,
): boolean {
  const start = piece * config.pieceLength;
  return map.spans(start, pieceSizeOf(config, piece)).every((span) => {
    if (span.file === PADDING) return true;
    const isPart = inPart.has(span.file);
    const end = (isPart ? start + span.at : span.fileOffset) + span.length;
    return (looks[isPart ? config.files.length : span.file]?.size ?? -1) >= end;
  });
}

/** Looks of the files that hold these pieces, each once: `stamped` remembers which were given already. */
export function newStamps(
  { config, map }: Ground,
  inPart: Bitfield,
  looks: readonly FileLook[],
  pieces: readonly number[],
  stamped: Set<number>,
): FileStamp[] {
  const stamps: FileStamp[] = [];
  for (const piece of pieces) {
    for (const file of map.filesOfPiece(piece)) {
      const home = inPart.has(file) ? config.files.length : file;
      const look = looks[home];
      if (stamped.has(home) || look === undefined) continue;
      stamped.add(home);
      stamps.push({ file: home, ...look });
    }
  }
  return stamps;
}

/** The set as runs. */
export function rangesOf(pieces: Bitfield): readonly PieceRange[] {
  const ranges: { first: number; end: number }[] = [];
  if (pieces.count === 0) return ranges;
  for (let piece = 0; piece < pieces.size; piece++) {
    if (!pieces.has(piece)) continue;
    const last = ranges.at(-1);
    if (last?.end === piece) last.end++;
    else ranges.push({ first: piece, end: piece + 1 });
  }
  return ranges;
}
