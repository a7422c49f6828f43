// Which addresses are this machine's or this network's own: what a stranger out on the Internet has no business naming. Pure.
import { parseIp } from './endpoint.ts';

/** @param host an IP address in normal form */
export function isLoopbackAddress(host: string): boolean {
  return host === '::1' || host.startsWith('127.');
}

/** Of a network behind a NAT: known there and nowhere else. */
export function isPrivateAddress(host: string): boolean {
  return isLocalAddress(host) && !isLoopbackAddress(host);
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
