// What a throttle knows of each address, in one array: an open-addressed table of numbers, because a Map and an object per
// address would be most of what a query costs. Grows with its content, and is cleared, never searched for the oldest.
import type { HostKey } from './address.ts';

/** Cells of an entry. */
const KEY = 0;
/** Queries still allowed, as of `FILLED_AT`. */
export const TOKENS = 1;
export const FILLED_AT = 2;
/** Start of the window that `COUNT` counts in. */
export const WINDOW_AT = 3;
/** Queries in the window; 0 marks a free entry, so it is at least 1 in all others. */
export const COUNT = 4;
const STRIDE = 5;
const FIRST_ENTRIES = 8;
/** Room that is never given back. */
const KEPT_ENTRIES = 32;
const NOTHING = new Float64Array(0);

export class MeterTable {
  #cells: Float64Array = NOTHING;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Entry n of the cells is `cells[at + n]`; holds until the next `add`. */
  get cells(): Float64Array {
    return this.#cells;
  }

  /** Where the address's entry begins; -1 when it has none. */
  find(key: HostKey): number {
    if (this.#size === 0) return -1;
    const at = this.#placeOf(key);
    return this.#cells[at + COUNT] === 0 ? -1 : at;
  }

  /** For an address that has no entry. The caller sets the other cells, `COUNT` before anything else is asked of the table. */
  add(key: HostKey): number {
    // Half full at most: searches stay short.
    if (this.#size * 2 >= this.#cells.length / STRIDE) this.#grow();
    this.#size++;
    const at = this.#placeOf(key);
    this.#cells[at + KEY] = key;
    return at;
  }

  /** Empty again; keeps its room unless it had far more than it used. */
  clear(): void {
    const entries = this.#cells.length / STRIDE;
    if (entries > KEPT_ENTRIES && this.#size * 8 < entries) this.#cells = NOTHING;
    else if (this.#size > 0) this.#cells.fill(0);
    this.#size = 0;
  }

  /** Its entry, or the free one where it would be. */
  #placeOf(key: HostKey): number {
    const cells = this.#cells;
    const { length } = cells;
    const mask = length / STRIDE - 1;
    // Keys are words, or words with more above them: both parts count.
    const folded = (key | 0) ^ Math.imul((key / 2 ** 32) | 0, 0x85ebca6b);
    const hash = Math.imul(folded ^ (folded >>> 15), 0x9e3779b1);
    let at = ((hash ^ (hash >>> 16)) & mask) * STRIDE;
    while (cells[at + COUNT] !== 0 && cells[at + KEY] !== key) {
      at += STRIDE;
      if (at === length) at = 0;
    }
    return at;
  }

  #grow(): void {
    const old = this.#cells;
    this.#cells = new Float64Array(Math.max(FIRST_ENTRIES * STRIDE, old.length * 2));
    for (let from = 0; from < old.length; from += STRIDE) {
      if (old[from + COUNT] === 0) continue;
      const at = this.#placeOf(old[from + KEY] as number);
      for (let i = 0; i < STRIDE; i++) this.#cells[at + i] = old[from + i] as number;
    }
  }
}
