// BEP 44 items: how targets and signed buffers are made from them, and who checks them. BEP 46 points at torrents with them.
import { hash } from 'node:crypto';
import { decodeBencode } from '../../core/base/bencode.ts';
import { bytesEqual, concatBytes, utf8 } from '../../core/base/bytes.ts';
import { publicKeyOf, signMessage, verifySignature } from '../../core/base/ed25519.ts';
import type { DhtItem } from '../base/results.ts';

/** BEP 44: more may be refused by anybody. */
export const MAX_VALUE_BYTES = 1000;
export const MAX_SALT_BYTES = 64;
const MAX_SEQ = 0x7fff_ffff_ffff_ffffn;

export function sha1(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash('sha1', bytes, 'buffer'));
}

/** BEP 44: SHA-1 of the bencoded value. @returns 20 bytes */
export function immutableTarget(v: Uint8Array): Uint8Array {
  return sha1(v);
}

/** BEP 44, BEP 46: SHA-1 of the key (32 bytes) and the salt (up to 64), if any. @returns 20 bytes */
export function mutableTarget(publicKey: Uint8Array, salt: Uint8Array): Uint8Array {
  return sha1(salt.length === 0 ? publicKey : concatBytes([publicKey, salt]));
}

/** What the signature is over. */
export function signedBuffer(salt: Uint8Array, seq: bigint, v: Uint8Array): Uint8Array {
  const head = salt.length === 0 ? [] : [utf8(`4:salt${salt.length}:`), salt];
  return concatBytes([...head, utf8(`3:seqi${seq}e1:v`), v]);
}

/** Canonical bencode of at most 1000 bytes: what may be stored. */
export function isStorableValue(v: Uint8Array): boolean {
  return v.length <= MAX_VALUE_BYTES && decodeBencode(v).ok;
}

export function isValidSeq(seq: bigint): boolean {
  return seq >= 0n && seq <= MAX_SEQ;
}

/** @param v bencode @throws TypeError when it is not, or too long */
export function immutableItem(v: Uint8Array): DhtItem {
  if (!isStorableValue(v)) throw new TypeError(`an item is bencode of at most ${MAX_VALUE_BYTES} bytes`);
  return { kind: 'immutable', target: immutableTarget(v), v };
}

/**
 * @param options.seed 32 bytes of private key @param options.v bencode
 * @throws TypeError on a bad value, salt or sequence number
 */
export function signItem(options: {
  readonly seed: Uint8Array;
  readonly v: Uint8Array;
  readonly seq: bigint;
  readonly salt?: Uint8Array;
}): DhtItem {
  const salt = options.salt ?? new Uint8Array(0);
  if (!isStorableValue(options.v))
    throw new TypeError(`an item is bencode of at most ${MAX_VALUE_BYTES} bytes`);
  if (salt.length > MAX_SALT_BYTES) throw new TypeError(`a salt has at most ${MAX_SALT_BYTES} bytes`);
  if (!isValidSeq(options.seq)) throw new TypeError('a sequence number is 0 to 2^63 - 1');
  const publicKey = publicKeyOf(options.seed);
  return {
    kind: 'mutable',
    target: mutableTarget(publicKey, salt),
    v: options.v,
    publicKey,
    salt,
    seq: options.seq,
    signature: signMessage(options.seed, signedBuffer(salt, options.seq, options.v)),
  };
}

/** Does the item belong under its target, with a good signature? */
export function isAuthentic(item: DhtItem): boolean {
  if (item.v.length > MAX_VALUE_BYTES) return false;
  if (item.kind === 'immutable') return bytesEqual(immutableTarget(item.v), item.target);
  return (
    isValidSeq(item.seq) &&
    item.salt.length <= MAX_SALT_BYTES &&
    bytesEqual(mutableTarget(item.publicKey, item.salt), item.target) &&
    verifySignature(item.publicKey, signedBuffer(item.salt, item.seq, item.v), item.signature)
  );
}
