// Endpoints that one torrent could dial: merged from every source, ranked, backed off. Pure.
// Invariant: an endpoint is in the pool once, whoever named it and however often; the pool is bounded.
import type { Rng } from '../base/clock.ts';
import { type Endpoint, endpointKey, normalizeHost, parseIp } from '../base/endpoint.ts';
import type { PeerOrigin } from '../base/peer-source.ts';

/** libtorrent keeps 3000 as well; at 100 bytes each this is nothing, and no swarm needs more. */
export const MAX_CANDIDATES = 3000;
/** The first wait after a failure; doubles each time. */
const BACKOFF_BASE_MS = 15_000;
const BACKOFF_MAX_MS = 30 * 60_000;
/** An endpoint that never answered is parked after so many failures: worth a slot only when a source names it anew. */
const PARK_AFTER_FAILURES = 3;
/** After a connection that did work ended: soon enough for a peer that restarted, slow enough against flapping. */
const RECONNECT_MS = 10_000;

/** Lower dials first: the user's own peers, then what answered before, then the rest alike. */
const ORIGIN_RANK: Readonly<Record<PeerOrigin, number>> = {
  manual: 0,
  resume: 1,
  lsd: 1,
  tracker: 2,
  dht: 2,
  pex: 2,
  incoming: 3,
};

/** Higher goes first when the pool is full: a single peer can invent addresses by the thousand. */
const EVICTION_RANK: Readonly<Record<PeerOrigin, number>> = {
  manual: 0,
  resume: 1,
  lsd: 1,
  tracker: 1,
  dht: 2,
  pex: 3,
  incoming: 3,
};

export interface Candidate {
  readonly endpoint: Endpoint;
  readonly key: string;
  origin: PeerOrigin;
  failures: number;
  /** Clock ms before which it is not dialled. */
  notBeforeMs: number;
  /** self: it turned out to be us. */
  state: 'idle' | 'dialling' | 'connected' | 'self';
  /** It shook hands once in this session. */
  hasAnswered: boolean;
  /** The next attempt goes out in the clear (or encrypted): what failed last time was the other. */
  tryPlain: boolean;
  /** BEP 11 flag or BEP 21: pointless to dial while we seed. */
  isSeed: boolean;
  /** BEP 40 rank; higher first. */
  readonly rank: number;
}

export interface CandidatePoolOptions {
  readonly rng: Rng;
  /** BEP 40 canonical priority, or anything random while the own address is unknown. */
  readonly rank: (endpoint: Endpoint) => number;
  readonly isBanned: (host: string) => boolean;
  /** Our own endpoints, which trackers like to hand back; asked again before a dial, for it may be found out late which those are. */
  readonly isSelf: (endpoint: Endpoint) => boolean;
}

/** Unicast addresses a peer can have. Loopback and private ones are fine: swarms live on LANs and test machines too. */
export function isDialable(endpoint: Endpoint): boolean {
  const bytes = parseIp(endpoint.host);
  if (bytes === undefined || endpoint.port < 1 || endpoint.port > 65535) return false;
  const first = bytes[0] as number;
  if (bytes.length === 4) return first !== 0 && first < 224;
  return first !== 0xff && bytes.some((byte) => byte !== 0);
}

export class CandidatePool {
  readonly #options: CandidatePoolOptions;
  readonly #byKey = new Map<string, Candidate>();

  constructor(options: CandidatePoolOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** How many are neither connected nor being dialled. */
  get idleCount(): number {
    let count = 0;
    for (const candidate of this.#byKey.values()) if (candidate.state === 'idle') count++;
    return count;
  }

  /**
   * @param options.isMet somebody was met there: it is not us, whatever it looks like (two behind one gateway)
   * @returns how many were new
   */
  add(
    endpoints: Iterable<Endpoint>,
    origin: PeerOrigin,
    options: { isSeed?: boolean; isMet?: boolean } = {},
  ): number {
    let added = 0;
    for (const given of endpoints) {
      const host = normalizeHost(given.host);
      if (host === undefined) continue;
      const endpoint = { host, port: given.port };
      const key = endpointKey(endpoint);
      const known = this.#byKey.get(key);
      if (known !== undefined) {
        if (ORIGIN_RANK[origin] < ORIGIN_RANK[known.origin]) known.origin = origin;
        if (options.isSeed === true) known.isSeed = true;
        if (origin === 'manual') forgive(known);
        // Named anew: it gets another chance, after its back-off.
        if (known.failures >= PARK_AFTER_FAILURES) known.failures = PARK_AFTER_FAILURES - 1;
        continue;
      }
      const isSelf = options.isMet !== true && this.#options.isSelf(endpoint);
      if (!isDialable(endpoint) || isSelf || this.#options.isBanned(host)) continue;
      if (this.#byKey.size >= MAX_CANDIDATES && !this.#evictFor(origin)) continue;
      this.#byKey.set(key, {
        endpoint,
        key,
        origin,
        failures: 0,
        notBeforeMs: 0,
        state: 'idle',
        hasAnswered: false,
        tryPlain: false,
        isSeed: options.isSeed === true,
        rank: this.#options.rank(endpoint),
      });
      added++;
    }
    return added;
  }

  /**
   * The best endpoint to dial now, marked as being dialled.
   * @param skipSeeds we seed too: two seeds have nothing to say to each other
   */
  next(nowMs: number, skipSeeds: boolean): Candidate | undefined {
    let best: Candidate | undefined;
    for (const candidate of this.#byKey.values()) {
      if (!this.#isReady(candidate, nowMs, skipSeeds)) continue;
      if (best === undefined || isBetter(candidate, best)) best = candidate;
    }
    if (best !== undefined) best.state = 'dialling';
    return best;
  }

  /** When the next back-off ends; undefined when nobody waits. A time in the past means "now". */
  nextReadyMs(skipSeeds: boolean): number | undefined {
    let soonest: number | undefined;
    for (const candidate of this.#byKey.values()) {
      if (!this.#isReady(candidate, Number.POSITIVE_INFINITY, skipSeeds)) continue;
      if (soonest === undefined || candidate.notBeforeMs < soonest) soonest = candidate.notBeforeMs;
    }
    return soonest;
  }

  connected(candidate: Candidate): void {
    candidate.state = 'connected';
    candidate.hasAnswered = true;
  }

  /** It leads to ourselves: kept, so that whoever names it again changes nothing. */
  isOurself(candidate: Candidate): void {
    candidate.state = 'self';
  }

  /** The attempt failed, or the connection ended before it was of any use, or for the peer's fault. */
  failed(candidate: Candidate, nowMs: number): void {
    candidate.state = 'idle';
    candidate.failures++;
    const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** (candidate.failures - 1));
    candidate.notBeforeMs = nowMs + backoffMs * (0.75 + 0.5 * this.#options.rng.next());
  }

  /** A connection that worked has ended, or an attempt was given up for a reason of ours. */
  ended(candidate: Candidate, nowMs: number): void {
    candidate.state = 'idle';
    candidate.failures = 0;
    candidate.notBeforeMs = nowMs + RECONNECT_MS * (0.75 + 0.5 * this.#options.rng.next());
  }

  /** Without counting a failure: the other way of encrypting may work, or it was us who ended it. */
  retryAtOnce(candidate: Candidate, tryPlain: boolean): void {
    candidate.state = 'idle';
    candidate.tryPlain = tryPlain;
    candidate.notBeforeMs = 0;
  }

  /** Times have changed (resumed, data missing again): whoever answered once may be dialled at once. */
  retryAnswered(): void {
    for (const candidate of this.#byKey.values()) if (candidate.hasAnswered) forgive(candidate);
  }

  find(endpoint: Endpoint): Candidate | undefined {
    return this.#byKey.get(endpointKey(endpoint));
  }

  remove(candidate: Candidate): void {
    this.#byKey.delete(candidate.key);
  }

  removeWhere(matches: (endpoint: Endpoint) => boolean): void {
    for (const candidate of [...this.#byKey.values()])
      if (matches(candidate.endpoint)) this.remove(candidate);
  }

  #isReady(candidate: Candidate, nowMs: number, skipSeeds: boolean): boolean {
    if (candidate.state !== 'idle' || candidate.notBeforeMs > nowMs) return false;
    if (candidate.failures >= PARK_AFTER_FAILURES && candidate.origin !== 'manual') return false;
    if (skipSeeds && candidate.isSeed) return false;
    return candidate.hasAnswered || !this.#options.isSelf(candidate.endpoint);
  }

  /**
   * Makes room: the idle endpoint with the most failures goes, or one that nobody tried yet and that a lesser source
   * named, so that no peer can fill the pool with inventions and shut out what the user or a tracker knows.
   */
  #evictFor(origin: PeerOrigin): boolean {
    let worst: Candidate | undefined;
    for (const candidate of this.#byKey.values()) {
      if (candidate.state !== 'idle' || candidate.hasAnswered) continue;
      if (candidate.failures === 0 && EVICTION_RANK[candidate.origin] <= EVICTION_RANK[origin]) continue;
      if (worst === undefined || candidate.failures > worst.failures) worst = candidate;
    }
    if (worst !== undefined) this.remove(worst);
    return worst !== undefined;
  }
}

function forgive(candidate: Candidate): void {
  candidate.failures = 0;
  candidate.notBeforeMs = 0;
}

function isBetter(a: Candidate, b: Candidate): boolean {
  if (a.failures !== b.failures) return a.failures < b.failures;
  const origin = ORIGIN_RANK[a.origin] - ORIGIN_RANK[b.origin];
  if (origin !== 0) return origin < 0;
  if (a.hasAnswered !== b.hasAnswered) return a.hasAnswered;
  return a.rank > b.rank;
}
