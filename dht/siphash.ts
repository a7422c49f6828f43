// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for short messages. Tokens are made with every get_peers reply, and
// this costs a quarter of what a call of node:crypto does. 64-bit words as two 32-bit halves.
import { putWord } from './address.ts';

export const SIPHASH_BYTES = 8;
export const SIPHASH_KEY_WORDS = 4;

// The state: v0 to v3, low and high halves. Synchronous use only.
let l0 = 0;
let h0 = 0;
let l1 = 0;
let h1 = 0;
let l2 = 0;
let h2 = 0;
let l3 = 0;
let h3 = 0;

function round(): void {
  // v0 += v1; v1 = rotl(v1, 13) ^ v0; v0 = rotl(v0, 32)
  let low = (l0 >>> 0) + (l1 >>> 0);
  h0 = (h0 + h1 + (low > 0xffffffff ? 1 : 0)) | 0;
  l0 = low | 0;
  let turned = (l1 << 13) | (h1 >>> 19);
  h1 = ((h1 << 13) | (l1 >>> 19)) ^ h0;
  l1 = turned ^ l0;
  let held = l0;
  l0 = h0;
  h0 = held;
  // v2 += v3; v3 = rotl(v3, 16) ^ v2
  low = (l2 >>> 0) + (l3 >>> 0);
  h2 = (h2 + h3 + (low > 0xffffffff ? 1 : 0)) | 0;
  l2 = low | 0;
  turned = (l3 << 16) | (h3 >>> 16);
  h3 = ((h3 << 16) | (l3 >>> 16)) ^ h2;
  l3 = turned ^ l2;
  // v0 += v3; v3 = rotl(v3, 21) ^ v0
  low = (l0 >>> 0) + (l3 >>> 0);
  h0 = (h0 + h3 + (low > 0xffffffff ? 1 : 0)) | 0;
  l0 = low | 0;
  turned = (l3 << 21) | (h3 >>> 11);
  h3 = ((h3 << 21) | (l3 >>> 11)) ^ h0;
  l3 = turned ^ l0;
  // v2 += v1; v1 = rotl(v1, 17) ^ v2; v2 = rotl(v2, 32)
  low = (l2 >>> 0) + (l1 >>> 0);
  h2 = (h2 + h1 + (low > 0xffffffff ? 1 : 0)) | 0;
  l2 = low | 0;
  turned = (l1 << 17) | (h1 >>> 15);
  h1 = ((h1 << 17) | (l1 >>> 15)) ^ h2;
  l1 = turned ^ l2;
  held = l2;
  l2 = h2;
  h2 = held;
}

function mix(low: number, high: number): void {
  l3 ^= low;
  h3 ^= high;
  round();
  round();
  l0 ^= low;
  h0 ^= high;
}

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
  l0 = k0 ^ 0x70736575;
  h0 = k1 ^ 0x736f6d65;
  l1 = k2 ^ 0x6e646f6d;
  h1 = k3 ^ 0x646f7261;
  l2 = k0 ^ 0x6e657261;
  h2 = k1 ^ 0x6c796765;
  l3 = k2 ^ 0x79746573;
  h3 = k3 ^ 0x74656462;
  const { length } = message;
  const whole = length - (length % 8);
  for (let i = 0; i < whole; i += 8) mix(wordAt(message, i), wordAt(message, i + 4));
  let low = 0;
  let high = length << 24;
  for (let i = whole; i < length; i++) {
    const shift = (i - whole) * 8;
    if (shift < 32) low |= (message[i] as number) << shift;
    else high |= (message[i] as number) << (shift - 32);
  }
  mix(low, high);
  l2 ^= 0xff;
  for (let i = 0; i < 4; i++) round();
  putLittle(out, at, l0 ^ l1 ^ l2 ^ l3);
  putLittle(out, at + 4, h0 ^ h1 ^ h2 ^ h3);
}

function putLittle(out: Uint8Array, at: number, word: number): void {
  putWord(out, at, (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24));
}
