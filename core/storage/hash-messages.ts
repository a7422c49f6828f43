// Between a check and its hash threads.
import type { DiskFault } from './disk-error.ts';

/** Pieces to hash. */
export interface HashTask {
  readonly pieces: readonly number[];
}

export interface HashResult {
  /** By position in the task: 1 is good. */
  readonly good: Uint8Array;
  /** The task stopped there. */
  readonly fault: DiskFault | undefined;
}
