// Messages of ut_holepunch (BEP 55): a neighbour of two peers asks both to open a uTP connection to each other. Pure.
import { readU16, readU32, writeU16, writeU32 } from '../base/bytes.ts';
import { type Endpoint, formatIp, parseIp } from '../base/endpoint.ts';
import { accept, type Result, reject } from '../base/result.ts';

/** BEP 55 err_code. */
export const PUNCH_ERRORS = { noSuchPeer: 1, notConnected: 2, noSupport: 3, noSelf: 4 } as const;
export type PunchErrorCode = (typeof PUNCH_ERRORS)[keyof typeof PUNCH_ERRORS];

export type PunchMessage =
  | {
      /** rendezvous: introduce me to this peer; connect: dial this peer over uTP, now. */
      readonly kind: 'rendezvous' | 'connect';
      readonly endpoint: Endpoint;
    }
  /** `code` is 1 to 4 from those who follow BEP 55, any 32 bits from others. */
  | { readonly kind: 'error'; readonly endpoint: Endpoint; readonly code: number }
  /** A type of a later version: ignored. */
  | { readonly kind: 'unknown' };

const KINDS = ['rendezvous', 'connect', 'error'] as const;
const IPV4 = 0;
const IPV6 = 1;
const HEADER_BYTES = 2;
const ERROR_BYTES = 4;

/**
 * 12 bytes with IPv4, 24 with IPv6. libtorrent leaves out the error code of types 0 and 1 (8 and 20 bytes); that is taken too.
 * Port 0 is passed on: it makes a rendezvous that nobody can act upon, which is answered, not punished.
 */
export function decodeHolepunch(payload: Uint8Array): Result<PunchMessage> {
  const kind = KINDS[payload[0] ?? KINDS.length];
  if (kind === undefined) {
    return payload.length === 0 ? reject('ut_holepunch: empty message') : accept({ kind: 'unknown' });
  }
  const addressType = payload[1];
  if (addressType !== IPV4 && addressType !== IPV6)
    return reject(`ut_holepunch: address type ${addressType ?? 'missing'}`);
  const addressBytes = addressType === IPV4 ? 4 : 16;
  const shortest = HEADER_BYTES + addressBytes + 2;
  const isLong = payload.length === shortest + ERROR_BYTES;
  const isShort = payload.length === shortest && kind !== 'error';
  if (!isLong && !isShort) return reject(`ut_holepunch: ${payload.length} bytes in a ${kind} message`);
  const endpoint = {
    host: formatIp(payload, HEADER_BYTES, addressBytes),
    port: readU16(payload, HEADER_BYTES + addressBytes),
  };
  return accept(kind === 'error' ? { kind, endpoint, code: readU32(payload, shortest) } : { kind, endpoint });
}

/** @returns 12 or 24 bytes: anacrolix takes nothing shorter */
export function encodeHolepunch(kind: 'rendezvous' | 'connect', endpoint: Endpoint): Uint8Array {
  const ip = parseIp(endpoint.host);
  if (ip === undefined) throw new TypeError(`not an IP address: ${endpoint.host}`);
  const payload = new Uint8Array(HEADER_BYTES + ip.length + 2 + ERROR_BYTES);
  payload[0] = KINDS.indexOf(kind);
  payload[1] = ip.length === 4 ? IPV4 : IPV6;
  payload.set(ip, HEADER_BYTES);
  writeU16(payload, HEADER_BYTES + ip.length, endpoint.port);
  return payload;
}

/**
 * BEP 55: type, address and port of an error are those of the rendezvous, byte for byte (an IPv4 address may have come as IPv6).
 * @param request a payload that `decodeHolepunch` took for a rendezvous
 */
export function encodeHolepunchError(request: Uint8Array, code: PunchErrorCode): Uint8Array {
  const length = HEADER_BYTES + (request[1] === IPV4 ? 4 : 16) + 2;
  const payload = new Uint8Array(length + ERROR_BYTES);
  payload.set(request.subarray(0, length));
  payload[0] = KINDS.indexOf('error');
  writeU32(payload, length, code);
  return payload;
}
