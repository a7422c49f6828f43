// How many nodes there are, from how close lookups get; and whether the closest ones found are closer than chance allows,
// which is what an eclipse looks like.

/** Weight of a new lookup: one alone is off by 41 % (order statistics at k = 8). */
const WEIGHT = 1 / 8;
/** Before this many lookups nothing is judged by the estimate. */
const MIN_LOOKUPS = 5;
/** Chance that an honest neighbourhood is this dense; every lookup makes a handful of such tests. */
const MAX_CHANCE = 1e-7;
/** Fewer nodes than this are dense by accident. */
const MIN_DENSE = 4;

export class NetworkSize {
  /** Natural logarithm of the estimate, since errors multiply. */
  #log = 0;
  #lookups = 0;

  /** Undefined before the first lookup. */
  get nodes(): number | undefined {
    return this.#lookups === 0 ? undefined : Math.exp(this.#log);
  }

  /** @param distances of the closest live nodes to a target, as fractions of the id space, nearest first */
  learn(distances: readonly number[]): void {
    const count = distances.length;
    const last = distances[count - 1];
    if (count < 2 || last === undefined || last <= 0) return;
    const log = Math.log((count - 1) / last);
    this.#log =
      this.#lookups === 0 ? log : this.#log + (log - this.#log) * Math.max(WEIGHT, 1 / (this.#lookups + 1));
    this.#lookups++;
  }

  /** How many of the nearest are too many to be there by chance; 0 for an honest neighbourhood. */
  denseCount(distances: readonly number[]): number {
    if (this.#lookups < MIN_LOOKUPS) return 0;
    // Twice the estimate: it is learned from few lookups, and a false alarm costs queries.
    const nodes = Math.exp(this.#log) * 2;
    for (let count = distances.length; count >= MIN_DENSE; count--) {
      const expected = nodes * (distances[count - 1] as number);
      if (chanceOfAtLeast(count, expected) < MAX_CHANCE) return count;
    }
    return 0;
  }
}

/** Tail of the Poisson distribution. */
function chanceOfAtLeast(count: number, expected: number): number {
  if (expected >= count) return 1;
  // The first term and a geometric bound on the rest: exact enough far out, which is all that is asked.
  let logTerm = -expected;
  for (let i = 1; i <= count; i++) logTerm += Math.log(expected / i);
  return Math.exp(logTerm) / (1 - expected / (count + 1));
}
