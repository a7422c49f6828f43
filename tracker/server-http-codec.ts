// HTTP tracker messages as a server sees them: queries in raw bytes, bencoded replies (BEP 3, 7, 23, 24, 31, 48).
import { composeDict, encodeBencode } from '../core/base/bencode-encode.ts';
import { latin1, textOf, utf8 } from '../core/base/bytes.ts';
import { formatIp, parseIp } from '../core/base/endpoint.ts';
import { ID_BYTES } from '../core/base/ids.ts';
import { accept, type Result, reject } from '../core/base/result.ts';
import type { AnnounceEvent, ScrapeEntry } from './messages.ts';
import { compactPeers } from './server-udp-codec.ts';
import type { ListedPeer } from './swarm-store.ts';

/** As many as a UDP scrape could ask for; the URL would end soon after anyway. */
const MAX_HTTP_SCRAPE_HASHES = 100;
const MAX_QUERY_CHARS = 8192;
const MAX_QUERY_FIELDS = 256;

export interface HttpAnnounce {
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  readonly port: number;
  readonly uploaded: number;
  readonly downloaded: number;
  readonly left: number;
  readonly event: AnnounceEvent | undefined;
  readonly numwant: number | undefined;
  /** Folded to 32 bits; 0 when not given. */
  readonly key: number;
  /** The `ip` parameter, 4 or 16 bytes, whether to be believed or not. */
  readonly ip: Uint8Array | undefined;
  readonly isCompact: boolean;
  readonly withPeerIds: boolean;
}

interface QueryField {
  readonly name: string;
  readonly value: Uint8Array;
}

/** Decodes `a=%01b&...` to raw bytes: info hashes are not text. @returns undefined on a bad escape or too much */
function decodeQuery(query: string): QueryField[] | undefined {
  if (query.length > MAX_QUERY_CHARS) return undefined;
  const fields: QueryField[] = [];
  for (const part of query.split('&')) {
    if (part === '') continue;
    if (fields.length === MAX_QUERY_FIELDS) return undefined;
    const equals = part.indexOf('=');
    const name = unescapeBytes(equals < 0 ? part : part.slice(0, equals));
    const value = unescapeBytes(equals < 0 ? '' : part.slice(equals + 1));
    if (name === undefined || value === undefined) return undefined;
    fields.push({ name: textOf(name), value });
  }
  return fields;
}

/** `+` stands for itself: BitTorrent clients escape by RFC 3986, not as forms do. */
function unescapeBytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) return undefined;
    if (code !== 0x25) {
      bytes[length++] = code;
      continue;
    }
    const hex = text.slice(i + 1, i + 3);
    if (!/^[0-9a-fA-F]{2}$/.test(hex)) return undefined;
    bytes[length++] = Number.parseInt(hex, 16);
    i += 2;
  }
  return bytes.subarray(0, length);
}

/** @param query behind the question mark, percent-encoded bytes (BEP 3, 7, 23) */
export function decodeAnnounceQuery(query: string): Result<HttpAnnounce> {
  const fields = decodeQuery(query);
  if (fields === undefined) return reject('malformed query');
  const value = (name: string): Uint8Array | undefined => fields.find((field) => field.name === name)?.value;
  const text = (name: string): string | undefined => {
    const bytes = value(name);
    return bytes === undefined ? undefined : textOf(bytes);
  };
  const infoHash = value('info_hash');
  if (infoHash === undefined) return reject('missing info_hash');
  if (infoHash.length !== ID_BYTES) return reject('invalid info_hash');
  const peerId = value('peer_id');
  if (peerId === undefined) return reject('missing peer_id');
  if (peerId.length !== ID_BYTES) return reject('invalid peer_id');
  const port = readCount(text('port'));
  if (port === undefined || port > 65535) return reject('missing or invalid port');
  const event = text('event');
  const ip = text('ip');
  return accept({
    infoHash,
    peerId,
    port,
    uploaded: readCount(text('uploaded')) ?? 0,
    downloaded: readCount(text('downloaded')) ?? 0,
    // Who does not say what is left has not got it all.
    left: readCount(text('left')) ?? 1,
    event: event === 'started' || event === 'completed' || event === 'stopped' ? event : undefined,
    numwant: readCount(text('numwant')),
    key: foldKey(value('key')),
    ip: ip === undefined ? undefined : parseIp(ip),
    isCompact: text('compact') !== '0',
    withPeerIds: text('no_peer_id') !== '1',
  });
}

/** @param query behind the question mark (BEP 48) */
export function decodeScrapeQuery(query: string): Result<readonly Uint8Array[]> {
  const fields = decodeQuery(query);
  if (fields === undefined) return reject('malformed query');
  const hashes = fields.filter((field) => field.name === 'info_hash').map((field) => field.value);
  if (hashes.length === 0) return reject('a scrape needs at least one info_hash');
  if (hashes.length > MAX_HTTP_SCRAPE_HASHES)
    return reject(`more than ${MAX_HTTP_SCRAPE_HASHES} info hashes`);
  if (hashes.some((hash) => hash.length !== ID_BYTES)) return reject('invalid info_hash');
  return accept(hashes);
}

function readCount(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,20}$/.test(text)) return undefined;
  // libtorrent and others send 2^63 - 1 for "unknown".
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}

/** FNV-1a: keys are free text of the client's, compared only for equality. */
function foldKey(key: Uint8Array | undefined): number {
  if (key === undefined || key.length === 0) return 0;
  let hash = 0x811c9dc5;
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0 || 1;
}

/** Compact (BEP 23, BEP 7), or as a list of dictionaries where that was asked for. */
export function encodeHttpAnnounceReply(reply: {
  readonly intervalSeconds: number;
  readonly minIntervalSeconds: number;
  readonly counts: ScrapeEntry;
  readonly peers: readonly ListedPeer[];
  readonly isCompact: boolean;
  readonly withPeerIds: boolean;
  /** BEP 24: where the request came from. */
  readonly externalIp: Uint8Array;
}): Uint8Array {
  const v4 = reply.peers.filter((peer) => peer.ip.length === 4);
  const v6 = reply.peers.filter((peer) => peer.ip.length === 16);
  const peers = reply.isCompact
    ? compactPeers(v4)
    : reply.peers.map((peer) => ({
        ip: formatIp(peer.ip),
        port: peer.port,
        'peer id': reply.withPeerIds ? peer.peerId : undefined,
      }));
  return encodeBencode({
    complete: reply.counts.seeds,
    downloaded: reply.counts.downloads,
    'external ip': reply.externalIp,
    incomplete: reply.counts.leechers,
    interval: reply.intervalSeconds,
    'min interval': reply.minIntervalSeconds,
    peers,
    peers6: reply.isCompact && v6.length > 0 ? compactPeers(v6) : undefined,
  });
}

/** BEP 48: one entry for each info hash, asked twice or not. */
export function encodeHttpScrapeReply(
  files: readonly { readonly infoHash: Uint8Array; readonly counts: ScrapeEntry }[],
): Uint8Array {
  const unique = new Map(files.map((file) => [latin1(file.infoHash), file]));
  const entries = composeDict(
    [...unique.values()].map(({ infoHash, counts }) => [
      infoHash,
      encodeBencode({ complete: counts.seeds, downloaded: counts.downloads, incomplete: counts.leechers }),
    ]),
  );
  return composeDict([[utf8('files'), entries]]);
}

/** BEP 3: a reason for a person, and nothing else. */
export function encodeHttpFailure(message: string): Uint8Array {
  return encodeBencode({ 'failure reason': message });
}
