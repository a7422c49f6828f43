// Tracker URLs: what is accepted, and where a scrape goes (BEP 48). Anything unknown is refused with a reason, never guessed.
import { accept, type Result, reject } from '../core/base/result.ts';

export interface TrackerUrl {
  readonly scheme: 'http' | 'https' | 'udp';
  /** A host name or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Path and query as they go on the wire; empty for a UDP URL without any. */
  readonly target: string;
  /** `user:password` of the URL, decoded; undefined when there is none. */
  readonly credentials: string | undefined;
  /** For people, logs and map keys: without credentials. */
  readonly href: string;
}

/** Passkeys run to a few hundred characters; nobody needs more than this. */
const MAX_URL_CHARS = 2048;

/** Accepts `http://`, `https://` and `udp://HOST:PORT`, up to 2,048 characters. Never throws; the reason is one clause fit for a person. */
export function parseTrackerUrl(text: string): Result<TrackerUrl> {
  const trimmed = text.trim();
  if (trimmed.length > MAX_URL_CHARS) return reject(`tracker URL of ${trimmed.length} characters`);
  let url: URL;
  try {
    url = new URL(trimmed);
  } catch {
    return reject('not a URL');
  }
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'http' && scheme !== 'https' && scheme !== 'udp') {
    return reject(`${url.protocol}// trackers are not supported`);
  }
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host === '') return reject('tracker URL without a host');
  const port = url.port === '' ? { http: 80, https: 443, udp: 0 }[scheme] : Number(url.port);
  if (port === 0) return reject('tracker URL without a port');
  const target = url.pathname + url.search;
  const credentials =
    url.username === '' && url.password === ''
      ? undefined
      : `${unescapeLoosely(url.username)}:${unescapeLoosely(url.password)}`;
  const hostText = host.includes(':') ? `[${host}]` : host;
  const portText = url.port === '' ? '' : `:${port}`;
  return accept({
    scheme,
    host,
    port,
    target,
    credentials,
    href: `${scheme}://${hostText}${portText}${target}`,
  });
}

function unescapeLoosely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * BEP 48: what follows the last slash must begin with `announce`, and that word becomes `scrape`.
 * @returns undefined when the tracker does not support scraping
 */
export function scrapeUrlOf(url: TrackerUrl): TrackerUrl | undefined {
  if (url.scheme === 'udp') return url;
  const at = url.target.lastIndexOf('/') + 1;
  if (!url.target.startsWith('announce', at)) return undefined;
  const target = `${url.target.slice(0, at)}scrape${url.target.slice(at + 'announce'.length)}`;
  return { ...url, target, href: url.href.slice(0, url.href.length - url.target.length) + target };
}

/** Adds a query to a path that may have one already. */
export function joinQuery(target: string, query: string): string {
  if (query === '') return target;
  return `${target}${target.includes('?') ? '&' : '?'}${query}`;
}
