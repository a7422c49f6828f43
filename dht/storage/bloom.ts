// BEP 33 bloom filters: 2048 bits, two hash functions, addresses only. Owns the estimate and how wrong it may be.
import { hash } from 'node:crypto';
import type { DhtAddress } from '../base/address.ts';
import type { SwarmEstimate } from '../base/results.ts';

export const BLOOM_BYTES = 256;
const BITS = BLOOM_BYTES * 8;
const HASHES = 2;
/** BEP 33: near 6000 entries the filter stops telling. */
const USABLE = 6_000;

/** BEP 33: two of the 2048 bits, by the SHA-1 of the address without its port. @param filter 256 bytes */
export function insertAddress(filter: Uint8Array, address: DhtAddress): void {
  const digest = hash('sha1', address.ip(), 'buffer');
  for (let i = 0; i < HASHES; i++) {
    const bit = ((digest[i * 2] as number) | ((digest[i * 2 + 1] as number) << 8)) % BITS;
    filter[bit >>> 3] = (filter[bit >>> 3] as number) | (1 << (bit & 7));
  }
}

/** @param filter 256 bytes. @returns true for everybody inserted, and by chance for others */
export function hasAddress(filter: Uint8Array, address: DhtAddress): boolean {
  const probe = new Uint8Array(BLOOM_BYTES);
  insertAddress(probe, address);
  return probe.every((byte, i) => (byte & (filter[i] as number)) === byte);
}

/** Union in place: filters of several nodes count a peer once. */
export function mergeFilter(into: Uint8Array, from: Uint8Array): void {
  for (let i = 0; i < BLOOM_BYTES; i++) into[i] = (into[i] as number) | (from[i] as number);
}

/**
 * How many addresses went in. The error is the standard error of the zero-bit count carried through the estimate:
 * n bits of m stay zero with probability p = e^(-2n/m), the count varies by about m p (1 - p (1 + 2n/m)), and one zero bit
 * more or less is worth 1 / (2 p) addresses.
 */
export function estimate(filter: Uint8Array): SwarmEstimate {
  let zeros = 0;
  for (let i = 0; i < BLOOM_BYTES; i++) {
    const byte = filter[i] as number;
    for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) === 0) zeros++;
  }
  const counted = Math.max(1, Math.min(BITS - 1, zeros));
  if (zeros === BITS) return { count: 0, error: 0, saturated: false };
  const count = Math.log(counted / BITS) / (HASHES * Math.log(1 - 1 / BITS));
  const share = counted / BITS;
  const load = (HASHES * count) / BITS;
  const variance = Math.max(0, BITS * share * (1 - share * (1 + load)));
  return { count, error: Math.sqrt(variance) / (HASHES * share), saturated: count >= USABLE };
}
