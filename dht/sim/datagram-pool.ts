// Copies of datagrams on their way. Those of one length are used again: lengths repeat, so nothing is allocated once a
// network runs.

/** Longer ones are rare (nobody honest sends any) and left to the garbage collector. */
const MAX_POOLED_BYTES = 2048;
const MAX_PER_LENGTH = 512;

export interface Datagram {
  readonly bytes: Uint8Array;
  /** The same memory, rounded up with zeros to whole words. */
  readonly words: Int32Array;
}

export class DatagramPool {
  readonly #free: Datagram[][] = Array.from({ length: MAX_POOLED_BYTES + 1 }, () => []);

  copy(datagram: Uint8Array): Datagram {
    const { length } = datagram;
    const held = (length <= MAX_POOLED_BYTES ? this.#free[length]?.pop() : undefined) ?? fresh(length);
    held.bytes.set(datagram);
    return held;
  }

  /** The copy has arrived, and nobody keeps it. */
  release(copy: Datagram): void {
    const free = this.#free[copy.bytes.length];
    if (free !== undefined && free.length < MAX_PER_LENGTH) free.push(copy);
  }
}

function fresh(length: number): Datagram {
  const words = new Int32Array((length + 3) >>> 2);
  return { words, bytes: new Uint8Array(words.buffer, 0, length) };
}
