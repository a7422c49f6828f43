// Two ways to somebody who may be in the open or hidden, at the same moment.
import type { ByteStream } from '../../transport/byte-stream.ts';
import { pause } from '../pauses.ts';

/** By then the next rung has begun: a hole, where there is somebody to introduce us. */
const HOLE_BEGINS_MS = 1_200;
const LOOK_MS = 250;

/**
 * A peer that may be hidden or not: a hole, and beside it a SYN of TCP, which closes no door of UDP and which an open peer answers.
 * Over as soon as there is no hole; the straight way has its own turn then.
 */
export function besideHole(hole: Promise<ByteStream>, straight: Promise<ByteStream>): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    let isSettled = false;
    const take = (stream: ByteStream): void => {
      if (isSettled) stream.destroy();
      isSettled = true;
      resolve(stream);
    };
    straight.then(take, () => {});
    hole.then(take, (error: unknown) => {
      isSettled = true;
      reject(error);
    });
  });
}

/** Resolves when no hole is being tried, or none any more. Rejects when that is of no interest any more. */
export async function holeless(isPunching: () => boolean, signal: AbortSignal): Promise<void> {
  await pause(HOLE_BEGINS_MS, signal);
  while (isPunching()) await pause(LOOK_MS, signal);
}
