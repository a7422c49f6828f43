// Chance in simulations: one seeded stream per purpose, so that one more draw for loss shifts no latency; hashes for what
// must be the same whenever it is asked (the distance of a pair, a bucket of an ideal table); the distributions.

import { type Rng, seededRng } from '../../core/base/clock.ts';
import { GOLDEN, mix } from '../base/mix.ts';

export type StreamName = 'ids' | 'latency' | 'loss' | 'churn' | 'protocol' | 'workload';

const STREAM_SALTS: Readonly<Record<StreamName, number>> = {
  ids: 0x1d5,
  latency: 0x1a7,
  loss: 0x105,
  churn: 0xc4b,
  protocol: 0x9a0,
  workload: 0x30d,
};

/** @param index one stream of the purpose for each host */
export function stream(seed: number, name: StreamName, index = 0): Rng {
  return seededRng(hash3(seed, STREAM_SALTS[name], index));
}

export function hash3(a: number, b: number, c: number): number {
  return mix(mix(mix(a + GOLDEN) ^ b) + GOLDEN + c);
}

export function exponential(rng: Rng, mean: number): number {
  return -Math.log(1 - rng.next()) * mean;
}

/** Steps of the integration below per unit of z: the 65,536 quantiles differ from the exact ones by less than 1e-4. */
const STEPS = 8192;
const Z_MAX = 6;

/** `count` equally likely values of the standard normal distribution, ascending. */
export function normalQuantiles(count: number): Float64Array {
  const quantiles = new Float64Array(count);
  const scale = 1 / Math.sqrt(2 * Math.PI) / STEPS;
  let step = -Z_MAX * STEPS;
  let area = 0;
  for (let i = 0; i < count; i++) {
    const wanted = (i + 0.5) / count;
    while (area < wanted && step < Z_MAX * STEPS) {
      const z = (step + 0.5) / STEPS;
      area += Math.exp((-z * z) / 2) * scale;
      step++;
    }
    quantiles[i] = step / STEPS;
  }
  return quantiles;
}

/** Nearest rank; NaN for none. The values are sorted in place. */
export function quantile(values: number[], share: number): number {
  values.sort((left, right) => left - right);
  return values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN;
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}
