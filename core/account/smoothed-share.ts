// The share of the recent past that something was busy. One window is too short to tell: work comes in bursts.

/** What lies this far back counts a third as much. */
const SPAN_MS = 250;

export class SmoothedShare {
  #value = 0;

  get value(): number {
    return this.#value;
  }

  /** @param busyMs of `windowMs`; may be more than that, where the report of it came late */
  note(busyMs: number, windowMs: number): void {
    if (windowMs <= 0) return;
    const gain = 1 - Math.exp(-windowMs / SPAN_MS);
    this.#value += gain * (busyMs / windowMs - this.#value);
  }
}
