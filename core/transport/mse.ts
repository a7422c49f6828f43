// Message stream encryption (MSE/PE), both sides, as machines: bytes in, bytes out; no socket, no clock, chance injected.
// Invariant: nothing is kept beyond what the hand-shake may hold, and a stream that cannot be one fails as soon as that
// is certain. Timeouts are the shell's.
import {
  bytesEqual,
  concatBytes,
  EMPTY_BYTES,
  readU16,
  readU32,
  toHex,
  writeU16,
  writeU32,
} from '../base/bytes.ts';
import { type Rng, randomBytes, randomInt } from '../base/clock.ts';
import { PROTOCOL_HEADER } from '../wire/messages.ts';
import {
  HASH_BYTES,
  KEY_BYTES,
  mseHash,
  newPrivateKey,
  publicKeyOf,
  type StreamCipher,
  sharedSecret,
  streamCipher,
  xorBytes,
} from './mse-keys.ts';

export { type StreamCipher, skeyHash } from './mse-keys.ts';

/** prefer: encrypt when the peer can; require: nothing else; off: neither offer nor accept. */
export type EncryptionPolicy = 'prefer' | 'require' | 'off';

export type MseStep =
  /** Send `send` (may be empty) and wait for more. */
  | { readonly kind: 'more'; readonly send: Uint8Array }
  /**
   * Send `send` as it is; from here on `cipher` (undefined: plaintext was agreed) applies both ways. `rest` is the
   * peer's payload so far, decrypted.
   */
  | {
      readonly kind: 'done';
      readonly send: Uint8Array;
      readonly rest: Uint8Array;
      readonly cipher: StreamCipher | undefined;
      readonly infoHash: Uint8Array;
    }
  /** Incoming only: the peer speaks plain BitTorrent and the policy allows it; `rest` is all that it sent. */
  | { readonly kind: 'plain'; readonly rest: Uint8Array }
  /** Drop the connection; an outgoing one under `prefer` may be dialled again in plain. */
  | { readonly kind: 'failed'; readonly reason: string };

/** Each side may pad each message with up to so many random bytes. */
const MAX_PAD_BYTES = 512;
const PLAINTEXT = 1;
const RC4 = 2;
/** Verification constant: eight zero bytes, recognisable once decrypted. */
const VC_BYTES = 8;
/** VC, crypto_provide or crypto_select, length of the padding. */
const CRYPTO_HEAD_BYTES = VC_BYTES + 4 + 2;

/** Which ciphers a policy may end in. Under `prefer` the hand-shake hides what is spoken, and payload may go in plain. */
function allowedCiphers(policy: EncryptionPolicy): number {
  return policy === 'require' ? RC4 : RC4 | PLAINTEXT;
}

function pad(rng: Rng): Uint8Array {
  return randomBytes(rng, randomInt(rng, MAX_PAD_BYTES + 1));
}

function more(send: Uint8Array = EMPTY_BYTES): MseStep {
  return { kind: 'more', send };
}

function failed(reason: string): MseStep {
  return { kind: 'failed', reason };
}

/** Bytes received and not used up; each side bounds it by never waiting for more than its state allows. */
class Inbox {
  #bytes = EMPTY_BYTES;
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }
  add(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#bytes.length) {
      const grown = new Uint8Array((this.length + bytes.length) * 2);
      grown.set(this.view());
      this.#end -= this.#start;
      this.#start = 0;
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }
  /** A view that nothing is written to any more. */
  take(length: number): Uint8Array {
    this.#start += length;
    return this.#bytes.subarray(this.#start - length, this.#start);
  }
  view(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }
}

/** @returns where `pattern` starts within the first `window` possible places, or -1 */
function findPattern(bytes: Uint8Array, pattern: Uint8Array, window: number): number {
  const last = Math.min(window, bytes.length - pattern.length);
  for (let at = 0; at <= last; at++) {
    if (bytes[at] === pattern[0] && bytesEqual(bytes.subarray(at, at + pattern.length), pattern)) return at;
  }
  return -1;
}

export interface MseInitiatorOptions {
  readonly infoHash: Uint8Array;
  /** Unpredictable in the program, seeded in tests. */
  readonly rng: Rng;
  readonly policy: EncryptionPolicy;
  /** The BitTorrent handshake (and more), sent in the third message: saves a round trip. At most 65,535 bytes. */
  readonly initialPayload?: Uint8Array;
  /** For vectors; 20 bytes. */
  readonly privateKey?: Uint8Array;
}

export class MseInitiator {
  readonly #options: MseInitiatorOptions;
  readonly #privateKey: Uint8Array;
  readonly #inbox = new Inbox();
  #stage: 'key' | 'sync' | 'select' | 'pad' = 'key';
  #cipher: StreamCipher | undefined;
  #vc = EMPTY_BYTES;
  #selected = 0;
  #padLeft = 0;

  constructor(options: MseInitiatorOptions) {
    this.#options = options;
    this.#privateKey = options.privateKey ?? newPrivateKey(options.rng);
  }

  /** The first bytes to send. */
  start(): Uint8Array {
    return concatBytes([publicKeyOf(this.#privateKey), pad(this.#options.rng)]);
  }

  /** `bytes` are copied. Must not be called again after `done` or `failed`. */
  receive(bytes: Uint8Array): MseStep {
    const inbox = this.#inbox;
    inbox.add(bytes);
    let send = EMPTY_BYTES;
    if (this.#stage === 'key') {
      if (inbox.length < KEY_BYTES) return more();
      const secret = sharedSecret(this.#privateKey, inbox.take(KEY_BYTES));
      if (secret === undefined) return failed('MSE public key out of range');
      send = this.#proposal(secret);
      this.#stage = 'sync';
    }
    const cipher = this.#cipher as StreamCipher;
    if (this.#stage === 'sync') {
      const at = findPattern(inbox.view(), this.#vc, MAX_PAD_BYTES);
      if (at < 0)
        return inbox.length >= MAX_PAD_BYTES + VC_BYTES ? failed('no MSE verification constant') : more(send);
      inbox.take(at + VC_BYTES);
      this.#stage = 'select';
    }
    if (this.#stage === 'select') {
      if (inbox.length < CRYPTO_HEAD_BYTES - VC_BYTES) return more(send);
      const head = inbox.take(CRYPTO_HEAD_BYTES - VC_BYTES);
      cipher.decrypt(head);
      this.#selected = readU32(head, 0);
      this.#padLeft = readU16(head, 4);
      const allowed = allowedCiphers(this.#options.policy);
      if ((this.#selected !== RC4 && this.#selected !== PLAINTEXT) || (this.#selected & allowed) === 0)
        return failed(`MSE cipher ${this.#selected} was not offered`);
      if (this.#padLeft > MAX_PAD_BYTES) return failed(`MSE padding of ${this.#padLeft} bytes`);
      this.#stage = 'pad';
    }
    if (inbox.length < this.#padLeft) return more(send);
    cipher.decrypt(inbox.take(this.#padLeft));
    const rest = inbox.take(inbox.length);
    if (this.#selected === RC4) cipher.decrypt(rest);
    return {
      kind: 'done',
      send,
      rest,
      cipher: this.#selected === RC4 ? cipher : undefined,
      infoHash: this.#options.infoHash,
    };
  }

  /** The third message; sets up the ciphers and the pattern that the reply is found by. */
  #proposal(secret: Uint8Array): Uint8Array {
    const { infoHash, rng, policy, initialPayload = EMPTY_BYTES } = this.#options;
    const cipher = streamCipher(secret, infoHash, true);
    this.#cipher = cipher;
    this.#vc = new Uint8Array(VC_BYTES);
    cipher.decrypt(this.#vc);
    const padding = pad(rng);
    const head = new Uint8Array(CRYPTO_HEAD_BYTES);
    writeU32(head, VC_BYTES, allowedCiphers(policy));
    writeU16(head, VC_BYTES + 4, padding.length);
    const payloadLength = new Uint8Array(2);
    writeU16(payloadLength, 0, initialPayload.length);
    const sealed = concatBytes([head, padding, payloadLength, initialPayload]);
    cipher.encrypt(sealed);
    return concatBytes([
      mseHash('req1', secret),
      xorBytes(mseHash('req2', infoHash), mseHash('req3', secret)),
      sealed,
    ]);
  }
}

export interface MseResponderOptions {
  /** @param key of the torrent, as made by skeyHash @returns its info hash */
  readonly findTorrent: (key: string) => Uint8Array | undefined;
  readonly rng: Rng;
  readonly policy: EncryptionPolicy;
  /**
   * Payload in plain when the initiator takes both: the hand-shake has done its work by then, and RC4 costs more CPU
   * than all the rest of the wire. Default true.
   */
  readonly preferPlaintext?: boolean;
  /** For vectors; 20 bytes. */
  readonly privateKey?: Uint8Array;
}

export class MseResponder {
  readonly #options: MseResponderOptions;
  readonly #privateKey: Uint8Array;
  readonly #inbox = new Inbox();
  #stage: 'detect' | 'key' | 'sync' | 'torrent' | 'crypto' | 'pad' | 'payload' = 'detect';
  #secret = EMPTY_BYTES;
  #infoHash = EMPTY_BYTES;
  #cipher: StreamCipher | undefined;
  #provided = 0;
  #padLeft = 0;
  #payloadLeft = 0;

  constructor(options: MseResponderOptions) {
    this.#options = options;
    this.#privateKey = options.privateKey ?? newPrivateKey(options.rng);
  }

  /** `bytes` are copied. Must not be called again after `done`, `plain` or `failed`. */
  receive(bytes: Uint8Array): MseStep {
    const inbox = this.#inbox;
    inbox.add(bytes);
    let send = EMPTY_BYTES;
    if (this.#stage === 'detect') {
      const shared = Math.min(inbox.length, PROTOCOL_HEADER.length);
      if (bytesEqual(inbox.view().subarray(0, shared), PROTOCOL_HEADER.subarray(0, shared))) {
        if (shared < PROTOCOL_HEADER.length) return more();
        return this.#options.policy === 'require'
          ? failed('plain connection where encryption is required')
          : { kind: 'plain', rest: inbox.take(inbox.length) };
      }
      if (this.#options.policy === 'off') return failed('not a BitTorrent handshake');
      this.#stage = 'key';
    }
    if (this.#stage === 'key') {
      if (inbox.length < KEY_BYTES) return more();
      const secret = sharedSecret(this.#privateKey, inbox.take(KEY_BYTES));
      if (secret === undefined) return failed('MSE public key out of range');
      this.#secret = secret;
      send = concatBytes([publicKeyOf(this.#privateKey), pad(this.#options.rng)]);
      this.#stage = 'sync';
    }
    if (this.#stage === 'sync') {
      const at = findPattern(inbox.view(), mseHash('req1', this.#secret), MAX_PAD_BYTES);
      if (at < 0)
        return inbox.length >= MAX_PAD_BYTES + HASH_BYTES
          ? failed('no MSE synchronisation mark')
          : more(send);
      inbox.take(at + HASH_BYTES);
      this.#stage = 'torrent';
    }
    if (this.#stage === 'torrent') {
      if (inbox.length < HASH_BYTES) return more(send);
      const key = xorBytes(inbox.take(HASH_BYTES), mseHash('req3', this.#secret));
      const infoHash = this.#options.findTorrent(toHex(key));
      if (infoHash === undefined) return failed('MSE for a torrent that is not here');
      this.#infoHash = infoHash;
      this.#cipher = streamCipher(this.#secret, infoHash, false);
      this.#stage = 'crypto';
    }
    const cipher = this.#cipher as StreamCipher;
    if (this.#stage === 'crypto') {
      if (inbox.length < CRYPTO_HEAD_BYTES) return more(send);
      const head = inbox.take(CRYPTO_HEAD_BYTES);
      cipher.decrypt(head);
      if (head.subarray(0, VC_BYTES).some((byte) => byte !== 0))
        return failed('MSE verification constant is wrong');
      this.#provided = readU32(head, VC_BYTES);
      this.#padLeft = readU16(head, VC_BYTES + 4);
      if (this.#padLeft > MAX_PAD_BYTES) return failed(`MSE padding of ${this.#padLeft} bytes`);
      if ((this.#provided & allowedCiphers(this.#options.policy)) === 0)
        return failed(`MSE offers no cipher that is allowed (${this.#provided})`);
      this.#stage = 'pad';
    }
    if (this.#stage === 'pad') {
      if (inbox.length < this.#padLeft + 2) return more(send);
      const tail = inbox.take(this.#padLeft + 2);
      cipher.decrypt(tail);
      this.#payloadLeft = readU16(tail, this.#padLeft);
      this.#stage = 'payload';
    }
    if (inbox.length < this.#payloadLeft) return more(send);
    const payload = inbox.take(this.#payloadLeft);
    cipher.decrypt(payload);
    return this.#accept(send, payload);
  }

  #accept(send: Uint8Array, payload: Uint8Array): MseStep {
    const cipher = this.#cipher as StreamCipher;
    const usable = this.#provided & allowedCiphers(this.#options.policy);
    const { preferPlaintext = true } = this.#options;
    const first = preferPlaintext ? PLAINTEXT : RC4;
    const selected = (usable & first) !== 0 ? first : usable & (RC4 | PLAINTEXT);
    const padding = pad(this.#options.rng);
    const answer = concatBytes([new Uint8Array(CRYPTO_HEAD_BYTES), padding]);
    writeU32(answer, VC_BYTES, selected);
    writeU16(answer, VC_BYTES + 4, padding.length);
    cipher.encrypt(answer);
    const later = this.#inbox.take(this.#inbox.length);
    if (selected === RC4) cipher.decrypt(later);
    return {
      kind: 'done',
      send: concatBytes([send, answer]),
      rest: concatBytes([payload, later]),
      cipher: selected === RC4 ? cipher : undefined,
      infoHash: this.#infoHash,
    };
  }
}
