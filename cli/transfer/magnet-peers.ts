// Addresses to put into a magnet link as `x.pe`, so that it works where no tracker is named: ours in the local network.
import os from 'node:os';
import { isIPv6 } from '../../core/base/endpoint.ts';
import type { SessionSnapshot } from '../../core/session/snapshot.ts';

type HostPort = { readonly host: string; readonly port: number };

/** More make the link long without making it better. */
const MOST_ADDRESSES = 3;

/** @param bound the addresses of --interface, if given */
export function magnetPeers(
  snapshot: SessionSnapshot,
  bound: readonly string[] | undefined,
): readonly HostPort[] {
  const port = snapshot.listen[0]?.port;
  if (port === undefined) return [];
  const hosts = bound ?? localAddresses();
  // A machine without a network can still be reached from itself.
  const chosen = hosts.length > 0 ? hosts : ['127.0.0.1'];
  const sorted = [...chosen].sort((a, b) => Number(isIPv6(a)) - Number(isIPv6(b)));
  return sorted.slice(0, MOST_ADDRESSES).map((host) => ({ host, port }));
}

function localAddresses(): readonly string[] {
  return Object.values(os.networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter((each) => !each.internal && !each.address.startsWith('fe80:'))
    .map((each) => each.address);
}
