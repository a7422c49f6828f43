// Who works on a run, as far as their beats tell: who crawls what, how fast, and who has fallen silent. Only shown, never relied on:
// the queue itself gives a silent worker's order to somebody else.
import type { Beat } from './messages.ts';

/** A worker that said nothing for so long is shown as silent: it beats every two seconds. */
export const SILENT_MS = 6_000;
/** An order goes to somebody else when its worker has said nothing to the queue for so long. */
export const GONE_MS = 15_000;
/** Whoever may publish may invent workers. */
const MOST_WORKERS = 1_024;
/** A rate over less is noise. */
const LEAST_RATE_MS = 1_000;

export interface WorkerView {
  readonly name: string;
  readonly vantage: string;
  /** Since its last beat. */
  readonly silentMs: number;
  /** Orders it has done. */
  readonly done: number;
  /** Of this run; undefined while it waits, or crawls for another. */
  readonly work: Beat['work'];
  readonly isElsewhere: boolean;
  readonly queriesPerSec: number;
}

class Known {
  beat: Beat;
  heardMs: number;
  rate = 0;
  /** Where the rate is counted from. */
  markMs: number;
  markSent: number;

  constructor(beat: Beat, nowMs: number) {
    this.beat = beat;
    this.heardMs = nowMs;
    this.markMs = nowMs;
    this.markSent = beat.sent;
  }
}

export class Roster {
  readonly #runId: string;
  readonly #workers = new Map<string, Known>();

  constructor(runId: string) {
    this.#runId = runId;
  }

  hear(beat: Beat, nowMs: number): void {
    const known = this.#workers.get(beat.worker);
    if (!beat.isThere) {
      this.#workers.delete(beat.worker);
    } else if (known === undefined) {
      if (this.#workers.size >= MOST_WORKERS) this.#dropMostSilent();
      this.#workers.set(beat.worker, new Known(beat, nowMs));
    } else {
      known.beat = beat;
      known.heardMs = nowMs;
      const ms = nowMs - known.markMs;
      if (ms < LEAST_RATE_MS && beat.sent >= known.markSent) return;
      // Started anew under its old name: it counts from nothing.
      const rate = ms <= 0 ? 0 : (Math.max(0, beat.sent - known.markSent) * 1000) / ms;
      known.rate = known.rate === 0 ? rate : (known.rate + rate) / 2;
      known.markMs = nowMs;
      known.markSent = beat.sent;
    }
  }

  /** Longest known first: rows stay where they are. */
  workers(nowMs: number): WorkerView[] {
    return [...this.#workers.values()].map(({ beat, heardMs, rate }) => {
      const silentMs = Math.max(0, nowMs - heardMs);
      const isOurs = beat.work?.runId === this.#runId;
      const isElsewhere = beat.work !== undefined && !isOurs;
      return {
        name: beat.worker,
        vantage: beat.vantage,
        silentMs,
        done: beat.done,
        work: isOurs ? beat.work : undefined,
        isElsewhere,
        queriesPerSec: silentMs >= SILENT_MS || isElsewhere ? 0 : rate,
      };
    });
  }

  #dropMostSilent(): void {
    let oldest: string | undefined;
    let atMs = Number.POSITIVE_INFINITY;
    for (const [name, { heardMs }] of this.#workers) {
      if (heardMs >= atMs) continue;
      oldest = name;
      atMs = heardMs;
    }
    if (oldest !== undefined) this.#workers.delete(oldest);
  }
}
