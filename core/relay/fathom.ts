// How many hops it takes a packet of ours to pass all gateways that are our own: the home's, the carrier's. The first packets of a hole shall open
// those and come no further, or they would close the peer's. A relay lends a few UDP ports that nobody has written to. We write to each with another
// hop limit, to one not at all, and knock at the last; then the relay sends from all of them. What arrives came through a door that we
// had opened: the lowest such hop limit is enough. Pure.
import { readU16, writeU16 } from '../base/bytes.ts';
import { encodeFrame, type RelayFrame, SENDER_BYTES } from './frame.ts';

/** Of the packets to each port, in order; undefined: none is sent. Carriers' gateways have been found up to six hops away. */
export const FATHOM_TTLS: readonly (number | undefined)[] = [undefined, 2, 3, 4, 5, 6, 7];
/** The port after those is knocked at with a frame, by a packet that arrives. */
export const FATHOM_PORTS = FATHOM_TTLS.length + 1;
export const KNOCK = FATHOM_PORTS - 1;

/** The relay's answer on the connection: its ports. */
export function encodeFathomPorts(token: Uint8Array, ports: readonly number[]): Uint8Array {
  const sender = new Uint8Array(SENDER_BYTES);
  sender[0] = ports.length;
  for (const [i, port] of ports.entries()) writeU16(sender, 1 + 2 * i, port);
  return encodeFrame('fathom', token, sender);
}

/** @returns undefined when these are none, or not as many as are needed */
export function portsInFathom({ kind, sender }: RelayFrame): number[] | undefined {
  if (kind !== 'fathom' || sender[0] !== FATHOM_PORTS) return undefined;
  const ports = Array.from({ length: FATHOM_PORTS }, (_, i) => readU16(sender, 1 + 2 * i));
  return ports.includes(0) ? undefined : ports;
}

/** The datagram from one of the ports. */
export function encodeFathomEcho(token: Uint8Array, port: number): Uint8Array {
  const sender = new Uint8Array(SENDER_BYTES);
  sender[0] = 1;
  sender[1] = port;
  return encodeFrame('fathom', token, sender);
}

/** @returns which port it came from, 0 to KNOCK */
export function portOfEcho({ kind, sender }: RelayFrame): number | undefined {
  const port = sender[1] as number;
  return kind === 'fathom' && sender[0] === 1 && port < FATHOM_PORTS ? port : undefined;
}

/**
 * @param arrived ports whose datagram came
 * @returns the hop limit that opens all our gateways and leads no further; undefined where nothing follows: they let in who was not written to, or
 *   have another port for each remote, or are too many
 */
export function hopsOf(arrived: ReadonlySet<number>): number | undefined {
  if (arrived.has(0)) return undefined;
  const first = FATHOM_TTLS.findIndex((ttl, port) => ttl !== undefined && arrived.has(port));
  return first < 0 ? undefined : FATHOM_TTLS[first];
}
