// Addresses of simulated hosts: a bijection between host numbers and IPv4 addresses spread over a million /24s, so that
// resolving one is arithmetic and needs no map. Attackers who choose their subnets live in a block of their own.
import { DhtAddress } from '../base/address.ts';

/** 16.0.0.0/4: global addresses all through, no private or reserved block inside. */
const BLOCK_BITS = 28;
const BLOCK_MASK = 2 ** BLOCK_BITS - 1;
const BLOCK = 0x10000000;
/** 32.0.0.0/4, for attackers. */
const ATTACK_BLOCK = 0x20000000;
/** Odd, so that it has an inverse modulo 2^28; near the golden ratio, so that neighbours land far apart. */
const SPREAD = 0x09e3779b;
export const SIM_PORT = 6881;

/** Inverse of an odd number modulo 2^32 by Newton's iteration: every step doubles the right bits. */
function inverseOf(odd: number): number {
  let inverse = odd;
  for (let i = 0; i < 5; i++) inverse = Math.imul(inverse, 2 - Math.imul(odd, inverse));
  return inverse;
}
const UNSPREAD = inverseOf(SPREAD);

/** @param host below 2^28 */
export function hostAddress(host: number, port = SIM_PORT): DhtAddress {
  return DhtAddress.v4(BLOCK | (Math.imul(host, SPREAD) & BLOCK_MASK), port);
}

/** Number of the host with this IP address; -1 outside of the block. */
export function hostOf(address: DhtAddress): number {
  if (address.family !== 4 || (address.w0 & ~BLOCK_MASK) !== BLOCK) return -1;
  return Math.imul(address.w0 & BLOCK_MASK, UNSPREAD) & BLOCK_MASK;
}

/** An address in subnet number `subnet` (a /24) of the attackers. */
export function attackerAddress(subnet: number, host: number): DhtAddress {
  return DhtAddress.v4(ATTACK_BLOCK | ((subnet & 0xfffff) << 8) | (1 + (host % 254)), SIM_PORT);
}
