// One torrent on disk, as the session sees it: commits of received segments, reads for uploads, checks, selection.
import type { Bitfield } from '../base/bitfield.ts';
import type { Log } from '../base/log.ts';
import type { OperationError } from '../base/result.ts';
import type { Metainfo } from '../metainfo/metainfo.ts';
import type { DiskWorkers } from './disk-workers.ts';
import type { SlotBuffers } from './slots.ts';

export interface StorageOptions {
  readonly metainfo: Metainfo;
  /** Files go below here. Need not exist. */
  readonly directory: string;
  /** For a file or folder on disk whose name differs from the torrent's. */
  readonly rename?: string;
  readonly stateDir: string;
  /** `new SlotBuffers(memory, segmentBytesOf(layout))`: this torrent's own. */
  readonly slots: SlotBuffers;
  readonly workers: DiskWorkers;
  readonly reads: ReadMemory;
  /** By file index; default all. */
  readonly wanted?: readonly boolean[];
  readonly preallocate?: 'none' | 'full';
  /** Seed what lies there: no file is made or written; the journal is kept all the same. */
  readonly readOnly?: boolean;
  /** Ignore the journal: `needsCheck` is then everything that lies on disk. */
  readonly recheck?: boolean;
  /** For `tt list`: how to start this torrent again. */
  readonly torrentBytes?: Uint8Array;
  readonly magnet?: string;
  readonly log?: Log;
  /**
   * A piece's last segment is hashed and (if good) written and journaled.
   * @param blockDigests SHA-1 of each 16 KiB block, 20 bytes each: when the piece failed, or a commit asked for them
   */
  onPieceResult(piece: number, ok: boolean, blockDigests: Uint8Array | undefined): void;
  /** The disk failed; nothing is lost: committed segments wait in their slots for `retry`. Called once until then. */
  onError(error: OperationError): void;
}

/** Inclusive-exclusive piece range. */
export interface PieceRange {
  readonly first: number;
  readonly end: number;
}

export interface CheckOptions {
  /** Default: everything. */
  readonly ranges?: readonly PieceRange[];
  /** Bytes hashed or skipped so far, of the ranges. */
  onProgress?(bytes: number): void;
  readonly signal?: AbortSignal;
}

/**
 * @param view of exactly the bytes asked for; valid until `release`
 * @param release call exactly once when the bytes are sent (or dropped); undefined with an error
 */
export type ReadDone = (
  error: OperationError | undefined,
  view: Uint8Array | undefined,
  release: (() => void) | undefined,
) => void;

/** Bound of the read cache, shared by the torrents of a session. */
export class ReadMemory {
  readonly maxBytes: number;
  constructor(maxBytes = 24 << 20) {
    this.maxBytes = maxBytes;
  }
}

export declare class TorrentStorage {
  /** @throws OperationError `refused` when another tt has this torrent or target; `disk` */
  static open(options: StorageOptions): Promise<TorrentStorage>;
  /** Verified pieces: journaled, plus what was committed or checked since. Owned by the storage; clone to keep. */
  readonly have: Bitfield;
  /** Data lies there that no journal vouches for: `check({ ranges: needsCheck })` before downloading. */
  readonly needsCheck: readonly PieceRange[];
  readonly segmentBytes: number;
  readonly isFailed: boolean;
  /** @throws OperationError `disk` (what was checked until then is kept); DOMException AbortError on abort */
  check(options?: CheckOptions): Promise<Bitfield>;
  /**
   * Segment `segment` of `piece` is complete in `slot`; the slot is released by the storage once hashed and written.
   * After the last segment of the piece came, `onPieceResult` follows.
   */
  commitSegment(
    piece: number,
    segment: number,
    slot: number,
    length: number,
    wantBlockDigests?: boolean,
  ): void;
  /** The swarm gave the piece up: segments written so far are forgotten (no result follows). */
  abandonPiece(piece: number): void;
  /** For uploads; the piece must be in `have`. `done` comes synchronously on a cache hit. */
  read(piece: number, begin: number, length: number, done: ReadDone): void;
  /** Resolves when the file's bytes lie where they belong. */
  setWanted(file: number, wanted: boolean): Promise<void>;
  /** Verified bytes of each file. */
  fileProgress(): readonly number[];
  /** Try again after `onError`: parked segments are written; rejects with the error if the trouble is still there. */
  retry(): Promise<void>;
  /** Everything reported so far is on the disk itself and journaled so. */
  sync(): Promise<void>;
  /** Waits for what is committed, syncs, writes the clean record, frees the locks. Idempotent. */
  close(): Promise<void>;
  /** After close: forgets the resume state (journal, part file, list entry). The content stays. */
  removeJournal(): Promise<void>;
}
