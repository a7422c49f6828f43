// Which addresses are this machine's or this network's own: what a tracker out on the Internet has no business naming.
import { parseIp } from '../core/base/endpoint.ts';

/** @param host an IP address in normal form */
export function isLoopbackAddress(host: string): boolean {
  return host === '::1' || host.startsWith('127.');
}

/** Loopback, unspecified, private (RFC 1918, RFC 4193), shared (RFC 6598) and link-local addresses. */
export function isLocalAddress(host: string): boolean {
  const ip = parseIp(host);
  if (ip === undefined) return false;
  const [a = 0, b = 0] = ip;
  if (ip.length === 16) {
    const isUniqueLocal = (a & 0xfe) === 0xfc;
    const isLinkLocal = a === 0xfe && (b & 0xc0) === 0x80;
    return host === '::1' || host === '::' || isUniqueLocal || isLinkLocal;
  }
  if (a === 0 || a === 10 || a === 127) return true;
  if (a === 100) return (b & 0xc0) === 64;
  if (a === 169) return b === 254;
  if (a === 172) return (b & 0xf0) === 16;
  return a === 192 && b === 168;
}

/**
 * Whether a request may go to `address`: torrents and trackers are strangers, and must not make us call the services of
 * this machine or network for them.
 * @returns why not, or undefined when it may
 */
export function destinationRefusal(request: {
  readonly address: string;
  /** Path and query. */
  readonly target: string;
  /** Whether a tracker at a public address redirected here. */
  readonly fromPublic: boolean;
  /** Whether the URL came with a torrent rather than from the user. */
  readonly guardLocal: boolean;
}): string | undefined {
  if (!isLocalAddress(request.address)) return undefined;
  if (request.fromPublic) return 'redirected from a public tracker to a local address';
  const path = request.target.split('?')[0] as string;
  if (request.guardLocal && isLoopbackAddress(request.address) && !/\/(announce|scrape)[^/]*$/.test(path)) {
    return 'a tracker on this machine must have a path ending in announce';
  }
  return undefined;
}
