// Processor time belongs to a process; several torrents in it share what was used, by the bytes that each moved.

/** @param weights none negative @returns shares of `total` in the same order; equal ones when nobody has any weight */
export function shareOut(total: number, weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => (sum > 0 ? (total * weight) / sum : total / weights.length));
}
