// Mixing of words into places of a table. Not secret: whoever floods one place of a table meets its bound.

/** 32 well-mixed bits (the finisher of murmur3, as a signed word). */
export function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

const GOLDEN = 0x9e3779b9 | 0;

/** Of an address of up to four words and its port. */
export function hashAddress(w0: number, w1: number, w2: number, w3: number, port: number): number {
  let h = mix(w0 + GOLDEN) ^ port;
  // IPv4 leaves the other words at zero: one round is enough for it.
  if ((w1 | w2 | w3) !== 0) h = mix(mix(mix(h + w1) ^ w2) + w3);
  return mix(h);
}
