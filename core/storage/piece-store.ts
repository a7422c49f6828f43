// One torrent inside the disk thread: hashes segments, writes them to their files, journals what is verified. The order
// is the promise: data, then journal, then the report. Synchronous; knows nothing of threads.
import { createHash, type Hash, hash as hashOnce } from 'node:crypto';
import { bytesEqual, concatBytes } from '../base/bytes.ts';
import { BLOCK_BYTES } from '../metainfo/layout.ts';
import { type DiskFault, faultOf } from './disk-error.ts';
import type { FileMap } from './file-map.ts';
import type { JournalRecord } from './journal.ts';
import type { JournalWriter } from './journal-writer.ts';
import { pieceSizeOf, type StoreConfig, segmentCountOf } from './store-config.ts';
import type { StoreFiles } from './store-files.ts';

const HASH_BYTES = 20;

export interface Commit {
  readonly piece: number;
  readonly segment: number;
  /** The caller's name for it; comes back in the outcome. */
  readonly slot: number;
  readonly bytes: Uint8Array;
  readonly wantBlockDigests: boolean;
}

/** written: the piece is not whole yet; ok, bad: it was the last segment. */
export type CommitStatus = 'written' | 'ok' | 'bad';

export interface CommitOutcome {
  readonly piece: number;
  readonly segment: number;
  readonly slot: number;
  readonly status: CommitStatus;
  readonly blockDigests: Uint8Array | undefined;
}

export interface BatchOutcome {
  readonly outcomes: readonly CommitOutcome[];
  /** Commits that were not done: to be given again after the trouble is over. */
  readonly undone: readonly Commit[];
  readonly fault: DiskFault | undefined;
  /** Spent on hashing. */
  readonly hashMs: number;
}

/** A piece of several segments on its way: its hash runs through the segments that are there, in order. */
interface OpenPiece {
  readonly hash: Hash;
  /** The first segment not yet in the hash. */
  next: number;
  readonly written: Set<number>;
  wantBlockDigests: boolean;
}

export class PieceStore {
  readonly #config: StoreConfig;
  readonly #map: FileMap;
  readonly #files: StoreFiles;
  readonly #journal: JournalWriter;
  readonly #open = new Map<number, OpenPiece>();
  /** Done on disk but not in the journal: held back after a journal fault. */
  #unjournaled: CommitOutcome[] = [];
  #hashMs = 0;

  constructor(config: StoreConfig, map: FileMap, files: StoreFiles, journal: JournalWriter) {
    this.#config = config;
    this.#map = map;
    this.#files = files;
    this.#journal = journal;
  }

  /** Stops at the first fault of the disk; what was done before it is journaled and reported. */
  process(commits: readonly Commit[]): BatchOutcome {
    let done = 0;
    this.#hashMs = 0;
    let fault: DiskFault | undefined;
    try {
      if (commits.length > 0) {
        const pieces = [...new Set(commits.map((commit) => commit.piece))];
        this.#journal.append([{ kind: 'intent', pieces }]);
        this.#files.prepare();
      }
      for (const commit of commits) {
        this.#unjournaled.push(this.#commit(commit));
        done++;
      }
    } catch (error) {
      fault = faultOf(error, 'write', this.#config.directory);
    }
    try {
      const outcomes = this.#settle();
      return { outcomes, undone: commits.slice(done), fault, hashMs: this.#hashMs };
    } catch (error) {
      fault ??= faultOf(error, 'write', this.#config.directory);
      return { outcomes: [], undone: commits.slice(done), fault, hashMs: this.#hashMs };
    }
  }

  /** Segments of a piece that another thread wrote before it died. */
  adopt(piece: number, segments: readonly number[]): void {
    const open = this.#openPiece(piece);
    for (const segment of segments) open.written.add(segment);
  }

  /** Ranges of a file, as offsets in the torrent, that hold bytes worth keeping: verified pieces and open segments. */
  storedRanges(file: number): [offset: number, length: number][] {
    const entry = this.#config.files[file];
    if (entry === undefined) return [];
    const ranges: [number, number][] = [];
    const add = (offset: number, length: number): void => {
      const from = Math.max(offset, entry.offset);
      const until = Math.min(offset + length, entry.offset + entry.length);
      if (until > from) ranges.push([from, until - from]);
    };
    const { pieceLength, segmentBytes } = this.#config;
    const { first, end } = this.#map.piecesOfFile(file);
    for (let piece = first; piece < end; piece++) {
      const size = pieceSizeOf(this.#config, piece);
      if (this.#journal.state.have.has(piece)) {
        add(piece * pieceLength, size);
        continue;
      }
      for (const segment of this.#open.get(piece)?.written ?? []) {
        const at = segment * segmentBytes;
        add(piece * pieceLength + at, Math.min(segmentBytes, size - at));
      }
    }
    return ranges;
  }

  /** Journals what the outcomes so far say. @throws DiskFaultError; then they wait for the next call */
  #settle(): readonly CommitOutcome[] {
    const pieces: number[] = [];
    for (const outcome of this.#unjournaled) if (outcome.status === 'ok') pieces.push(outcome.piece);
    const stamps = this.#files.takeStamps();
    const records: JournalRecord[] = [];
    if (stamps.length > 0 || this.#journal.state.openIntent !== undefined) {
      records.push({ kind: 'stamps', stamps });
    }
    if (pieces.length > 0) records.push({ kind: 'pieces', pieces });
    if (records.length > 0) {
      try {
        this.#journal.append(records);
      } catch (error) {
        this.#files.returnStamps(stamps);
        throw error;
      }
    }
    const outcomes = this.#unjournaled;
    this.#unjournaled = [];
    return outcomes;
  }

  #commit(commit: Commit): CommitOutcome {
    const { piece, segment, slot, bytes } = commit;
    const offset = piece * this.#config.pieceLength + segment * this.#config.segmentBytes;
    if (segmentCountOf(this.#config, piece) === 1) {
      const isGood = this.#isGood(
        piece,
        this.#timed(() => hashOnce('sha1', bytes, 'buffer')),
      );
      if (isGood) this.#files.write(offset, bytes);
      const wants = !isGood || commit.wantBlockDigests;
      return {
        piece,
        segment,
        slot,
        status: isGood ? 'ok' : 'bad',
        blockDigests: wants ? this.#timed(() => digestsOf(bytes)) : undefined,
      };
    }
    const open = this.#openPiece(piece);
    open.wantBlockDigests ||= commit.wantBlockDigests;
    this.#files.write(offset, bytes);
    open.written.add(segment);
    if (segment === open.next) {
      this.#timed(() => open.hash.update(bytes));
      open.next++;
    }
    return this.#advance(commit, open);
  }

  /** Takes up segments that came before their turn, from the page cache. */
  #advance(commit: Commit, open: OpenPiece): CommitOutcome {
    const { piece, segment, slot } = commit;
    const count = segmentCountOf(this.#config, piece);
    while (open.next < count && open.written.has(open.next)) {
      this.#readSegment(piece, open.next, (bytes) => this.#timed(() => open.hash.update(bytes)));
      open.next++;
    }
    if (open.next < count) return { piece, segment, slot, status: 'written', blockDigests: undefined };
    // A copy, and forgotten only at the end: a read that fails below must leave all as it was, for another try.
    const isGood = this.#isGood(piece, open.hash.copy().digest());
    let blockDigests: Uint8Array | undefined;
    if (!isGood || open.wantBlockDigests) {
      const parts: Uint8Array[] = [];
      for (let i = 0; i < count; i++)
        this.#readSegment(piece, i, (bytes) => parts.push(this.#timed(() => digestsOf(bytes))));
      blockDigests = concatBytes(parts);
    }
    this.#open.delete(piece);
    return { piece, segment, slot, status: isGood ? 'ok' : 'bad', blockDigests };
  }

  #readSegment(piece: number, segment: number, use: (bytes: Uint8Array) => void): void {
    const { segmentBytes, pieceLength } = this.#config;
    const length = Math.min(segmentBytes, pieceSizeOf(this.#config, piece) - segment * segmentBytes);
    use(this.#files.read(piece * pieceLength + segment * segmentBytes, length));
  }

  #openPiece(piece: number): OpenPiece {
    let open = this.#open.get(piece);
    if (open === undefined) {
      open = { hash: createHash('sha1'), next: 0, written: new Set(), wantBlockDigests: false };
      this.#open.set(piece, open);
    }
    return open;
  }

  /** Once a segment: two looks at the clock for up to 1 MiB. */
  #timed<T>(hashing: () => T): T {
    const startedAtMs = performance.now();
    try {
      return hashing();
    } finally {
      this.#hashMs += performance.now() - startedAtMs;
    }
  }

  #isGood(piece: number, digest: Uint8Array): boolean {
    const at = piece * HASH_BYTES;
    return bytesEqual(digest, this.#config.pieceHashes.subarray(at, at + HASH_BYTES));
  }
}

/** SHA-1 of each 16 KiB block, concatenated. */
function digestsOf(bytes: Uint8Array): Uint8Array {
  const digests = new Uint8Array(Math.ceil(bytes.length / BLOCK_BYTES) * HASH_BYTES);
  for (let at = 0, i = 0; at < bytes.length; at += BLOCK_BYTES, i++) {
    digests.set(hashOnce('sha1', bytes.subarray(at, at + BLOCK_BYTES), 'buffer'), i * HASH_BYTES);
  }
  return digests;
}
