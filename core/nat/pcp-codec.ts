// Port Control Protocol (RFC 6887): MAP requests of 60 bytes, ANNOUNCE of 24, and their answers. Pure.
import { readU16, readU32, writeU16, writeU32 } from '../base/bytes.ts';
import { formatIp, parseIp } from '../base/endpoint.ts';
import { isLocalAddress } from '../base/local-address.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { failed, type MapAnswer, type MapRequest, type Transport } from './mapping-types.ts';

/** Servers listen here; NAT-PMP has the same port, told apart by the version. */
export const PCP_SERVER_PORT = 5351;
/** Servers tell all clients here, at 224.0.0.1 and ff02::1, that they have restarted. */
export const PCP_CLIENT_PORT = 5350;
const PCP_VERSION = 2;
const PCP_NONCE_BYTES = 12;
/** RFC 6887 section 7. */
const MAX_BYTES = 1100;
const HEADER_BYTES = 24;
const MAP_BYTES = 60;
const OPCODE_ANNOUNCE = 0;
const OPCODE_MAP = 1;
const RESPONSE = 0x80;
const PROTOCOLS: Readonly<Record<Transport, number>> = { tcp: 6, udp: 17 };

const RESULTS = [
  'success',
  'unsupported version',
  'not authorized',
  'malformed request',
  'unsupported opcode',
  'unsupported option',
  'malformed option',
  'network failure',
  'no resources',
  'unsupported protocol',
  'user over quota',
  'cannot provide that external port',
  'address mismatch',
  'too many remote peers',
] as const;
const UNSUPPORTED = [1, 4];
const NOT_AUTHORIZED = 2;
const NETWORK_FAILURE = 7;
const NO_RESOURCES = 8;
const CANNOT_PROVIDE = 11;

export interface PcpMapRequest extends MapRequest {
  /** 12 bytes, the same for every renewal of one mapping. */
  readonly nonce: Uint8Array;
  /** Our address as the gateway sees it; it refuses any other. */
  readonly clientHost: string;
}

/** @param request `lifetimeSec` 0 deletes */
export function encodePcpMap(request: PcpMapRequest): Uint8Array {
  const bytes = header(OPCODE_MAP, request.lifetimeSec, request.clientHost, MAP_BYTES);
  bytes.set(request.nonce, HEADER_BYTES);
  bytes[36] = PROTOCOLS[request.transport];
  writeU16(bytes, 40, request.internalPort);
  writeU16(bytes, 42, request.externalPort);
  // No wish for an address: the unspecified one of the family (RFC 6887 section 11.1).
  if (!request.clientHost.includes(':')) bytes.set(MAPPED_PREFIX, 44);
  return bytes;
}

/** Asks for nothing but an answer: its header carries the epoch. */
export function encodePcpAnnounce(clientHost: string): Uint8Array {
  return header(OPCODE_ANNOUNCE, 0, clientHost, HEADER_BYTES);
}

export type PcpResponse =
  | { readonly kind: 'announce'; readonly result: number; readonly epochSec: number }
  | {
      readonly kind: 'map';
      readonly result: number;
      readonly epochSec: number;
      /** Of an error: how long it will last. */
      readonly lifetimeSec: number;
      readonly nonce: Uint8Array;
      readonly transport: Transport | undefined;
      readonly internalPort: number;
      readonly externalPort: number;
      readonly externalHost: string;
    }
  /** A server that knows NAT-PMP only, or no opcode of ours. */
  | { readonly kind: 'unsupported' };

/** @param bytes a datagram from the gateway; its sender was checked by the caller (RFC 6887) */
export function decodePcpResponse(bytes: Uint8Array): Result<PcpResponse> {
  if (bytes.length > MAX_BYTES) return reject(`PCP: ${bytes.length} bytes, at most ${MAX_BYTES}`);
  if (bytes.length < 4 || ((bytes[1] as number) & RESPONSE) === 0) return reject('PCP: not a response');
  if (bytes[0] !== PCP_VERSION) return accept({ kind: 'unsupported' });
  if (bytes.length < HEADER_BYTES || bytes.length % 4 !== 0) return reject('PCP: wrong length');
  const opcode = (bytes[1] as number) & ~RESPONSE;
  const result = bytes[3] as number;
  const epochSec = readU32(bytes, 8);
  if (UNSUPPORTED.includes(result)) return accept({ kind: 'unsupported' });
  if (opcode === OPCODE_ANNOUNCE) return accept({ kind: 'announce', result, epochSec });
  if (opcode !== OPCODE_MAP) return reject(`PCP: answer to opcode ${opcode}`);
  if (bytes.length < MAP_BYTES) return reject('PCP: MAP answer cut short');
  const protocol = bytes[36];
  return accept({
    kind: 'map',
    result,
    epochSec,
    lifetimeSec: readU32(bytes, 4),
    nonce: bytes.slice(HEADER_BYTES, HEADER_BYTES + PCP_NONCE_BYTES),
    transport: protocol === PROTOCOLS.tcp ? 'tcp' : protocol === PROTOCOLS.udp ? 'udp' : undefined,
    internalPort: readU16(bytes, 40),
    externalPort: readU16(bytes, 42),
    externalHost: formatIp(bytes, 44, 16),
  });
}

/** What a MAP answer means for the request it answers. */
export function pcpAnswer(response: PcpResponse & { readonly kind: 'map' }): MapAnswer {
  const { result, externalPort, externalHost, lifetimeSec, epochSec } = response;
  if (result === 0) {
    return { ok: true, grant: { externalPort, externalHost, lifetimeSec, epochSec } };
  }
  const what = RESULTS[result] ?? `result ${result}`;
  if (result === NOT_AUTHORIZED) return failed('refused', what, lifetimeSec);
  if (result === CANNOT_PROVIDE) return failed('conflict', what, lifetimeSec);
  // What miniupnpd says when its outer address is a reserved one; it names the address.
  if (result === NO_RESOURCES && isLocalAddress(externalHost) && externalHost !== '::') {
    return failed('private', `the gateway's outer address is ${externalHost}`, lifetimeSec);
  }
  if (result === NO_RESOURCES || result === NETWORK_FAILURE) return failed('failed', what, lifetimeSec);
  return failed('refused', what, lifetimeSec);
}

const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

function header(opcode: number, lifetimeSec: number, clientHost: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = PCP_VERSION;
  bytes[1] = opcode;
  writeU32(bytes, 4, lifetimeSec);
  const client = parseIp(clientHost);
  if (client === undefined) throw new TypeError(`not an IP address: ${clientHost}`);
  if (client.length === 16) bytes.set(client, 8);
  else {
    bytes.set(MAPPED_PREFIX, 8);
    bytes.set(client, 20);
  }
  return bytes;
}
