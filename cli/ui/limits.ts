// The steps of the limit keys: each about double the last, as people say them. Pure.

const KIB = 1024;
const MIB = 1024 * KIB;
const STEPS: readonly number[] = [
  ...[8, 16, 32, 64, 128, 256, 512].map((each) => each * KIB),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map((each) => each * MIB),
];

/** @returns the next limit up; 0, none, above the highest. @param limit bytes per second, 0 = none */
export function raiseLimit(limit: number): number {
  if (limit === 0) return 0;
  return STEPS.find((step) => step > limit) ?? 0;
}

/** The next limit down; from "none" to the first step below what is moving now. */
export function lowerLimit(limit: number, rateBytesPerSec: number): number {
  const lowest = STEPS[0] as number;
  const below = limit === 0 ? Math.max(rateBytesPerSec, lowest + 1) : limit;
  return STEPS.findLast((step) => step < below) ?? lowest;
}
