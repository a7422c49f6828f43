// Which part of the zone the independent second look takes: all of a small zone; of a large one the part that the first look came
// to last, so that few nodes have gone in between.
import { Id160 } from '../node-id.ts';
import { cursorStart } from './crawl-machine.ts';
import { Zone } from './zone.ts';

/** Enough for p to be known within a per cent. */
const ENOUGH_NODES = 4096;

/** @param nodes verified by the first look */
export function repeatZone(zone: Zone, nodes: number, seed: number): Zone {
  const extra = Math.max(0, Math.min(16, 32 - zone.bits, Math.floor(Math.log2(nodes / ENOUGH_NODES))));
  if (!(extra > 0)) return zone;
  const parts = 2 ** extra;
  const last = (Math.floor(cursorStart(seed) * parts) + parts - 1) % parts;
  const { a, b, c, d, e } = zone.prefix;
  return new Zone(new Id160(a | (last << (32 - zone.bits - extra)), b, c, d, e), zone.bits + extra);
}

/** First and last id of a zone, 40 hex digits each. */
export function rangeOf(zone: Zone): readonly [low: string, high: string] {
  const low = BigInt(
    `0x${[...zone.prefix.toBytes()].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`,
  );
  const high = low + (1n << BigInt(160 - zone.bits)) - 1n;
  return [low.toString(16).padStart(40, '0'), high.toString(16).padStart(40, '0')];
}
