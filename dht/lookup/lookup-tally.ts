// What a lookup counts as it goes: how many answered, stalled or timed out, and when the first answer and the first value came.
import type { LookupEnd, LookupReport } from '../base/results.ts';
import type { Candidate } from './lookup-candidate.ts';

export class LookupTally {
  readonly startedAtMs: number;
  answered = 0;
  /** Answered, failed, or stalled once: what tells how healthy the network is. */
  settled = 0;
  stalls = 0;
  late = 0;
  timeouts = 0;
  #firstReplyMs: number | undefined;
  #firstValueMs: number | undefined;

  constructor(nowMs: number) {
    this.startedAtMs = nowMs;
  }

  /** @param stalledAtMs when its query stalled before it was answered; undefined: it did not */
  countAnswer(stalledAtMs: number | undefined, nowMs: number): void {
    this.answered++;
    if (stalledAtMs === undefined) this.settled++;
    this.#firstReplyMs ??= nowMs - this.startedAtMs;
  }

  countStall(): void {
    this.stalls++;
    this.settled++;
  }

  noteValue(nowMs: number): void {
    this.#firstValueMs ??= nowMs - this.startedAtMs;
  }

  /** @param asked in the order first asked; @param nearest the nearest that answered */
  report(
    end: LookupEnd,
    asked: readonly Candidate[],
    nearest: Candidate | undefined,
    nowMs: number,
  ): Omit<LookupReport, 'closest' | 'family' | 'suspicious'> {
    let hops = 0;
    for (const candidate of asked) if (candidate.state === 'answered') hops = Math.max(hops, candidate.hop);
    return {
      end,
      elapsedMs: nowMs - this.startedAtMs,
      firstReplyMs: this.#firstReplyMs,
      firstValueMs: this.#firstValueMs,
      queries: asked.reduce((sum, candidate) => sum + candidate.tries, 0),
      replies: this.answered,
      lateReplies: this.late,
      stalls: this.stalls,
      timeouts: this.timeouts,
      hops,
      hopsToClosest: nearest?.hop ?? 0,
    };
  }
}
