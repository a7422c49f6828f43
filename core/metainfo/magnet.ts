// Magnet links (BEP 9, BEP 53, `x.pe`; BEP 52 `btmh`): reading and writing. Reading is bounded, never throws, and skips
// what it does not know; ranges of `so` are merged, never expanded, so `so=0-99999999` costs nothing.
import { toHex, utf8 } from '../base/bytes.ts';
import { ID_BYTES, type InfoHash, infoHashOf } from '../base/ids.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { parseMultihashText, parseV1HashText } from './info-hash-text.ts';
import {
  MAX_HOST_CHARS,
  MAX_MAGNET_CHARS,
  MAX_MAGNET_PEERS,
  MAX_SELECT_RANGES,
  MAX_TRACKERS,
  MAX_URL_CHARS,
  MAX_WEB_SEEDS,
} from './limits.ts';
import type { Magnet, Metainfo } from './metainfo.ts';

type SelectRange = readonly [first: number, last: number];

const PREFIX = /^magnet:\??/i;

export function isMagnetText(text: string): boolean {
  return PREFIX.test(text);
}

/** Reads a link (BEP 9; `so` of BEP 53 where given). Never throws. Needs one usable `xt`; the first of each kind counts, everything malformed besides is skipped. */
export function parseMagnet(text: string): Result<Magnet> {
  if (text.length > MAX_MAGNET_CHARS)
    return reject(`magnet link of ${text.length} characters, limit ${MAX_MAGNET_CHARS}`);
  if (!isMagnetText(text)) return reject("not a magnet link: it does not begin with 'magnet:?'");
  const values = valuesOf(text.replace(PREFIX, ''));
  const topics = values.get('xt') ?? [];
  let infoHash: InfoHash | undefined;
  let infoHashV2: Uint8Array | undefined;
  for (const topic of topics) {
    const [, kind, hash] = /^urn:(btih|btmh):(.*)$/is.exec(percentDecoded(topic)) ?? [];
    if (kind?.toLowerCase() === 'btih') infoHash ??= parseV1HashText(hash as string);
    else if (kind !== undefined) infoHashV2 ??= parseMultihashText(hash as string);
  }
  if (infoHash === undefined && infoHashV2 === undefined)
    return reject(
      topics.length === 0
        ? "magnet link without an info hash ('xt')"
        : "magnet link whose 'xt' is no BitTorrent info hash (40 hex digits, 32 base32 letters, or btmh:1220 and 64 hex digits)",
    );
  const length = values.get('xl')?.[0];
  return accept({
    infoHash: infoHash ?? infoHashOf((infoHashV2 as Uint8Array).slice(0, ID_BYTES)),
    hasV1: infoHash !== undefined,
    infoHashV2,
    displayName: displayNameOf(values.get('dn')?.[0]),
    trackerTiers: urlsOf(values.get('tr'), MAX_TRACKERS).map((url) => [url]),
    webSeeds: urlsOf(values.get('ws'), MAX_WEB_SEEDS),
    peers: peersOf(values.get('x.pe')),
    selectOnly: selectOf(values.get('so')),
    exactLength: length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined,
  });
}

/**
 * Whether a link looks as if the shell had cut it at an unquoted `&`: everything after the first parameter is gone. Such a
 * link can be whole (a bare hash), so this is a hint for when it finds nothing, and an explanation when it has no `xt`.
 */
export function looksCutShort(text: string): boolean {
  return isMagnetText(text) && !text.includes('&');
}

/** What to tell a user whose link looksCutShort. */
export const CUT_SHORT_HINT =
  "if there was more to the link, put it in quotes: the shell ends a command at '&'";

/**
 * Values by key, undecoded, in order. `tr.1` counts as `tr` (BEP 9 leaves numbering open, links in the wild number), and so
 * does `amp;tr`: the link was copied out of the source of a web page, where `&` is written `&amp;`.
 */
function valuesOf(query: string): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const parameter of query.split('&')) {
    const equals = parameter.indexOf('=');
    if (equals <= 0) continue;
    const key = parameter
      .slice(0, equals)
      .toLowerCase()
      .replace(/^amp;/, '')
      .replace(/\.\d+$/, '');
    const list = values.get(key);
    if (list === undefined) values.set(key, [parameter.slice(equals + 1)]);
    else list.push(parameter.slice(equals + 1));
  }
  return values;
}

/** Decodes `%xx`; what is not a valid escape stays as it is, bytes that are not UTF-8 become U+FFFD. */
function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    const bytes = Uint8Array.from(escapes.slice(1).split('%'), (pair) => Number.parseInt(pair, 16));
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  });
}

/** Names come from web forms, where a plus is a blank; in URLs a plus is a plus. */
function displayNameOf(value: string | undefined): string | undefined {
  const name = percentDecoded((value ?? '').replaceAll('+', ' ')).trim();
  return name === '' ? undefined : name;
}

function urlsOf(values: readonly string[] | undefined, most: number): string[] {
  const urls = new Set<string>();
  for (const value of values ?? []) {
    const url = percentDecoded(value).trim();
    if (url !== '' && url.length <= MAX_URL_CHARS && urls.size < most) urls.add(url);
  }
  return [...urls];
}

/** `host:port`, `a.b.c.d:port`, `[v6]:port`. */
function peersOf(values: readonly string[] | undefined): Magnet['peers'] {
  const peers: { host: string; port: number }[] = [];
  for (const value of values ?? []) {
    if (peers.length >= MAX_MAGNET_PEERS) break;
    const [, v6, name, portText] =
      /^(?:\[([0-9a-f:.]+)\]|([\w.-]+)):(\d{1,5})$/i.exec(percentDecoded(value).trim()) ?? [];
    const host = v6 ?? name;
    const port = Number(portText);
    if (host === undefined || host.length > MAX_HOST_CHARS || port < 1 || port > 65_535) continue;
    peers.push({ host, port });
  }
  return peers;
}

/** BEP 53: `0,2,4,6-8`. Malformed parts are skipped; a value with none sound counts as absent. */
function selectOf(values: readonly string[] | undefined): readonly SelectRange[] | undefined {
  const ranges: SelectRange[] = [];
  for (const part of (values ?? [])
    .flatMap((value) => percentDecoded(value).split(','))
    .slice(0, MAX_SELECT_RANGES)) {
    const [, first, last] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part.trim()) ?? [];
    if (first === undefined) continue;
    const range: SelectRange = [Number(first), Number(last ?? first)];
    if (range[0] <= range[1]) ranges.push(range);
  }
  return ranges.length > 0 ? mergeRanges(ranges) : undefined;
}

/** Sorted, with overlapping and adjacent ranges joined. */
export function mergeRanges(ranges: readonly SelectRange[]): SelectRange[] {
  const merged: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const previous = merged[merged.length - 1];
    if (previous !== undefined && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

/** Writes a link that parseMagnet reads back to the same. */
export function formatMagnet(magnet: Magnet): string {
  const parts: string[] = [];
  if (magnet.hasV1) parts.push(`xt=urn:btih:${toHex(magnet.infoHash)}`);
  if (magnet.infoHashV2 !== undefined) parts.push(`xt=urn:btmh:1220${toHex(magnet.infoHashV2)}`);
  if (magnet.displayName !== undefined) parts.push(`dn=${escaped(magnet.displayName)}`);
  if (magnet.exactLength !== undefined) parts.push(`xl=${magnet.exactLength}`);
  for (const url of magnet.trackerTiers.flat()) parts.push(`tr=${escaped(url)}`);
  for (const url of magnet.webSeeds) parts.push(`ws=${escaped(url)}`);
  for (const { host, port } of magnet.peers)
    parts.push(`x.pe=${host.includes(':') ? `[${host}]` : host}:${port}`);
  if (magnet.selectOnly !== undefined) {
    const ranges = magnet.selectOnly.map(([first, last]) =>
      first === last ? `${first}` : `${first}-${last}`,
    );
    parts.push(`so=${ranges.join(',')}`);
  }
  return `magnet:?${parts.join('&')}`;
}

/** The link that leads to a torrent. `peers` are added as `x.pe`. */
export function magnetOf(metainfo: Metainfo, peers: Magnet['peers'] = []): Magnet {
  return {
    infoHash: metainfo.infoHash,
    hasV1: metainfo.version !== 'v2',
    infoHashV2: metainfo.infoHashV2,
    displayName: metainfo.name,
    trackerTiers: metainfo.trackerTiers.flat().map((url) => [url]),
    webSeeds: metainfo.webSeeds,
    peers,
    selectOnly: undefined,
    exactLength: metainfo.files.reduce((sum, file) => sum + (file.isPadding ? 0 : file.length), 0),
  };
}

/** encodeURIComponent without its throw on lone surrogates; also `'` and brackets, which terminals and mail cut links at. */
function escaped(text: string): string {
  let out = '';
  for (const byte of utf8(text)) {
    const char = String.fromCharCode(byte);
    out += /[A-Za-z0-9._~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}
