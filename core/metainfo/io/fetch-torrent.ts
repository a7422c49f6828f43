// Fetches a .torrent over HTTP(S), bounded in size (after decompression), time and redirects. Some sites answer with a
// redirect to a magnet link: that is handed back as such.
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
        `${shown(url)} did not answer in full within ${limits.timeoutMs / 1000} s`,
      );
    const { cause } = error as { cause?: unknown };
    const inner = cause instanceof Error && cause.message !== '' ? cause : error;
    const why =
      (inner as Error).message === 'bad port'
        ? 'no web server is asked on this port, which belongs to another protocol'
        : (inner as Error).message;
    throw new OperationError('network', `cannot fetch ${shown(url)}: ${why}`, {
      cause: error,
      ...(typeof (inner as { code?: unknown }).code === 'string'
        ? { code: (inner as { code: string }).code }
        : {}),
    });
  }
}

async function follow(
  start: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array | { magnet: string }> {
  let url = start;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await fetch(url, {
      redirect: 'manual',
      signal,
      headers: { accept: 'application/x-bittorrent, */*;q=0.5', 'user-agent': 'tt' },
    });
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      if (isMagnetText(location)) return { magnet: location };
      url = nextUrl(url, location);
      continue;
    }
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel();
      throw new OperationError('network', `cannot fetch ${shown(url)}: HTTP status ${response.status}`);
    }
    // The body streams through the decompressor, so a gzip bomb is cut off at maxBytes of its output.
    return await readAll(response.body, maxBytes, `what ${shown(url)} sends`);
  }
  throw new OperationError('network', `cannot fetch ${shown(start)}: more than ${MAX_REDIRECTS} redirects`);
}

function nextUrl(from: string, location: string): string {
  const next = URL.parse(location, from);
  if (next === null || (next.protocol !== 'http:' && next.protocol !== 'https:'))
    throw new OperationError('network', `cannot fetch ${shown(from)}: it redirects to ${shown(location)}`);
  return next.href;
}

/** Long or odd URLs in one line. */
function shown(url: string): string {
  return JSON.stringify(url.length > 200 ? `${url.slice(0, 200)}...` : url);
}
