// The names under which relays and peers find each other in the DHT, and how a relay is placed among the others. A relay's id
// follows from its address, so that nobody can choose one next to a victim's queue. Pure.
import { createHash } from 'node:crypto';
import { concatBytes, utf8 } from '../base/bytes.ts';
import { parseIp } from '../base/endpoint.ts';
import { type InfoHash, infoHashOf } from '../base/ids.ts';

/** `get_peers` returns a random part of what is announced: the first 4 bits spread all relays over 16 keys. */
const SHARD_BITS = 4;
export const SHARD_COUNT = 1 << SHARD_BITS;

const TORRENT_CONTEXT = utf8('tt rv 1');
const SHARD_CONTEXT = utf8('tt relay 1');
const QUEUE_CONTEXT = utf8('tt queue 1');

function sha1(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(createHash('sha1').update(concatBytes(parts)).digest());
}

/** R(ih): under this key a relay announces itself while it holds a reservation for the torrent. */
export function torrentRelayKey(infoHash: Uint8Array): InfoHash {
  return infoHashOf(sha1([TORRENT_CONTEXT, infoHash]));
}

/** R(s): under this key all relays of one shard announce themselves; also the info hash of connections to a relay outside of any torrent. */
export function shardKey(shard: number): InfoHash {
  return infoHashOf(sha1([SHARD_CONTEXT, Uint8Array.of(shard)]));
}

/** @returns the 16 keys, by shard */
export function allShardKeys(): readonly InfoHash[] {
  return Array.from({ length: SHARD_COUNT }, (_, shard) => shardKey(shard));
}

/** SHA-1 of the 4 or 16 bytes of the address. @returns undefined when `host` is not an IP address */
export function relayIdOf(host: string): Uint8Array | undefined {
  const ip = parseIp(host);
  return ip === undefined ? undefined : sha1([ip]);
}

/** The shard that an id or a queue key falls into. */
export function shardOf(id: Uint8Array): number {
  return (id[0] as number) >>> (8 - SHARD_BITS);
}

/** Q: where the calls for the owner of an ed25519 key wait. */
export function queueKeyOf(publicKey: Uint8Array): Uint8Array {
  return sha1([QUEUE_CONTEXT, publicKey]);
}

/** 20 bytes that stand for a key in frames, as a peer id stands for a peer. */
export function keyDigest(publicKey: Uint8Array): Uint8Array {
  return sha1([publicKey]);
}

/** Kademlia's distance, as an order: negative when `a` is closer to `target`. */
export function compareDistance(target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < target.length; i++) {
    const at = target[i] as number;
    const difference = ((a[i] as number) ^ at) - ((b[i] as number) ^ at);
    if (difference !== 0) return difference;
  }
  return 0;
}
