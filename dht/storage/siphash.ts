// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for short messages. Tokens are made with every get_peers reply, and
// this costs a tenth of what a call of node:crypto does. 64-bit words as two 32-bit halves.

export const SIPHASH_BYTES = 8;
export const SIPHASH_KEY_WORDS = 4;

/** What a message of so many bytes needs room for, in words: it is filled up to whole pairs, and its length stands in the last one. */
export function siphashWords(bytes: number): number {
  return ((bytes >>> 3) + 1) * 2;
}

/** Little-endian. */
export function sipWordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** The carry out of a sum of two words, without a branch that nobody can predict. */
function carry(x: number, y: number, sum: number): number {
  return ((x & y) | ((x | y) & ~sum)) >>> 31;
}

/**
 * @param key 128 bits, as four words of its little-endian bytes
 * @param message the message as little-endian words, zeros after its end but for the topmost byte, its length (siphashWords)
 * @param out gets the hash: two words, whose little-endian bytes are those of the published vectors
 */
export function siphash(key: Int32Array, message: Int32Array, out: Int32Array): void {
  const k0 = key[0] as number;
  const k1 = key[1] as number;
  const k2 = key[2] as number;
  const k3 = key[3] as number;
  // v0 to v3, low and high halves: locals, so that they stay in registers.
  let l0 = k0 ^ 0x70736575;
  let h0 = k1 ^ 0x736f6d65;
  let l1 = k2 ^ 0x6e646f6d;
  let h1 = k3 ^ 0x646f7261;
  let l2 = k0 ^ 0x6e657261;
  let h2 = k1 ^ 0x6c796765;
  let l3 = k2 ^ 0x79746573;
  let h3 = k3 ^ 0x74656462;
  const { length } = message;
  // All pairs, then the end.
  for (let i = 0; i <= length; i += 2) {
    let low = 0;
    let high = 0;
    let rounds = 2;
    if (i < length) {
      low = message[i] as number;
      high = message[i + 1] as number;
    } else {
      l2 ^= 0xff;
      rounds = 4;
    }
    l3 ^= low;
    h3 ^= high;
    for (let round = 0; round < rounds; round++) {
      // v0 += v1; v1 = rotl(v1, 13) ^ v0; v0 = rotl(v0, 32)
      let sum = (l0 + l1) | 0;
      let sumHigh = (h0 + h1 + carry(l0, l1, sum)) | 0;
      let turned = (l1 << 13) | (h1 >>> 19);
      h1 = ((h1 << 13) | (l1 >>> 19)) ^ sumHigh;
      l1 = turned ^ sum;
      l0 = sumHigh;
      h0 = sum;
      // v2 += v3; v3 = rotl(v3, 16) ^ v2
      sum = (l2 + l3) | 0;
      h2 = (h2 + h3 + carry(l2, l3, sum)) | 0;
      l2 = sum;
      turned = (l3 << 16) | (h3 >>> 16);
      h3 = ((h3 << 16) | (l3 >>> 16)) ^ h2;
      l3 = turned ^ l2;
      // v0 += v3; v3 = rotl(v3, 21) ^ v0
      sum = (l0 + l3) | 0;
      h0 = (h0 + h3 + carry(l0, l3, sum)) | 0;
      l0 = sum;
      turned = (l3 << 21) | (h3 >>> 11);
      h3 = ((h3 << 21) | (l3 >>> 11)) ^ h0;
      l3 = turned ^ l0;
      // v2 += v1; v1 = rotl(v1, 17) ^ v2; v2 = rotl(v2, 32)
      sum = (l2 + l1) | 0;
      sumHigh = (h2 + h1 + carry(l2, l1, sum)) | 0;
      turned = (l1 << 17) | (h1 >>> 15);
      h1 = ((h1 << 17) | (l1 >>> 15)) ^ sumHigh;
      l1 = turned ^ sum;
      l2 = sumHigh;
      h2 = sum;
    }
    l0 ^= low;
    h0 ^= high;
  }
  out[0] = l0 ^ l1 ^ l2 ^ l3;
  out[1] = h0 ^ h1 ^ h2 ^ h3;
}
