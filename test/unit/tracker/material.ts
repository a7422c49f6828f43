// Shared test material: vectors, packets of captures, ids, and a reader's shorthand for replies.
import { readFileSync } from 'node:fs';
import { fromHex } from '../../../core/base/bytes.ts';
import { type InfoHash, infoHashOf, type PeerId, peerIdOf } from '../../../core/base/ids.ts';
import type { AnnounceReply, AnnounceRequest, TrackerFailure } from '../../../tracker/messages.ts';

const fixtures = new URL('../../../fixtures/', import.meta.url);

export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`vectors/${name}.json`, fixtures), 'utf8')) as T;
}

export function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error(`not hex: ${text}`);
  return bytes;
}

const PCAP_HEAD_BYTES = 24;
const PACKET_HEAD_BYTES = 16;
const ETHERNET_BYTES = 14;
const IPV4_BYTES = 20;

/** Payloads of the IPv4 packets of a capture, in order; empty ones (bare TCP acknowledgements) left out. */
export function readCapture(name: string): Uint8Array[] {
  const file = readFileSync(new URL(`captures/${name}.pcap`, fixtures));
  const payloads: Uint8Array[] = [];
  for (let at = PCAP_HEAD_BYTES; at < file.length; ) {
    const length = file.readUInt32LE(at + 8);
    const frame = file.subarray(at + PACKET_HEAD_BYTES, at + PACKET_HEAD_BYTES + length);
    at += PACKET_HEAD_BYTES + length;
    const packet = frame.subarray(ETHERNET_BYTES, ETHERNET_BYTES + frame.readUInt16BE(ETHERNET_BYTES + 2));
    const isTcp = packet[9] === 6;
    const body = packet.subarray(IPV4_BYTES);
    const payload = body.subarray(isTcp ? ((body[12] as number) >> 4) * 4 : 8);
    if (payload.length > 0) payloads.push(new Uint8Array(payload));
  }
  return payloads;
}

export function infoHash(fill = 1): InfoHash {
  return infoHashOf(new Uint8Array(20).fill(fill));
}

export function peerId(fill = 2): PeerId {
  return peerIdOf(new Uint8Array(20).fill(fill));
}

export function announceRequest(changes: Partial<AnnounceRequest> = {}): AnnounceRequest {
  return {
    infoHash: infoHash(),
    peerId: peerId(),
    port: 6881,
    uploaded: 0,
    downloaded: 0,
    left: 1000,
    corrupt: 0,
    event: 'started',
    numwant: 50,
    key: 0xdeadbeef,
    trackerId: undefined,
    ...changes,
  };
}

export function announceReply(changes: Partial<AnnounceReply> = {}): AnnounceReply {
  return {
    intervalMs: 1_800_000,
    minIntervalMs: undefined,
    peers: [],
    namedPeers: [],
    seeds: undefined,
    leechers: undefined,
    downloads: undefined,
    warning: undefined,
    externalHost: undefined,
    trackerId: undefined,
    ...changes,
  };
}

export function failure(message: string, retryInMs?: number | 'never'): TrackerFailure {
  return { message, fromTracker: true, retryInMs };
}
