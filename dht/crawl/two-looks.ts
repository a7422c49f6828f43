// What two looks at one zone say together, also when nodes came and went meanwhile. The moment meant is the one between the looks: of
// the first look's nodes those count that are still there then (a random part of them is asked again), and of the second's those
// that were there already. That is a closed population, seen twice, and neither arrivals nor departures bias it (the idea of
// Jolly and Seber, with the survivors counted instead of estimated from a third look).
import { bernoulli, type Counted, chapman, type Estimate, inflated, scaledBy } from './estimates.ts';

/** What had changed at the moment between the looks. */
export interface Turnover {
  /** Of nodes of the first look, asked again. */
  readonly gone: Counted;
  /** Mean time from the answers of the first look to that moment, and from it to those of the second. */
  readonly beforeMs: number;
  readonly afterMs: number;
}

export interface TwoLooks {
  /** Verified by the first look in the whole zone. */
  readonly n1: number;
  /** In the part of it that the second looked at: by the first, by the second, by both. */
  readonly part: { readonly n1: number; readonly n2: number; readonly both: number };
  /** Share of all ids that the zone is. */
  readonly share: number;
  /** Undefined for looks so short that nobody came or went. */
  readonly turnover: Turnover | undefined;
}

/** Looks shorter than that need no turnover: half of it passes on average, and in that 0.2 % of Mainline come or go. */
export const LONG_LOOK_MS = 5 * 60_000;

export interface TwoLookEstimates {
  readonly bernoulli: Estimate | undefined;
  readonly chapman: Estimate | undefined;
}

/** @param total false: of the zone, not of the whole network */
export function fromTwoLooks({ n1, part, share, turnover }: TwoLooks, total = true): TwoLookEstimates {
  const then = (estimate: Estimate | undefined): Estimate | undefined =>
    estimate === undefined || turnover === undefined ? estimate : betweenLooks(estimate, turnover);
  return {
    bernoulli: then(bernoulli(n1, { hits: part.both, of: part.n2 }, share, total)),
    chapman: then(chapmanOfPart(n1, part, total ? share : 1)),
  };
}

/** The part says how many were missed; how many there are in all is known from the whole zone. */
function chapmanOfPart(n1: number, part: TwoLooks['part'], share: number): Estimate | undefined {
  const zonal = chapman(part.n1, part.n2, part.both, 1, false);
  if (zonal === undefined || part.n1 === 0) return undefined;
  // What was missed in the part is a sample of what was missed in the rest.
  const missed = 1 - (part.both + 0.5) / (part.n2 + 1);
  const rest = Math.max(0, 1 - part.n1 / n1);
  const whole = inflated(scaledBy(zonal, n1 / part.n1), (missed * rest) / part.n1);
  return share === 1 ? whole : inflated(scaledBy(whole, 1 / share), (1 - share) / whole.value);
}

/**
 * As many come as go: what share of the second look is new follows from what share of the first had gone, by the time between
 * the answers and the moment meant.
 */
function betweenLooks(estimate: Estimate, { gone, beforeMs, afterMs }: Turnover): Estimate {
  const ratio = beforeMs <= 0 ? 0 : Math.max(0, afterMs) / beforeMs;
  const share = gone.of === 0 ? 0 : gone.hits / gone.of;
  // Nobody gone is not certain: half of one is added.
  const careful = (gone.hits + 0.5) / (gone.of + 1);
  const factor = (1 - share) * Math.max(0, 1 - share * ratio);
  const variance = gone.of === 0 ? 0 : ((1 + ratio) ** 2 * careful) / ((1 - careful) * gone.of);
  return inflated(scaledBy(estimate, factor), variance);
}
