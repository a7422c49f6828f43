// From what a crawl counted to how many there are: three estimators with 95 % intervals, and whether ids are spread evenly.
// None of them believes that a crawl finds everybody: p is measured (Wang and Kangasharju 2013).

export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Observations it rests on. */
  readonly basis: number;
}

/** A share counted: `hits` of `of`. */
export interface Counted {
  readonly hits: number;
  readonly of: number;
}

/** 95 % of a normal distribution lie within so many standard deviations. */
export const Z95 = 1.959964;

/** Wilson's interval for a share. @returns undefined without trials */
export function shareEstimate({ hits, of }: Counted): Estimate | undefined {
  if (of <= 0) return undefined;
  const p = hits / of;
  const z2 = Z95 * Z95;
  const centre = (p + z2 / (2 * of)) / (1 + z2 / of);
  const half = (Z95 / (1 + z2 / of)) * Math.sqrt((p * (1 - p)) / of + z2 / (4 * of * of));
  return { value: p, low: Math.max(0, centre - half), high: Math.min(1, centre + half), basis: of };
}

/** An interval whose logarithm is symmetric: for counts that cannot be negative. */
function logInterval(value: number, relativeVariance: number, basis: number, least: number): Estimate {
  const factor = Math.exp(Z95 * Math.sqrt(Math.log(1 + relativeVariance)));
  return { value, low: Math.max(least, value / factor), high: value * factor, basis };
}

/** The same of another unit. */
export function scaledBy(estimate: Estimate, factor: number): Estimate {
  const { value, low, high, basis } = estimate;
  return { value: value * factor, low: low * factor, high: high * factor, basis };
}

/** The interval of an estimate that another source of error has joined, independent of those before. */
export function inflated({ value, low, high, basis }: Estimate, relativeVariance: number): Estimate {
  const more = Math.log(1 + relativeVariance) * Z95 * Z95;
  const reach = (end: number): number => Math.sqrt(Math.log(end / value) ** 2 + more);
  return { value, low: value * Math.exp(-reach(low)), high: value * Math.exp(reach(high)), basis };
}

/**
 * Every node is found with chance p and lies in the zone with chance `share`: N = n / (p share).
 * @param n verified nodes of the zone; @param p as measured
 * @param total false: estimate the zone, not the whole network
 */
export function bernoulli(n: number, p: Counted, share: number, total = true): Estimate | undefined {
  if (n === 0 || p.of === 0 || p.hits === 0) return undefined;
  const chance = p.hits / p.of;
  // A measured p of 1 is not certain: half a miss is added.
  const careful = (p.hits + 0.5) / (p.of + 1);
  const scale = total ? share : 1;
  const variance = (1 - careful * scale) / n + (1 - careful) / (careful * p.of);
  const value = n / (chance * scale);
  return logInterval(value, variance, n, n);
}

/**
 * Capture and recapture (Chapman): two independent looks at the zone.
 * @param n1 found by the first, @param n2 by the second, @param both by both
 */
export function chapman(
  n1: number,
  n2: number,
  both: number,
  share: number,
  total = true,
): Estimate | undefined {
  if (n1 === 0 || n2 === 0 || both === 0) return undefined;
  const zone = ((n1 + 1) * (n2 + 1)) / (both + 1) - 1;
  const inZone = ((n1 + 1) * (n2 + 1) * (n1 - both) * (n2 - both)) / ((both + 1) ** 2 * (both + 2));
  // The zone itself is a sample of the network.
  const variance = (inZone + (total ? zone * (1 - share) : 0)) / zone ** 2;
  const seen = n1 + n2 - both;
  return logInterval(total ? zone / share : zone, variance, seen, seen);
}

/**
 * Least squares over how far the nearest nodes of random targets are: the i-th of N is at i/N of the id space on average, so
 * that N = [K(K+1)(2K+1)/6] / sum(i d_i) for one lookup; several are averaged before the division.
 * @param lookups distances as fractions of the id space, nearest first
 */
export function fromDistances(lookups: readonly (readonly number[])[]): Estimate | undefined {
  const slopes = lookups
    .filter((distances) => distances.length >= 2)
    .map((distances) => {
      const k = distances.length;
      const squares = (k * (k + 1) * (2 * k + 1)) / 6;
      return distances.reduce((sum, distance, i) => sum + (i + 1) * distance, 0) / squares;
    });
  const count = slopes.length;
  const mean = slopes.reduce((sum, slope) => sum + slope, 0) / count;
  if (count < 4 || !(mean > 0)) return undefined;
  const variance = slopes.reduce((sum, slope) => sum + (slope - mean) ** 2, 0) / (count - 1) / count;
  const half = studentT95(count - 1) * Math.sqrt(variance);
  // One node more lies at the far end of every gap: E[d_i] = i / (N + 1).
  const high = mean > half ? 1 / (mean - half) - 1 : Number.POSITIVE_INFINITY;
  return { value: 1 / mean - 1, low: 1 / (mean + half) - 1, high, basis: count };
}

/** Two-sided 95 % quantile of Student's t, by the Cornish-Fisher expansion: within 0.5 % from 3 degrees of freedom on. */
export function studentT95(freedom: number): number {
  const z = Z95;
  const first = (z ** 3 + z) / (4 * freedom);
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
  const third = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * freedom ** 3);
  return z + first + second + third;
}

/** Are these counts of equally likely bins? @returns undefined when bins are too empty to say */
export function uniformity(
  bins: readonly number[],
): { readonly chi2: number; readonly pValue: number } | undefined {
  const total = bins.reduce((sum, count) => sum + count, 0);
  const expected = total / bins.length;
  if (bins.length < 2 || expected < 5) return undefined;
  const chi2 = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return { chi2, pValue: upperGamma((bins.length - 1) / 2, chi2 / 2) };
}

/** Regularised upper incomplete gamma function Q(a, x): series below a + 1, continued fraction above (Lentz). */
export function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < 1000 && term > sum * 1e-14; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return Math.max(0, 1 - front * sum);
  }
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let h = d;
  for (let n = 1; n < 1000; n++) {
    const step = -n * (n - a);
    b += 2;
    d = 1 / (step * d + b);
    c = b + step / c;
    const change = d * c;
    h *= change;
    if (Math.abs(change - 1) < 1e-14) break;
  }
  return front * h;
}

/** Stirling's series after shifting above 7: 1e-12. */
function logGamma(x: number): number {
  let shift = 0;
  let y = x;
  while (y < 7) shift -= Math.log(y++);
  const inverse = 1 / (y * y);
  return (
    shift +
    (y - 0.5) * Math.log(y) -
    y +
    0.5 * Math.log(2 * Math.PI) +
    (1 / 12 - inverse * (1 / 360 - inverse / 1260)) / y
  );
}
