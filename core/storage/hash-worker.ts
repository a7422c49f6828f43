// A hash thread of a check: one task after another, each answered whole.
import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '../base/result.ts';
import { faultOf } from './disk-error.ts';
import type { HashResult, HashTask } from './hash-messages.ts';
import { PieceHasher, type PieceHasherOptions } from './piece-hasher.ts';

invariant(parentPort !== null, 'hash-worker runs as a thread only');
const port = parentPort;
const options = workerData as PieceHasherOptions;
const hasher = new PieceHasher(options);

port.on('message', (task: HashTask) => {
  const good = new Uint8Array(task.pieces.length);
  let result: HashResult = { good, fault: undefined };
  try {
    task.pieces.forEach((piece, i) => {
      good[i] = hasher.isGood(piece) ? 1 : 0;
    });
  } catch (error) {
    result = { good, fault: faultOf(error, 'read', options.config.directory) };
  }
  port.postMessage(result);
});
