// The few contacts that are most overdue, of all that a table holds: kept in order while they are added, nothing allocated.

export class MostOverdue {
  readonly #slots: Int32Array;
  readonly #atMs: Float64Array;
  #size = 0;
  #isOverfull = false;

  constructor(most: number) {
    this.#slots = new Int32Array(most);
    this.#atMs = new Float64Array(most);
  }

  get size(): number {
    return this.#size;
  }

  /** Were there more than fit? */
  get isOverfull(): boolean {
    return this.#isOverfull;
  }

  /** Most overdue first; among equals the lower slot. */
  slotAt(index: number): number {
    return this.#slots[index] as number;
  }

  clear(): void {
    this.#size = 0;
    this.#isOverfull = false;
  }

  add(slot: number, atMs: number): void {
    const slots = this.#slots;
    const times = this.#atMs;
    let at = this.#size;
    if (at === slots.length) {
      this.#isOverfull = true;
      if (!this.#isAfter(at - 1, slot, atMs)) return;
      at--;
    } else this.#size++;
    for (; at > 0 && this.#isAfter(at - 1, slot, atMs); at--) {
      slots[at] = slots[at - 1] as number;
      times[at] = times[at - 1] as number;
    }
    slots[at] = slot;
    times[at] = atMs;
  }

  #isAfter(index: number, slot: number, atMs: number): boolean {
    const heldMs = this.#atMs[index] as number;
    return heldMs > atMs || (heldMs === atMs && (this.#slots[index] as number) > slot);
  }
}
