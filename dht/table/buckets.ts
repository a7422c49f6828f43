// The buckets of a table by where an id lies: how many digits it shares with our own id, and which digit comes next. Owns no
// rule of who may stay.
import { ID_BITS, type Id160 } from '../base/node-id.ts';
import type { TablePolicy } from '../base/options.ts';

export interface Bucket {
  /** Digits shared with our own id. */
  readonly level: number;
  /** XOR of the next digit with our own: 1 to 2^w - 1. */
  readonly digit: number;
  readonly capacity: number;
  readonly members: number[];
  /** Most recent last. */
  readonly spares: number[];
  /** When somebody was asked for more of its kind. */
  refreshedAtMs: number;
}

export class Buckets {
  /** By shared digits, shallow first, with gaps. */
  readonly all: (Bucket | undefined)[] = [];
  /** Buckets of a level: one for each digit but our own. */
  readonly perLevel: number;
  readonly #ownId: Id160;
  readonly #policy: TablePolicy;

  constructor(ownId: Id160, policy: TablePolicy) {
    this.#ownId = ownId;
    this.#policy = policy;
    this.perLevel = 2 ** policy.digitBits - 1;
  }

  get levels(): number {
    return Math.ceil(this.all.length / this.perLevel);
  }

  /** The level of ids that share so many bits with ours. */
  levelOf(sharedBits: number): number {
    return Math.floor(sharedBits / this.#policy.digitBits);
  }

  /** The place of the bucket that an id belongs to, whether there is one yet or not. */
  indexFor(id: Id160): number {
    const { digitBits } = this.#policy;
    const level = this.levelOf(Math.min(ID_BITS - 1, id.sharedBits(this.#ownId)));
    if (digitBits === 1) return level;
    const at = level * digitBits;
    const digit = id.bits(at, digitBits) ^ this.#ownId.bits(at, digitBits);
    return level * this.perLevel + Math.max(1, digit) - 1;
  }

  /** undefined where nobody was ever put. */
  find(id: Id160): Bucket | undefined {
    return this.all[this.indexFor(id)];
  }

  /** The bucket of an id; made when there is none. */
  of(id: Id160): Bucket {
    const index = this.indexFor(id);
    let bucket = this.all[index];
    if (bucket === undefined) {
      while (this.all.length <= index) this.all.push(undefined);
      const level = Math.floor(index / this.perLevel);
      bucket = {
        level,
        digit: (index % this.perLevel) + 1,
        capacity: Math.max(this.#policy.k, this.#policy.topBuckets[level] ?? 0),
        members: [],
        spares: [],
        refreshedAtMs: Number.NEGATIVE_INFINITY,
      };
      this.all[index] = bucket;
    }
    return bucket;
  }

  /** Leading bits that every id of the bucket shares with ours. */
  depthOf(bucket: Bucket): number {
    return bucket.level * this.#policy.digitBits;
  }

  /** The deepest level from which on there are at least `k` members. */
  homeLevel(k: number): number {
    let count = 0;
    for (let at = this.all.length - 1; at >= 0; at--) {
      count += this.all[at]?.members.length ?? 0;
      if (count >= k) return Math.floor(at / this.perLevel);
    }
    return 0;
  }
}
