// Who a peer is towards relays: an ed25519 key, and what it signs. A reservation is signed over the relay's challenge *and* the
// relay's address as the peer dialled it: a relay in the middle could pass another's challenge on, but not another's address.

import { concatBytes, utf8, writeU32 } from '../base/bytes.ts';
import { type Rng, randomBytes } from '../base/clock.ts';
import { publicKeyOf, SEED_BYTES, signMessage, verifySignature } from '../base/ed25519.ts';
import { parseIp } from '../base/endpoint.ts';
import { keyDigest } from './keys.ts';

const RESERVE_CONTEXT = utf8('tt relay reserve 1');

export interface ReserveTerms {
  readonly key: Uint8Array;
  readonly infoHashes: readonly Uint8Array[];
  readonly proxied: readonly Uint8Array[];
  readonly ttlSeconds: number;
}

export class RelayIdentity {
  readonly publicKey: Uint8Array;
  /** 20 bytes for frames. */
  readonly digest: Uint8Array;
  readonly #seed: Uint8Array;

  /** @param seed 32 bytes (RFC 8032) */
  constructor(seed: Uint8Array) {
    this.#seed = seed;
    this.publicKey = publicKeyOf(seed);
    this.digest = keyDigest(this.publicKey);
  }

  /** @param rng unpredictable */
  static random(rng: Rng): RelayIdentity {
    return new RelayIdentity(randomBytes(rng, SEED_BYTES));
  }

  sign(message: Uint8Array): Uint8Array {
    return signMessage(this.#seed, message);
  }
}

/** What is signed to reserve. @param relayHost the relay's address. @returns undefined when that is no IP address */
export function reserveText(
  terms: ReserveTerms,
  challenge: Uint8Array,
  relayHost: string,
): Uint8Array | undefined {
  const ip = parseIp(relayHost);
  if (ip === undefined) return undefined;
  const numbers = new Uint8Array(4);
  writeU32(numbers, 0, terms.ttlSeconds);
  const { infoHashes, proxied } = terms;
  return concatBytes([
    RESERVE_CONTEXT,
    challenge,
    Uint8Array.of(ip.length),
    ip,
    terms.key,
    numbers,
    Uint8Array.of(infoHashes.length),
    ...infoHashes,
    Uint8Array.of(proxied.length),
    ...proxied,
  ]);
}

/** @param ownHosts all addresses under which this relay is reached. @returns the one that was signed; undefined for a wrong signature */
export function verifyReserve(
  terms: ReserveTerms & { readonly signature: Uint8Array },
  challenge: Uint8Array,
  ownHosts: Iterable<string>,
): string | undefined {
  for (const host of ownHosts) {
    const text = reserveText(terms, challenge, host);
    if (text !== undefined && verifySignature(terms.key, text, terms.signature)) return host;
  }
  return undefined;
}
