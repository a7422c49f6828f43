// When a torrent with few peers calls for anybody whom a relay knows: soon at first, ever more rarely while nobody answers. Pure.

/** After an answer: each relay leads to somebody else every time. */
const INTERVAL_MS = 3_000;
const RETRY_MS = 30_000;
/** Relay or peer may only just have come; doubles. */
const FIRST_MS = 1_000;
/** Everybody whom the relays know is connected: whoever comes next calls for anybody as well. */
const ALL_MET_MS = 5 * 60_000;
const MAX_MET = 256;

export class AnybodyCalls {
  #atMs = 0;
  #waitMs = FIRST_MS;
  readonly #met = new Set<string>();

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

  /**
   * Somebody answered whom we are connected with. A relay goes round: whoever comes twice stands for the others.
   * @param key whatever tells peers apart
   */
  handleKnown(key: string, nowMs: number): void {
    if (!this.#met.has(key) && this.#met.size < MAX_MET) {
      this.#met.add(key);
      return;
    }
    this.#met.clear();
    this.#atMs = nowMs + ALL_MET_MS;
  }
}
