// In which order pieces that nobody opened yet are taken. A policy is a small value: the simulator compares them and a
// user may load one. Ties within a rank are always broken by the picker's seeded shuffle, never by index.

/** Ranks run from 0 (first) to this. More would split hairs, and make every move in the order longer. */
export const MAX_RANK = 255;

/** Scores below this keep a rank of their own: at normal priority every availability up to 31 is told apart. */
const EXACT_SCORES = 128;
/** Above, so many ranks for each doubling of the score: pieces within about 12 % count as equally rare. */
const RANKS_PER_DOUBLING = 8;

/** 0 (never) over 4 (normal) to 7 (first). */
export type Priority = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;
export const MAX_PRIORITY = 7;
export const NORMAL_PRIORITY = 4;

export interface PickPolicy {
  readonly name: string;
  /** `by-rank`: lowest rank first. `by-index`: first piece first; ranks then count for nothing. */
  readonly order: 'by-rank' | 'by-index';
  /** Whether the first few pieces are taken at random, so that there is something to trade soon (BEP 3). */
  readonly startsRandom: boolean;
  /**
   * Called at every change of either argument, so it must be cheap and depend on nothing else.
   * @param availability peers that have the piece, complete peers not counted (they have all alike)
   * @param priority 1..7
   * @returns 0..MAX_RANK; values outside are cut off
   */
  rank(availability: number, priority: number): number;
}

/** Rarest first, weighted by priority: a piece of priority 7 goes before one of priority 4 a quarter as common. */
export const rarestFirst: PickPolicy = {
  name: 'rarest-first',
  order: 'by-rank',
  startsRandom: true,
  rank: (availability, priority) => rankOfScore((availability + 1) * (MAX_PRIORITY + 1 - priority)),
};

/** Any piece, higher priority first: what rarest first is measured against. */
export const randomOrder: PickPolicy = {
  name: 'random',
  order: 'by-rank',
  startsRandom: false,
  rank: (_availability, priority) => MAX_PRIORITY - priority,
};

/** First piece first. Poor for the swarm: use the sequential window instead where only the front matters. */
export const inOrder: PickPolicy = {
  name: 'in-order',
  order: 'by-index',
  startsRandom: false,
  rank: () => 0,
};

/** Small scores exactly, larger ones on a logarithmic scale; monotonic. */
export function rankOfScore(score: number): number {
  if (score < EXACT_SCORES) return score;
  const doublings = 24 - Math.clz32(score);
  const step = (score >>> (doublings + 4)) & (RANKS_PER_DOUBLING - 1);
  return Math.min(MAX_RANK, EXACT_SCORES + doublings * RANKS_PER_DOUBLING + step);
}
