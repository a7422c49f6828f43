// How long sessions last, without the two classical mistakes: long sessions are met more often than short ones, and those that
// have not ended yet are not short. Create-based (Stutzbach and Rejaie 2006) and Kaplan-Meier.
import { Z95 } from './estimates.ts';

export interface ObservedSession {
  readonly startMs: number;
  /** Last moment it was seen, or was seen to end. */
  readonly endMs: number;
  /** Seen to begin. */
  readonly isCreated: boolean;
  /** Not seen to end. */
  readonly isCensored: boolean;
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
}

/**
 * Sessions that began in the first half of the window, each followed for half a window: every one of them could have been seen
 * for that long, so that short ones are not preferred. Those that last longer are censored there.
 */
export function createBased(sessions: readonly ObservedSession[], fromMs: number, toMs: number): Lifetime[] {
  const half = (toMs - fromMs) / 2;
  return sessions
    .filter(({ isCreated, startMs }) => isCreated && startMs >= fromMs && startMs <= fromMs + half)
    .map(({ startMs, endMs, isCensored }) => {
      const length = endMs - startMs;
      return length >= half
        ? { lengthMs: half, isCensored: true }
        : { lengthMs: Math.max(0, length), isCensored };
    });
}

/** Survival at every length at which a session ended, shortest first. */
export function kaplanMeier(lifetimes: readonly Lifetime[]): SurvivalStep[] {
  const sorted = [...lifetimes].sort((x, y) => x.lengthMs - y.lengthMs);
  const steps: SurvivalStep[] = [];
  let survival = 1;
  let greenwood = 0;
  let at = 0;
  while (at < sorted.length) {
    const { lengthMs } = sorted[at] as Lifetime;
    const atRisk = sorted.length - at;
    let ended = 0;
    for (; at < sorted.length && (sorted[at] as Lifetime).lengthMs === lengthMs; at++)
      if (!(sorted[at] as Lifetime).isCensored) ended++;
    if (ended === 0) continue;
    survival *= 1 - ended / atRisk;
    greenwood += atRisk > ended ? ended / (atRisk * (atRisk - ended)) : 0;
    const [low, high] = interval(survival, greenwood);
    steps.push({ lengthMs, atRisk, ended, survival, low, high });
  }
  return steps;
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
