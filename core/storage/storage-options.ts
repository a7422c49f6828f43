// What a torrent's storage is opened with, and what a check of it takes.
import type { OperationError } from '../base/result.ts';
import type { PieceRange } from './check-plan.ts';
import type { DiskWorkers } from './disk-workers.ts';
import type { PlaceOptions } from './open-storage.ts';
import type { ReadMemory } from './read-cache.ts';
import type { SlotBuffers } from './slots.ts';

export interface StorageOptions extends PlaceOptions {
  /** `new SlotBuffers(memory, segmentBytesOf(layout))`: this torrent's own. */
  readonly slots: SlotBuffers;
  readonly workers: DiskWorkers;
  readonly reads: ReadMemory;
  /** By file index; default all. */
  readonly wanted?: readonly boolean[];
  readonly preallocate?: 'none' | 'full';
  /** Threads of a check; default every core. */
  readonly hashThreads?: number;
  /**
   * A piece's last segment is hashed and (if good) written and journaled.
   * @param blockDigests SHA-1 of each 16 KiB block, 20 bytes each: when the piece failed, or a commit asked for them
   */
  onPieceResult(piece: number, ok: boolean, blockDigests: Uint8Array | undefined): void;
  /** The disk failed; nothing is lost: committed segments wait in their slots for `retry`. Called once until then. */
  onError(error: OperationError): void;
}

export interface CheckOptions {
  /** Default: everything. */
  readonly ranges?: readonly PieceRange[];
  /** Bytes hashed or skipped so far, of the ranges. */
  onProgress?(bytes: number): void;
  readonly signal?: AbortSignal;
}
