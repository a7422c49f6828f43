// A uTP packet on the wire (BEP 29): 20 bytes of header, a chain of extensions, payload.
import { readU16, readU32, writeU16, writeU32 } from '../../base/bytes.ts';

export const HEADER_BYTES = 20;

export const ST_DATA = 0;
export const ST_FIN = 1;
export const ST_STATE = 2;
export const ST_RESET = 3;
export const ST_SYN = 4;

const VERSION = 1;
const EXT_SACK = 1;
/**
 * libutp takes a packet whose first extension is above 2 for one of another version. So what only we know comes behind its
 * "extension bits": eight bytes, here zero, which others skip.
 */
const EXT_BITS = 2;
const BITS_BYTES = 8;
/**
 * Not in BEP 29, and skipped by those who do not know it: two bytes, the largest datagram (UDP payload) we take. Said on
 * loopback only, where the system carries 64 KiB in one piece and others' buffers are far smaller.
 */
const EXT_LARGEST_DATAGRAM = 0x74;
/** Not in BEP 29 either: nothing but length, so that a probe of the path carries payload that can be sent again without it. */
const EXT_PADDING = 0x70;
const EXT_HEADER_BYTES = 2;
const MAX_EXT_BYTES = 255;
/** Everything of ours fits by far; a longer chain is an attempt to keep us busy. */
const MAX_EXTENSIONS = 300;

/** What `readPacket` found; one such object serves for all packets. */
export interface PacketView {
  bytes: Uint8Array;
  type: number;
  connectionId: number;
  timestampUs: number;
  delayUs: number;
  windowBytes: number;
  seq: number;
  ack: number;
  /** Selective ack: where its mask begins, and its length; 0 bytes for none. */
  sackAt: number;
  sackBytes: number;
  /** 0: not said. */
  largestDatagram: number;
  payloadAt: number;
}

export function emptyView(): PacketView {
  return {
    bytes: new Uint8Array(0),
    type: ST_STATE,
    connectionId: 0,
    timestampUs: 0,
    delayUs: 0,
    windowBytes: 0,
    seq: 0,
    ack: 0,
    sackAt: 0,
    sackBytes: 0,
    largestDatagram: 0,
    payloadAt: HEADER_BYTES,
  };
}

/** @returns false when it is not a packet of uTP version 1; `view` is then of no use */
export function readPacket(bytes: Uint8Array, view: PacketView): boolean {
  if (bytes.length < HEADER_BYTES) return false;
  const first = bytes[0] as number;
  if ((first & 0x0f) !== VERSION || first >>> 4 > ST_SYN) return false;
  view.bytes = bytes;
  view.type = first >>> 4;
  view.connectionId = readU16(bytes, 2);
  view.timestampUs = readU32(bytes, 4);
  view.delayUs = readU32(bytes, 8);
  view.windowBytes = readU32(bytes, 12);
  view.seq = readU16(bytes, 16);
  view.ack = readU16(bytes, 18);
  view.sackBytes = 0;
  view.largestDatagram = 0;
  view.payloadAt = HEADER_BYTES;
  return bytes[1] === 0 || readExtensions(bytes, view);
}

function readExtensions(bytes: Uint8Array, view: PacketView): boolean {
  let kind = bytes[1] as number;
  let at = HEADER_BYTES;
  for (let count = 0; kind !== 0; count++) {
    if (count === MAX_EXTENSIONS || at + EXT_HEADER_BYTES > bytes.length) return false;
    const next = bytes[at] as number;
    const length = bytes[at + 1] as number;
    at += EXT_HEADER_BYTES;
    if (at + length > bytes.length) return false;
    if (kind === EXT_SACK) {
      // Deviation from BEP 29, which wants a multiple of 4: libtorrent sends masks of any length.
      view.sackAt = at;
      view.sackBytes = length;
    } else if (kind === EXT_LARGEST_DATAGRAM && length === 2) {
      view.largestDatagram = readU16(bytes, at);
    }
    at += length;
    kind = next;
  }
  view.payloadAt = at;
  return true;
}

/** What is the same in all packets of one moment. */
export interface HeaderFields {
  timestampUs: number;
  delayUs: number;
  windowBytes: number;
  ack: number;
}

export function writeHeader(
  into: Uint8Array,
  type: number,
  connectionId: number,
  seq: number,
  fields: HeaderFields,
): void {
  into[0] = (type << 4) | VERSION;
  into[1] = 0;
  writeU16(into, 2, connectionId);
  refreshHeader(into, fields);
  writeU16(into, 16, seq);
}

/** For a packet that goes out again. */
export function refreshHeader(into: Uint8Array, fields: HeaderFields): void {
  writeU32(into, 4, fields.timestampUs);
  writeU32(into, 8, fields.delayUs);
  writeU32(into, 12, fields.windowBytes);
  writeU16(into, 18, fields.ack);
}

/** @param mask bit 0 of byte 0 stands for ack + 2 (BEP 29); a multiple of 4 bytes */
export function withSack(header: Uint8Array, mask: Uint8Array): Uint8Array<ArrayBuffer> {
  return withExtension(header, EXT_SACK, mask);
}

export function withLargestDatagram(header: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(HEADER_BYTES + 2 * EXT_HEADER_BYTES + BITS_BYTES + 2);
  packet.set(header.subarray(0, HEADER_BYTES));
  const at = putBits(packet, EXT_LARGEST_DATAGRAM);
  packet[at + 1] = 2;
  writeU16(packet, at + EXT_HEADER_BYTES, bytes);
  return packet;
}

/** @returns where the next extension begins */
function putBits(packet: Uint8Array, next: number): number {
  packet[1] = EXT_BITS;
  packet[HEADER_BYTES] = next;
  packet[HEADER_BYTES + 1] = BITS_BYTES;
  return HEADER_BYTES + EXT_HEADER_BYTES + BITS_BYTES;
}

function withExtension(header: Uint8Array, kind: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(HEADER_BYTES + EXT_HEADER_BYTES + data.length);
  packet.set(header.subarray(0, HEADER_BYTES));
  packet[1] = kind;
  packet[HEADER_BYTES + 1] = data.length;
  packet.set(data, HEADER_BYTES + EXT_HEADER_BYTES);
  return packet;
}

/** `padded` adds at least so much. */
export const LEAST_PADDING_BYTES = 2 * EXT_HEADER_BYTES + BITS_BYTES;

/**
 * The same packet, made longer by extensions without meaning.
 * @param packet without extensions
 * @param size what it shall have; with less than 12 bytes to add the packet comes back as it is
 */
export function padded(packet: Uint8Array, size: number): Uint8Array {
  if (size - packet.length < LEAST_PADDING_BYTES) return packet;
  const longer = new Uint8Array(size);
  longer.set(packet.subarray(0, HEADER_BYTES));
  let at = putBits(longer, EXT_PADDING);
  let left = size - packet.length - EXT_HEADER_BYTES - BITS_BYTES;
  while (left > 0) {
    let length = Math.min(MAX_EXT_BYTES, left - EXT_HEADER_BYTES);
    // One byte alone could not be filled.
    if (left - EXT_HEADER_BYTES - length === 1) length--;
    left -= EXT_HEADER_BYTES + length;
    longer[at] = left > 0 ? EXT_PADDING : 0;
    longer[at + 1] = length;
    at += EXT_HEADER_BYTES + length;
  }
  longer.set(packet.subarray(HEADER_BYTES), at);
  return longer;
}

/** Distance from `from` to `to` on the circle of 16-bit numbers: -32768 to 32767. */
export function seqDistance(from: number, to: number): number {
  return ((to - from) << 16) >> 16;
}
