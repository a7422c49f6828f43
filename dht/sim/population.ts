// All ids of a simulated network in order, and the ideal routing table of any of them: every bucket holds min(capacity,
// population) members of its part of the space, picked by a hash. Nothing is stored per table, so a million nodes have one.
import { idForAddress } from '../base/bep42.ts';
import { mix } from '../base/mix.ts';
import { compareDistance, type Id160 } from '../base/node-id.ts';
import type { TablePolicy } from '../base/options.ts';
import { hash3, stream } from './chance.ts';
import { hostAddress } from './hosts.ts';

/** The part of a policy that decides which nodes a table holds. */
export type TableShape = Pick<TablePolicy, 'k' | 'digitBits' | 'topBuckets'>;

/** Ranges are found by the first 32 bits: below a million nodes nothing shares more but by rare accident. */
const HEAD_BITS = 32;

export class Population {
  readonly shape: TableShape;
  /** By host number. */
  readonly #ids: readonly Id160[];
  readonly #seed: number;
  /** Host numbers in the order of their ids, and the first 32 bits of those. */
  readonly #order: Int32Array;
  readonly #heads: Float64Array;
  /** Scratch of one selection. */
  readonly #picked: number[] = [];

  /**
   * @param ids by host number
   * @param members hosts that are in tables
   */
  constructor(seed: number, ids: readonly Id160[], shape: TableShape, members: readonly number[]) {
    this.#seed = seed;
    this.shape = shape;
    this.#ids = ids;
    // Head and host in one number: 32 + 21 bits, exact in a double.
    const keys = Float64Array.from(members, (host) => ((ids[host] as Id160).a >>> 0) * 2 ** 21 + host);
    keys.sort();
    this.#order = Int32Array.from(keys, (key) => key % 2 ** 21);
    this.#heads = Float64Array.from(keys, (key) => Math.floor(key / 2 ** 21));
  }

  /** Members. */
  get size(): number {
    return this.#order.length;
  }

  id(host: number): Id160 {
    return this.#ids[host] as Id160;
  }

  /**
   * Everybody in the ideal table of `own`, which need not be in the network.
   * @param who seeds the choice
   * @param shape when it is not the network's own
   */
  table(own: Id160, who: number, add: (host: number) => void, shape = this.shape): void {
    const { digitBits } = shape;
    for (let level = 0; (level + 1) * digitBits <= HEAD_BITS; level++) {
      let isPopulated = false;
      for (let digit = 1; digit < 2 ** digitBits; digit++) {
        this.#picked.length = 0;
        this.#pick(own, who, level, digit, shape);
        if (this.#picked.length > 0) isPopulated = true;
        for (const host of this.#picked) add(host);
      }
      if (!isPopulated && this.#isAlone(own, level * digitBits)) return;
    }
  }

  /** The `count` hosts of the ideal table of host `who` that are nearest to the target, nearest first. */
  closestInTable(who: number, target: Id160, count: number): readonly number[] {
    const own = this.id(who);
    const { digitBits } = this.shape;
    const picked = this.#picked;
    picked.length = 0;
    const shared = Math.min(HEAD_BITS - 1, own.sharedBits(target));
    const level = Math.floor(shared / digitBits);
    const at = level * digitBits;
    const digit = own.bits(at, digitBits) ^ target.bits(at, digitBits);
    if (digit !== 0) this.#pick(own, who, level, digit);
    if (picked.length < count) {
      for (let other = 1; other < 2 ** digitBits; other++)
        if (other !== digit) this.#pick(own, who, level, other);
      for (let deeper = level + 1; (deeper + 1) * digitBits <= HEAD_BITS; deeper++) {
        if (this.#isAlone(own, deeper * digitBits)) break;
        for (let other = 1; other < 2 ** digitBits; other++) this.#pick(own, who, deeper, other);
      }
    }
    for (let above = level - 1; above >= 0 && picked.length < count; above--)
      for (let other = 1; other < 2 ** digitBits; other++) this.#pick(own, who, above, other);
    return this.#nearest(picked, target, count);
  }

  /** The `count` hosts nearest to the target of those that `counts` admits: the truth that recall is measured against. */
  closest(target: Id160, count: number, counts: (host: number) => boolean): readonly number[] {
    // Of everybody who shares `bits` with the target there are enough, so that nobody else can be nearer.
    for (let bits = Math.floor(Math.log2(this.size)); bits >= 0; bits--) {
      const [low, high] = this.#range(target, bits, -1, 1);
      const found: number[] = [];
      for (let rank = low; rank < high; rank++) {
        const host = this.#order[rank] as number;
        if (counts(host)) found.push(host);
      }
      if (found.length >= count || bits === 0) return this.#nearest(found, target, count);
    }
    return [];
  }

  #nearest(hosts: number[], target: Id160, count: number): readonly number[] {
    return hosts.sort((x, y) => compareDistance(target, this.id(x), this.id(y))).slice(0, count);
  }

  #isAlone(own: Id160, bits: number): boolean {
    const [low, high] = this.#range(own, bits, -1, 1);
    return high - low <= 1 && (low === high || this.id(this.#order[low] as number).equals(own));
  }

  #pick(own: Id160, who: number, level: number, digit: number, shape = this.shape): void {
    const { digitBits, k, topBuckets } = shape;
    const [low, high] = this.#range(own, level * digitBits, digit, digitBits);
    const population = high - low;
    const capacity = Math.max(k, topBuckets[level] ?? 0);
    const picked = this.#picked;
    if (population <= capacity) {
      for (let rank = low; rank < high; rank++) picked.push(this.#order[rank] as number);
      return;
    }
    // Floyd's sampling: every subset equally likely, `capacity` draws.
    let state = hash3(this.#seed, who, level * 16 + digit);
    const from = picked.length;
    for (let i = population - capacity; i < population; i++) {
      state = mix(state + 0x6d2b79f5);
      const draw = this.#order[low + Math.floor(((state >>> 0) / 2 ** 32) * (i + 1))] as number;
      const isTaken = picked.indexOf(draw, from) >= 0;
      picked.push(isTaken ? (this.#order[low + i] as number) : draw);
    }
  }

  /** Ranks of those who share `bits` bits with `own` and differ by `digit` in the next `width`; digit -1: any. */
  #range(own: Id160, bits: number, digit: number, width: number): readonly [number, number] {
    const head = own.a >>> 0;
    let shift = HEAD_BITS - bits;
    let prefix = Math.floor(head / 2 ** shift);
    if (digit >= 0) {
      shift -= width;
      prefix = Math.floor(head / 2 ** shift) ^ digit;
      if (prefix < 0) prefix += 2 ** 32;
    }
    return [this.#rankOf(prefix * 2 ** shift), this.#rankOf((prefix + 1) * 2 ** shift)];
  }

  /** First rank whose head is not below. */
  #rankOf(head: number): number {
    let low = 0;
    let high = this.#heads.length;
    // Ids are uniform, so the place is nearly known: a narrow window first, the whole when it misses.
    const guess = Math.floor((head / 2 ** HEAD_BITS) * high);
    const reach = 4 * Math.ceil(Math.sqrt(high)) + 8;
    if (guess - reach > 0 && (this.#heads[guess - reach] as number) < head) low = guess - reach;
    if (guess + reach < high && (this.#heads[guess + reach] as number) >= head) high = guess + reach;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#heads[middle] as number) < head) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Ids of hosts 0 to `count` - 1: each fits its address (BEP 42). */
export function hostIds(seed: number, count: number): Id160[] {
  const rng = stream(seed, 'ids');
  return Array.from({ length: count }, (_, host) => idForAddress(hostAddress(host), rng));
}
