// What addresses look like in a dataset: a keyed hash by default, so that no database of addresses can be joined and the same host
// can still be told apart; the key stays with whoever measures. Ids say more (BEP 42): docs/dataset.md warns of that.
import { Buffer } from 'node:buffer';
import { createHash, hash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { formatIp } from '../../../core/base/endpoint.ts';
import { OperationError } from '../../../core/base/result.ts';
import { DhtAddress } from '../../base/address.ts';
import { masked, privatePrefixBits } from '../opt-out.ts';
import type { AddressText } from '../rows.ts';

export const IP_PRIVACY = ['hmac', 'prefix', 'raw'] as const;
export type IpPrivacy = (typeof IP_PRIVACY)[number];

const KEY_BYTES = 32;
/** 64 bits: among ten million addresses two collide with a chance of 3e-6. */
const DIGEST_HEX = 16;

/** The key of this installation, made when there is none. @throws OperationError `disk` */
export function loadKey(path: string): Uint8Array {
  try {
    const key = readFileSync(path);
    if (key.length === KEY_BYTES) return key;
    throw new OperationError('disk', `${path} is no key of ${KEY_BYTES} bytes`, {
      hint: 'Move it away: a new one is made, and addresses of earlier runs cannot be joined with new ones.',
    });
  } catch (error) {
    if (error instanceof OperationError) throw error;
  }
  try {
    const key = randomBytes(KEY_BYTES);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, key, { mode: 0o600, flag: 'wx' });
    return key;
  } catch (error) {
    throw new OperationError('disk', `cannot keep a key in ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** First 16 hex digits of its SHA-256: says that two runs used the same one. */
export function keyId(key: Uint8Array): string {
  return createHash('sha256').update(key).digest('hex').slice(0, DIGEST_HEX);
}

/** `192.0.2.0/24`, `2001:db8:1::/48`. */
function subnetText(address: DhtAddress): string {
  const bits = privatePrefixBits(address.family);
  return `${formatIp(masked(address.ip(), bits))}/${bits}`;
}

export const RAW_TEXT: AddressText = { ip: (address) => address.host, net: subnetText };
const PREFIX_TEXT: AddressText = { ip: subnetText, net: subnetText };

/** A row with its raw address as the dataset may show it. */
export function disguised<R extends { readonly ip: string; readonly port: number }>(
  row: R,
  text: AddressText,
): R {
  const address = DhtAddress.of({ host: row.ip, port: Math.max(1, row.port) });
  if (address === undefined) return row;
  const net = 'net' in row ? { net: text.net(address) } : {};
  return { ...row, ip: text.ip(address), ...net };
}

const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
const MAX_ADDRESS_BYTES = 64;

/**
 * HMAC-SHA-256 (RFC 2104) of short texts, made of two hashes in one call each: objects of node:crypto cost twice the work.
 * @param key up to 64 bytes
 */
function hmacOf(key: Uint8Array): (text: string) => string {
  const inner = Buffer.alloc(BLOCK_BYTES + MAX_ADDRESS_BYTES, 0x36);
  const outer = Buffer.alloc(BLOCK_BYTES + HASH_BYTES, 0x5c);
  for (const [i, byte] of key.entries()) {
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  return (text) => {
    const length = inner.write(text, BLOCK_BYTES, 'latin1');
    // As letters of a byte each: a buffer of its own would cost as much as the hash.
    outer.write(hash('sha256', inner.subarray(0, BLOCK_BYTES + length), 'binary'), BLOCK_BYTES, 'latin1');
    return hash('sha256', outer, 'hex').slice(0, DIGEST_HEX);
  };
}

/** @param key with `hmac` */
export function addressText(privacy: IpPrivacy, key: Uint8Array | undefined): AddressText {
  if (privacy === 'raw') return RAW_TEXT;
  if (privacy === 'prefix') return PREFIX_TEXT;
  const digest = hmacOf(key as Uint8Array);
  return { ip: (address) => digest(address.host), net: (address) => digest(subnetText(address)) };
}
