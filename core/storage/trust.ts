// Decides which pieces a journal may vouch for, given how the files look now. Pure.
//
// A file is trusted when it looks exactly as the journal last saw it (the same inode too, should the torrent lie in
// another place now: a copy may keep its time but not its content). There are two exceptions, both bounded:
// - the process was killed between announcing a batch of writes and stamping it: files of that batch may be newer than
//   their stamp by at most GRACE_MS after the announcement, and must be the same inode;
// - the machine went down (another boot id): only pieces that were flushed count, and a file may look like anything
//   between the flush and the last record.
import { Bitfield } from '../base/bitfield.ts';
import type { FileMap } from './file-map.ts';
import type { FileStamp, JournalState } from './journal-state.ts';
import type { StoreConfig } from './store-config.ts';

/** A batch is written within milliseconds; a stalled disk costs a re-check of the files in question. */
const GRACE_MS = 1_000;

/** How a file looks now; undefined: it is not there. */
export type FileLook = Omit<FileStamp, 'file'> | undefined;

export interface Trust {
  readonly have: Bitfield;
  /** Of `have`: still known to be on the disk itself. */
  readonly durable: Bitfield;
  /** Pieces whose files all have bytes for them, and which nothing vouches for. */
  readonly unknown: Bitfield;
  /** Files that changed behind our back: for the log. */
  readonly changedFiles: readonly number[];
}

/** Where and when the journal is read. */
export interface Circumstances {
  readonly bootId: string;
  /** What the torrent's files lie in: the path of its file or folder. */
  readonly root: string;
}

/**
 * @param inPart files whose bytes are to be looked for in the part file now
 * @param looks by file index; the part file comes last. Padding and links have no look.
 * @param state undefined without a journal, or when it must be ignored
 */
export function judge(
  config: StoreConfig,
  map: FileMap,
  inPart: Bitfield,
  state: JournalState | undefined,
  looks: readonly FileLook[],
  now: Circumstances,
): Trust {
  const fileCount = config.files.length;
  const have = new Bitfield(config.pieceCount);
  const durable = new Bitfield(config.pieceCount);
  const unknown = new Bitfield(config.pieceCount);
  const isSameBoot = state?.bootId === now.bootId;
  const isSamePlace = state?.root === now.root;
  const inFlight = new Set(state?.openIntent?.pieces);
  const vouched = state === undefined ? undefined : isSameBoot ? state.have : state.durable;

  const touched = new Set<number>();
  for (const piece of inFlight) {
    for (const file of map.filesOfPiece(piece)) touched.add(inPart.has(file) ? fileCount : file);
  }
  const trusted: boolean[] = [];
  const changedFiles: number[] = [];
  for (let file = 0; file <= fileCount; file++) {
    const look = looks[file];
    const isTrusted =
      look !== undefined &&
      state !== undefined &&
      isTrustedFile(file, look, state, { isSameBoot, isSamePlace, touched });
    trusted.push(isTrusted);
    if (!isTrusted && state?.stamps.has(file) === true) changedFiles.push(file);
  }

  for (let piece = 0; piece < config.pieceCount; piece++) {
    let isWhole = true;
    let isTrustedPiece = vouched?.has(piece) ?? false;
    const start = piece * config.pieceLength;
    const size = Math.min(config.pieceLength, config.totalLength - start);
    for (const span of map.spans(start, size)) {
      if (span.file < 0) continue;
      const home = inPart.has(span.file) ? fileCount : span.file;
      // Bytes that the journal saw elsewhere: what it says of the part file, or of the file, is not about them.
      if (state !== undefined && state.inPart.has(span.file) !== inPart.has(span.file))
        isTrustedPiece = false;
      const end = home === fileCount ? start + span.at + span.length : span.fileOffset + span.length;
      if (!trusted[home]) isTrustedPiece = false;
      if ((looks[home]?.size ?? -1) < end) isWhole = false;
    }
    if (isTrustedPiece && isWhole) {
      have.set(piece);
      if (!isSameBoot || state?.durable.has(piece) === true) durable.set(piece);
    } else if (
      isWhole &&
      !(
        state !== undefined &&
        !inFlight.has(piece) &&
        isKnownAbsent(piece, state, isSameBoot, map, inPart, trusted)
      )
    ) {
      unknown.set(piece);
    }
  }
  return { have, durable, unknown, changedFiles };
}

function isTrustedFile(
  file: number,
  look: Exclude<FileLook, undefined>,
  state: JournalState,
  facts: {
    readonly isSameBoot: boolean;
    readonly isSamePlace: boolean;
    readonly touched: ReadonlySet<number>;
  },
): boolean {
  const last = state.stamps.get(file);
  if (last === undefined) return false;
  if (look.inode !== last.inode && !facts.isSamePlace) return false;
  if (look.size === last.size && look.mtimeNs === last.mtimeNs) return true;
  if (look.inode !== last.inode) return false;
  if (facts.isSameBoot) {
    const intent = state.openIntent;
    if (intent === undefined || !facts.touched.has(file) || look.size < last.size) return false;
    return isBetween(look.mtimeNs, last.mtimeNs, intent.timeMs + GRACE_MS);
  }
  const flushed = state.durableStamps.get(file);
  if (flushed === undefined || state.isClean || look.size < flushed.size) return false;
  return isBetween(look.mtimeNs, flushed.mtimeNs, state.lastTimeMs + GRACE_MS);
}

function isBetween(mtimeNs: bigint, fromNs: bigint, untilMs: number): boolean {
  return mtimeNs >= fromNs && mtimeNs <= BigInt(untilMs) * 1_000_000n;
}

/**
 * Whether a piece that is not vouched for needs no look: its files are as we left them, so it was never finished.
 * (A sparse file is whole in size from the moment its last piece is written.)
 */
function isKnownAbsent(
  piece: number,
  state: JournalState,
  isSameBoot: boolean,
  map: FileMap,
  inPart: Bitfield,
  trusted: readonly boolean[],
): boolean {
  if (!isSameBoot && state.have.has(piece)) return false;
  if (state.unchecked.has(piece)) return false;
  const fileCount = trusted.length - 1;
  return map.filesOfPiece(piece).every((file) => trusted[inPart.has(file) ? fileCount : file] === true);
}
