// Where relays are looked for: in the shard of a queue key and the next ones until there are three, again every quarter of an hour. Pure.
import { SHARD_COUNT, shardOf } from './keys.ts';
import { REPLICAS, type RelayPool } from './relay-pool.ts';

const REFRESH_MS = 15 * 60_000;
/** While there is not even one: relays may just be starting, or the DHT is. */
const EAGER_MS = 10_000;
/** A lookup that has not ended by then is one of those that never do. */
const LOOKUP_MS = 20_000;
/** Lookups at a time: with few relays in the world all shards are asked, which should not take minutes. */
const MAX_LOOKUPS = 4;

export class RelaySearch {
  readonly #pool: RelayPool;
  readonly #find: (shard: number) => void;
  /** Shard -> when it was looked up last. */
  readonly #asked = new Map<number, number>();
  readonly #running = new Map<number, number>();

  constructor(pool: RelayPool, find: (shard: number) => void) {
    this.#pool = pool;
    this.#find = find;
  }

  /** Nothing is being looked up. */
  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  poll(queueKey: Uint8Array, nowMs: number): void {
    for (const [shard, atMs] of this.#running) if (nowMs - atMs > LOOKUP_MS) this.#running.delete(shard);
    const own = shardOf(queueKey);
    const due: number[] = [];
    let found = 0;
    for (let step = 0; step < SHARD_COUNT && found < REPLICAS; step++) {
      const shard = (own + step) % SHARD_COUNT;
      found += this.#countOf(shard);
      const waitMs = this.#pool.size === 0 ? EAGER_MS : REFRESH_MS;
      if (!this.#running.has(shard) && nowMs - this.#askedAtMs(shard) >= waitMs) due.push(shard);
    }
    // Who waits longest first, the nearest of those who were never asked: else the near ones are due again before a far one's turn comes.
    due.sort((a, b) => this.#askedAtMs(a) - this.#askedAtMs(b) || 0);
    for (const shard of due.slice(0, MAX_LOOKUPS - this.#running.size)) {
      this.#asked.set(shard, nowMs);
      this.#running.set(shard, nowMs);
      this.#find(shard);
    }
  }

  handleDone(shard: number, nowMs: number): void {
    this.#running.delete(shard);
    this.#asked.set(shard, nowMs);
  }

  #askedAtMs(shard: number): number {
    return this.#asked.get(shard) ?? Number.NEGATIVE_INFINITY;
  }

  #countOf(shard: number): number {
    let count = 0;
    for (const { id } of this.#pool.values()) if (shardOf(id) === shard) count++;
    return count;
  }
}
