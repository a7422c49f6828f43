// The extended handshake of BEP 10 with the keys of BEP 9 and 21: decoded strictly, every value checked, unknown ones ignored.
import { type BencodeDict, type BencodeOptions, decodeDict, MESSAGE_LIMITS } from '../base/bencode.ts';
import type { Encodable } from '../base/bencode-encode.ts';
import { textOf } from '../base/bytes.ts';
import { formatIp, parseIp } from '../base/endpoint.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { extensionNamed } from './extensions.ts';
import { MAX_EXTENDED_BYTES } from './messages.ts';

/** Absent and malformed values are undefined alike. */
export interface ExtendedHandshake {
  /** Extension name -> the id the peer wants to see; 0 switches an extension off. Only names in our registry. */
  readonly extensionIds: ReadonlyMap<string, number>;
  /** `v`: client name and version. */
  readonly client?: string | undefined;
  /** `p`: the peer's listening TCP port. */
  readonly listenPort?: number | undefined;
  /** `yourip`: how the peer sees us, as text. */
  readonly yourIp?: string | undefined;
  /** `ipv4`, `ipv6`: other addresses of the peer, as text. */
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  /** `reqq`: how many outstanding requests the peer takes. */
  readonly requestQueue?: number | undefined;
  /** Bytes of the info dictionary (BEP 9). */
  readonly metadataSize?: number | undefined;
  /** BEP 21. */
  readonly uploadOnly?: boolean | undefined;
  /** `tt_relay`: the peer relays (docs/relay.md). */
  readonly relay?: RelayOffer | undefined;
  /** `tt_nat`: what the peer knows of its own place behind NATs, as an index into the states of docs/relay.md. */
  readonly natState?: number | undefined;
}

/** What somebody who relays says of that in its handshake. */
export interface RelayOffer {
  readonly version: number;
  /** Bits: 1 calls, 2 splices, 4 queues, 8 proxy ports, 16 dial-back tests, 32 mirror. */
  readonly roles: number;
  /** Places left when it was sent. */
  readonly free: number;
  /** 32 random bytes of this connection, to be signed with a reservation. */
  readonly challenge: Uint8Array;
}

const CHALLENGE_BYTES = 32;
const MAX_SMALL = 0xffff;

export type ExtendedFacts = Omit<ExtendedHandshake, 'extensionIds'>;

/** Long enough for every real client's name; shown to people, so no more. */
const MAX_CLIENT_BYTES = 128;
/** Real handshakes hold two dozen values; nobody nests deeper than a dictionary in a dictionary, give or take. */
const HANDSHAKE_OPTIONS: BencodeOptions = {
  limits: { ...MESSAGE_LIMITS, maxBytes: MAX_EXTENDED_BYTES, maxDepth: 8, maxItems: 4000 },
  // Some clients do not sort: nothing here is hashed, so order does not matter.
  allowUnsorted: true,
};
/**
 * @param payload of message 0 of BEP 10.
 * @returns what is well-formed of it; a value of the wrong type is left out
 */
export function decodeExtendedHandshake(payload: Uint8Array): Result<ExtendedHandshake> {
  const decoded = decodeDict(payload, HANDSHAKE_OPTIONS);
  if (!decoded.ok) return reject(`extended handshake: ${decoded.reason.what}`);
  const dict = decoded.value;
  const names = dict.dict('m');
  const extensionIds = new Map<string, number>();
  for (const { key, value } of names?.entries() ?? []) {
    const name = textOf(key);
    if (typeof value === 'number' && value >= 0 && value <= 255 && extensionNamed(name) !== undefined)
      extensionIds.set(name, value);
  }
  const uploadOnly = dict.integer('upload_only');
  return accept({
    extensionIds,
    client: clientText(dict.bytes('v')),
    listenPort: integerWithin(dict, 'p', 1, 65535),
    yourIp: ipText(dict.bytes('yourip'), undefined),
    ipv4: ipText(dict.bytes('ipv4'), 4),
    ipv6: ipText(dict.bytes('ipv6'), 16),
    requestQueue: integerWithin(dict, 'reqq', 1, Number.MAX_SAFE_INTEGER),
    metadataSize: integerWithin(dict, 'metadata_size', 1, Number.MAX_SAFE_INTEGER),
    uploadOnly: uploadOnly === undefined ? undefined : uploadOnly !== 0,
    relay: relayOffer(dict.dict('tt_relay')),
    natState: integerWithin(dict, 'tt_nat', 0, MAX_SMALL),
  });
}

function relayOffer(dict: BencodeDict | undefined): RelayOffer | undefined {
  const challenge = dict?.bytes('ch');
  if (dict === undefined || challenge?.length !== CHALLENGE_BYTES) return undefined;
  const version = integerWithin(dict, 'v', 1, MAX_SMALL);
  const roles = integerWithin(dict, 'roles', 0, MAX_SMALL);
  if (version === undefined || roles === undefined) return undefined;
  return {
    version,
    roles,
    free: integerWithin(dict, 'free', 0, MAX_SMALL) ?? 0,
    challenge: challenge.slice(),
  };
}

/** The dictionary to encode, without `m`. Values that are undefined or no IP address are left out. */
export function composeExtendedFacts(facts: ExtendedFacts): Record<string, Encodable> {
  const dict: Record<string, Encodable> = {};
  const set = (key: string, value: Encodable | undefined): void => {
    if (value !== undefined) dict[key] = value;
  };
  set('v', facts.client);
  set('p', facts.listenPort);
  set('yourip', ipBytes(facts.yourIp));
  set('ipv4', ipBytes(facts.ipv4));
  set('ipv6', ipBytes(facts.ipv6));
  set('reqq', facts.requestQueue);
  set('metadata_size', facts.metadataSize);
  set('upload_only', facts.uploadOnly === undefined ? undefined : Number(facts.uploadOnly));
  set('tt_nat', facts.natState);
  if (facts.relay !== undefined) {
    const { version, roles, free, challenge } = facts.relay;
    set('tt_relay', { ch: challenge, free, roles, v: version });
  }
  return dict;
}

function ipBytes(host: string | undefined): Uint8Array | undefined {
  return host === undefined ? undefined : parseIp(host);
}

function ipText(bytes: Uint8Array | undefined, length: 4 | 16 | undefined): string | undefined {
  if (bytes === undefined || (bytes.length !== 4 && bytes.length !== 16)) return undefined;
  return length === undefined || bytes.length === length ? formatIp(bytes) : undefined;
}

function clientText(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined || bytes.length === 0 ? undefined : textOf(bytes.subarray(0, MAX_CLIENT_BYTES));
}

function integerWithin(dict: BencodeDict, key: string, least: number, most: number): number | undefined {
  const value = dict.integer(key);
  return value !== undefined && value >= least && value <= most ? value : undefined;
}
