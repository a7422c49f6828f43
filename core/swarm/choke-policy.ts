// Who deserves an upload slot: a score a peer. The choker owns slots, times and luck; a policy only ranks.

/** What a policy may know of a peer that is interested in us. */
export interface ChokeCandidate {
  /** Payload bytes of the last 20 s. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Payload sent since it was unchoked last; 0 while choked. */
  readonly sentSinceUnchokeBytes: number;
  readonly isUnchoked: boolean;
  /** Since it was unchoked, or choked, last; since it joined when neither. */
  readonly sinceChangeMs: number;
  readonly connectedMs: number;
  /** We want something it has and it has sent nothing for 60 s. */
  readonly isSnubbingUs: boolean;
  readonly pieceCount: number;
}

export interface ChokeContext {
  /** Nothing more is wanted: peers cannot pay us back. */
  readonly isSeeding: boolean;
  readonly pieceCount: number;
  readonly pieceLength: number;
}

/** Loadable by users: run live and in the simulator alike. */
export interface ChokePolicy {
  readonly name: string;
  /** Higher is better; `NaN` = no claim to a regular slot (it may still get a free or optimistic one). */
  score(candidate: ChokeCandidate, context: ChokeContext): number;
}

export type SeedingRank = 'round-robin' | 'fastest-upload' | 'anti-leech';

export function titForTat(seeding: SeedingRank = 'round-robin'): ChokePolicy {
  return { name: `tit-for-tat/${seeding}`, score: () => 0 };
}
