// A check with all cores: hands runs of pieces to hash threads and reports each run as it comes back. What is small is
// hashed here and now: a thread takes longer to start.
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { OperationError } from '../base/result.ts';
import { DiskFaultError, diskOperationError, operationErrorOf } from './disk-error.ts';
import type { HashResult, HashTask } from './hash-messages.ts';
import { PieceHasher, type PieceHasherOptions } from './piece-hasher.ts';
import { pieceSizeOf, type StoreConfig } from './store-config.ts';

/** Read in one go by one thread: long enough to be sequential, short enough to share the end evenly. */
const RUN_BYTES = 8 << 20;
/** Waiting at each thread beside the one it hashes, so that it never idles. */
const TASKS_AHEAD = 2;
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
  options.signal?.throwIfAborted();
  const runs = runsOf(options.config, options.pieces, RUN_BYTES);
  const bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
  if (bytes <= MAX_BYTES_IN_PLACE) {
    await hashInPlace(options);
    return;
  }
  const wanted = Math.min(options.threads ?? availableParallelism(), Math.ceil(bytes / BYTES_PER_THREAD));
  const threads = Math.max(1, Math.min(wanted, runs.length));
  const queue = runs.values();
  const stop = new AbortController();
  const workers: Worker[] = [];
  const onAbort = (): void => stop.abort(options.signal?.reason);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const driven = Array.from({ length: options.isCallerFree === true ? threads - 1 : threads }, () => {
      const worker = spawn(options);
      workers.push(worker);
      return drive(worker, queue, options, stop);
    });
    if (options.isCallerFree === true) driven.push(hashHere(queue, options, stop));
    await Promise.all(driven);
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

interface Run extends HashTask {
  readonly bytes: number;
}

function runsOf(config: StoreConfig, pieces: readonly number[], runBytes: number): Run[] {
  const runs: Run[] = [];
  let current: number[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (current.length > 0) runs.push({ pieces: current, bytes });
    current = [];
    bytes = 0;
  };
  for (const piece of pieces) {
    current.push(piece);
    bytes += pieceSizeOf(config, piece);
    if (bytes >= runBytes) flush();
  }
  flush();
  return runs;
}

function hashInPlace(options: HashPiecesOptions): Promise<void> {
  return hashBites([options.pieces].values(), options, options.signal);
}

/** What the threads leave in the queue, as one of them. */
async function hashHere(
  queue: Iterator<Run>,
  options: HashPiecesOptions,
  stop: AbortController,
): Promise<void> {
  const pieces = function* (): Generator<readonly number[]> {
    for (let next = queue.next(); next.done !== true; next = queue.next()) yield next.value.pieces;
  };
  try {
    await hashBites(pieces(), options, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) stop.abort(error);
    throw error;
  }
}

/** In bites that leave the thread to others after a millisecond. */
async function hashBites(
  runs: Iterable<readonly number[]>,
  options: HashPiecesOptions,
  signal: AbortSignal | undefined,
): Promise<void> {
  const hasher = new PieceHasher(options);
  try {
    for (const pieces of runs) {
      for (const bite of runsOf(options.config, pieces, BITE_BYTES)) {
        const good: number[] = [];
        const bad: number[] = [];
        for (const piece of bite.pieces) (hasher.isGood(piece) ? good : bad).push(piece);
        options.onRun(good, bad, bite.bytes);
        await setImmediate();
        signal?.throwIfAborted();
      }
    }
  } catch (error) {
    if (!(error instanceof DiskFaultError)) throw error;
    throw diskOperationError(error, 'read', options.config.directory);
  } finally {
    hasher.close();
  }
}

function spawn({ config, inPart, followLinks }: HashPiecesOptions): Worker {
  const workerData: PieceHasherOptions = { config, inPart, followLinks };
  return new Worker(new URL(`./hash-worker${extname(import.meta.url)}`, import.meta.url), {
    name: 'tt-hash',
    workerData,
  });
}

function drive(
  worker: Worker,
  queue: Iterator<Run>,
  options: HashPiecesOptions,
  stop: AbortController,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const waiting: Run[] = [];
    const fail = (error: unknown): void => {
      if (!stop.signal.aborted) stop.abort(error);
      reject(error);
    };
    const feed = (): void => {
      while (waiting.length < TASKS_AHEAD) {
        const next = queue.next();
        if (next.done === true) break;
        waiting.push(next.value);
        const task: HashTask = { pieces: next.value.pieces };
        worker.postMessage(task);
      }
      if (waiting.length === 0) resolve();
    };
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason), { once: true });
    worker.on('error', (error) => fail(threadError(error)));
    worker.on('exit', () => fail(threadError(undefined)));
    worker.on('message', (result: HashResult) => {
      if (stop.signal.aborted) return;
      const run = waiting.shift();
      if (run === undefined) return;
      if (result.fault !== undefined) {
        fail(operationErrorOf(result.fault));
        return;
      }
      const good: number[] = [];
      const bad: number[] = [];
      run.pieces.forEach((piece, i) => {
        (result.good[i] === 1 ? good : bad).push(piece);
      });
      options.onRun(good, bad, run.bytes);
      feed();
    });
    feed();
  });
}

function threadError(cause: unknown): OperationError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new OperationError('unexpected', `a hash thread stopped${why}`, { code: 'ETHREAD', cause });
}
