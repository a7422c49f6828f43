// UDP tracker messages as a server sees them (BEP 15, options of BEP 41).
import {
  concatBytes,
  readU16,
  readU32,
  readU64,
  textOf,
  utf8,
  writeU16,
  writeU32,
} from '../core/base/bytes.ts';
import { ID_BYTES } from '../core/base/ids.ts';
import { accept, type Result, reject } from '../core/base/result.ts';
import type { AnnounceEvent, ScrapeEntry } from './messages.ts';
import type { ListedPeer } from './swarm-store.ts';
import {
  ACTION_ANNOUNCE,
  ACTION_CONNECT,
  ACTION_ERROR,
  ACTION_SCRAPE,
  ANNOUNCE_REPLY_HEAD_BYTES,
  ANNOUNCE_REQUEST_BYTES,
  CONNECT_REPLY_BYTES,
  CONNECT_REQUEST_BYTES,
  CONNECTION_ID_BYTES,
  MAX_UDP_SCRAPE_HASHES,
  OPTION_END,
  OPTION_NOP,
  OPTION_URL_DATA,
  SCRAPE_ENTRY_BYTES,
  SCRAPE_HEAD_BYTES,
  UDP_EVENTS,
  UDP_PROTOCOL_MAGIC_HIGH,
  UDP_PROTOCOL_MAGIC_LOW,
  UDP_REPLY_HEAD_BYTES,
} from './udp-codec.ts';

export type UdpRequest = { readonly transactionId: number } & (
  | { readonly action: 'connect' }
  | {
      readonly action: 'announce';
      readonly connectionId: Uint8Array;
      readonly infoHash: Uint8Array;
      readonly peerId: Uint8Array;
      readonly downloaded: number;
      readonly left: number;
      readonly uploaded: number;
      readonly event: AnnounceEvent | undefined;
      /** 4 bytes; all zero when the sender's own address is meant. */
      readonly ip: Uint8Array;
      readonly key: number;
      /** Undefined: as many as the tracker likes. */
      readonly numwant: number | undefined;
      readonly port: number;
      /** BEP 41 path and query; empty without the option. */
      readonly urlTarget: string;
    }
  | {
      readonly action: 'scrape';
      readonly connectionId: Uint8Array;
      readonly infoHashes: readonly Uint8Array[];
    }
);

/** @param packet at least 16 bytes (BEP 15); the connection id is not checked here */
export function decodeUdpRequest(packet: Uint8Array): Result<UdpRequest> {
  if (packet.length < CONNECT_REQUEST_BYTES) return reject(`UDP tracker request of ${packet.length} bytes`);
  const action = readU32(packet, 8);
  const transactionId = readU32(packet, 12);
  const connectionId = packet.slice(0, CONNECTION_ID_BYTES);
  if (action === ACTION_CONNECT) {
    const isOurs =
      readU32(packet, 0) === UDP_PROTOCOL_MAGIC_HIGH && readU32(packet, 4) === UDP_PROTOCOL_MAGIC_LOW;
    return isOurs
      ? accept({ transactionId, action: 'connect' })
      : reject('UDP connect without the protocol id');
  }
  if (action === ACTION_SCRAPE) {
    const infoHashes: Uint8Array[] = [];
    for (let at = SCRAPE_HEAD_BYTES; at + ID_BYTES <= packet.length; at += ID_BYTES) {
      if (infoHashes.length < MAX_UDP_SCRAPE_HASHES) infoHashes.push(packet.slice(at, at + ID_BYTES));
    }
    if (infoHashes.length === 0) return reject('UDP scrape of nothing');
    return accept({ transactionId, action: 'scrape', connectionId, infoHashes });
  }
  if (action !== ACTION_ANNOUNCE) return reject(`UDP tracker request with action ${action}`);
  if (packet.length < ANNOUNCE_REQUEST_BYTES) return reject(`UDP announce of ${packet.length} bytes`);
  const wanted = readU32(packet, 92);
  return accept({
    transactionId,
    action: 'announce',
    connectionId,
    infoHash: packet.slice(16, 36),
    peerId: packet.slice(36, 56),
    downloaded: readU64(packet, 56),
    left: readU64(packet, 64),
    uploaded: readU64(packet, 72),
    // An event of the future is a regular announce.
    event: UDP_EVENTS[readU32(packet, 80)],
    ip: packet.slice(84, 88),
    key: readU32(packet, 88),
    numwant: wanted > 0x7fff_ffff ? undefined : wanted,
    port: readU16(packet, 96),
    urlTarget: readUrlTarget(packet.subarray(ANNOUNCE_REQUEST_BYTES)),
  });
}

/** Reads BEP 41 options; an option cut short ends them. */
function readUrlTarget(options: Uint8Array): string {
  const chunks: Uint8Array[] = [];
  let at = 0;
  while (at < options.length) {
    const kind = options[at++] as number;
    if (kind === OPTION_END) break;
    if (kind === OPTION_NOP) continue;
    const length = options[at++];
    if (length === undefined || at + length > options.length) break;
    if (kind === OPTION_URL_DATA) chunks.push(options.subarray(at, at + length));
    at += length;
  }
  return textOf(concatBytes(chunks));
}

/** 16 bytes (BEP 15). */
export function encodeConnectReply(transactionId: number, connectionId: Uint8Array): Uint8Array {
  const packet = new Uint8Array(CONNECT_REPLY_BYTES);
  writeU32(packet, 0, ACTION_CONNECT);
  writeU32(packet, 4, transactionId);
  packet.set(connectionId, 8);
  return packet;
}

/** @param reply.peers all of the one family of the packet's destination */
export function encodeAnnounceReply(
  transactionId: number,
  reply: {
    readonly intervalSeconds: number;
    readonly counts: ScrapeEntry;
    readonly peers: readonly ListedPeer[];
  },
): Uint8Array {
  const head = new Uint8Array(ANNOUNCE_REPLY_HEAD_BYTES);
  writeU32(head, 0, ACTION_ANNOUNCE);
  writeU32(head, 4, transactionId);
  writeU32(head, 8, reply.intervalSeconds);
  writeU32(head, 12, reply.counts.leechers);
  writeU32(head, 16, reply.counts.seeds);
  return concatBytes([head, compactPeers(reply.peers)]);
}

/** @param entries one per asked info hash; zeros for one the tracker does not know */
export function encodeScrapeReply(
  transactionId: number,
  entries: readonly (ScrapeEntry | undefined)[],
): Uint8Array {
  const packet = new Uint8Array(UDP_REPLY_HEAD_BYTES + entries.length * SCRAPE_ENTRY_BYTES);
  writeU32(packet, 0, ACTION_SCRAPE);
  writeU32(packet, 4, transactionId);
  for (const [i, entry] of entries.entries()) {
    const at = UDP_REPLY_HEAD_BYTES + i * SCRAPE_ENTRY_BYTES;
    writeU32(packet, at, entry?.seeds ?? 0);
    writeU32(packet, at + 4, entry?.downloads ?? 0);
    writeU32(packet, at + 8, entry?.leechers ?? 0);
  }
  return packet;
}

/** BEP 15. @param message for a person, as UTF-8 */
export function encodeErrorReply(transactionId: number, message: string): Uint8Array {
  const head = new Uint8Array(UDP_REPLY_HEAD_BYTES);
  writeU32(head, 0, ACTION_ERROR);
  writeU32(head, 4, transactionId);
  return concatBytes([head, utf8(message)]);
}

/** BEP 23 and BEP 7 strings: address and port of each, as they come. */
export function compactPeers(peers: readonly ListedPeer[]): Uint8Array {
  return concatBytes(
    peers.map((peer) => {
      const bytes = new Uint8Array(peer.ip.length + 2);
      bytes.set(peer.ip);
      writeU16(bytes, peer.ip.length, peer.port);
      return bytes;
    }),
  );
}
