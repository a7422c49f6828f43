// Copies of datagrams on their way. Arrays of one length are used again: lengths repeat, so nothing is allocated once a
// network runs.

/** Longer ones are rare (nobody honest sends any) and left to the garbage collector. */
const MAX_POOLED_BYTES = 2048;
const MAX_PER_LENGTH = 4096;

export class DatagramPool {
  readonly #free: Uint8Array[][] = Array.from({ length: MAX_POOLED_BYTES + 1 }, () => []);

  copy(datagram: Uint8Array): Uint8Array {
    const { length } = datagram;
    const held =
      (length <= MAX_POOLED_BYTES ? this.#free[length]?.pop() : undefined) ?? new Uint8Array(length);
    held.set(datagram);
    return held;
  }

  /** The copy has arrived, and nobody keeps it. */
  release(copy: Uint8Array): void {
    const free = this.#free[copy.length];
    if (free !== undefined && free.length < MAX_PER_LENGTH) free.push(copy);
  }
}
