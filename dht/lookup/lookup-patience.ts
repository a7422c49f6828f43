// How long a lookup whose closest set is full waits for those among the nearest that stalled: where nearly everybody answers they are
// slow, not dead (see `awaitSlow`).
import type { Candidate } from './lookup-candidate.ts';
import type { ClosestSet } from './lookup-closest.ts';
import type { LookupTally } from './lookup-tally.ts';

/** From this share of answers on those who stall are taken for slow, and awaited for so many stall times in all. */
const HEALTHY_SHARE = 0.8;
const SLOW_STALLS = 2;

/** The stalled among the closest. @param sorted nearest first @param set empty; it is filled */
export function slowOnes(sorted: Iterable<Candidate>, set: ClosestSet): readonly Candidate[] {
  const slow: Candidate[] = [];
  for (const candidate of sorted) {
    if (set.add(candidate)) break;
    if (candidate.state === 'stalled') slow.push(candidate);
  }
  return slow;
}

/** Until when they are worth waiting for. @param stallMs after which a query without an answer stalls */
export function awaitUntilMs(
  slow: readonly Candidate[],
  { answered, settled }: LookupTally,
  stallMs: number,
): number {
  if (answered < settled * HEALTHY_SHARE) return Number.NEGATIVE_INFINITY;
  return Math.max(
    Number.NEGATIVE_INFINITY,
    ...slow.map(({ repeat, sentAtMs }) =>
      Math.max(sentAtMs + stallMs * SLOW_STALLS, (repeat?.sentAtMs ?? sentAtMs) + stallMs),
    ),
  );
}
