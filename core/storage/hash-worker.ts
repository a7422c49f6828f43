// A hash thread of a check: waits for its job, takes one run after another until none is left, answers each whole, and ends.
import { parentPort } from 'node:worker_threads';
import { invariant } from '../base/result.ts';
import { faultOf } from './disk-error.ts';
import type { HashJob, HashResult } from './hash-messages.ts';
import { PieceHasher } from './piece-hasher.ts';
import { RunQueue } from './run-queue.ts';

invariant(parentPort !== null, 'hash-worker runs as a thread only');
const port = parentPort;

port.once('message', (job: HashJob) => {
  const hasher = new PieceHasher(job.hasher);
  const queue = new RunQueue(job.runs);
  for (let run = queue.take(); run >= 0; run = queue.take()) {
    const result = hash(run, queue, hasher, job.hasher.config.directory);
    if (result.fault !== undefined) queue.stop();
    port.postMessage(result);
  }
  hasher.close();
  port.postMessage('done');
});

function hash(run: number, queue: RunQueue, hasher: PieceHasher, directory: string): HashResult {
  const pieces = queue.piecesOf(run);
  const good = new Uint8Array(pieces.length);
  try {
    for (const [i, piece] of pieces.entries()) good[i] = hasher.isGood(piece) ? 1 : 0;
    return { run, good, fault: undefined };
  } catch (error) {
    return { run, good, fault: faultOf(error, 'read', directory) };
  }
}
