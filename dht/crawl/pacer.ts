// Politeness: how many queries leave a second in all, to one host and to one subnet. GCRA (a leaky bucket kept as one time
// for each key) in typed arrays of fixed size; what is full again is forgotten.
import { mix } from '../base/mix.ts';

export interface Pace {
  readonly perSecond: number;
  readonly burst: number;
}

/** A bound on how far one look-up goes; a table this full means throttling, which is the safe side. */
const MAX_PROBES = 16;

/** One bucket for each key, up to `capacity` keys that are not full at a time. */
export class KeyedPace {
  readonly #intervalMs: number;
  readonly #toleranceMs: number;
  readonly #mask: number;
  readonly #keys: Float64Array;
  /** When the bucket is full again. */
  readonly #fullAtMs: Float64Array;

  /** @param capacity a power of two */
  constructor(pace: Pace, capacity: number) {
    this.#intervalMs = 1000 / pace.perSecond;
    this.#toleranceMs = this.#intervalMs * (pace.burst - 1);
    this.#mask = capacity - 1;
    this.#keys = new Float64Array(capacity).fill(Number.NaN);
    this.#fullAtMs = new Float64Array(capacity).fill(Number.NEGATIVE_INFINITY);
  }

  /** When the next query to this key may leave: `nowMs` or earlier for at once. */
  readyAtMs(key: number, nowMs: number): number {
    const at = this.#slotOf(key, nowMs);
    if (at < 0) return nowMs + this.#intervalMs;
    return this.#keys[at] === key ? (this.#fullAtMs[at] as number) - this.#toleranceMs : nowMs;
  }

  /** Counts a query. */
  take(key: number, nowMs: number): void {
    const at = this.#slotOf(key, nowMs);
    if (at < 0) return;
    const fullAtMs = this.#keys[at] === key ? (this.#fullAtMs[at] as number) : nowMs;
    this.#keys[at] = key;
    this.#fullAtMs[at] = Math.max(nowMs, fullAtMs) + this.#intervalMs;
  }

  /** Of the key, else one that is free; -1 when there is none near. */
  #slotOf(key: number, nowMs: number): number {
    let free = -1;
    const start = mix((key | 0) ^ Math.imul(Math.floor(key / 2 ** 32), 0x9e3779b1));
    for (let i = 0; i < MAX_PROBES; i++) {
      const at = (start + i) & this.#mask;
      if (this.#keys[at] === key) return at;
      if (free < 0 && (this.#fullAtMs[at] as number) <= nowMs) free = at;
    }
    return free;
  }
}

/** All queries together. */
export class TotalPace {
  readonly #intervalMs: number;
  readonly #toleranceMs: number;
  #fullAtMs = Number.NEGATIVE_INFINITY;

  constructor(pace: Pace) {
    this.#intervalMs = 1000 / pace.perSecond;
    this.#toleranceMs = this.#intervalMs * (pace.burst - 1);
  }

  readyAtMs(nowMs: number): number {
    return Math.max(nowMs, this.#fullAtMs - this.#toleranceMs);
  }

  take(nowMs: number): void {
    this.#fullAtMs = Math.max(nowMs, this.#fullAtMs) + this.#intervalMs;
  }
}
