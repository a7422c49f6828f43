// An IP address and port, and its compact forms (BEP 23: 6 bytes, BEP 7: 18 bytes). Host names never get in here.
import { readU16, writeU16 } from './bytes.ts';

export interface Endpoint {
  /** Textual IP address: dotted quad, or IPv6 in RFC 5952 form without zone. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

export const COMPACT_V4_BYTES = 6;
export const COMPACT_V6_BYTES = 18;

/** Parses one IPv4 address strictly: four decimal octets, no leading zeros. @returns 4 bytes or undefined */
export function parseIPv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i] as string;
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part)) return undefined;
    const value = Number(part);
    if (value > 255) return undefined;
    bytes[i] = value;
  }
  return bytes;
}

/** Parses one IPv6 address, `::` and an embedded IPv4 tail included; no zone. @returns 16 bytes or undefined */
function parseIPv6(text: string): Uint8Array | undefined {
  if (text.length < 2 || text.length > 45 || !/^[0-9a-fA-F:.]+$/.test(text)) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groupsOf = (half: string): number[] | undefined => {
    if (half === '') return [];
    const groups: number[] = [];
    const words = half.split(':');
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as string;
      if (word.includes('.')) {
        const v4 = i === words.length - 1 ? parseIPv4(word) : undefined;
        if (v4 === undefined) return undefined;
        groups.push(readU16(v4, 0), readU16(v4, 2));
      } else if (/^[0-9a-fA-F]{1,4}$/.test(word)) {
        groups.push(Number.parseInt(word, 16));
      } else {
        return undefined;
      }
    }
    return groups;
  };
  const head = groupsOf(halves[0] as string);
  const tail = halves.length === 2 ? groupsOf(halves[1] as string) : [];
  if (head === undefined || tail === undefined) return undefined;
  const zeros = 8 - head.length - tail.length;
  if (halves.length === 2 ? zeros < 1 : zeros !== 0) return undefined;
  const bytes = new Uint8Array(16);
  const groups = [...head, ...new Array<number>(zeros).fill(0), ...tail];
  for (let i = 0; i < 8; i++) writeU16(bytes, i * 2, groups[i] as number);
  return bytes;
}

/** @returns 4 or 16 bytes, or undefined for anything that is not an IP address */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIPv6(text) : parseIPv4(text);
}

export function isIPv6(host: string): boolean {
  return host.includes(':');
}

/** What floods and faults are counted by: the address, or of IPv6 the /64 that a host can choose its own addresses from. */
export function sourceOf(host: string): string {
  const bytes = isIPv6(host) ? parseIPv6(host) : undefined;
  return bytes === undefined ? host : `${formatIp(bytes.fill(0, 8))}/64`;
}

/** RFC 5952 text of 16 bytes; `::ffff:a.b.c.d` comes out as the plain IPv4 address it stands for. */
export function formatIp(bytes: Uint8Array, at = 0, length = bytes.length - at): string {
  if (length === 4) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  const groups = Array.from({ length: 8 }, (_, i) => readU16(bytes, at + i * 2));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff)
    return formatIp(bytes, at + 12, 4);
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0) run++;
    if (run > bestLength) {
      bestStart = i;
      bestLength = run;
    }
    i += Math.max(0, run - 1);
  }
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return bestStart < 0 ? hex(0, 8) : `${hex(0, bestStart)}::${hex(bestStart + bestLength, 8)}`;
}

/** One spelling for one address: IPv4-mapped IPv6 becomes IPv4, zones go. @returns undefined if not an IP address */
export function normalizeHost(host: string): string | undefined {
  const zone = host.indexOf('%');
  const bytes = parseIp(zone < 0 ? host : host.slice(0, zone));
  return bytes === undefined ? undefined : formatIp(bytes);
}

/** `1.2.3.4:80` or `[::1]:80`: for people and as a map key. */
export function endpointKey(endpoint: Endpoint): string {
  return isIPv6(endpoint.host) ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`;
}

/** @returns 6 or 18 bytes by family */
export function encodeCompact(endpoint: Endpoint): Uint8Array {
  const ip = parseIp(endpoint.host);
  if (ip === undefined) throw new TypeError(`not an IP address: ${endpoint.host}`);
  const bytes = new Uint8Array(ip.length + 2);
  bytes.set(ip);
  writeU16(bytes, ip.length, endpoint.port);
  return bytes;
}

/**
 * Decodes a run of compact endpoints. Port 0 is skipped; a ragged tail is dropped, as other clients do.
 * @param entryBytes COMPACT_V4_BYTES or COMPACT_V6_BYTES
 * @param most how many entries to read at the most
 */
export function decodeCompact(bytes: Uint8Array, entryBytes: 6 | 18, most: number): Endpoint[] {
  const endpoints: Endpoint[] = [];
  for (let at = 0; at + entryBytes <= bytes.length && endpoints.length < most; at += entryBytes) {
    const port = readU16(bytes, at + entryBytes - 2);
    if (port !== 0) endpoints.push({ host: formatIp(bytes, at, entryBytes - 2), port });
  }
  return endpoints;
}
