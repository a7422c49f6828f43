// Ed25519 (RFC 8032) through node:crypto, for BEP 44 and for relays; keys are raw bytes outside of this file.
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { concatBytes } from './bytes.ts';

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
export const SEED_BYTES = 32;

/** ASN.1 before a raw key (RFC 8410). */
const SPKI = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);
const PKCS8 = Uint8Array.of(
  ...[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20],
);

/** @returns false for anything that is no signature of that key, wrong lengths included; never throws */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  try {
    const key = createPublicKey({
      key: Buffer.from(concatBytes([SPKI, publicKey])),
      format: 'der',
      type: 'spki',
    });
    return verify(null, message, key, signature);
  } catch {
    // 32 bytes that are not a point of the curve.
    return false;
  }
}

/** @param seed 32 bytes, the private key of RFC 8032 (not the expanded form) */
export function publicKeyOf(seed: Uint8Array): Uint8Array {
  const spki = createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' });
  return new Uint8Array(spki.subarray(SPKI.length));
}

/** @param seed 32 bytes, the private key of RFC 8032. @returns 64 bytes */
export function signMessage(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, privateKey(seed)));
}

function privateKey(seed: Uint8Array): KeyObject {
  return createPrivateKey({
    key: Buffer.from(concatBytes([PKCS8, seed])),
    format: 'der',
    type: 'pkcs8',
  });
}
