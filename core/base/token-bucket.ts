// So many a second and no more, after a burst. Pure.

export class TokenBucket {
  readonly #perSec: number;
  readonly #burst: number;
  #tokens: number;
  #atMs = Number.NEGATIVE_INFINITY;

  constructor(perSec: number, burst: number) {
    this.#perSec = perSec;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** @returns whether there was one */
  take(nowMs: number): boolean {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#perSec) / 1_000);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
