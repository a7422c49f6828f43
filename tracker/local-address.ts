// Where a tracker's URL may lead us: for strangers not to services of this machine that are no trackers.
import { isLocalAddress, isLoopbackAddress } from '../core/base/local-address.ts';

/**
 * Whether a request may go to `address`: torrents and trackers are strangers, and must not make us call the services of
 * this machine for them. On the local network trackers have whatever path they like; nobody outside redirects us there.
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
  if (request.guardLocal && isThisMachine(request.address) && !/\/(announce|scrape)[^/]*$/.test(path)) {
    return 'a tracker on this machine must have a path ending in announce';
  }
  return undefined;
}

/** Connections to the unspecified address go to this machine, too. */
function isThisMachine(host: string): boolean {
  return isLoopbackAddress(host) || host === '0.0.0.0' || host === '::';
}
