// Times of things that are numbered in the order in which they happen: two bytes each, and a moment to count from for every
// 65 s of them.

const MOST = 0xffff;

export class SteadyTimes {
  /** Where each begins, and when. */
  readonly #firsts: number[] = [];
  readonly #moments: number[] = [];

  /**
   * @param number not below that of any added before
   * @param ms whole milliseconds are kept, from 0 to 2^32 - 1
   * @returns what to keep of it: 0 to 65535
   */
  add(number: number, ms: number): number {
    const wholeMs = ms >>> 0;
    const since = wholeMs - (this.#moments.at(-1) ?? Number.POSITIVE_INFINITY);
    // A clock that was set back begins anew as well.
    if (since >= 0 && since <= MOST) return since;
    this.#firsts.push(number);
    this.#moments.push(wholeMs);
    return 0;
  }

  /** @param kept what `add` said for this number */
  msOf(number: number, kept: number): number {
    let low = 0;
    for (let high = this.#firsts.length; high - low > 1; ) {
      const middle = (low + high) >>> 1;
      if ((this.#firsts[middle] as number) <= number) low = middle;
      else high = middle;
    }
    return (this.#moments[low] ?? 0) + kept;
  }
}
