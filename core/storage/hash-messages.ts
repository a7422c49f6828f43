// Between a check and its hash threads.
import type { DiskFault } from './disk-error.ts';
import type { PieceHasherOptions } from './piece-hasher.ts';
import type { SharedRuns } from './run-queue.ts';

/** What a thread is given. It answers with a `HashResult` for each run it took, then with `done`. */
export interface HashJob {
  readonly hasher: PieceHasherOptions;
  readonly runs: SharedRuns;
}

export interface HashResult {
  readonly run: number;
  /** By position in the run: 1 is good. */
  readonly good: Uint8Array;
  /** The thread stopped there. */
  readonly fault: DiskFault | undefined;
}
