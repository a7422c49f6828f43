// Our name for a session (BEP 3), in the style of BEP 20.
import { type Rng, randomInt } from '../base/clock.ts';

/** Azureus style (BEP 20): `tt`, version 0.1.0.0. */
const PREFIX = '-tt0100-';
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

export function makePeerId(rng: Rng): Uint8Array {
  let text = PREFIX;
  while (text.length < 20) text += ALPHABET[randomInt(rng, ALPHABET.length)];
  return new TextEncoder().encode(text);
}
