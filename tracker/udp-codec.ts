// UDP tracker messages as a client sees them (BEP 15, URL data of BEP 41). Nothing here knows a socket.
import { concatBytes, readU32, textOf, utf8, writeU16, writeU32, writeU64 } from '../core/base/bytes.ts';
import { COMPACT_V4_BYTES, COMPACT_V6_BYTES, decodeCompact } from '../core/base/endpoint.ts';
import { ID_BYTES, type InfoHash } from '../core/base/ids.ts';
import { accept, type Result, reject } from '../core/base/result.ts';
import {
  type AnnounceEvent,
  type AnnounceReply,
  type AnnounceRequest,
  isUsablePeer,
  MAX_PEERS_PER_REPLY,
  oneLine,
  type ScrapeEntry,
} from './messages.ts';

export const UDP_PROTOCOL_MAGIC_HIGH = 0x417;
export const UDP_PROTOCOL_MAGIC_LOW = 0x27101980;
export const ACTION_CONNECT = 0;
export const ACTION_ANNOUNCE = 1;
export const ACTION_SCRAPE = 2;
export const ACTION_ERROR = 3;
export const CONNECTION_ID_BYTES = 8;
export const CONNECT_REQUEST_BYTES = 16;
export const CONNECT_REPLY_BYTES = 16;
export const ANNOUNCE_REQUEST_BYTES = 98;
export const ANNOUNCE_REPLY_HEAD_BYTES = 20;
export const SCRAPE_HEAD_BYTES = 16;
export const SCRAPE_ENTRY_BYTES = 12;
export const UDP_REPLY_HEAD_BYTES = 8;
/** BEP 15: what fits one datagram everywhere. */
export const MAX_UDP_SCRAPE_HASHES = 74;
/** BEP 15 event numbers by place. */
export const UDP_EVENTS: readonly (AnnounceEvent | undefined)[] = [
  undefined,
  'completed',
  'started',
  'stopped',
];
export const OPTION_END = 0;
export const OPTION_NOP = 1;
export const OPTION_URL_DATA = 2;
const MAX_OPTION_BYTES = 255;

/** 16 bytes (BEP 15). */
export function encodeConnectRequest(transactionId: number): Uint8Array {
  const packet = new Uint8Array(CONNECT_REQUEST_BYTES);
  writeU32(packet, 0, UDP_PROTOCOL_MAGIC_HIGH);
  writeU32(packet, 4, UDP_PROTOCOL_MAGIC_LOW);
  writeU32(packet, 8, ACTION_CONNECT);
  writeU32(packet, 12, transactionId);
  return packet;
}

/** @param urlTarget path and query of the tracker URL (BEP 41); nothing is appended for an empty one or `/` */
export function encodeAnnounceRequest(
  connectionId: Uint8Array,
  transactionId: number,
  request: AnnounceRequest,
  urlTarget: string,
): Uint8Array {
  const packet = new Uint8Array(ANNOUNCE_REQUEST_BYTES);
  packet.set(connectionId, 0);
  writeU32(packet, 8, ACTION_ANNOUNCE);
  writeU32(packet, 12, transactionId);
  packet.set(request.infoHash, 16);
  packet.set(request.peerId, 36);
  writeU64(packet, 56, request.downloaded);
  writeU64(packet, 64, request.left);
  writeU64(packet, 72, request.uploaded);
  writeU32(packet, 80, UDP_EVENTS.indexOf(request.event));
  // IP address 0: the tracker takes the sender's own, which is the only honest one.
  writeU32(packet, 84, 0);
  writeU32(packet, 88, request.key);
  // -1 reads as "tracker's choice"; a count is a signed 32-bit number.
  writeU32(packet, 92, request.numwant);
  writeU16(packet, 96, request.port);
  return urlTarget === '' || urlTarget === '/' ? packet : concatBytes([packet, ...urlDataOptions(urlTarget)]);
}

function urlDataOptions(urlTarget: string): Uint8Array[] {
  const data = utf8(urlTarget);
  const options: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += MAX_OPTION_BYTES) {
    const chunk = data.subarray(at, at + MAX_OPTION_BYTES);
    options.push(Uint8Array.of(OPTION_URL_DATA, chunk.length), chunk);
  }
  return options;
}

/** @param infoHashes at most MAX_UDP_SCRAPE_HASHES */
export function encodeScrapeRequest(
  connectionId: Uint8Array,
  transactionId: number,
  infoHashes: readonly InfoHash[],
): Uint8Array {
  const packet = new Uint8Array(SCRAPE_HEAD_BYTES + infoHashes.length * ID_BYTES);
  packet.set(connectionId, 0);
  writeU32(packet, 8, ACTION_SCRAPE);
  writeU32(packet, 12, transactionId);
  for (const [i, hash] of infoHashes.entries()) packet.set(hash, SCRAPE_HEAD_BYTES + i * ID_BYTES);
  return packet;
}

export type UdpReply = { readonly transactionId: number } & (
  | { readonly action: 'connect'; readonly connectionId: Uint8Array }
  | { readonly action: 'announce'; readonly reply: AnnounceReply }
  | { readonly action: 'scrape'; readonly entries: readonly ScrapeEntry[] }
  | { readonly action: 'error'; readonly message: string }
);

/** @param family of the address the packet came from: it says how wide the peers are (BEP 7, BEP 15) */
export function decodeUdpReply(packet: Uint8Array, family: 4 | 6): Result<UdpReply> {
  if (packet.length < UDP_REPLY_HEAD_BYTES) return reject(`UDP tracker reply of ${packet.length} bytes`);
  const action = readU32(packet, 0);
  const transactionId = readU32(packet, 4);
  switch (action) {
    case ACTION_CONNECT:
      if (packet.length < CONNECT_REPLY_BYTES) return reject(`UDP connect reply of ${packet.length} bytes`);
      return accept({
        transactionId,
        action: 'connect',
        connectionId: packet.slice(8, 8 + CONNECTION_ID_BYTES),
      });
    case ACTION_ANNOUNCE:
      if (packet.length < ANNOUNCE_REPLY_HEAD_BYTES) {
        return reject(`UDP announce reply of ${packet.length} bytes`);
      }
      return accept({ transactionId, action: 'announce', reply: readAnnounce(packet, family) });
    case ACTION_SCRAPE: {
      const entries: ScrapeEntry[] = [];
      for (
        let at = UDP_REPLY_HEAD_BYTES;
        at + SCRAPE_ENTRY_BYTES <= packet.length;
        at += SCRAPE_ENTRY_BYTES
      ) {
        if (entries.length === MAX_UDP_SCRAPE_HASHES) break;
        entries.push({
          seeds: readU32(packet, at),
          downloads: readU32(packet, at + 4),
          leechers: readU32(packet, at + 8),
        });
      }
      return accept({ transactionId, action: 'scrape', entries });
    }
    case ACTION_ERROR:
      return accept({
        transactionId,
        action: 'error',
        message: oneLine(textOf(packet.subarray(UDP_REPLY_HEAD_BYTES))) || 'refused without a reason',
      });
    default:
      return reject(`UDP tracker reply with action ${action}`);
  }
}

function readAnnounce(packet: Uint8Array, family: 4 | 6): AnnounceReply {
  const seconds = readU32(packet, 8);
  const peers = decodeCompact(
    packet.subarray(ANNOUNCE_REPLY_HEAD_BYTES),
    family === 4 ? COMPACT_V4_BYTES : COMPACT_V6_BYTES,
    MAX_PEERS_PER_REPLY,
  );
  return {
    // The top bit is a negative number to the tracker that wrote it.
    intervalMs: seconds === 0 || seconds > 0x7fff_ffff ? undefined : seconds * 1000,
    minIntervalMs: undefined,
    peers: peers.filter(isUsablePeer),
    namedPeers: [],
    leechers: readU32(packet, 12),
    seeds: readU32(packet, 16),
    downloads: undefined,
    warning: undefined,
    externalHost: undefined,
    trackerId: undefined,
  };
}
