// Write tokens: proof that an address asked us for an info hash within the last 5 to 10 minutes. A keyed hash over address,
// info hash and epoch, so that nothing is stored per asker and a token is worth nothing elsewhere (BEP 5).
import { type Rng, randomInt } from '../../core/base/clock.ts';
import { ID_BYTES } from '../../core/base/ids.ts';
import type { DhtAddress } from '../base/address.ts';
import type { Composer } from '../krpc/krpc-compose.ts';
import { SIPHASH_BYTES, SIPHASH_KEY_WORDS, siphash, siphashWords, sipWordAt } from './siphash.ts';

export const TOKEN_BYTES = SIPHASH_BYTES;
/** BEP 5: the secret changes every five minutes and tokens up to ten minutes old are accepted. */
const EPOCH_MS = 5 * 60_000;
const KEY_WORDS = ID_BYTES / 4;

/** Scratch: tokens are made one after the other. Epoch, IP address, info hash, and the length as the hash wants it. */
function inputOf(ipWords: number): Int32Array {
  const bytes = (1 + ipWords + KEY_WORDS) * 4;
  const words = new Int32Array(siphashWords(bytes));
  words[words.length - 1] = bytes << 24;
  return words;
}
const inputs = { 4: inputOf(1), 6: inputOf(4) } as const;
const made = new Int32Array(TOKEN_BYTES / 4);

export class Tokens {
  readonly #secret = new Int32Array(SIPHASH_KEY_WORDS);

  constructor(rng: Rng) {
    for (let i = 0; i < SIPHASH_KEY_WORDS; i++) this.#secret[i] = randomInt(rng, 2 ** 32);
  }

  /** Writes TOKEN_BYTES. `key` is 20 bytes at `keyAt`: the info hash or the target. */
  write(out: Composer, from: DhtAddress, key: Uint8Array, keyAt: number, nowMs: number): void {
    this.#make(from, key, keyAt, epochOf(nowMs));
    out.word(turned(made[0] as number)).word(turned(made[1] as number));
  }

  /** Was this token given to this address for this key, in this epoch or the one before? */
  isValid(token: Uint8Array, from: DhtAddress, key: Uint8Array, keyAt: number, nowMs: number): boolean {
    if (token.length !== TOKEN_BYTES) return false;
    const epoch = epochOf(nowMs);
    // Both are made and compared to the end, so that the time tells nothing.
    const isCurrent = this.#differs(token, from, key, keyAt, epoch) === 0;
    const isLast = this.#differs(token, from, key, keyAt, epoch - 1) === 0;
    return isCurrent || isLast;
  }

  /** Zero for the very token. */
  #differs(token: Uint8Array, from: DhtAddress, key: Uint8Array, keyAt: number, epoch: number): number {
    this.#make(from, key, keyAt, epoch);
    return ((made[0] as number) ^ sipWordAt(token, 0)) | ((made[1] as number) ^ sipWordAt(token, 4));
  }

  #make({ family, w0, w1, w2, w3 }: DhtAddress, key: Uint8Array, keyAt: number, epoch: number): void {
    const input = inputs[family];
    let at = 0;
    input[at++] = turned(epoch);
    input[at++] = turned(w0);
    if (family === 6) {
      input[at++] = turned(w1);
      input[at++] = turned(w2);
      input[at++] = turned(w3);
    }
    for (let i = 0; i < KEY_WORDS; i++) input[at + i] = sipWordAt(key, keyAt + i * 4);
    siphash(this.#secret, input, made);
  }
}

/** Bytes the other way round: the hash reads little-endian, and what it reads are the bytes of addresses. */
function turned(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

function epochOf(nowMs: number): number {
  return Math.floor(nowMs / EPOCH_MS);
}
