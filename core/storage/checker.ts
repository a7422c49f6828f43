// A check with all cores: hash threads take runs of pieces, each run is reported as it comes back. What is small is hashed
// here and now: a thread takes longer to start.
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { DiskFaultError, diskOperationError } from './disk-error.ts';
import type { HashJob } from './hash-messages.ts';
import { HashThread } from './hash-thread.ts';
import { PieceHasher, type PieceHasherOptions } from './piece-hasher.ts';
import { RunQueue } from './run-queue.ts';
import { pieceSizeOf } from './store-config.ts';

/** Read in one go by one thread: long enough to be sequential, short enough to share the end evenly. */
const RUN_BYTES = 4 << 20;
/** One thread hashes this much while another would still be starting. */
const BYTES_PER_THREAD = 48 << 20;
/** Hashed in place: about 10 ms of the main thread, in bites of 1 MiB or a piece. */
const MAX_BYTES_IN_PLACE = 16 << 20;
const BITE_BYTES = 1 << 20;

export interface HashPiecesOptions extends PieceHasherOptions {
  /** In the order they are to be read. */
  readonly pieces: readonly number[];
  readonly threads?: number;
  /** The calling thread has nothing better to do: it hashes as one of the threads, and begins while the others start. */
  readonly isCallerFree?: boolean;
  readonly signal?: AbortSignal;
  onRun(good: readonly number[], bad: readonly number[], bytes: number): void;
}

/** @throws OperationError `disk` at the first file that cannot be read; the signal's reason on abort */
export async function hashPieces(options: HashPiecesOptions): Promise<void> {
  const { config, pieces, signal } = options;
  signal?.throwIfAborted();
  const bytes = pieces.reduce((sum, piece) => sum + pieceSizeOf(config, piece), 0);
  if (bytes <= MAX_BYTES_IN_PLACE) {
    await hashHere(RunQueue.of(config, pieces, BITE_BYTES), options, signal);
    return;
  }
  const runs = RunQueue.of(config, pieces, RUN_BYTES);
  const wanted = Math.min(options.threads ?? availableParallelism(), Math.ceil(bytes / BYTES_PER_THREAD));
  const threads = Math.max(1, Math.min(wanted, runs.runCount));
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const workers: HashThread[] = [];
  try {
    const isHereToo = options.isCallerFree === true;
    for (let i = isHereToo ? 1 : 0; i < threads; i++) workers.push(HashThread.get());
    const job: HashJob = { hasher: hasherOf(options), runs: runs.shared };
    const driven = workers.map((worker) =>
      worker.run(job, stop.signal, (run, isGood) => report(options, runs.piecesOf(run), isGood)),
    );
    if (isHereToo) driven.push(hashHere(runs, options, stop.signal));
    await Promise.all(driven);
  } catch (error) {
    stop.abort(error);
    runs.stop();
    await Promise.all(workers.map((worker) => worker.terminate()));
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Leaves the thread to others after each run. */
async function hashHere(
  runs: RunQueue,
  options: HashPiecesOptions,
  signal: AbortSignal | undefined,
): Promise<void> {
  const hasher = new PieceHasher(options);
  try {
    for (let run = runs.take(); run >= 0; run = runs.take()) {
      const pieces = runs.piecesOf(run);
      report(
        options,
        pieces,
        pieces.map((piece) => (hasher.isGood(piece) ? 1 : 0)),
      );
      await setImmediate();
      signal?.throwIfAborted();
    }
  } catch (error) {
    if (!(error instanceof DiskFaultError)) throw error;
    throw diskOperationError(error, 'read', options.config.directory);
  } finally {
    hasher.close();
  }
}

function hasherOf({ config, inPart, followLinks }: HashPiecesOptions): PieceHasherOptions {
  return { config, inPart, followLinks };
}

/** @param isGood by position: 1 is good */
function report(options: HashPiecesOptions, pieces: Int32Array, isGood: ArrayLike<number>): void {
  const good: number[] = [];
  const bad: number[] = [];
  let bytes = 0;
  for (const [i, piece] of pieces.entries()) {
    (isGood[i] === 1 ? good : bad).push(piece);
    bytes += pieceSizeOf(options.config, piece);
  }
  options.onRun(good, bad, bytes);
}
