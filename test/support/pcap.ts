// Reads the TCP payload of a capture (classic pcap, Ethernet, IPv4): one byte string for each direction of each flow.
import { concatBytes, readU16, readU32 } from '../../core/base/bytes.ts';

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const ETHERNET_BYTES = 14;
const TCP = 6;

export interface TcpFlow {
  /** `address:port>address:port` */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Retransmitted bytes are taken once; a gap throws, because then the capture is of no use. */
export function tcpFlows(capture: Uint8Array): TcpFlow[] {
  const view = new DataView(capture.buffer, capture.byteOffset, capture.length);
  const flows = new Map<string, { next: number | undefined; parts: Uint8Array[] }>();
  for (let at = FILE_HEADER_BYTES; at < capture.length; ) {
    const length = view.getUint32(at + 8, true);
    const ip = capture.subarray(at + RECORD_HEADER_BYTES + ETHERNET_BYTES, at + RECORD_HEADER_BYTES + length);
    at += RECORD_HEADER_BYTES + length;
    if ((ip[0] as number) >> 4 !== 4 || ip[9] !== TCP) continue;
    const tcp = ip.subarray(((ip[0] as number) & 15) * 4, readU16(ip, 2));
    const payload = tcp.subarray(((tcp[12] as number) >> 4) * 4);
    const name = `${ip.subarray(12, 16).join('.')}:${readU16(tcp, 0)}>${ip.subarray(16, 20).join('.')}:${readU16(tcp, 2)}`;
    const flow = flows.get(name) ?? { next: undefined, parts: [] };
    flows.set(name, flow);
    const sequence = readU32(tcp, 4);
    const isSyn = ((tcp[13] as number) & 2) !== 0;
    if (isSyn) flow.next = (sequence + 1) >>> 0;
    if (payload.length === 0) continue;
    const skip = flow.next === undefined ? 0 : (flow.next - sequence) | 0;
    if (skip < 0) throw new Error(`capture has a gap in ${name}`);
    if (skip >= payload.length) continue;
    flow.parts.push(payload.subarray(skip));
    flow.next = (sequence + payload.length) >>> 0;
  }
  return [...flows].map(([name, flow]) => ({ name, bytes: concatBytes(flow.parts) }));
}
