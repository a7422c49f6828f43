// One hashing thread: takes (first piece, count), answers with the bytes hashed or the file that failed.
import { parentPort, workerData } from 'node:worker_threads';
import { FileReadError, type HashJob, RangeHasher } from './range-hasher.ts';

export interface HashRange {
  readonly first: number;
  readonly count: number;
}

/** `code` is an errno; without one the file ended early. */
export type HashReply =
  | { readonly bytes: number }
  | { readonly failed: string; readonly code: string | undefined; readonly message: string | undefined };

const hasher = new RangeHasher(workerData as HashJob);

parentPort?.on('message', (range: HashRange) => {
  let reply: HashReply;
  try {
    reply = { bytes: hasher.hash(range.first, range.count) };
  } catch (error) {
    if (!(error instanceof FileReadError)) throw error;
    const cause = error.cause as (Error & { code?: string }) | undefined;
    reply = { failed: error.diskPath, code: cause?.code, message: cause?.message };
  }
  parentPort?.postMessage(reply);
});
