// The allowed-fast set of BEP 6: pieces that a choked peer may have, the same ones for everybody in its /24.
import { createHash } from 'node:crypto';
import { readU32 } from '../base/bytes.ts';
import { parseIPv4 } from '../base/endpoint.ts';
import type { InfoHash } from '../base/ids.ts';

/**
 * @param host the peer's address; BEP 6 defines the set for IPv4 only
 * @returns `count` piece indices (fewer in a small torrent), in canonical order; none for an IPv6 host
 */
export function allowedFastSet(
  host: string,
  infoHash: InfoHash,
  pieceCount: number,
  count: number,
): number[] {
  const ip = parseIPv4(host);
  if (ip === undefined || pieceCount === 0) return [];
  ip[3] = 0;
  const wanted = Math.min(count, pieceCount);
  const pieces = new Set<number>();
  let x: Uint8Array = new Uint8Array(24);
  x.set(ip);
  x.set(infoHash, 4);
  while (pieces.size < wanted) {
    x = createHash('sha1').update(x).digest();
    for (let at = 0; at < 20 && pieces.size < wanted; at += 4) pieces.add(readU32(x, at) % pieceCount);
  }
  return [...pieces];
}
