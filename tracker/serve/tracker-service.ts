// What the tracker server does with a request, whichever transport brought it: rules, counters, the store. No sockets here.
// Whom to believe: a peer is where its packet came from. An `ip` parameter counts only from this machine itself (a reverse
// proxy or a test); from anywhere else it would let one host send a swarm at another.

import { latin1, toHex } from '../../core/base/bytes.ts';
import type { Clock, Rng } from '../../core/base/clock.ts';
import { formatIp } from '../../core/base/endpoint.ts';
import type { InfoHash } from '../../core/base/ids.ts';
import type { AnnounceEvent, ScrapeEntry } from '../messages.ts';
import { type AnnounceResult, isLoopbackIp, type SwarmLimits, SwarmStore } from '../swarm-store.ts';

/** What happened, for the live view of `tt tracker serve`. */
export interface ServedAnnounce {
  readonly protocol: 'http' | 'udp';
  /** 40 hex digits. */
  readonly infoHash: string;
  readonly host: string;
  readonly port: number;
  readonly event: AnnounceEvent | undefined;
  readonly left: number;
  readonly peersGiven: number;
  /** Why it was refused; undefined when it was served. */
  readonly refused: string | undefined;
}

export interface TransportCounters {
  announces: number;
  scrapes: number;
  /** Requests that were understood and turned down. */
  refused: number;
  /** What could not be read. */
  malformed: number;
}

/** `/stats`, and the numbers of the live view. Integers in seconds where the name says so, counts otherwise. */
export interface TrackerStats {
  readonly schema: 'tt/1';
  readonly uptimeSeconds: number;
  readonly torrents: number;
  /** Address entries: a peer on IPv4 and IPv6 has two. */
  readonly entries: number;
  readonly seedEntries: number;
  readonly http: Readonly<TransportCounters>;
  readonly udp: Readonly<TransportCounters> & { readonly connects: number };
}

export interface TrackerServiceOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  /** How often peers are to come back. Default DEFAULT_INTERVAL_SECONDS. */
  readonly intervalSeconds?: number;
  /** Default: a minute, or the interval when that is shorter. */
  readonly minIntervalSeconds?: number;
  /** Only these torrents are served; all when undefined. */
  readonly allowList?: readonly InfoHash[];
  readonly limits?: SwarmLimits;
  readonly onAnnounce?: (announce: ServedAnnounce) => void;
}

export interface ServiceAnnounce {
  readonly protocol: 'http' | 'udp';
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  readonly key: number;
  /** Where the packet came from: 4 or 16 bytes. */
  readonly sourceIp: Uint8Array;
  /** What the request claims; see the rule at the top. */
  readonly claimedIp: Uint8Array | undefined;
  readonly port: number;
  readonly left: number;
  readonly event: AnnounceEvent | undefined;
  readonly numwant: number | undefined;
  readonly families: readonly (4 | 6)[];
  readonly maxPeers: number;
}

const DEFAULT_INTERVAL_SECONDS = 900;
const DEFAULT_MIN_INTERVAL_SECONDS = 60;
/** BEP 3: what a client gets that names no number. */
const DEFAULT_NUMWANT = 50;
/** One lost announce must not take a peer off the list. */
const LIFETIME_INTERVALS = 2;

export class TrackerService {
  readonly intervalSeconds: number;
  readonly minIntervalSeconds: number;
  readonly clock: Clock;
  readonly #options: TrackerServiceOptions;
  readonly #store: SwarmStore;
  readonly #allowed: ReadonlySet<string> | undefined;
  readonly #startedMs: number;
  readonly http: TransportCounters = newCounters();
  readonly udp: TransportCounters & { connects: number } = { ...newCounters(), connects: 0 };

  constructor(options: TrackerServiceOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.intervalSeconds = options.intervalSeconds ?? DEFAULT_INTERVAL_SECONDS;
    this.minIntervalSeconds =
      options.minIntervalSeconds ?? Math.min(DEFAULT_MIN_INTERVAL_SECONDS, this.intervalSeconds);
    this.#store = new SwarmStore({
      rng: options.rng,
      lifetimeMs: this.intervalSeconds * 1000 * LIFETIME_INTERVALS,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
    this.#allowed = options.allowList === undefined ? undefined : new Set(options.allowList.map(latin1));
    this.#startedMs = options.clock.nowMs();
  }

  announce(request: ServiceAnnounce): AnnounceResult {
    const counters = this[request.protocol];
    const ip =
      request.claimedIp !== undefined && isLoopbackIp(request.sourceIp)
        ? request.claimedIp
        : request.sourceIp;
    const result = this.#isAllowed(request.infoHash)
      ? this.#store.announce(this.clock.nowMs(), {
          ...request,
          ip,
          numwant: Math.min(request.numwant ?? DEFAULT_NUMWANT, request.maxPeers),
        })
      : NOT_SERVED;
    counters[result.ok ? 'announces' : 'refused']++;
    this.#options.onAnnounce?.({
      protocol: request.protocol,
      infoHash: toHex(request.infoHash),
      host: formatIp(ip),
      port: request.port,
      event: request.event,
      left: request.left,
      peersGiven: result.ok ? result.peers.length : 0,
      refused: result.ok ? undefined : result.message,
    });
    return result;
  }

  /** One per info hash; undefined for those nobody announced or that are not served. */
  scrape(protocol: 'http' | 'udp', infoHashes: readonly Uint8Array[]): (ScrapeEntry | undefined)[] {
    this[protocol].scrapes++;
    return infoHashes.map((hash) => (this.#isAllowed(hash) ? this.#store.scrape(hash) : undefined));
  }

  expire(): void {
    this.#store.expire(this.clock.nowMs());
  }

  stats(): TrackerStats {
    return {
      schema: 'tt/1',
      uptimeSeconds: Math.floor((this.clock.nowMs() - this.#startedMs) / 1000),
      torrents: this.#store.torrents,
      entries: this.#store.entries,
      seedEntries: this.#store.seedEntries,
      http: { ...this.http },
      udp: { ...this.udp },
    };
  }

  #isAllowed(infoHash: Uint8Array): boolean {
    return this.#allowed === undefined || this.#allowed.has(latin1(infoHash));
  }
}

const NOT_SERVED: AnnounceResult = { ok: false, message: 'this tracker does not serve that torrent' };

function newCounters(): TransportCounters {
  return { announces: 0, scrapes: 0, refused: 0, malformed: 0 };
}
