// Who deserves an upload slot: one number a peer. The choker owns slots, times and luck; a policy only ranks.

/** What a policy may know of a peer that is interested in us. */
export interface ChokeCandidate {
  /** Payload bytes it sent us in the last 20 s. */
  readonly receivedBytes: number;
  /** Payload bytes we sent it in the last 20 s. */
  readonly sentBytes: number;
  /** Payload sent since it was unchoked last; 0 while choked. */
  readonly sentSinceUnchokeBytes: number;
  readonly isUnchoked: boolean;
  /** Since it was last unchoked, or choked; since it joined when neither ever happened. */
  readonly sinceChangeMs: number;
  readonly connectedMs: number;
  /** We want something it has and it has sent nothing for 60 s. */
  readonly isSnubbingUs: boolean;
  /** Pieces it has. */
  readonly pieceCount: number;
}

export interface ChokeContext {
  /** Nothing more is wanted: nobody can pay us back. */
  readonly isSeeding: boolean;
  readonly pieceCount: number;
  readonly pieceLength: number;
}

/** Loadable by users: run live and in the simulator alike. Must be a pure function of its arguments. */
export interface ChokePolicy {
  readonly name: string;
  /** Higher is better. `NaN`: no claim to a regular slot, though one that would stay empty may still be lent to it. */
  score(candidate: ChokeCandidate, context: ChokeContext): number;
}

export type SeedingRank = 'round-robin' | 'fastest-upload' | 'anti-leech';

export const SEEDING_RANKS: readonly SeedingRank[] = ['round-robin', 'fastest-upload', 'anti-leech'];

/** A seed's turn: long enough for whole pieces to change hands, so that the receiver has something to trade. */
const QUOTA_PIECES = 20;
const QUOTA_MS = 60_000;

/**
 * BEP 3's choking: while leeching the best payers of the last 20 s, while seeding the given ranking.
 * round-robin: everybody gets turns of 20 pieces and 60 s, the longest waiting first. fastest-upload: who takes fastest.
 * anti-leech: who has just begun or is about to end (they leave with what they need, or start to trade).
 */
export function titForTat(seeding: SeedingRank = 'round-robin'): ChokePolicy {
  const seedingScore = SEEDING_SCORES[seeding];
  return {
    name: `tit-for-tat/${seeding}`,
    score: (candidate, context) =>
      context.isSeeding ? seedingScore(candidate, context) : leechingScore(candidate),
  };
}

function leechingScore(candidate: ChokeCandidate): number {
  if (candidate.isSnubbingUs || candidate.receivedBytes === 0) return Number.NaN;
  return candidate.receivedBytes;
}

const SEEDING_SCORES: Readonly<Record<SeedingRank, ChokePolicy['score']>> = {
  'round-robin': (candidate, context) => {
    const isServed =
      candidate.sentSinceUnchokeBytes >= QUOTA_PIECES * context.pieceLength &&
      candidate.sinceChangeMs >= QUOTA_MS;
    if (candidate.isUnchoked) return isServed ? -candidate.sinceChangeMs : Number.MAX_VALUE;
    return candidate.sinceChangeMs;
  },
  'fastest-upload': (candidate) =>
    // Somebody who was never tried ranks by waiting, below all who are taking something.
    candidate.sentBytes > 0 ? candidate.sentBytes : -1 / (1 + candidate.sinceChangeMs),
  'anti-leech': (candidate, context) =>
    Math.abs(2 * candidate.pieceCount - context.pieceCount) / Math.max(1, context.pieceCount),
};
