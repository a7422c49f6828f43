// The relays of somebody else: those nearest to the queue key of a peer that is known by its own key. They are looked for in its
// shard and the next ones, as the peer itself does, before anything is asked of them. Pure.
import type { RelaySearch } from './client-search.ts';
import { queueKeyOf } from './keys.ts';
import type { KnownRelay, RelayPool } from './relay-pool.ts';

/** As long as a lookup may take; then whoever is known has to do. */
const SEARCH_MS = 20_000;
const POLL_MS = 1_000;
const MAX_WAITING = 64;

interface Waiting {
  readonly queueKey: Uint8Array;
  readonly then: (relays: readonly KnownRelay[]) => void;
  readonly endsAtMs: number;
}

export class KeyRelays {
  readonly #pool: RelayPool;
  readonly #search: RelaySearch;
  #waiting: Waiting[] = [];
  #pollAtMs = Number.POSITIVE_INFINITY;

  constructor(pool: RelayPool, search: RelaySearch) {
    this.#pool = pool;
    this.#search = search;
  }

  /** @param then called once, at once where nothing has to be looked up; nearest relay first, none when nobody is known */
  find(key: Uint8Array, nowMs: number, then: Waiting['then']): void {
    const queueKey = queueKeyOf(key);
    if (this.#waiting.length >= MAX_WAITING) {
      then(this.#pool.nearest(queueKey, nowMs));
      return;
    }
    this.#waiting.push({ queueKey, then, endsAtMs: nowMs + SEARCH_MS });
    this.poll(nowMs);
  }

  /** A lookup brought something, or time has passed. */
  poll(nowMs: number): void {
    for (const { queueKey } of [...this.#waiting]) this.#search.poll(queueKey, nowMs);
    const isDone = ({ endsAtMs }: Waiting): boolean => this.#search.isIdle || nowMs >= endsAtMs;
    const done = this.#waiting.filter(isDone);
    this.#waiting = this.#waiting.filter((each) => !done.includes(each));
    this.#pollAtMs = this.#waiting.length === 0 ? Number.POSITIVE_INFINITY : nowMs + POLL_MS;
    for (const { queueKey, then } of done) then(this.#pool.nearest(queueKey, nowMs));
  }

  nextTimeoutMs(): number {
    return this.#pollAtMs;
  }

  handleTimeout(nowMs: number): void {
    if (nowMs >= this.#pollAtMs) this.poll(nowMs);
  }
}
