// A web seed's URL (BEP 19): what may be one, how it is asked for, how it is shown, and where a redirect leads. Pure.
import { normalizeHost } from '../base/endpoint.ts';
import { isLocalAddress } from '../base/local-address.ts';
import { accept, type Result, reject } from '../base/result.ts';

export interface WebUrl {
  readonly isTls: boolean;
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Path and query: ASCII without blanks, as URL parsers leave them. */
  readonly target: string;
  /** `user:password` as bytes go into Basic authorization; undefined when none. */
  readonly credentials: string | undefined;
  /** Without credentials and fragment: names it, and is safe to show. */
  readonly href: string;
}

/** Longer ones are no web server's, and would only fill requests. */
const MAX_URL_CHARS = 8192;

/** @returns the reason as one clause when it is no URL of http or https */
export function parseWebUrl(text: string): Result<WebUrl> {
  if (text.length > MAX_URL_CHARS) return reject(`longer than ${MAX_URL_CHARS} characters`);
  const url = URL.parse(text);
  if (url === null) return reject('not a URL');
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return reject(`${url.protocol}// is not supported: only http and https are`);
  const isTls = url.protocol === 'https:';
  const credentials =
    url.username === '' && url.password === ''
      ? undefined
      : `${decoded(url.username)}:${decoded(url.password)}`;
  url.username = '';
  url.password = '';
  url.hash = '';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (host === '') return reject('no host');
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  return accept({ isTls, host, port, target: `${url.pathname}${url.search}`, credentials, href: url.href });
}

/** Same host, port and protocol: one connection serves both. */
export function isSameOrigin(a: WebUrl, b: WebUrl): boolean {
  return a.isTls === b.isTls && a.port === b.port && a.host === b.host;
}

/** `Host` field: without the port that goes without saying. */
export function hostField({ host, port, isTls }: WebUrl): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === (isTls ? 443 : 80) ? name : `${name}:${port}`;
}

/** Where `Location` leads from here. A password is for the host that it was typed for. */
export function redirectTarget(from: WebUrl, location: string): Result<WebUrl> {
  const absolute = URL.parse(location, from.href);
  if (absolute === null) return reject('a redirect to something that is no URL');
  const to = parseWebUrl(absolute.href);
  if (!to.ok) return reject(`a redirect to a URL that is of no use: ${to.reason.what}`);
  const { value } = to;
  if (value.credentials !== undefined || from.credentials === undefined || !isSameOrigin(from, value))
    return to;
  return accept({ ...value, credentials: from.credentials });
}

/** A name or address that is this machine's or network's own by its looks; names are looked at again when they are resolved. */
export function isLocalName(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  const address = normalizeHost(host);
  return address !== undefined && isLocalAddress(address);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
