// What the queues of relays were good for, as one peer sees it: calls that it left for others and calls that it took. Pure.

/** Copies that make a call safe: of three relays one may be lost. */
export const SAFE_ACKS = 2;

export interface QueueCounts {
  /** Calls left for somebody, repeated ones each time. */
  readonly pushes: number;
  /** Of those: kept by two relays at least. */
  readonly stored: number;
  /** Of those: kept by nobody. */
  readonly lost: number;
  /** Calls for us, each counted once. */
  readonly taken: number;
  /** Copies of those from further relays. */
  readonly repeats: number;
  /** From being left to being taken, by the sender's clock; undefined while none was taken. */
  readonly meanDelayMs: number | undefined;
  readonly maxDelayMs: number | undefined;
}

export class QueueTally {
  repeats = 0;
  #pushes = 0;
  #stored = 0;
  #lost = 0;
  #taken = 0;
  #delaySumMs = 0;
  #maxDelayMs = 0;

  handlePush(acks: number): void {
    this.#pushes++;
    if (acks >= SAFE_ACKS) this.#stored++;
    if (acks === 0) this.#lost++;
  }

  /** @param delayMs negative where clocks differ */
  handleTaken(delayMs: number): void {
    this.#taken++;
    this.#delaySumMs += Math.max(0, delayMs);
    this.#maxDelayMs = Math.max(this.#maxDelayMs, delayMs);
  }

  snapshot(): QueueCounts {
    return {
      pushes: this.#pushes,
      stored: this.#stored,
      lost: this.#lost,
      taken: this.#taken,
      repeats: this.repeats,
      meanDelayMs: this.#taken === 0 ? undefined : this.#delaySumMs / this.#taken,
      maxDelayMs: this.#taken === 0 ? undefined : this.#maxDelayMs,
    };
  }
}
