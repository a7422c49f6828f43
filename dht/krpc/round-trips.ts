// A decaying histogram of round trips over all nodes: what "slow" means here and now. The stall time comes from it (mldht):
// a query older than it gives its slot away but is not given up.
import type { StallPolicy } from '../base/options.ts';

/** 25 ms is finer than the jitter of real paths. */
const BIN_MS = 25;
/** Up to 4 s; slower ones count into the last bin. */
const BINS = 160;
/** After this many samples all bins are halved, so that the last few hundred decide. */
const DECAY_AFTER = 256;
/** Below this even a fast network's hiccups would count as stalls. */
const MIN_STALL_MS = 75;
/** The slowest p90 that is still believed. */
const MAX_STALL_MS = 2_000;
/** Distance of the stall from the fast decile when nearly everybody is fast. */
const SPREAD_MS = 100;
/** Headroom over a node's own mean. */
const OWN_MEAN_FACTOR = 1.5;

export class RoundTrips {
  readonly #bins = new Uint16Array(BINS);
  #weight = 0;
  #sinceDecay = 0;
  #samples = 0;
  #p10: number | undefined;
  #p90: number | undefined;

  get samples(): number {
    return this.#samples;
  }

  /** Upper edge of the bin that the decile falls into; undefined before the first sample. */
  get p10Ms(): number | undefined {
    this.#update();
    return this.#p10;
  }

  get p90Ms(): number | undefined {
    this.#update();
    return this.#p90;
  }

  add(roundTripMs: number): void {
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor(roundTripMs / BIN_MS)));
    this.#bins[bin] = (this.#bins[bin] as number) + 2;
    this.#weight += 2;
    this.#samples++;
    this.#p10 = undefined;
    if (++this.#sinceDecay >= DECAY_AFTER) this.#decay();
  }

  /**
   * How long a query may hold its slot.
   * @param ownMeanMs the node's own mean round trip; 0 for unknown
   */
  stallMs(policy: StallPolicy, ownMeanMs: number): number {
    if (policy.kind === 'never') return Number.POSITIVE_INFINITY;
    if (policy.kind === 'fixed') return policy.ms;
    if (this.#samples < policy.minSamples) return policy.initialMs;
    const general = Math.max(this.p90Ms as number, (this.p10Ms as number) + SPREAD_MS);
    const own = ownMeanMs > 0 ? ownMeanMs * OWN_MEAN_FACTOR : Number.POSITIVE_INFINITY;
    return Math.min(MAX_STALL_MS, Math.max(MIN_STALL_MS, Math.min(general, own)));
  }

  #decay(): void {
    this.#sinceDecay = 0;
    this.#weight = 0;
    for (let i = 0; i < BINS; i++) {
      const half = (this.#bins[i] as number) >>> 1;
      this.#bins[i] = half;
      this.#weight += half;
    }
  }

  #update(): void {
    if (this.#p10 !== undefined || this.#weight === 0) return;
    let sum = 0;
    let p10: number | undefined;
    for (let i = 0; i < BINS; i++) {
      sum += this.#bins[i] as number;
      if (p10 === undefined && sum >= this.#weight * 0.1) p10 = (i + 1) * BIN_MS;
      if (sum >= this.#weight * 0.9) {
        this.#p90 = (i + 1) * BIN_MS;
        break;
      }
    }
    this.#p10 = p10;
  }
}
