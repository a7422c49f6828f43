// How long sessions last, without the two classical mistakes: long sessions are met more often than short ones, and those that
// have not ended yet are not short. Create-based (Stutzbach and Rejaie 2006) and Kaplan-Meier.
import { Z95 } from './estimates.ts';

/** What was seen of a session. Its begin and its end lie somewhere between two looks each. */
export interface ObservedSession {
  /** The last look that did not find it; undefined when it was there from the first look on. */
  readonly absentMs: number | undefined;
  /** First and last look that found it. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** The first look after its end; undefined when it was not seen to end. */
  readonly goneMs: number | undefined;
}

export interface SurvivalStep {
  /** Length of a session. */
  readonly lengthMs: number;
  readonly atRisk: number;
  readonly ended: number;
  /** Share of sessions that last longer. */
  readonly survival: number;
  /** 95 % interval: Greenwood's variance on the log-log scale, so that it stays within 0 and 1. */
  readonly low: number;
  readonly high: number;
}

export interface Lifetime {
  readonly lengthMs: number;
  readonly isCensored: boolean;
  /** Age at which it was first seen (left truncation): who ends younger is never seen at all. Default 0. */
  readonly enterMs?: number;
  /** Default 1. */
  readonly weight?: number;
}

/** Halfway between two looks: the mean of where a begin or an end can be. */
export function middleOf({ absentMs, firstMs, lastMs, goneMs }: ObservedSession): {
  readonly startMs: number;
  readonly endMs: number;
} {
  return {
    startMs: absentMs === undefined ? firstMs : (absentMs + firstMs) / 2,
    endMs: goneMs === undefined ? lastMs : (lastMs + goneMs) / 2,
  };
}

/** A session counts in so many equal parts, each with another begin and end out of those it can have had. */
const MOST_PARTS = 8;
/** Many sessions spread over their intervals by themselves. */
const ENOUGH_LIFETIMES = 20_000;
/** Evenly spread over a square, without chance (Roberts' R2 sequence). */
const START_STEP = 0.754_877_666_246_692_8;
const END_STEP = 0.569_840_290_998_053_2;

/**
 * Sessions that began in the first half of the window, each followed for half a window: every one of them could have been seen
 * for that long, so that short ones are not preferred. Those that last longer are censored there. A begin is anywhere between the
 * look that did not find it and the one that did, an end likewise: taking both halfway would give all sessions the same few ages.
 */
export function createBased(sessions: readonly ObservedSession[], fromMs: number, toMs: number): Lifetime[] {
  const half = (toMs - fromMs) / 2;
  const created = sessions.filter(({ absentMs }) => absentMs !== undefined);
  const parts = Math.max(1, Math.min(MOST_PARTS, Math.floor(ENOUGH_LIFETIMES / created.length)));
  const lifetimes: Lifetime[] = [];
  let drawn = 0;
  for (const { absentMs, firstMs, lastMs, goneMs } of created) {
    for (let part = 0; part < parts; part++) {
      drawn++;
      const startMs = firstMs - ((drawn * START_STEP) % 1) * (firstMs - (absentMs as number));
      if (startMs < fromMs || startMs > fromMs + half) continue;
      const endMs = goneMs === undefined ? lastMs : lastMs + ((drawn * END_STEP) % 1) * (goneMs - lastMs);
      const length = endMs - startMs;
      lifetimes.push({
        lengthMs: Math.min(half, length),
        isCensored: length >= half || goneMs === undefined,
        enterMs: firstMs - startMs,
        weight: 1 / parts,
      });
    }
  }
  return lifetimes;
}

/** How many sessions these are. */
export function followed(lifetimes: readonly Lifetime[]): number {
  return Math.round(lifetimes.reduce((sum, { weight = 1 }) => sum + weight, 0));
}

/** An age at which fewer were watched says nothing, until all who will be watched are: one end would be the end of everybody. */
const LEAST_AT_RISK = 5;

/** Survival at every length at which a session ended, shortest first. */
export function kaplanMeier(lifetimes: readonly Lifetime[]): SurvivalStep[] {
  const sorted = [...lifetimes].sort((x, y) => x.lengthMs - y.lengthMs);
  const entering = [...lifetimes].sort((x, y) => (x.enterMs ?? 0) - (y.enterMs ?? 0));
  const steps: SurvivalStep[] = [];
  let survival = 1;
  let greenwood = 0;
  let at = 0;
  let entered = 0;
  /** Of those that have entered before this length and not left before it. */
  let atRisk = 0;
  while (at < sorted.length) {
    const { lengthMs } = sorted[at] as Lifetime;
    for (; entered < entering.length; entered++) {
      const { enterMs = 0, weight = 1, lengthMs: until } = entering[entered] as Lifetime;
      if (enterMs > 0 && enterMs >= lengthMs) break;
      if (isWatched(enterMs, until)) atRisk += weight;
    }
    let ended = 0;
    let left = 0;
    for (; at < sorted.length && (sorted[at] as Lifetime).lengthMs === lengthMs; at++) {
      const { isCensored, enterMs = 0, weight = 1 } = sorted[at] as Lifetime;
      if (!isWatched(enterMs, lengthMs)) continue;
      left += weight;
      if (!isCensored) ended += weight;
    }
    const isEnough = atRisk >= LEAST_AT_RISK || entered === entering.length;
    if (ended > 0 && isEnough) {
      survival = atRisk - ended < TINY ? 0 : survival * (1 - ended / atRisk);
      greenwood += atRisk - ended < TINY ? 0 : ended / (atRisk * (atRisk - ended));
      const [low, high] = interval(survival, greenwood);
      steps.push({ lengthMs, atRisk, ended, survival, low, high });
    }
    atRisk -= left;
  }
  return steps;
}

/** Sums of parts are not exact. */
const TINY = 1e-9;

/** Seen once and never again tells nothing of any age. */
function isWatched(enterMs: number, untilMs: number): boolean {
  return enterMs === 0 || untilMs > enterMs;
}

/** Length that half of the sessions outlast; undefined when more than half were not seen to end. */
export function medianLengthMs(steps: readonly SurvivalStep[]): number | undefined {
  return steps.find(({ survival }) => survival <= 0.5)?.lengthMs;
}

function interval(survival: number, greenwood: number): readonly [number, number] {
  if (survival <= 0 || survival >= 1) return [survival, survival];
  const logLog = Math.log(-Math.log(survival));
  const half = (Z95 * Math.sqrt(greenwood)) / Math.abs(Math.log(survival));
  return [Math.exp(-Math.exp(logLog + half)), Math.exp(-Math.exp(logLog - half))];
}
