// SHA-1 of every piece of files on disk, on all cores. Threads get ranges and write hashes into one shared array; nothing
// else crosses between them.
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { InvariantError, type OperationError } from '../../base/result.ts';
import type { HashRange, HashReply } from './create-worker.ts';
import { FileReadError, type HashJob, RangeHasher } from './range-hasher.ts';
import { diskError } from './read-bounded.ts';
import { type ContentFile, changedError } from './walk-content.ts';

export interface HashProgress {
  readonly hashedBytes: number;
  readonly totalBytes: number;
}

export interface HashOptions {
  readonly onProgress?: (progress: HashProgress) => void;
  readonly signal?: AbortSignal;
  /** Default: all cores. 0 hashes on the calling thread. */
  readonly threads?: number;
}

const SHA1_BYTES = 20;
/** Long enough that messages cost nothing, short enough that progress moves and threads end together. */
const RANGE_BYTES = 8 << 20;
/** Starting a thread takes about 30 ms: as long as hashing this. */
const INLINE_BYTES = 32 << 20;

/**
 * @returns 20 bytes for each piece. @throws OperationError disk when a file cannot be read or ends before the length it was
 * found with; the signal's reason
 */
export async function hashFiles(
  files: readonly ContentFile[],
  pieceLength: number,
  options: HashOptions = {},
): Promise<Uint8Array> {
  const totalBytes = files.reduce((sum, file) => sum + file.length, 0);
  const pieceCount = Math.ceil(totalBytes / pieceLength);
  const job: HashJob = {
    files: files.map(({ diskPath, length }) => ({ diskPath, length })),
    pieceLength,
    hashes: new SharedArrayBuffer(pieceCount * SHA1_BYTES),
  };
  const ranges = rangesOf(pieceCount, Math.max(1, Math.floor(RANGE_BYTES / pieceLength)));
  let hashedBytes = 0;
  const onBytes = (bytes: number) => {
    hashedBytes += bytes;
    options.onProgress?.({ hashedBytes, totalBytes });
  };
  options.signal?.throwIfAborted();
  const threads = Math.min(
    options.threads ?? (totalBytes <= INLINE_BYTES ? 0 : availableParallelism()),
    Math.ceil(totalBytes / RANGE_BYTES),
  );
  if (threads === 0) await hashInline(job, ranges, onBytes, options.signal);
  else await hashOnThreads(job, ranges, threads, onBytes, options.signal);
  return new Uint8Array(job.hashes).slice();
}

function* rangesOf(pieceCount: number, step: number): Generator<HashRange, undefined> {
  for (let first = 0; first < pieceCount; first += step)
    yield { first, count: Math.min(step, pieceCount - first) };
  return undefined;
}

async function hashInline(
  job: HashJob,
  ranges: Iterable<HashRange>,
  onBytes: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const hasher = new RangeHasher(job);
  try {
    for (const { first, count } of ranges) {
      onBytes(hasher.hash(first, count));
      // Lets signals and the screen have their turn.
      await new Promise(setImmediate);
      signal?.throwIfAborted();
    }
  } catch (error) {
    if (!(error instanceof FileReadError)) throw error;
    throw readError(error.diskPath, error.cause);
  } finally {
    hasher.close();
  }
}

async function hashOnThreads(
  job: HashJob,
  ranges: Generator<HashRange, undefined>,
  threads: number,
  onBytes: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const file = new URL(`./create-worker${extname(import.meta.url)}`, import.meta.url);
  const workers = Array.from({ length: threads }, () => new Worker(file, { workerData: job }));
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([aborted, Promise.all(workers.map((worker) => drive(worker, ranges, onBytes)))]);
  } finally {
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** Feeds one thread until no range is left; one range waits in its queue, so it never idles between two. */
function drive(
  worker: Worker,
  ranges: Generator<HashRange, undefined>,
  onBytes: (bytes: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let outstanding = 0;
    const feed = () => {
      while (outstanding < 2) {
        const next = ranges.next();
        if (next.done === true) break;
        outstanding++;
        worker.postMessage(next.value);
      }
      if (outstanding === 0) resolve();
    };
    worker.on('message', (reply: HashReply) => {
      if ('failed' in reply) {
        const { failed, code, message } = reply;
        reject(
          readError(failed, message === undefined ? undefined : Object.assign(new Error(message), { code })),
        );
        return;
      }
      outstanding--;
      onBytes(reply.bytes);
      feed();
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new InvariantError(`hashing thread ended with ${code}`)));
    feed();
  });
}

function readError(diskPath: string, cause: unknown): OperationError {
  return cause === undefined
    ? changedError(diskPath)
    : diskError(`cannot read ${JSON.stringify(diskPath)}`, cause);
}
