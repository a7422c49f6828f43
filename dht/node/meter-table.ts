// What a throttle knows of each address, in one array: sets of a few entries, because a Map and an object per address would be
// most of what a query costs. Whoever has been silent for a while has his place taken by the next; nothing is ever searched.
import type { HostKey } from '../base/address.ts';

/** Cells of an entry. */
const KEY = 0;
/** Queries still allowed, as of `FILLED_AT`. */
export const TOKENS = 1;
/** When the address was last heard of. */
export const FILLED_AT = 2;
/** Start of the window that `COUNT` counts in. */
export const WINDOW_AT = 3;
/** Queries in the window; 0 marks a free entry, so it is at least 1 in all others. */
export const COUNT = 4;
const STRIDE = 5;
/** An address has its place in one set: the entries that are looked at. */
const WAYS = 4;
const SET = WAYS * STRIDE;
const FIRST_SETS = 2;
/** Room that is never given back. */
const KEPT_SETS = 8;
const GIVE_BACK_MS = 60_000;
const NOTHING = new Float64Array(0);

export class MeterTable {
  readonly #mostSets: number;
  readonly #lifetimeMs: number;
  #cells: Float64Array = NOTHING;
  #lookedOverMs = 0;

  /**
   * @param mostEntries rounded down to a power of two
   * @param lifetimeMs who has been silent for as long is forgotten
   */
  constructor(mostEntries: number, lifetimeMs: number) {
    this.#mostSets = 2 ** Math.max(1, Math.floor(Math.log2(mostEntries / WAYS)));
    this.#lifetimeMs = lifetimeMs;
  }

  /** Entries in use, forgotten ones that nobody has replaced included. */
  get size(): number {
    let size = 0;
    for (let at = COUNT; at < this.#cells.length; at += STRIDE) if (this.#cells[at] !== 0) size++;
    return size;
  }

  /** Entry n of the cells is `cells[at + n]`; holds until the next `take`. */
  get cells(): Float64Array {
    return this.#cells;
  }

  /**
   * Where the entry of the address begins. `COUNT` is 0 when it is a new one: the caller sets all cells then. With all places
   * taken that are allowed, one of those longest silent makes way.
   */
  take(key: HostKey, nowMs: number): number {
    if (nowMs - this.#lookedOverMs >= GIVE_BACK_MS) this.#giveBack(nowMs);
    if (this.#cells.length === 0) this.#cells = new Float64Array(FIRST_SETS * SET);
    for (;;) {
      const cells = this.#cells;
      const set = setOf(key, cells.length);
      let place = -1;
      for (let at = set; at < set + SET; at += STRIDE) {
        const isLive =
          cells[at + COUNT] !== 0 && nowMs - (cells[at + FILLED_AT] as number) < this.#lifetimeMs;
        if (isLive && cells[at + KEY] === key) return at;
        if (!isLive && place < 0) place = at;
      }
      if (place < 0 && cells.length < this.#mostSets * SET) {
        this.#grow(nowMs);
        continue;
      }
      if (place < 0) place = oldestIn(cells, set);
      cells[place + KEY] = key;
      cells[place + COUNT] = 0;
      return place;
    }
  }

  /** A quiet table needs none of the room that a flood has made it take. */
  #giveBack(nowMs: number): void {
    this.#lookedOverMs = nowMs;
    const cells = this.#cells;
    if (cells.length <= KEPT_SETS * SET) return;
    for (let at = 0; at < cells.length; at += STRIDE)
      if (cells[at + COUNT] !== 0 && nowMs - (cells[at + FILLED_AT] as number) < this.#lifetimeMs) return;
    this.#cells = NOTHING;
  }

  /** Twice as many sets: what was in one goes to two, so that there is room for all of it. */
  #grow(nowMs: number): void {
    const old = this.#cells;
    const cells = new Float64Array(old.length * 2);
    for (let from = 0; from < old.length; from += STRIDE) {
      if (old[from + COUNT] === 0 || nowMs - (old[from + FILLED_AT] as number) >= this.#lifetimeMs) continue;
      let at = setOf(old[from + KEY] as number, cells.length);
      while (cells[at + COUNT] !== 0) at += STRIDE;
      for (let i = 0; i < STRIDE; i++) cells[at + i] = old[from + i] as number;
    }
    this.#cells = cells;
  }
}

/** First cell of the set that the address belongs to, of a table with so many cells. */
function setOf(key: HostKey, length: number): number {
  // Keys are words, or words with more above them: both parts count.
  const folded = (key | 0) ^ Math.imul((key / 2 ** 32) | 0, 0x85ebca6b);
  const hash = Math.imul(folded ^ (folded >>> 15), 0x9e3779b1);
  return ((hash ^ (hash >>> 16)) & (length / SET - 1)) * SET;
}

function oldestIn(cells: Float64Array, set: number): number {
  let oldest = set;
  for (let at = set + STRIDE; at < set + SET; at += STRIDE)
    if ((cells[at + FILLED_AT] as number) < (cells[oldest + FILLED_AT] as number)) oldest = at;
  return oldest;
}
