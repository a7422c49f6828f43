// A policy's ranks, looked up instead of computed: a join in a huge torrent asks for millions.
import { InvariantError } from '../base/result.ts';
import { MAX_PRIORITY, MAX_RANK, type PickPolicy } from './policy.ts';

/** More peers than a torrent ever has; beyond, the policy is asked each time. */
const TABLE_AVAILABILITY = 1024;
const PRIORITIES = MAX_PRIORITY + 1;

/** No rank has this value: not asked yet. Asking for all of them at once would cost every start 40 ms of cold code. */
const UNKNOWN = 0xffff;

export class RankTable {
  readonly #policy: PickPolicy;
  readonly #table = new Uint16Array(TABLE_AVAILABILITY * PRIORITIES).fill(UNKNOWN);

  constructor(policy: PickPolicy) {
    this.#policy = policy;
  }

  /** @param priority 1..7 */
  rank(availability: number, priority: number): number {
    if (availability >= TABLE_AVAILABILITY) return this.#ask(availability, priority);
    const index = availability * PRIORITIES + priority;
    const known = this.#table[index] as number;
    if (known !== UNKNOWN) return known;
    const rank = this.#ask(availability, priority);
    this.#table[index] = rank;
    return rank;
  }

  /** The policy may come from a user: out of range is cut off, no number at all is an error. */
  #ask(availability: number, priority: number): number {
    const rank = this.#policy.rank(availability, priority);
    if (Number.isNaN(rank)) {
      throw new InvariantError(
        `policy ${this.#policy.name} gave no rank for ${availability} peers, priority ${priority}`,
      );
    }
    return Math.trunc(Math.min(MAX_RANK, Math.max(0, rank)));
  }
}
