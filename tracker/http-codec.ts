// HTTP tracker messages as a client sees them: announce and scrape queries, replies (BEP 3, 7, 23, 24, 31, 48).
import { type BencodeDict, type BencodeLimits, decodeDict, isDict } from '../core/base/bencode.ts';
import { bytesEqual, textOf } from '../core/base/bytes.ts';
import {
  COMPACT_V4_BYTES,
  COMPACT_V6_BYTES,
  decodeCompact,
  type Endpoint,
  formatIp,
  normalizeHost,
} from '../core/base/endpoint.ts';
import type { InfoHash } from '../core/base/ids.ts';
import { accept, type Result } from '../core/base/result.ts';
import {
  type AnnounceAnswer,
  type AnnounceReply,
  type AnnounceRequest,
  isUsablePeer,
  MAX_NAMED_PEERS,
  MAX_PEERS_PER_REPLY,
  oneLine,
  plausibleCount,
  type ScrapeAnswer,
  type ScrapeEntry,
  type TrackerFailure,
} from './messages.ts';

/** Replies come from many hands: unsorted keys and `i-0e` are read, size, depth and count are not negotiable. */
const REPLY_LIMITS: BencodeLimits = { maxBytes: 1 << 20, maxDepth: 8, maxItems: 20_000 };
const DECODE_OPTIONS = { limits: REPLY_LIMITS, allowUnsorted: true, allowLooseIntegers: true };
/** One week: a longer interval would be a tracker's way to lose us. The policy narrows it further. */
const MAX_INTERVAL_SECONDS = 7 * 24 * 3600;
/** Some trackers give kilobytes; the id travels in every later URL. */
const MAX_TRACKER_ID_BYTES = 256;
const MAX_HOST_NAME_CHARS = 253;

const UNRESERVED = /[A-Za-z0-9._~-]/;

/** RFC 3986 escaping of raw bytes, never of their text form. */
export function escapeBytes(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    text += UNRESERVED.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

/** The query of an announce, without the leading `?`. */
export function encodeAnnounceQuery(request: AnnounceRequest): string {
  const parts = [
    `info_hash=${escapeBytes(request.infoHash)}`,
    `peer_id=${escapeBytes(request.peerId)}`,
    `port=${request.port}`,
    `uploaded=${request.uploaded}`,
    `downloaded=${request.downloaded}`,
    `left=${request.left}`,
    `corrupt=${request.corrupt}`,
    `key=${request.key.toString(16).toUpperCase().padStart(8, '0')}`,
  ];
  if (request.event !== undefined) parts.push(`event=${request.event}`);
  parts.push(`numwant=${request.numwant}`, 'compact=1', 'no_peer_id=1', 'supportcrypto=1');
  if (request.trackerId !== undefined) parts.push(`trackerid=${escapeBytes(request.trackerId)}`);
  return parts.join('&');
}

/** BEP 48: `info_hash=...&info_hash=...`, without a question mark. */
export function encodeScrapeQuery(infoHashes: readonly InfoHash[]): string {
  return infoHashes.map((hash) => `info_hash=${escapeBytes(hash)}`).join('&');
}

/** @param body of an HTTP answer (BEP 3, 7, 23, 24, 31); bounded by whoever read it */
export function decodeAnnounceReply(body: Uint8Array): Result<AnnounceAnswer> {
  const decoded = decodeDict(body, DECODE_OPTIONS);
  if (!decoded.ok) return decoded;
  const dict = decoded.value;
  const failure = readFailure(dict);
  if (failure !== undefined) return accept({ kind: 'failure', failure });
  const peers: Endpoint[] = [];
  const namedPeers: { host: string; port: number }[] = [];
  readPeers(dict, peers, namedPeers);
  const trackerId = dict.bytes('tracker id');
  const warning = dict.text('warning message');
  const reply: AnnounceReply = {
    intervalMs: readSeconds(dict, 'interval'),
    minIntervalMs: readSeconds(dict, 'min interval'),
    peers,
    namedPeers,
    seeds: plausibleCount(dict.integer('complete')),
    leechers: plausibleCount(dict.integer('incomplete')),
    downloads: plausibleCount(dict.integer('downloaded')),
    warning: warning === undefined ? undefined : oneLine(warning),
    externalHost: readExternalHost(dict),
    trackerId:
      trackerId !== undefined && trackerId.length <= MAX_TRACKER_ID_BYTES ? trackerId.slice() : undefined,
  };
  return accept({ kind: 'reply', reply });
}

/** @param asked what was asked for (BEP 48): anything else in the answer is passed over */
export function decodeScrapeReply(body: Uint8Array, asked: readonly InfoHash[]): Result<ScrapeAnswer> {
  const decoded = decodeDict(body, DECODE_OPTIONS);
  if (!decoded.ok) return decoded;
  const failure = readFailure(decoded.value);
  if (failure !== undefined) return accept({ kind: 'failure', failure });
  const found = [...(decoded.value.dict('files')?.entries() ?? [])];
  const entries = asked.map((hash): ScrapeEntry | undefined => {
    const value = found.find((entry) => bytesEqual(entry.key, hash))?.value;
    if (!isDict(value)) return undefined;
    return {
      seeds: plausibleCount(value.integer('complete')) ?? 0,
      leechers: plausibleCount(value.integer('incomplete')) ?? 0,
      downloads: plausibleCount(value.integer('downloaded')) ?? 0,
    };
  });
  return accept({ kind: 'reply', entries });
}

function readFailure(dict: BencodeDict): TrackerFailure | undefined {
  const message = dict.text('failure reason');
  if (message === undefined) return undefined;
  const minutes = dict.integer('retry in');
  const retryInMs =
    dict.text('retry in') === 'never'
      ? 'never'
      : minutes !== undefined && minutes > 0
        ? Math.min(minutes * 60, MAX_INTERVAL_SECONDS) * 1000
        : undefined;
  return { message: oneLine(message) || 'refused without a reason', fromTracker: true, retryInMs };
}

function readSeconds(dict: BencodeDict, name: string): number | undefined {
  const seconds = dict.integer(name);
  return seconds === undefined || seconds <= 0 ? undefined : Math.min(seconds, MAX_INTERVAL_SECONDS) * 1000;
}

function readExternalHost(dict: BencodeDict): string | undefined {
  const ip = dict.bytes('external ip');
  if (ip === undefined) return undefined;
  if (ip.length === 4 || ip.length === 16) return formatIp(ip);
  // Some trackers send the text; it is unmistakable.
  return normalizeHost(textOf(ip));
}

function readPeers(dict: BencodeDict, peers: Endpoint[], namedPeers: { host: string; port: number }[]): void {
  const add = (endpoints: readonly Endpoint[]): void => {
    for (const endpoint of endpoints) {
      if (peers.length >= MAX_PEERS_PER_REPLY) return;
      if (isUsablePeer(endpoint)) peers.push(endpoint);
    }
  };
  const compact = dict.bytes('peers');
  if (compact !== undefined) add(decodeCompact(compact, COMPACT_V4_BYTES, MAX_PEERS_PER_REPLY));
  const compact6 = dict.bytes('peers6');
  if (compact6 !== undefined) add(decodeCompact(compact6, COMPACT_V6_BYTES, MAX_PEERS_PER_REPLY));
  for (const item of [...(dict.list('peers') ?? []), ...(dict.list('peers6') ?? [])]) {
    if (!isDict(item)) continue;
    const name = item.text('ip');
    const port = item.integer('port');
    if (name === undefined || port === undefined || port < 1 || port > 65535) continue;
    const host = normalizeHost(name);
    if (host !== undefined) add([{ host, port }]);
    else if (namedPeers.length < MAX_NAMED_PEERS && isHostName(name)) namedPeers.push({ host: name, port });
  }
}

function isHostName(text: string): boolean {
  return text.length <= MAX_HOST_NAME_CHARS && /^(?=.*[a-zA-Z])[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+$/.test(text);
}
