// Write tokens: proof that an address asked us for an info hash within the last 5 to 10 minutes. A keyed hash over address,
// info hash and epoch, so that nothing is stored per asker and a token is worth nothing elsewhere (BEP 5).
import { hash, timingSafeEqual } from 'node:crypto';
import { type Rng, randomBytes } from '../core/base/clock.ts';
import { ID_BYTES } from '../core/base/ids.ts';
import { type DhtAddress, putWord } from './address.ts';

export const TOKEN_BYTES = 8;
/** BEP 5: the secret changes every five minutes and tokens up to ten minutes old are accepted. */
const EPOCH_MS = 5 * 60_000;
const SECRET_BYTES = 16;
const IP_AT = SECRET_BYTES + 4;
const KEY_AT = IP_AT + 16;

export class Tokens {
  readonly #input: Uint8Array;

  constructor(rng: Rng) {
    this.#input = new Uint8Array(KEY_AT + ID_BYTES);
    this.#input.set(randomBytes(rng, SECRET_BYTES));
  }

  /** Writes TOKEN_BYTES to `out` at `at`. `key` is 20 bytes at `keyAt`: the info hash or the target. */
  write(out: Uint8Array, at: number, from: DhtAddress, key: Uint8Array, keyAt: number, nowMs: number): void {
    const token = this.#make(from, key, keyAt, epochOf(nowMs));
    for (let i = 0; i < TOKEN_BYTES; i++) out[at + i] = token[i] as number;
  }

  /** Was this token given to this address for this key, in this epoch or the one before? */
  isValid(token: Uint8Array, from: DhtAddress, key: Uint8Array, keyAt: number, nowMs: number): boolean {
    if (token.length !== TOKEN_BYTES) return false;
    const epoch = epochOf(nowMs);
    const current = timingSafeEqual(token, this.#make(from, key, keyAt, epoch));
    const previous = timingSafeEqual(token, this.#make(from, key, keyAt, epoch - 1));
    return current || previous;
  }

  #make(from: DhtAddress, key: Uint8Array, keyAt: number, epoch: number): Uint8Array {
    const input = this.#input;
    putWord(input, SECRET_BYTES, epoch);
    input.fill(0, IP_AT, KEY_AT);
    from.writeIp(input, IP_AT);
    for (let i = 0; i < ID_BYTES; i++) input[KEY_AT + i] = key[keyAt + i] as number;
    return hash('sha1', input, 'buffer').subarray(0, TOKEN_BYTES);
  }
}

function epochOf(nowMs: number): number {
  return Math.floor(nowMs / EPOCH_MS);
}
