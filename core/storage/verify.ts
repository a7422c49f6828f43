// `tt verify`: hashes what lies there against the torrent and says which files suffer; never writes, keeps no state.
import { realpath } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { Bitfield } from '../base/bitfield.ts';
import { OperationError } from '../base/result.ts';
import type { Metainfo } from '../metainfo/metainfo.ts';
import { planCheck } from './check-plan.ts';
import { hashPieces } from './checker.ts';
import { errnoOf } from './disk-error.ts';
import { FileMap } from './file-map.ts';
import { scanFiles } from './scan.ts';
import { storeConfigOf } from './store-config.ts';

export interface VerifyOptions {
  /** For a file or folder on disk whose name differs from the torrent's. */
  readonly rename?: string;
  /** Default every core. */
  readonly threads?: number;
  /** Bytes hashed or skipped so far, of the torrent's total. */
  onProgress?(bytes: number): void;
  readonly signal?: AbortSignal;
}

/** bad: right size, but a piece that touches it failed. */
export type FileVerdict = 'good' | 'missing' | 'short' | 'long' | 'bad';

export interface VerifiedFile {
  readonly index: number;
  /** Joined with `/`, below the directory. */
  readonly path: string;
  readonly state: FileVerdict;
  readonly expectedBytes: number;
  /** undefined when missing. */
  readonly foundBytes: number | undefined;
  /** Failed pieces that hold bytes of it. */
  readonly badPieces: number;
}

export interface VerifyReport {
  readonly good: Bitfield;
  readonly badPieces: readonly number[];
  /** Every file but padding and links, in the torrent's order. */
  readonly files: readonly VerifiedFile[];
}

/**
 * Links are followed: nothing is written.
 * @throws OperationError `disk` when a file that is there cannot be read, `bad-torrent`; the signal's reason on abort
 */
export async function verifyTorrent(
  metainfo: Metainfo,
  directory: string,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  if (metainfo.pieceHashes.length !== metainfo.layout.pieceCount * 20) {
    throw new OperationError('bad-torrent', `${metainfo.name} has no v1 piece hashes`);
  }
  const config = storeConfigOf(metainfo, await existing(directory), options.rename, '');
  const map = new FileMap(config);
  const looks = await scanFiles(config, true);
  const good = new Bitfield(config.pieceCount);
  const inPart = new Bitfield(config.files.length);
  const everything = [{ first: 0, end: config.pieceCount }];
  const { whole, absentBytes } = planCheck({ config, map }, inPart, looks, everything);
  let done = absentBytes;
  options.onProgress?.(done);
  await hashPieces({
    config,
    inPart: inPart.bytes,
    followLinks: true,
    isCallerFree: true,
    pieces: whole,
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    onRun: (passed, _failed, bytes) => {
      for (const piece of passed) good.set(piece);
      done += bytes;
      options.onProgress?.(done);
    },
  });

  const badPieces: number[] = [];
  const badPerFile = new Map<number, number>();
  for (let piece = 0; piece < config.pieceCount; piece++) {
    if (good.has(piece)) continue;
    badPieces.push(piece);
    for (const file of map.filesOfPiece(piece)) badPerFile.set(file, (badPerFile.get(file) ?? 0) + 1);
  }
  const files: VerifiedFile[] = [];
  config.files.forEach((file, index) => {
    if (file.kind !== 'file') return;
    const foundBytes = looks[index]?.size;
    const badCount = badPerFile.get(index) ?? 0;
    files.push({
      index,
      path: file.path.split(sep).join('/'),
      state: verdictOf(file.length, foundBytes, badCount),
      expectedBytes: file.length,
      foundBytes,
      badPieces: badCount,
    });
  });
  return { good, badPieces, files };
}

function verdictOf(expected: number, found: number | undefined, badPieces: number): FileVerdict {
  if (found === undefined) return 'missing';
  if (found < expected) return 'short';
  if (found > expected) return 'long';
  return badPieces > 0 ? 'bad' : 'good';
}

async function existing(directory: string): Promise<string> {
  const absolute = resolve(directory);
  try {
    return await realpath(absolute);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return absolute; // every file is then missing
  }
}
