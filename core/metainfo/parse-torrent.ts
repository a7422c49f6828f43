// A .torrent file (BEP 3, 5, 12, 17, 19): what stands outside `info`. Loose where live files are loose: a malformed tracker
// list or node list is ignored, never fatal; `info` itself is parse-info's.
import { type BencodeDict, type BencodeList, type BencodeValue, isDict } from '../base/bencode.ts';
import { latin1, textOf } from '../base/bytes.ts';
import { type Result, reject } from '../base/result.ts';
import { nameIn } from './info-text.ts';
import {
  MAX_HOST_CHARS,
  MAX_NODES,
  MAX_TRACKERS,
  MAX_URL_CHARS,
  MAX_WEB_SEEDS,
  PARSE_LIMITS,
  type ParseLimits,
} from './limits.ts';
import type { Metainfo } from './metainfo.ts';
import { decodeTorrentDict, type MetainfoExtras, metainfoOf, plainView } from './parse-info.ts';
import type { PathRules } from './safe-path.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export interface ParseTorrentOptions {
  /** Default 'posix'; see pathRulesFor. */
  readonly pathRules?: PathRules;
  readonly limits?: ParseLimits;
}

/**
 * Reads a whole .torrent, v1 (BEP 3), v2 or hybrid (BEP 52). Never throws; the reason is one clause fit for a person. The result keeps views
 * of `bytes`: do not reuse the buffer.
 */
export function parseTorrent(bytes: Uint8Array, options: ParseTorrentOptions = {}): Result<Metainfo> {
  const torrent = decodeTorrentDict(withoutTrailingBlanks(plainView(bytes)), options.limits ?? PARSE_LIMITS);
  if (!torrent.ok) return torrent;
  const info = torrent.value.dict('info');
  const infoBytes = torrent.value.rawOf('info');
  if (info === undefined || infoBytes === undefined)
    return reject(`'info' is ${torrent.value.has('info') ? 'not a dictionary' : 'missing'}`);
  const layers = torrent.value.get('piece layers');
  if (layers !== undefined && !isDict(layers)) return reject("'piece layers' is not a dictionary");
  const charset = torrent.value.text('encoding');
  return metainfoOf(
    info,
    infoBytes,
    { charset, pieceLayers: layers },
    { ...options, extras: extrasOf(torrent.value, charset) },
  );
}

/** Some files passed through tools that end every file with a newline. A dictionary ends in `e`: nothing of it is lost. */
function withoutTrailingBlanks(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === LINE_FEED || bytes[end - 1] === CARRIAGE_RETURN)) end--;
  return bytes.subarray(0, end);
}

function extrasOf(torrent: BencodeDict, charset: string | undefined): MetainfoExtras {
  const created = torrent.integer('creation date');
  return {
    trackerTiers: trackerTiersOf(torrent),
    webSeeds: urlsOf(torrent.get('url-list')),
    httpSeeds: urlsOf(torrent.get('httpseeds')),
    nodes: nodesOf(torrent.list('nodes') ?? []),
    comment: nameIn(torrent, 'comment', charset),
    createdBy: nameIn(torrent, 'created by', charset),
    creationDate: created !== undefined && created >= 0 ? created : undefined,
  };
}

/** BEP 12: `announce` counts only where `announce-list` says nothing. Some files have a plain list of URLs there. */
function trackerTiersOf(torrent: BencodeDict): readonly (readonly string[])[] {
  const seen = new Set<string>();
  const tiers: string[][] = [];
  for (const tier of torrent.list('announce-list') ?? []) {
    const urls: string[] = [];
    for (const value of Array.isArray(tier) ? (tier as BencodeList) : [tier]) {
      const url = urlOf(value);
      if (url === undefined || seen.has(url) || seen.size >= MAX_TRACKERS) continue;
      seen.add(url);
      urls.push(url);
    }
    if (urls.length > 0) tiers.push(urls);
  }
  if (tiers.length > 0) return tiers;
  const announce = urlOf(torrent.get('announce'));
  return announce === undefined ? [] : [[announce]];
}

/** BEP 17 and 19: a list of URLs, or one as a string. Empty entries, which some creators leave, are no seeds. */
function urlsOf(value: BencodeValue | undefined): readonly string[] {
  const urls = new Set<string>();
  for (const item of Array.isArray(value) ? (value as BencodeList) : [value]) {
    const url = urlOf(item);
    if (url !== undefined && urls.size < MAX_WEB_SEEDS) urls.add(url);
  }
  return [...urls];
}

/** Trimmed text as found; whoever connects judges the scheme. */
function urlOf(value: BencodeValue | undefined): string | undefined {
  if (!(value instanceof Uint8Array) || value.length > MAX_URL_CHARS) return undefined;
  const text = textOf(value).trim();
  return text === '' ? undefined : text;
}

/** BEP 5: pairs of host and port. */
function nodesOf(list: BencodeList): { host: string; port: number }[] {
  const nodes: { host: string; port: number }[] = [];
  for (const pair of list) {
    if (nodes.length >= MAX_NODES) break;
    if (!Array.isArray(pair)) continue;
    const [hostBytes, port] = pair as BencodeList;
    if (!(hostBytes instanceof Uint8Array) || typeof port !== 'number') continue;
    const host = latin1(hostBytes).trim();
    if (!/^[\x21-\x7e]+$/.test(host) || host.length > MAX_HOST_CHARS || port < 1 || port > 65_535) continue;
    nodes.push({ host, port });
  }
  return nodes;
}
