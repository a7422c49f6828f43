// BEP 42: a node's id must fit its address, so that nobody picks ids at will. CRC32-C of the masked address gives the first
// 21 bits; the last byte carries the random part. Local networks are exempt.
import { type Rng, randomBytes, randomInt } from '../../core/base/clock.ts';
import { ID_BYTES } from '../../core/base/ids.ts';
import type { DhtAddress } from './address.ts';
import { Id160 } from './node-id.ts';

const MASK_V4 = 0x030f3fff;
const MASK_V6_HIGH = 0x0103070f;
const MASK_V6_LOW = 0x1f3f7fff;
/** Reversed Castagnoli polynomial. */
const CRC32C = 0x82f63b78;
/** The first 21 bits must match. */
const PREFIX_MASK = 0xfffff800;

const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ CRC32C : value >>> 1;
  return value;
});

/** CRC32-C of one more word, most significant byte first. */
function addWord(value: number, word: number): number {
  let sum = (table[(value ^ (word >>> 24)) & 0xff] as number) ^ (value >>> 8);
  sum = (table[(sum ^ (word >>> 16)) & 0xff] as number) ^ (sum >>> 8);
  sum = (table[(sum ^ (word >>> 8)) & 0xff] as number) ^ (sum >>> 8);
  return (table[(sum ^ word) & 0xff] as number) ^ (sum >>> 8);
}

/** The word whose first 21 bits an id at this address must have, for the 3 random bits `r`. */
function prefixOf(address: DhtAddress, r: number): number {
  if (address.family === 4) return addWord(-1, (address.w0 & MASK_V4) | (r << 29)) ^ -1;
  return addWord(addWord(-1, (address.w0 & MASK_V6_HIGH) | (r << 29)), address.w1 & MASK_V6_LOW) ^ -1;
}

/** Does the id fit the address? True for every id on a local network. */
export function isValidId(id: Id160, address: DhtAddress): boolean {
  if (address.scope !== 'global') return true;
  return ((prefixOf(address, id.e & 7) ^ id.a) & PREFIX_MASK) === 0;
}

/** A fresh id that fits the address: random where the rule leaves room. */
export function idForAddress(address: DhtAddress, rng: Rng): Id160 {
  const bytes = randomBytes(rng, ID_BYTES);
  const last = randomInt(rng, 256);
  bytes[ID_BYTES - 1] = last;
  const random = Id160.read(bytes, 0);
  const first = (prefixOf(address, last & 7) & PREFIX_MASK) | (random.a & ~PREFIX_MASK);
  return new Id160(first, random.b, random.c, random.d, random.e);
}
