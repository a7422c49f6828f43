// The one OS timer of a machine whose timers are data: set for the earliest time that was asked for.
import type { Clock } from '../clock.ts';

export class DueTimer {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #timer: NodeJS.Timeout | undefined;
  #atMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** @param dueMs Clock time; Infinity when nothing is due. A later time than the last changes nothing: it is asked for again then. */
  arm(dueMs: number): void {
    if (dueMs >= this.#atMs) return;
    this.clear();
    this.#atMs = dueMs;
    this.#timer = setTimeout(
      () => {
        this.#atMs = Number.POSITIVE_INFINITY;
        this.#onDue();
      },
      Math.max(1, dueMs - this.#clock.nowMs()),
    );
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#atMs = Number.POSITIVE_INFINITY;
  }
}
