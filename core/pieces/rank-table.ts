// A policy's ranks, looked up instead of computed: a join in a huge torrent asks for millions.
import { invariant } from '../base/result.ts';
import { MAX_PRIORITY, MAX_RANK, type PickPolicy } from './policy.ts';

/** More peers than a torrent ever has; beyond, the policy is asked each time. */
const TABLE_AVAILABILITY = 1024;
const PRIORITIES = MAX_PRIORITY + 1;

export class RankTable {
  readonly #policy: PickPolicy;
  readonly #table = new Uint16Array(TABLE_AVAILABILITY * PRIORITIES);

  constructor(policy: PickPolicy) {
    this.#policy = policy;
    for (let availability = 0; availability < TABLE_AVAILABILITY; availability++) {
      for (let priority = 1; priority <= MAX_PRIORITY; priority++) {
        this.#table[availability * PRIORITIES + priority] = this.#ask(availability, priority);
      }
    }
  }

  /** @param priority 1..7 */
  rank(availability: number, priority: number): number {
    if (availability >= TABLE_AVAILABILITY) return this.#ask(availability, priority);
    return this.#table[availability * PRIORITIES + priority] as number;
  }

  /** The policy may come from a user: out of range is cut off, no number at all is an error. */
  #ask(availability: number, priority: number): number {
    const rank = this.#policy.rank(availability, priority);
    invariant(
      !Number.isNaN(rank),
      `policy ${this.#policy.name} gave no rank for ${availability} peers, priority ${priority}`,
    );
    return Math.trunc(Math.min(MAX_RANK, Math.max(0, rank)));
  }
}
