// What a download has waited for in its last seconds: a cause that held for one moment is not the answer to "why not finished".
import { noTime, type TimeCause } from './causes.ts';

/** What lies further back counts half as much for each of these. */
const HALF_LIFE_MS = 5_000;

export class RecentCause {
  readonly #weights = noTime();
  #cause: TimeCause = 'check';

  get cause(): TimeCause {
    return this.#cause;
  }

  note(cause: TimeCause, lastedMs: number): void {
    const fade = 0.5 ** (lastedMs / HALF_LIFE_MS);
    for (const id of Object.keys(this.#weights) as TimeCause[]) this.#weights[id] *= fade;
    this.#weights[cause] += 1 - fade;
    if (this.#weights[cause] >= this.#weights[this.#cause]) this.#cause = cause;
  }
}
