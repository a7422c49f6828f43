// Which part of the zone the independent second look takes: all of a small zone that was quickly looked at; else a part, so that the
// second look is a moment. It is the part that the first came to halfway: how many of it have gone or come since is the mean of all.
import { Id160 } from '../base/node-id.ts';
import { cursorStart } from './crawl-machine.ts';
import { Zone } from './zone.ts';

/** Enough for p to be known within a per cent. */
const ENOUGH_NODES = 4096;
/** A second look of a zone that took long is to be shorter than that, as long as p can be known within two or three per cent. */
const SHORT_MS = 60_000;
const LEAST_NODES = 96;
const MOST_PARTS = 2 ** 16;

/** @param nodes verified by the first look, @param lookMs how long it took */
export function repeatZone(zone: Zone, nodes: number, seed: number, lookMs: number): Zone {
  const many = nodes / ENOUGH_NODES;
  const long = Math.min(nodes / LEAST_NODES, lookMs / SHORT_MS);
  const wanted = Math.min(MOST_PARTS, Math.max(many, long));
  const extra = Math.max(0, Math.min(32 - zone.bits, Math.floor(Math.log2(wanted))));
  if (!(extra > 0)) return zone;
  const parts = 2 ** extra;
  const middle = (Math.floor(cursorStart(seed) * parts) + parts / 2) % parts;
  const { a, b, c, d, e } = zone.prefix;
  return new Zone(new Id160(a | (middle << (32 - zone.bits - extra)), b, c, d, e), zone.bits + extra);
}

/** First and last id of a zone, 40 hex digits each. */
export function rangeOf(zone: Zone): readonly [low: string, high: string] {
  const low = BigInt(
    `0x${[...zone.prefix.toBytes()].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`,
  );
  const high = low + (1n << BigInt(160 - zone.bits)) - 1n;
  return [low.toString(16).padStart(40, '0'), high.toString(16).padStart(40, '0')];
}
