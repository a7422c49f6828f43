// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for short messages. Tokens are made with every get_peers reply, and
// this costs a quarter of what a call of node:crypto does. 64-bit words as two 32-bit halves.
import { putWord } from './address.ts';

export const SIPHASH_BYTES = 8;
export const SIPHASH_KEY_WORDS = 4;

/** Little-endian. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/**
 * @param key 128 bits, as four words of its little-endian bytes
 * @param out gets SIPHASH_BYTES at `at`, the bytes of the published vectors in their order
 */
export function siphash(key: Int32Array, message: Uint8Array, out: Uint8Array, at: number): void {
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
  const whole = length >>> 3;
  // Whole words, then the one with the length in it, then the end.
  for (let block = 0; block <= whole + 1; block++) {
    let low = 0;
    let high = 0;
    let rounds = 2;
    if (block < whole) {
      low = wordAt(message, block * 8);
      high = wordAt(message, block * 8 + 4);
    } else if (block === whole) {
      high = length << 24;
      for (let i = block * 8, shift = 0; i < length; i++, shift += 8) {
        if (shift < 32) low |= (message[i] as number) << shift;
        else high |= (message[i] as number) << (shift - 32);
      }
    } else {
      l2 ^= 0xff;
      rounds = 4;
    }
    l3 ^= low;
    h3 ^= high;
    for (let round = 0; round < rounds; round++) {
      // v0 += v1; v1 = rotl(v1, 13) ^ v0; v0 = rotl(v0, 32). A sum below a summand has carried.
      let sum = (l0 + l1) | 0;
      let sumHigh = (h0 + h1 + (sum >>> 0 < l0 >>> 0 ? 1 : 0)) | 0;
      let turned = (l1 << 13) | (h1 >>> 19);
      h1 = ((h1 << 13) | (l1 >>> 19)) ^ sumHigh;
      l1 = turned ^ sum;
      l0 = sumHigh;
      h0 = sum;
      // v2 += v3; v3 = rotl(v3, 16) ^ v2
      sum = (l2 + l3) | 0;
      h2 = (h2 + h3 + (sum >>> 0 < l2 >>> 0 ? 1 : 0)) | 0;
      l2 = sum;
      turned = (l3 << 16) | (h3 >>> 16);
      h3 = ((h3 << 16) | (l3 >>> 16)) ^ h2;
      l3 = turned ^ l2;
      // v0 += v3; v3 = rotl(v3, 21) ^ v0
      sum = (l0 + l3) | 0;
      h0 = (h0 + h3 + (sum >>> 0 < l0 >>> 0 ? 1 : 0)) | 0;
      l0 = sum;
      turned = (l3 << 21) | (h3 >>> 11);
      h3 = ((h3 << 21) | (l3 >>> 11)) ^ h0;
      l3 = turned ^ l0;
      // v2 += v1; v1 = rotl(v1, 17) ^ v2; v2 = rotl(v2, 32)
      sum = (l2 + l1) | 0;
      sumHigh = (h2 + h1 + (sum >>> 0 < l2 >>> 0 ? 1 : 0)) | 0;
      turned = (l1 << 17) | (h1 >>> 15);
      h1 = ((h1 << 17) | (l1 >>> 15)) ^ sumHigh;
      l1 = turned ^ sum;
      l2 = sumHigh;
      h2 = sum;
    }
    l0 ^= low;
    h0 ^= high;
  }
  putLittle(out, at, l0 ^ l1 ^ l2 ^ l3);
  putLittle(out, at + 4, h0 ^ h1 ^ h2 ^ h3);
}

function putLittle(out: Uint8Array, at: number, word: number): void {
  putWord(out, at, (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24));
}
