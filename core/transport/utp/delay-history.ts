// One-way delays between two clocks that know nothing of each other (RFC 6817): the least one of the last minutes is taken for
// the empty path, what is above it for queues. Timestamps are microseconds modulo 2^32, so that only differences count.

/** RFC 6817 BASE_HISTORY: long enough to have met an empty queue, short enough to follow a new route and drifting clocks. */
const MINUTES = 10;
const MINUTE_MS = 60_000;
/** RFC 6817 CURRENT_FILTER: the least of the last samples hides the noise of single packets. */
const FILTER_SAMPLES = 4;

/** @returns a is less than b, on the circle of 32-bit numbers */
function isLess(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

export class DelayHistory {
  readonly #minima: number[] = [];
  readonly #recent: number[] = [];
  #recentAt = 0;
  #base = 0;
  #minuteEndsMs = 0;

  get hasSample(): boolean {
    return this.#minima.length > 0;
  }

  /** Microseconds modulo 2^32. */
  get baseUs(): number {
    return this.#base;
  }

  add(sampleUs: number, nowMs: number): void {
    if (this.#minima.length === 0 || nowMs >= this.#minuteEndsMs) {
      this.#minuteEndsMs = nowMs + MINUTE_MS;
      this.#minima.push(sampleUs);
      if (this.#minima.length > MINUTES) this.#minima.shift();
      this.#refreshBase();
    } else {
      const last = this.#minima.length - 1;
      if (isLess(sampleUs, this.#minima[last] as number)) {
        this.#minima[last] = sampleUs;
        if (isLess(sampleUs, this.#base)) this.#base = sampleUs;
      }
    }
    this.#recent[this.#recentAt] = sampleUs;
    this.#recentAt = (this.#recentAt + 1) % FILTER_SAMPLES;
  }

  /** Milliseconds above the base: the least of the last few samples. */
  queueMs(): number {
    let least = 0x7fffffff;
    for (const sample of this.#recent) least = Math.min(least, (sample - this.#base) | 0);
    return this.#recent.length === 0 ? 0 : Math.max(0, least) / 1000;
  }

  /** The other clock runs differently: all bases move. @param byUs 0 or more */
  shift(byUs: number): void {
    for (let i = 0; i < this.#minima.length; i++) {
      this.#minima[i] = ((this.#minima[i] as number) + byUs) >>> 0;
    }
    this.#base = (this.#base + byUs) >>> 0;
  }

  #refreshBase(): void {
    let base = this.#minima[0] as number;
    for (const minimum of this.#minima) if (isLess(minimum, base)) base = minimum;
    this.#base = base;
  }
}
