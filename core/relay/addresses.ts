// Addresses under the rules of relays: how quotas group them (whoever has many keys or ports of one prefix still has one
// share), and which of them nobody may be talked into dialling. Pure.
import { toHex } from '../base/bytes.ts';
import { type Endpoint, normalizeHost, parseIp } from '../base/endpoint.ts';
import { isLocalAddress } from '../base/local-address.ts';

/** What counts as one host: an IPv4 address (carriers share them), or the /64 that a customer gets. */
export function hostPrefix(host: string): string {
  const ip = parseIp(host);
  return ip === undefined || ip.length === 4 ? host : toHex(ip.subarray(0, 8));
}

/** What counts as one network: /24 or /48. */
export function networkPrefix(host: string): string {
  const ip = parseIp(host);
  return ip === undefined ? host : toHex(ip.subarray(0, ip.length === 4 ? 3 : 6));
}

/** What counts as one operator when relays are chosen and votes counted: /16 or /32. */
export function operatorPrefix(host: string): string {
  const ip = parseIp(host);
  return ip === undefined ? host : toHex(ip.subarray(0, ip.length === 4 ? 2 : 4));
}

/** Services of other people live below; peers do not. */
const LEAST_PEER_PORT = 1024;

/** Multicast, reserved, and forms that carry an IPv4 address past the rules for those. */
function isNoHost(ip: Uint8Array): boolean {
  const [a = 0, b = 0, c = 0] = ip;
  if (ip.length === 4) return a >= 224 || (a === 192 && b === 0 && c === 0);
  // 2000::/3 is all that is routed; 2002::/16 is 6to4, 2001::/32 is Teredo.
  return (a & 0xe0) !== 0x20 || (a === 0x20 && (b === 0x02 || (b === 0x01 && c === 0 && ip[3] === 0)));
}

/**
 * Whether an introduction may send us to `target`. Private networks are allowed only when the relay itself is met there.
 * @param relayHost the address under which we reached the relay
 * @returns why not, or undefined
 */
export function whyNotDial(
  target: Endpoint,
  relayHost: string,
  isOwn: (target: Endpoint) => boolean,
): string | undefined {
  const host = normalizeHost(target.host);
  const ip = host === undefined ? undefined : parseIp(host);
  if (host === undefined || ip === undefined) return 'not an IP address';
  if (!Number.isInteger(target.port) || target.port < LEAST_PEER_PORT || target.port > 65_535)
    return `port ${target.port}`;
  if (isLocalAddress(host)) {
    if (!isSameLocalNetwork(host, relayHost)) return `the address ${host} is not on the Internet`;
  } else if (isNoHost(ip)) return `the address ${host} is not a host's`;
  return isOwn({ host, port: target.port }) ? 'our own address' : undefined;
}

/** Both loopback, or both of the same private network (a /16 or /48 is as far as one reaches). */
function isSameLocalNetwork(host: string, relayHost: string): boolean {
  const relay = normalizeHost(relayHost);
  if (relay === undefined || !isLocalAddress(relay)) return false;
  const [a, b] = [parseIp(host), parseIp(relay)];
  if (a === undefined || b === undefined || a.length !== b.length || a[0] === 0) return false;
  if (a.length === 16) return host === relay || networkPrefix(host) === networkPrefix(relay);
  return a[0] === 127 ? b[0] === 127 : operatorPrefix(host) === operatorPrefix(relay);
}
