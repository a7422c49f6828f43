// Round-trip times and the retransmission time-out (BEP 29, RFC 6298).

/** BEP 29: never less; a peer's delayed acks and a busy process are no loss. */
const MIN_RTO_MS = 500;
/** Before the first sample (RFC 6298). */
const FIRST_RTO_MS = 1_000;
const MAX_RTO_MS = 30_000;

export class RoundTrip {
  #smoothMs = 0;
  #varianceMs = 0;
  #hasSample = false;
  #backoff = 1;

  /** Smoothed; 0 before the first sample. */
  get ms(): number {
    return this.#smoothMs;
  }

  get timeoutMs(): number {
    const plain = this.#hasSample
      ? Math.max(MIN_RTO_MS, this.#smoothMs + 4 * this.#varianceMs)
      : FIRST_RTO_MS;
    return Math.min(MAX_RTO_MS, plain * this.#backoff);
  }

  /** Of a packet that was sent once (Karn): of others nobody knows which one was acked. */
  add(sampleMs: number): void {
    if (this.#hasSample) {
      this.#varianceMs += (Math.abs(this.#smoothMs - sampleMs) - this.#varianceMs) / 4;
      this.#smoothMs += (sampleMs - this.#smoothMs) / 8;
    } else {
      this.#hasSample = true;
      this.#smoothMs = sampleMs;
      this.#varianceMs = sampleMs / 2;
    }
    this.#backoff = 1;
  }

  /** A time-out passed in vain. */
  backOff(): void {
    this.#backoff *= 2;
  }

  /** Something arrived: the path is alive. */
  calmDown(): void {
    this.#backoff = 1;
  }
}
