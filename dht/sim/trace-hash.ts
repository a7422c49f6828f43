// A hash over everything that happened, to the byte: equal for equal seeds, so that a run can be named and repeated.

/** Two 32-bit lanes with odd multipliers: enough to tell runs apart, cheap enough to stay on always. */
export class TraceHash {
  #low = 0x2545f491;
  #high = 0x6c8e9cf5;

  add(value: number): void {
    const low = Math.imul(this.#low ^ value, 0x01000193);
    this.#low = low ^ (low >>> 15);
    this.#high = Math.imul((this.#high + value) | 0, 0x5bd1e995) ^ (this.#low >>> 7);
  }

  /** @param us whole microseconds below 2^53 */
  addTime(us: number): void {
    this.add(us | 0);
    this.add((us / 2 ** 32) | 0);
  }

  /** As `addBytes`, for bytes that lie in words already. @param words the bytes, with zeros to the end of the last word */
  addWords(byteLength: number, words: Int32Array): void {
    this.add(byteLength);
    for (let i = 0; i < words.length; i++) this.add(words[i] as number);
  }

  addBytes(bytes: Uint8Array): void {
    const { length } = bytes;
    this.add(length);
    let at = 0;
    for (; at + 4 <= length; at += 4) {
      this.add(
        (bytes[at] as number) |
          ((bytes[at + 1] as number) << 8) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 24),
      );
    }
    for (; at < length; at++) this.add(bytes[at] as number);
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    return hex(this.#high) + hex(this.#low);
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
