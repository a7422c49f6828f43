// Fetches a .torrent over HTTP(S), bounded in size (after decompression), time and redirects. Some sites answer with a
// redirect to a magnet link: that is handed back as such. A user name and password in a URL go to its own host alone, and
// into no message.
import { OperationError } from '../../base/result.ts';
import { isMagnetText } from '../magnet.ts';
import { readAll } from './read-bounded.ts';

/** Enough for http -> https -> login-less mirror chains; a loop ends here. */
const MAX_REDIRECTS = 5;

export interface FetchLimits {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Where to ask, and what to say there. */
interface Place {
  /** Without user name, password and fragment: fetch() takes no URL with them. */
  readonly url: URL;
  /** Value of the `Authorization` field (RFC 7617). */
  readonly authorization: string | undefined;
}

/** @returns the body, or a magnet link. @throws OperationError network, timeout, bad-torrent; the signal's reason */
export async function fetchTorrent(
  url: string,
  limits: FetchLimits,
): Promise<Uint8Array | { magnet: string }> {
  const deadline = AbortSignal.timeout(limits.timeoutMs);
  const signal = limits.signal === undefined ? deadline : AbortSignal.any([limits.signal, deadline]);
  try {
    return await follow(url, limits.maxBytes, signal);
  } catch (error) {
    limits.signal?.throwIfAborted();
    if (error instanceof OperationError) throw error;
    if (deadline.aborted)
      throw new OperationError(
        'timeout',
        `${shownUrl(url)} did not answer in full within ${limits.timeoutMs / 1000} s`,
      );
    const { cause } = error as { cause?: unknown };
    const inner = (cause instanceof Error && cause.message !== '' ? cause : error) as Error & {
      code?: unknown;
    };
    throw new OperationError('network', `cannot fetch ${shownUrl(url)}: ${whyNot(inner)}`, {
      cause: error,
      ...(typeof inner.code === 'string' ? { code: inner.code } : {}),
    });
  }
}

function whyNot({ message, code }: { message: string; code?: unknown }): string {
  if (message === 'bad port') return 'no web server is asked on this port, which belongs to another protocol';
  // OpenSSL's words run over lines, with addresses and source files in them.
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return 'it does not speak TLS there: try http:// instead of https://';
  if (typeof code === 'string' && code.startsWith('ERR_SSL_'))
    return `TLS failed: ${code.slice('ERR_SSL_'.length).toLowerCase().replaceAll('_', ' ')}`;
  return message;
}

async function follow(
  start: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array | { magnet: string }> {
  let place = placeOf(new URL(start));
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const { url, authorization } = place;
    const response = await fetch(url, {
      redirect: 'manual',
      signal,
      headers: {
        accept: 'application/x-bittorrent, */*;q=0.5',
        'user-agent': 'tt',
        ...(authorization === undefined ? {} : { authorization }),
      },
    });
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      if (isMagnetText(location)) return { magnet: location };
      place = nextPlace(place, location);
      continue;
    }
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel();
      throw new OperationError(
        'network',
        `cannot fetch ${shownUrl(url.href)}: HTTP status ${response.status}`,
      );
    }
    // The body streams through the decompressor, so a gzip bomb is cut off at maxBytes of its output.
    return await readAll(response.body, maxBytes, `what ${shownUrl(url.href)} sends`);
  }
  throw new OperationError(
    'network',
    `cannot fetch ${shownUrl(start)}: more than ${MAX_REDIRECTS} redirects`,
  );
}

function placeOf(given: URL): Place {
  const url = withoutSecrets(given);
  if (given.username === '' && given.password === '') return { url, authorization: undefined };
  const pair = `${decoded(given.username)}:${decoded(given.password)}`;
  return { url, authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** A password is for the host that it was typed for: it does not follow a redirect to another. */
function nextPlace(from: Place, location: string): Place {
  const next = URL.parse(location, from.url.href);
  if (next === null || (next.protocol !== 'http:' && next.protocol !== 'https:'))
    throw new OperationError(
      'network',
      `cannot fetch ${shownUrl(from.url.href)}: it redirects to ${shownUrl(location)}`,
    );
  const place = placeOf(next);
  return place.authorization === undefined && next.origin === from.url.origin
    ? { ...place, authorization: from.authorization }
    : place;
}

function withoutSecrets(given: URL): URL {
  const url = new URL(given);
  url.username = '';
  url.password = '';
  url.hash = '';
  return url;
}

/** A stray % stands for itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** A URL quoted for a message: long and odd ones in one line, and without user name and password. */
export function shownUrl(text: string): string {
  const url = URL.parse(text);
  const plain =
    url === null || (url.username === '' && url.password === '') ? text : withoutSecrets(url).href;
  return JSON.stringify(plain.length > 200 ? `${plain.slice(0, 200)}...` : plain);
}
