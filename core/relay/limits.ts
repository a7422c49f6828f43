// What a relay gives at most, and the two counters that hold it: so many at a time, so many a minute. Everything is counted
// by address prefix, so that nobody multiplies his share with keys, ports or the addresses of one subnet. Pure.
import { hostPrefix, networkPrefix } from './addresses.ts';
import type { SpliceLimits } from './messages.ts';

const MIB = 1 << 20;

export interface RelayLimits {
  /** Peers that may be called through us; 0 switches that off. */
  readonly reservations: number;
  readonly reservationsPerHost: number;
  readonly reservationsPerNetwork: number;
  readonly reservationTtlSeconds: number;
  /** Control connections. */
  readonly links: number;
  readonly linksPerHost: number;
  /** Calls and reservations a minute: of one connection, of one network. */
  readonly signalsPerMinute: number;
  readonly networkSignalsPerMinute: number;
  /** Calls that wait for an answer: of one connection, in all. */
  readonly callsPerLink: number;
  readonly calls: number;
  /** Pairs of connections whose bytes we copy; 0 switches that off. */
  readonly splices: number;
  readonly splicesPerPair: number;
  readonly splicesPerNetwork: number;
  readonly splice: SpliceLimits;
  /** All splices together, both directions; 0 for no limit. */
  readonly totalBytesPerSec: number;
  readonly testsPerMinutePerHost: number;
  readonly testsPerMinute: number;
  readonly queues: number;
  readonly itemsPerQueue: number;
  readonly itemsPerSender: number;
  /** By address: keys cost nothing. */
  readonly itemsPerNetworkAndQueue: number;
  readonly itemsPerNetwork: number;
  readonly queueBytes: number;
}

/** A relay that serves strangers by default: enough to be of use to a swarm, too little to be worth abusing. */
export const DEFAULT_RELAY_LIMITS: RelayLimits = {
  reservations: 128,
  reservationsPerHost: 8,
  reservationsPerNetwork: 32,
  reservationTtlSeconds: 3600,
  links: 1024,
  linksPerHost: 32,
  signalsPerMinute: 30,
  networkSignalsPerMinute: 240,
  callsPerLink: 8,
  calls: 1024,
  splices: 16,
  splicesPerPair: 2,
  splicesPerNetwork: 4,
  splice: { bytes: 64 * MIB, seconds: 600, bytesPerSec: MIB },
  totalBytesPerSec: 0,
  testsPerMinutePerHost: 6,
  testsPerMinute: 60,
  queues: 1024,
  itemsPerQueue: 32,
  itemsPerSender: 4,
  itemsPerNetworkAndQueue: 16,
  itemsPerNetwork: 128,
  queueBytes: 16 * MIB,
};

/** How many of something each prefix holds now. */
export class PrefixCounts {
  readonly #counts = new Map<string, number>();

  of(prefix: string): number {
    return this.#counts.get(prefix) ?? 0;
  }
  add(prefix: string): void {
    this.#counts.set(prefix, this.of(prefix) + 1);
  }
  remove(prefix: string): void {
    const left = this.of(prefix) - 1;
    if (left > 0) this.#counts.set(prefix, left);
    else this.#counts.delete(prefix);
  }
}

/** Places held by hosts and by their networks. */
export class PlaceCounts {
  readonly #hosts = new PrefixCounts();
  readonly #networks = new PrefixCounts();

  hasRoom(host: string, perHost: number, perNetwork: number): boolean {
    return this.#hosts.of(hostPrefix(host)) < perHost && this.#networks.of(networkPrefix(host)) < perNetwork;
  }
  add(host: string): void {
    this.#hosts.add(hostPrefix(host));
    this.#networks.add(networkPrefix(host));
  }
  remove(host: string): void {
    this.#hosts.remove(hostPrefix(host));
    this.#networks.remove(networkPrefix(host));
  }
}

const MINUTE_MS = 60_000;

/** So many a minute, all at once if need be. */
export class MinuteBucket {
  readonly #most: number;
  #tokens: number;
  #atMs: number;

  constructor(most: number, nowMs: number) {
    this.#most = most;
    this.#tokens = most;
    this.#atMs = nowMs;
  }
  take(nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#tokens >= this.#most;
  }
  #refill(nowMs: number): void {
    this.#tokens = Math.min(this.#most, this.#tokens + ((nowMs - this.#atMs) * this.#most) / MINUTE_MS);
    this.#atMs = nowMs;
  }
}

/** More prefixes than this within a minute and the oldest are forgotten: they had their share. */
const MAX_BUCKETS = 4096;

/** A MinuteBucket for each prefix that was heard of lately. */
export class BucketsByPrefix {
  readonly #most: number;
  readonly #buckets = new Map<string, MinuteBucket>();

  constructor(most: number) {
    this.#most = most;
  }
  get size(): number {
    return this.#buckets.size;
  }
  take(prefix: string, nowMs: number): boolean {
    let bucket = this.#buckets.get(prefix);
    if (bucket === undefined) {
      if (this.#buckets.size >= MAX_BUCKETS) this.#prune(nowMs);
      bucket = new MinuteBucket(this.#most, nowMs);
      this.#buckets.set(prefix, bucket);
    }
    return bucket.take(nowMs);
  }
  #prune(nowMs: number): void {
    for (const [prefix, bucket] of this.#buckets) if (bucket.isFull(nowMs)) this.#buckets.delete(prefix);
    for (const prefix of this.#buckets.keys()) {
      if (this.#buckets.size < MAX_BUCKETS) break;
      this.#buckets.delete(prefix);
    }
  }
}
