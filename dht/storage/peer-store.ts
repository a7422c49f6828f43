// Peers that others announced to us: per info hash and family, one entry per IP address (BEP 33), expiring after 30 minutes,
// 12 bytes each. Bounded in hashes and in peers per hash.
import { latin1 } from '../../core/base/bytes.ts';
import { type Rng, randomInt } from '../../core/base/clock.ts';
import { DhtAddress, type Family } from '../base/address.ts';
import type { StorePolicy } from '../base/options.ts';
import { BLOOM_BYTES, insertAddress } from './bloom.ts';

const SEED_FLAG = 0x10000;
const PORT_MASK = 0xffff;
const FIRST_CAPACITY = 4;
/** Expiry is looked for at most this often over the whole store. */
const SWEEP_MS = 60_000;

/** Peers of one info hash in one family: [ip words, port and seed flag, seconds of announce] each. */
class PeerSet {
  readonly family: Family;
  readonly #ipWords: number;
  readonly #stride: number;
  #words: Int32Array;
  count = 0;

  constructor(family: Family) {
    this.family = family;
    this.#ipWords = family === 4 ? 1 : 4;
    this.#stride = this.#ipWords + 2;
    this.#words = new Int32Array(FIRST_CAPACITY * this.#stride);
  }

  /** @returns false when there is no room */
  put(address: DhtAddress, isSeed: boolean, nowMs: number, most: number): boolean {
    const words = [address.w0, address.w1, address.w2, address.w3];
    // On a loopback or private network many peers share a machine: there the port tells them apart.
    const samePort = address.scope === 'global' ? undefined : address.port;
    let index = 0;
    for (; index < this.count; index++) {
      const at = index * this.#stride;
      let isSame = true;
      for (let i = 0; i < this.#ipWords; i++) if (this.#words[at + i] !== words[i]) isSame = false;
      if (samePort !== undefined && this.address(index).port !== samePort) isSame = false;
      if (isSame) break;
    }
    if (index === this.count) {
      if (this.count >= most) return false;
      this.count++;
      if (this.count * this.#stride > this.#words.length) {
        const bigger = new Int32Array(this.#words.length * 2);
        bigger.set(this.#words);
        this.#words = bigger;
      }
    }
    const at = index * this.#stride;
    for (let i = 0; i < this.#ipWords; i++) this.#words[at + i] = words[i] as number;
    this.#words[at + this.#ipWords] = address.port | (isSeed ? SEED_FLAG : 0);
    this.#words[at + this.#ipWords + 1] = Math.floor(nowMs / 1000);
    return true;
  }

  expire(beforeMs: number): void {
    const before = Math.floor(beforeMs / 1000);
    for (let index = this.count - 1; index >= 0; index--) {
      if ((this.#words[index * this.#stride + this.#ipWords + 1] as number) > before) continue;
      this.count--;
      const from = this.count * this.#stride;
      this.#words.copyWithin(index * this.#stride, from, from + this.#stride);
    }
  }

  address(index: number): DhtAddress {
    const at = index * this.#stride;
    const port = (this.#words[at + this.#ipWords] as number) & PORT_MASK;
    const word = (i: number): number => this.#words[at + i] as number;
    return this.family === 4
      ? DhtAddress.v4(word(0), port)
      : DhtAddress.v6(word(0), word(1), word(2), word(3), port);
  }

  isSeed(index: number): boolean {
    return ((this.#words[index * this.#stride + this.#ipWords] as number) & SEED_FLAG) !== 0;
  }
}

interface Entry {
  readonly key: Uint8Array;
  readonly sets: Map<Family, PeerSet>;
}

export interface PeerFilters {
  readonly seeds: Uint8Array;
  readonly peers: Uint8Array;
}

export class PeerStore {
  readonly #policy: StorePolicy;
  readonly #rng: Rng;
  /** Least recently announced first. */
  readonly #entries = new Map<string, Entry>();
  #sweptAtMs = Number.NEGATIVE_INFINITY;
  #samples: readonly Uint8Array[] = [];
  #sampledAtMs = Number.NEGATIVE_INFINITY;

  constructor(policy: StorePolicy, rng: Rng) {
    this.#policy = policy;
    this.#rng = rng;
  }

  get hashes(): number {
    return this.#entries.size;
  }

  get peers(): number {
    let count = 0;
    for (const entry of this.#entries.values()) for (const set of entry.sets.values()) count += set.count;
    return count;
  }

  /** Would an announce for this hash be kept? Tokens are withheld when not (BEP 33). `key` is 20 bytes. */
  hasRoom(key: Uint8Array, family: Family, nowMs: number): boolean {
    this.#sweep(nowMs);
    if (this.#entries.size === 0) return this.#policy.maxHashes > 0;
    const entry = this.#entries.get(latin1(key));
    if (entry === undefined) return this.#entries.size < this.#policy.maxHashes;
    return (entry.sets.get(family)?.count ?? 0) < this.#policy.maxPeersPerHash;
  }

  /** @returns false when the store is full */
  announce(key: Uint8Array, address: DhtAddress, isSeed: boolean, nowMs: number): boolean {
    this.#sweep(nowMs);
    const name = latin1(key);
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      if (this.#entries.size >= this.#policy.maxHashes) return false;
      entry = { key: key.slice(), sets: new Map() };
    } else this.#entries.delete(name);
    this.#entries.set(name, entry);
    let set = entry.sets.get(address.family);
    if (set === undefined) {
      set = new PeerSet(address.family);
      entry.sets.set(address.family, set);
    }
    set.expire(nowMs - this.#policy.peerLifetimeMs);
    return set.put(address, isSeed, nowMs, this.#policy.maxPeersPerHash);
  }

  /** A random choice of at most `most` peers; those who still download first when `noSeeds`. */
  pick(key: Uint8Array, family: Family, most: number, noSeeds: boolean, nowMs: number): DhtAddress[] {
    const set = this.#fresh(key, family, nowMs);
    if (set === undefined || most <= 0) return [];
    const order: number[] = [];
    for (let i = 0; i < set.count; i++) if (!noSeeds || !set.isSeed(i)) order.push(i);
    const picked: DhtAddress[] = [];
    for (let i = 0; i < order.length && picked.length < most; i++) {
      const j = i + randomInt(this.#rng, order.length - i);
      picked.push(set.address(order[j] as number));
      order[j] = order[i] as number;
    }
    return picked;
  }

  /** BEP 33 filters of the seeds and the peers; undefined when nothing is stored for the hash. */
  filters(key: Uint8Array, family: Family, nowMs: number): PeerFilters | undefined {
    const set = this.#fresh(key, family, nowMs);
    if (set === undefined || set.count === 0) return undefined;
    const seeds = new Uint8Array(BLOOM_BYTES);
    const peers = new Uint8Array(BLOOM_BYTES);
    for (let i = 0; i < set.count; i++) insertAddress(set.isSeed(i) ? seeds : peers, set.address(i));
    return { seeds, peers };
  }

  /** BEP 51: the same random subset for a whole interval, so that asking again gives nothing new. */
  samples(
    most: number,
    nowMs: number,
  ): { readonly samples: readonly Uint8Array[]; readonly secondsLeft: number } {
    this.#sweep(nowMs);
    const { sampleIntervalMs } = this.#policy;
    if (nowMs - this.#sampledAtMs >= sampleIntervalMs || (this.#samples.length === 0 && this.hashes > 0)) {
      const keys = [...this.#entries.values()].map((entry) => entry.key);
      const chosen: Uint8Array[] = [];
      for (let i = 0; i < keys.length && i < most; i++) {
        const j = i + randomInt(this.#rng, keys.length - i);
        chosen.push(keys[j] as Uint8Array);
        keys[j] = keys[i] as Uint8Array;
      }
      this.#samples = chosen;
      this.#sampledAtMs = nowMs;
    }
    const secondsLeft = Math.ceil((this.#sampledAtMs + sampleIntervalMs - nowMs) / 1000);
    return { samples: this.#samples.slice(0, most), secondsLeft: Math.max(0, secondsLeft) };
  }

  #fresh(key: Uint8Array, family: Family, nowMs: number): PeerSet | undefined {
    if (this.#entries.size === 0) return undefined;
    const set = this.#entries.get(latin1(key))?.sets.get(family);
    set?.expire(nowMs - this.#policy.peerLifetimeMs);
    return set;
  }

  /** Drops what has expired, a whole hash at a time: the least recently announced stand first. */
  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptAtMs < SWEEP_MS) return;
    this.#sweptAtMs = nowMs;
    for (const [name, entry] of this.#entries) {
      let left = 0;
      for (const set of entry.sets.values()) {
        set.expire(nowMs - this.#policy.peerLifetimeMs);
        left += set.count;
      }
      if (left === 0) this.#entries.delete(name);
    }
  }
}
