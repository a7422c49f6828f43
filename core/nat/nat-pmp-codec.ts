// NAT Port Mapping Protocol (RFC 6886): 2 and 12 byte requests, 12 and 16 byte answers. Pure.
import { readU16, readU32, writeU16, writeU32 } from '../base/bytes.ts';
import { formatIp } from '../base/endpoint.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { failed, type MapAnswer, type MapRequest, type Transport } from './mapping-types.ts';

const VERSION = 0;
const RESPONSE = 0x80;
const OPCODE_ADDRESS = 0;
const OPCODES: Readonly<Record<Transport, number>> = { udp: 1, tcp: 2 };
const ADDRESS_BYTES = 12;
const MAP_BYTES = 16;

const NOT_AUTHORIZED = 2;
const NETWORK_FAILURE = 3;
const OUT_OF_RESOURCES = 4;
const RESULTS = [
  'success',
  'unsupported version',
  'not authorized',
  'network failure: the gateway has no public address',
  'out of resources',
  'unsupported opcode',
] as const;
const UNSUPPORTED = [1, 5];

/** RFC 6886 3.2: two bytes, answered with the gateway's outer address and its epoch. */
export function encodeAddressRequest(): Uint8Array {
  return new Uint8Array([VERSION, OPCODE_ADDRESS]);
}

/** @param request `lifetimeSec` 0 deletes, and then the external port has to be 0 as well (section 3.4) */
export function encodeNatPmpMap({
  transport,
  internalPort,
  externalPort,
  lifetimeSec,
}: MapRequest): Uint8Array {
  const bytes = new Uint8Array(12);
  bytes[0] = VERSION;
  bytes[1] = OPCODES[transport];
  writeU16(bytes, 4, internalPort);
  writeU16(bytes, 6, lifetimeSec === 0 ? 0 : externalPort);
  writeU32(bytes, 8, lifetimeSec);
  return bytes;
}

export type NatPmpResponse =
  | {
      readonly kind: 'address';
      readonly result: number;
      readonly epochSec: number;
      readonly host: string;
    }
  | {
      readonly kind: 'map';
      readonly transport: Transport;
      readonly result: number;
      readonly epochSec: number;
      readonly internalPort: number;
      readonly externalPort: number;
      readonly lifetimeSec: number;
    }
  /** A server that knows PCP only, or does not know the opcode. */
  | { readonly kind: 'unsupported' };

/** @param bytes a datagram from the gateway; its sender was checked by the caller (RFC 6886) */
export function decodeNatPmpResponse(bytes: Uint8Array): Result<NatPmpResponse> {
  if (bytes.length < 4 || ((bytes[1] as number) & RESPONSE) === 0) return reject('NAT-PMP: not a response');
  if (bytes[0] !== VERSION) return accept({ kind: 'unsupported' });
  const result = readU16(bytes, 2);
  if (UNSUPPORTED.includes(result)) return accept({ kind: 'unsupported' });
  if (bytes.length < 8) return reject('NAT-PMP: cut short');
  const opcode = (bytes[1] as number) & ~RESPONSE;
  const epochSec = readU32(bytes, 4);
  if (opcode === OPCODE_ADDRESS) {
    const host = bytes.length >= ADDRESS_BYTES ? formatIp(bytes, 8, 4) : '0.0.0.0';
    return accept({ kind: 'address', result, epochSec, host });
  }
  const transport = opcode === OPCODES.udp ? 'udp' : opcode === OPCODES.tcp ? 'tcp' : undefined;
  if (transport === undefined) return reject(`NAT-PMP: answer to opcode ${opcode}`);
  // Errors may end after the epoch.
  const isWhole = bytes.length >= MAP_BYTES;
  if (!isWhole && result === 0) return reject('NAT-PMP: cut short');
  return accept({
    kind: 'map',
    transport,
    result,
    epochSec,
    internalPort: bytes.length >= 10 ? readU16(bytes, 8) : 0,
    externalPort: isWhole ? readU16(bytes, 10) : 0,
    lifetimeSec: isWhole ? readU32(bytes, 12) : 0,
  });
}

/** What a MAP answer means. @param externalHost from an earlier answer to an address request */
export function natPmpAnswer(
  response: NatPmpResponse & { readonly kind: 'map' },
  externalHost: string | undefined,
): MapAnswer {
  const { result, externalPort, lifetimeSec, epochSec } = response;
  if (result === 0) return { ok: true, grant: { externalPort, externalHost, lifetimeSec, epochSec } };
  const what = RESULTS[result] ?? `result ${result}`;
  if (result === NETWORK_FAILURE) return failed('private', what);
  return failed(result === OUT_OF_RESOURCES ? 'failed' : 'refused', what);
}

/** An address answer that says that mapping is no use; undefined when it does not. */
export function natPmpAddressTrouble(
  response: NatPmpResponse & { readonly kind: 'address' },
): MapAnswer | undefined {
  const { result, host } = response;
  const what = RESULTS[result] ?? `result ${result}`;
  if (result === NOT_AUTHORIZED) return failed('refused', what);
  if (result === NETWORK_FAILURE || host === '0.0.0.0') return failed('private', RESULTS[NETWORK_FAILURE]);
  return result === 0 ? undefined : failed('failed', what);
}
