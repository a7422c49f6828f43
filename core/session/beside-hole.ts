// Two ways to somebody who may be in the open or hidden, at the same moment.
import type { ByteStream } from '../transport/byte-stream.ts';

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
