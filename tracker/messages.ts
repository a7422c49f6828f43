// What is said to and heard from a tracker, whichever transport carries it (BEP 3, 7, 15, 23, 24, 31, 48).
import type { Endpoint } from '../core/base/endpoint.ts';
import { parseIp } from '../core/base/endpoint.ts';
import type { InfoHash, PeerId } from '../core/base/ids.ts';

export type AnnounceEvent = 'started' | 'completed' | 'stopped';

export interface AnnounceRequest {
  readonly infoHash: InfoHash;
  readonly peerId: PeerId;
  /** The TCP port peers reach us at; 0 when nothing listens. */
  readonly port: number;
  /** Payload bytes. */
  readonly uploaded: number;
  readonly downloaded: number;
  readonly left: number;
  readonly corrupt: number;
  /** Undefined in an announce at the regular interval. */
  readonly event: AnnounceEvent | undefined;
  readonly numwant: number;
  /** 32 random bits, the same for all announces of a torrent's session (BEP 7). */
  readonly key: number;
  /** BEP 3 `tracker id` of an earlier reply, given back to HTTP trackers. */
  readonly trackerId: Uint8Array | undefined;
}

export interface AnnounceReply {
  /** As the tracker said, checked by nobody but the policy; undefined when absent or nonsense. */
  readonly intervalMs: number | undefined;
  readonly minIntervalMs: number | undefined;
  readonly peers: readonly Endpoint[];
  /** BEP 3 lets a dictionary peer name a host; few, and only resolved on purpose. */
  readonly namedPeers: readonly { readonly host: string; readonly port: number }[];
  readonly seeds: number | undefined;
  readonly leechers: number | undefined;
  /** Times the torrent was completed. */
  readonly downloads: number | undefined;
  readonly warning: string | undefined;
  /** BEP 24: our address as the tracker saw it. */
  readonly externalHost: string | undefined;
  readonly trackerId: Uint8Array | undefined;
}

/** No peers this time: the tracker said no, or there was no understanding it. */
export interface TrackerFailure {
  /** One line. */
  readonly message: string;
  /** Whether these are the tracker's own words. */
  readonly fromTracker: boolean;
  /** BEP 31; undefined when the tracker did not say. */
  readonly retryInMs: number | 'never' | undefined;
}

export type AnnounceAnswer =
  | { readonly kind: 'reply'; readonly reply: AnnounceReply }
  | { readonly kind: 'failure'; readonly failure: TrackerFailure };

export interface ScrapeEntry {
  readonly seeds: number;
  readonly leechers: number;
  readonly downloads: number;
}

export type ScrapeAnswer =
  /** One per asked info hash, in the order asked; undefined when the tracker does not know it. */
  | { readonly kind: 'reply'; readonly entries: readonly (ScrapeEntry | undefined)[] }
  | { readonly kind: 'failure'; readonly failure: TrackerFailure };

/** One reply's peers: trackers give 50 to 200; more than this is a tracker that wants us busy. */
export const MAX_PEERS_PER_REPLY = 1000;
/** Host names cost a look-up each. */
export const MAX_NAMED_PEERS = 8;
const MAX_MESSAGE_CHARS = 200;

/** Controls, line separators and the marks that turn text around: none of them belongs on a terminal line. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu;

/** Text from a tracker made fit for one line of a terminal: no controls, bounded. */
export function oneLine(text: string): string {
  const clean = text.replace(UNPRINTABLE, ' ').trim();
  return clean.length <= MAX_MESSAGE_CHARS ? clean : `${clean.slice(0, MAX_MESSAGE_CHARS - 1)}…`;
}

/** A peer address worth handing on: not `0.0.0.0`, `::` or multicast, which no peer has. */
export function isUsablePeer(endpoint: Endpoint): boolean {
  const ip = parseIp(endpoint.host);
  if (ip === undefined || endpoint.port < 1 || endpoint.port > 65535) return false;
  if (ip.every((byte) => byte === 0)) return false;
  return ip.length === 4 ? (ip[0] as number) !== 0 && (ip[0] as number) < 224 : ip[0] !== 0xff;
}

/** A 32-bit counter as a tracker gave it: negative or huge numbers mean nothing. */
export function plausibleCount(value: number | undefined): number | undefined {
  return value !== undefined && value >= 0 && value <= 0xffff_ffff ? value : undefined;
}
