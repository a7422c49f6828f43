// When a torrent with few peers calls for anybody whom a relay knows: soon at first, ever more rarely while nobody answers. Pure.

/** After an answer: each relay leads to somebody else every time. */
const INTERVAL_MS = 3_000;
const RETRY_MS = 30_000;
/** Relay or peer may only just have come; doubles. */
const FIRST_MS = 1_000;

export class AnybodyCalls {
  #atMs = 0;
  #waitMs = FIRST_MS;

  /** @returns whether to call now; the next time is later */
  take(nowMs: number): boolean {
    if (nowMs < this.#atMs) return false;
    this.#atMs = nowMs + this.#waitMs;
    this.#waitMs = Math.min(RETRY_MS, 2 * this.#waitMs);
    return true;
  }

  /** Somebody answered a call that was made at that time. */
  handleAnswer(calledAtMs: number): void {
    this.#atMs = calledAtMs + INTERVAL_MS;
    this.#waitMs = FIRST_MS;
  }
}
