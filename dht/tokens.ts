// Write tokens: proof that an address asked us for an info hash within the last 5 to 10 minutes. A keyed hash over address,
// info hash and epoch, so that nothing is stored per asker and a token is worth nothing elsewhere (BEP 5).
import { timingSafeEqual } from 'node:crypto';
import { type Rng, randomInt } from '../core/base/clock.ts';
import { ID_BYTES } from '../core/base/ids.ts';
import { type DhtAddress, putWord } from './address.ts';
import { SIPHASH_BYTES, SIPHASH_KEY_WORDS, siphash } from './siphash.ts';

export const TOKEN_BYTES = SIPHASH_BYTES;
/** BEP 5: the secret changes every five minutes and tokens up to ten minutes old are accepted. */
const EPOCH_MS = 5 * 60_000;
const IP_AT = 4;

/** Scratch: tokens are made one after the other. Epoch, IP address, info hash. */
const inputs = {
  4: new Uint8Array(IP_AT + 4 + ID_BYTES),
  6: new Uint8Array(IP_AT + 16 + ID_BYTES),
} as const;
const made = new Uint8Array(TOKEN_BYTES);

export class Tokens {
  readonly #secret = new Int32Array(SIPHASH_KEY_WORDS);

  constructor(rng: Rng) {
    for (let i = 0; i < SIPHASH_KEY_WORDS; i++) this.#secret[i] = randomInt(rng, 2 ** 32);
  }

  /** Writes TOKEN_BYTES to `out` at `at`. `key` is 20 bytes at `keyAt`: the info hash or the target. */
  write(out: Uint8Array, at: number, from: DhtAddress, key: Uint8Array, keyAt: number, nowMs: number): void {
    this.#make(out, at, from, key, keyAt, epochOf(nowMs));
  }

  /** Was this token given to this address for this key, in this epoch or the one before? */
  isValid(token: Uint8Array, from: DhtAddress, key: Uint8Array, keyAt: number, nowMs: number): boolean {
    if (token.length !== TOKEN_BYTES) return false;
    const epoch = epochOf(nowMs);
    this.#make(made, 0, from, key, keyAt, epoch);
    const isCurrent = timingSafeEqual(token, made);
    this.#make(made, 0, from, key, keyAt, epoch - 1);
    return timingSafeEqual(token, made) || isCurrent;
  }

  #make(out: Uint8Array, at: number, from: DhtAddress, key: Uint8Array, keyAt: number, epoch: number): void {
    const input = from.family === 4 ? inputs[4] : inputs[6];
    putWord(input, 0, epoch);
    const keyIn = IP_AT + from.writeIp(input, IP_AT);
    for (let i = 0; i < ID_BYTES; i++) input[keyIn + i] = key[keyAt + i] as number;
    siphash(this.#secret, input, out, at);
  }
}

function epochOf(nowMs: number): number {
  return Math.floor(nowMs / EPOCH_MS);
}
