// A zone: all ids that begin with the same bits. Owns its text form and the choice of targets that empties it.

import { fromHex, toHex } from '../../core/base/bytes.ts';
import type { Rng } from '../../core/base/clock.ts';
import { randomInt } from '../../core/base/clock.ts';
import { ID_BYTES } from '../../core/base/ids.ts';
import { accept, type Result, reject } from '../../core/base/result.ts';
import { ID_BITS, Id160, randomIdAt } from '../base/node-id.ts';

const HEX_DIGIT_BITS = 4;

export class Zone {
  /** Zeros behind the prefix. */
  readonly prefix: Id160;
  readonly bits: number;

  /** @param bits 0 to 160 */
  constructor(prefix: Id160, bits: number) {
    const bytes = prefix.toBytes();
    for (let i = 0; i < ID_BYTES; i++) {
      const kept = Math.min(8, Math.max(0, bits - i * 8));
      bytes[i] = (bytes[i] as number) & ((0xff00 >>> kept) & 0xff);
    }
    this.prefix = Id160.of(bytes);
    this.bits = bits;
  }

  static readonly everything = new Zone(new Id160(0, 0, 0, 0, 0), 0);

  /** `a3f/12`, `a3/5`, `0/0`: hex digits, then how many bits of them count. */
  static parse(text: string): Result<Zone> {
    const rule = 'not a zone like a3f/12: hex digits, a slash, and how many bits of them count';
    const match = /^([0-9a-f]{1,40})\/([0-9]{1,3})$/i.exec(text.trim());
    if (match === null) return reject(rule);
    const digits = match[1] as string;
    const bits = Number(match[2]);
    if (bits > digits.length * HEX_DIGIT_BITS && bits > 0)
      return reject(`${digits.length} hex digits have ${digits.length * HEX_DIGIT_BITS} bits, not ${bits}`);
    const bytes = fromHex(digits.padEnd(ID_BYTES * 2, '0'));
    return bytes === undefined ? reject(rule) : accept(new Zone(Id160.of(bytes), bits));
  }

  /** Share of the id space. */
  get share(): number {
    return 2 ** -this.bits;
  }

  has(id: Id160): boolean {
    return id.sharedBits(this.prefix) >= this.bits;
  }

  /** The same for an id as five words. */
  hasWords(a: number, b: number, c: number, d: number, e: number): boolean {
    const { bits, prefix } = this;
    if (bits === 0) return true;
    // Nearly all zones are decided by the first word.
    if (bits <= 32) return (a ^ prefix.a) >>> (32 - bits) === 0;
    return new Id160(a, b, c, d, e).sharedBits(prefix) >= bits;
  }

  randomId(rng: Rng): Id160 {
    if (this.bits === 0) return Id160.random(rng);
    const id = Id160.random(rng).toBytes();
    const prefix = this.prefix.toBytes();
    for (let i = 0; i < ID_BYTES; i++) {
      const kept = Math.min(8, Math.max(0, this.bits - i * 8));
      const mask = (0xff00 >>> kept) & 0xff;
      id[i] = ((prefix[i] as number) & mask) | ((id[i] as number) & ~mask);
    }
    return Id160.of(id);
  }

  toString(): string {
    return `${toHex(this.prefix.toBytes()).slice(0, Math.max(1, Math.ceil(this.bits / HEX_DIGIT_BITS)))}/${this.bits}`;
  }
}

/** A reply holds the k = 8 nearest of a bucket: siblings of 2^3 nodes are told whole. */
const BUCKET_DEPTH = 3;
/** Levels around that depth which the deep half of the targets is spread over. */
const DEEP_LEVELS = 4;

/**
 * What to ask a node of the zone for: a target in a sibling subtree of the node, because about subtrees of its own it is asked by
 * nobody better than by its siblings. Asking each node for its own neighbours only would never leave a subtree of nine: their
 * eight nearest are each other. Half of the targets are at the depth where a bucket holds all there are, so that every node is
 * told by all of its siblings; the other half anywhere above, so that no part of the zone is cut off.
 * @param known nodes of the zone heard of so far
 * @returns the target, which shares with `id` as many bits as the level chosen
 */
export function targetFor(id: Id160, zone: Zone, known: number, rng: Rng): Id160 {
  const depth = zone.bits + Math.max(0, Math.floor(Math.log2(Math.max(1, known))) - BUCKET_DEPTH);
  const isDeep = rng.next() < 0.5;
  const level = isDeep
    ? depth - 1 + randomInt(rng, DEEP_LEVELS)
    : zone.bits + randomInt(rng, Math.max(1, depth - zone.bits + 1));
  return randomIdAt(id, Math.min(ID_BITS - 1, Math.max(zone.bits, level)), rng);
}
