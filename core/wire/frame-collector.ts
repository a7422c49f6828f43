// Gathers one frame from the reads it is spread over. Invariant: memory grows with bytes that came, never with the
// length that was announced.
import { EMPTY_BYTES } from '../base/bytes.ts';

/** What a peer gets for merely announcing a long frame. */
const FIRST_BYTES = 4096;

export class FrameCollector {
  #bytes = EMPTY_BYTES;
  #fill = 0;
  #size = 0;

  /** How many bytes have come. */
  get fill(): number {
    return this.#fill;
  }
  get missing(): number {
    return this.#size - this.#fill;
  }

  begin(size: number): void {
    this.#bytes = new Uint8Array(Math.min(size, FIRST_BYTES));
    this.#fill = 0;
    this.#size = size;
  }

  /** @param bytes at most `missing` of them; copied */
  add(bytes: Uint8Array): void {
    const fill = this.#fill + bytes.length;
    if (fill > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.#size, Math.max(fill, this.#bytes.length * 2)));
      grown.set(this.#bytes.subarray(0, this.#fill));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#fill);
    this.#fill = fill;
  }

  /** What has come so far, as a view. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#fill);
  }

  /** The frame, which is the taker's own from now on. */
  take(): Uint8Array {
    const frame = this.view();
    this.#bytes = EMPTY_BYTES;
    this.#fill = 0;
    this.#size = 0;
    return frame;
  }
}
