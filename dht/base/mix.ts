// Mixing of words: for places in tables, and for seeds that are made of numbers. Not secret.

/** 2^32 divided by the golden ratio: keeps a zero from staying one. */
export const GOLDEN = 0x9e3779b9 | 0;

/** 32 well-mixed bits (the finisher of murmur3, as a signed word). */
export function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
