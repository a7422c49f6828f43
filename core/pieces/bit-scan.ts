// Search for a piece that two bitfields share, 32 at a time. Wire order: bit 7 of byte 0 is piece 0.

/** First index of the highest set bit of a byte. */
function firstBit(byte: number): number {
  return Math.clz32(byte) - 24;
}

/**
 * @param a and `b`: same length, as in `Bitfield.bytes`
 * @returns the first index >= `from` set in both, or -1
 */
export function nextCommonBit(a: Uint8Array, b: Uint8Array, from: number): number {
  const length = a.length;
  let at = from >>> 3;
  if (at >= length) return -1;
  const head = (a[at] as number) & (b[at] as number) & (0xff >>> (from & 7));
  if (head !== 0) return at * 8 + firstBit(head);
  at++;
  while (at < length && (at & 3) !== 0) {
    const both = (a[at] as number) & (b[at] as number);
    if (both !== 0) return at * 8 + firstBit(both);
    at++;
  }
  at = skipEmptyWords(a, b, at);
  for (; at < length; at++) {
    const both = (a[at] as number) & (b[at] as number);
    if (both !== 0) return at * 8 + firstBit(both);
  }
  return -1;
}

/** Views cost more than they save on short distances. */
const WORTH_VIEWS_BYTES = 64;

/** @returns the first multiple of four at or after `at` (itself one) whose word is not empty, or the rest's beginning */
function skipEmptyWords(a: Uint8Array, b: Uint8Array, at: number): number {
  const wordsEnd = a.length >>> 2;
  let word = at >>> 2;
  if ((wordsEnd - word) * 4 < WORTH_VIEWS_BYTES || ((a.byteOffset | b.byteOffset) & 3) !== 0) return at;
  const wordsOfA = new Uint32Array(a.buffer, a.byteOffset, wordsEnd);
  const wordsOfB = new Uint32Array(b.buffer, b.byteOffset, wordsEnd);
  while (word < wordsEnd && ((wordsOfA[word] as number) & (wordsOfB[word] as number)) === 0) word++;
  return word * 4;
}

/**
 * Calls `visit` for each index set in both, ascending, until it answers false.
 * Pass the same field twice to walk one.
 */
export function visitCommonBits(a: Uint8Array, b: Uint8Array, visit: (index: number) => boolean): void {
  let at = 0;
  while (at < a.length) {
    let both = (a[at] as number) & (b[at] as number);
    if (both === 0) {
      at = (at & 3) === 0 ? skipEmptyWords(a, b, at) : at + 1;
      if (at >= a.length) return;
      both = (a[at] as number) & (b[at] as number);
      if (both === 0) {
        at++;
        continue;
      }
    }
    while (both !== 0) {
      const bit = firstBit(both);
      if (!visit(at * 8 + bit)) return;
      both &= ~(0x80 >>> bit);
    }
    at++;
  }
}

/** @returns how many indices are set in both */
export function countCommonBits(a: Uint8Array, b: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < a.length; at++) {
    for (let both = (a[at] as number) & (b[at] as number); both !== 0; both &= both - 1) count++;
  }
  return count;
}
