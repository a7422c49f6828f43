// Where an address lies in a table. Not secret: whoever floods one place of a table meets its bound.
import { GOLDEN, mix } from '../base/mix.ts';

/** Of an address of up to four words and its port. */
export function hashAddress(w0: number, w1: number, w2: number, w3: number, port: number): number {
  let h = mix(w0 + GOLDEN) ^ port;
  // IPv4 leaves the other words at zero: one round is enough for it.
  if ((w1 | w2 | w3) !== 0) h = mix(mix(mix(h + w1) ^ w2) + w3);
  return mix(h);
}
