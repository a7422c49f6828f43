// Bytes over a sliding window of 20 s, in 1 s buckets: the choker ranks by the whole window, the screen shows the last
// five seconds. Adding is O(1) and allocates nothing.

/** The choker ranks by what came in this long (see `choke-policy.ts`). */
const WINDOW_BUCKETS = 20;
const BUCKET_MS = 1000;
/** Shown rates: quick enough to follow a line, slow enough to read. */
const DISPLAY_BUCKETS = 5;
/** A rate over less than this is noise from one burst. */
const MIN_SPAN_MS = 500;

export class RateMeter {
  readonly #buckets = new Float64Array(WINDOW_BUCKETS);
  /** Number of the newest bucket on the time axis. */
  #newest = -1;
  #windowBytes = 0;
  #startedAtMs = -1;
  #total = 0;

  /** Bytes since the beginning. */
  get total(): number {
    return this.#total;
  }

  add(bytes: number, nowMs: number): void {
    const bucket = Math.floor(nowMs / BUCKET_MS);
    if (bucket > this.#newest) this.#advance(bucket);
    const index = this.#newest % WINDOW_BUCKETS;
    this.#buckets[index] = (this.#buckets[index] as number) + bytes;
    this.#windowBytes += bytes;
    this.#total += bytes;
    if (this.#startedAtMs < 0) this.#startedAtMs = nowMs;
  }

  /** Bytes of the last 20 s. */
  windowBytes(nowMs: number): number {
    const bucket = Math.floor(nowMs / BUCKET_MS);
    if (bucket > this.#newest) this.#advance(bucket);
    return this.#windowBytes;
  }

  /** Mean of the last 20 s, or since the first byte when that is less. */
  windowRateBytesPerSec(nowMs: number): number {
    return this.#rateOver(WINDOW_BUCKETS, nowMs);
  }

  /** Mean of the last five seconds, or since the first byte when that is less. */
  rateBytesPerSec(nowMs: number): number {
    return this.#rateOver(DISPLAY_BUCKETS, nowMs);
  }

  #rateOver(buckets: number, nowMs: number): number {
    if (this.windowBytes(nowMs) === 0) return 0;
    let bytes = 0;
    for (let i = 0; i < buckets; i++) {
      bytes += this.#buckets[(this.#newest - i + WINDOW_BUCKETS) % WINDOW_BUCKETS] as number;
    }
    const firstMs = Math.max(this.#startedAtMs, (this.#newest - buckets + 1) * BUCKET_MS);
    return (bytes * 1000) / Math.max(nowMs - firstMs, MIN_SPAN_MS);
  }

  #advance(bucket: number): void {
    const steps = this.#newest < 0 ? WINDOW_BUCKETS : Math.min(bucket - this.#newest, WINDOW_BUCKETS);
    for (let i = 0; i < steps; i++) {
      const index = (bucket + WINDOW_BUCKETS - i) % WINDOW_BUCKETS;
      this.#windowBytes -= this.#buckets[index] as number;
      this.#buckets[index] = 0;
    }
    this.#newest = bucket;
  }
}
