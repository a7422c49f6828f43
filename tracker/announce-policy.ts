// When to announce to which tracker of one torrent: BEP 12 tiers, intervals, back-off, BEP 27. Pure: time and chance come in.
// Invariant: at most one announce per tracker is in flight, and `stopped` goes to every tracker that may know us.
//
// Deviation from BEP 12: a tracker that has not answered after STALL_MS is not waited for, the next one is asked as well
// (a dead first tracker would cost its whole timeout before the first peer); and later tiers are asked too while the
// trackers heard so far gave fewer than ENOUGH_PEERS. Neither is done for private torrents (BEP 27: one tracker at a time).
import { type Rng, shuffle } from '../core/base/clock.ts';
import type { PeerSourceStatus } from '../core/base/peer-source.ts';
import type { AnnounceEvent, AnnounceReply, TrackerFailure } from './messages.ts';

/** Longer than a healthy tracker takes from anywhere (four round trips with TLS), short for a person waiting. */
export const STALL_MS = 500;
/** Torrents with a hundred dead trackers exist; sockets are not free. */
export const MAX_IN_FLIGHT = 16;
const MAX_TRACKERS = 200;
/** With this many addresses from the first tiers a swarm is running; PEX and the DHT do the rest. */
export const ENOUGH_PEERS = 30;
/** What clients and trackers have settled on when a reply names no interval. */
const DEFAULT_INTERVAL_MS = 30 * 60_000;
/** Below this an interval is a flood, above it we would fall out of the tracker's memory. */
export const MIN_INTERVAL_MS = 60_000;
export const MAX_INTERVAL_MS = 2 * 3600_000;
const FIRST_RETRY_MS = 15_000;
const MAX_RETRY_MS = 30 * 60_000;
/** Spread of retries, so that a swarm does not return to a restarted tracker in one second. */
const RETRY_JITTER = 0.25;

export interface TrackerEntry {
  /** As shown; also what is announced to. */
  readonly url: string;
  /** Why it cannot be used at all (an unknown scheme, a proxy that carries no UDP); undefined when it can. */
  readonly disabled: string | undefined;
}

export interface PolicyOptions {
  /** In the torrent's order; shuffled within each tier here, repeated URLs dropped. */
  readonly tiers: readonly (readonly TrackerEntry[])[];
  readonly rng: Rng;
  /** BEP 27. */
  readonly isPrivate: boolean;
  /** Default MIN_INTERVAL_MS. */
  readonly minIntervalMs?: number;
}

export interface AnnounceOrder {
  /** Names the tracker in handleReply and handleFailure. */
  readonly tracker: number;
  readonly url: string;
  readonly event: AnnounceEvent | undefined;
}

interface Tracker {
  readonly index: number;
  readonly url: string;
  readonly tier: number;
  state: 'idle' | 'ok' | 'error' | 'disabled';
  inFlight: boolean;
  startedAtMs: number;
  /** It has accepted `started`: it lists us until told otherwise. */
  knowsUs: boolean;
  owesCompleted: boolean;
  /** It tells others a port that is ours no more. */
  owesMove: boolean;
  inFlightEvent: AnnounceEvent | undefined;
  failures: number;
  dueAtMs: number;
  /** The tracker's own floor (BEP 3 `min interval`), for refresh(). */
  earliestAtMs: number;
  lastPeers: number;
  peersReceived: number;
  message: string | undefined;
  seeds: number | undefined;
  leechers: number | undefined;
}

export class AnnouncePolicy {
  readonly #trackers: Tracker[] = [];
  /** BEP 12 order: tiers, and within each the trackers in the order to try. */
  readonly #tiers: Tracker[][] = [];
  readonly #rng: Rng;
  readonly #isPrivate: boolean;
  readonly #minIntervalMs: number;
  #stopped = false;

  constructor(options: PolicyOptions) {
    this.#rng = options.rng;
    this.#isPrivate = options.isPrivate;
    this.#minIntervalMs = options.minIntervalMs ?? MIN_INTERVAL_MS;
    const seen = new Set<string>();
    options.tiers.forEach((entries, tier) => {
      const members: Tracker[] = [];
      for (const entry of entries) {
        if (seen.has(entry.url) || this.#trackers.length === MAX_TRACKERS) continue;
        seen.add(entry.url);
        const tracker = newTracker(this.#trackers.length, entry, tier);
        this.#trackers.push(tracker);
        members.push(tracker);
      }
      this.#tiers.push(shuffle(this.#rng, members));
    });
  }

  /** The trackers of one tier in the order they are tried. */
  orderOf(tier: number): readonly string[] {
    return (this.#tiers[tier] ?? []).map((tracker) => tracker.url);
  }

  /**
   * The next announce to make now; call until it returns undefined.
   * @param wanted how many peers the torrent would take
   */
  pollAnnounce(nowMs: number, wanted: number): AnnounceOrder | undefined {
    if (this.#stopped) return undefined;
    const regular = this.#trackers.find((t) => t.state === 'ok' && !t.inFlight && t.dueAtMs <= nowMs);
    if (regular !== undefined) return this.#begin(regular, nowMs);
    if (nowMs < this.#stallEndsMs()) return undefined;
    for (const candidate of this.#candidates(wanted)) {
      if (candidate.dueAtMs <= nowMs) return this.#begin(candidate, nowMs);
    }
    return undefined;
  }

  /** When pollAnnounce may have something again; undefined when only an answer or a command can change that. */
  nextTimeoutMs(wanted: number): number | undefined {
    if (this.#stopped) return undefined;
    let next = Number.POSITIVE_INFINITY;
    for (const t of this.#trackers) if (t.state === 'ok' && !t.inFlight) next = Math.min(next, t.dueAtMs);
    const stallEndsMs = this.#stallEndsMs();
    for (const t of this.#candidates(wanted)) next = Math.min(next, Math.max(t.dueAtMs, stallEndsMs));
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  handleReply(index: number, nowMs: number, reply: AnnounceReply): void {
    const tracker = this.#trackers[index];
    if (tracker === undefined || this.#stopped) return;
    tracker.inFlight = false;
    tracker.state = 'ok';
    tracker.knowsUs = true;
    tracker.failures = 0;
    tracker.message = reply.warning;
    tracker.lastPeers = reply.peers.length + reply.namedPeers.length;
    tracker.seeds = reply.seeds ?? tracker.seeds;
    tracker.leechers = reply.leechers ?? tracker.leechers;
    if (tracker.inFlightEvent === 'completed') tracker.owesCompleted = false;
    const floorMs = Math.min(MAX_INTERVAL_MS, Math.max(this.#minIntervalMs, reply.minIntervalMs ?? 0));
    const intervalMs = Math.min(MAX_INTERVAL_MS, Math.max(floorMs, reply.intervalMs ?? DEFAULT_INTERVAL_MS));
    tracker.earliestAtMs = nowMs + floorMs;
    tracker.dueAtMs = tracker.owesCompleted || tracker.owesMove ? nowMs : nowMs + intervalMs;
    tracker.owesMove = false;
    // BEP 12: what works is tried first from now on.
    const tier = this.#tiers[tracker.tier] as Tracker[];
    tier.splice(tier.indexOf(tracker), 1);
    tier.unshift(tracker);
  }

  /** Peers are counted as they come: with two address families they come in two replies. */
  handlePeers(index: number, count: number): void {
    const tracker = this.#trackers[index];
    if (tracker !== undefined) tracker.peersReceived += count;
  }

  handleFailure(index: number, nowMs: number, failure: TrackerFailure): void {
    const tracker = this.#trackers[index];
    if (tracker === undefined || this.#stopped) return;
    tracker.inFlight = false;
    tracker.lastPeers = 0;
    tracker.message = failure.message;
    if (failure.retryInMs === 'never') {
      tracker.state = 'disabled';
      return;
    }
    tracker.state = 'error';
    tracker.failures++;
    const backOffMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(tracker.failures - 1, 16));
    const retryMs = failure.retryInMs ?? backOffMs * (1 + this.#rng.next() * RETRY_JITTER);
    tracker.dueAtMs = nowMs + retryMs;
    tracker.earliestAtMs = nowMs + FIRST_RETRY_MS;
  }

  /** BEP 3: told once to every tracker that saw the torrent incomplete; not subject to the interval. */
  complete(nowMs: number): void {
    for (const tracker of this.#trackers) {
      if (!tracker.knowsUs && !tracker.inFlight) continue;
      tracker.owesCompleted = true;
      if (tracker.state === 'ok') tracker.dueAtMs = nowMs;
    }
  }

  /** Our port has changed, and what trackers tell others leads nowhere: told at once, whatever the interval. */
  move(nowMs: number): void {
    for (const tracker of this.#trackers) {
      if (tracker.inFlight) tracker.owesMove = true;
      else if (tracker.state === 'ok') tracker.dueAtMs = nowMs;
    }
  }

  /** Brings the next announce forward to the earliest time the tracker allows. */
  refresh(nowMs: number): void {
    for (const tracker of this.#trackers) {
      if (tracker.state !== 'ok' && tracker.state !== 'error') continue;
      tracker.dueAtMs = Math.min(tracker.dueAtMs, Math.max(nowMs, tracker.earliestAtMs));
    }
  }

  /** Ends the policy. @returns the farewells to send, one per tracker that may list us */
  stop(): readonly AnnounceOrder[] {
    if (this.#stopped) return [];
    this.#stopped = true;
    return this.#trackers
      .filter((t) => t.state !== 'disabled' && (t.knowsUs || t.inFlight))
      .map((t) => ({ tracker: t.index, url: t.url, event: 'stopped' }));
  }

  status(): readonly PeerSourceStatus[] {
    return this.#tiers.flat().map((t) => ({
      kind: 'tracker',
      name: t.url,
      tier: t.tier,
      state: t.inFlight ? 'working' : t.state,
      message: t.message,
      peersReceived: t.peersReceived,
      seeds: t.seeds,
      leechers: t.leechers,
      nextAnnounceAtMs:
        this.#stopped || t.inFlight || (t.state !== 'ok' && t.state !== 'error') ? undefined : t.dueAtMs,
    }));
  }

  #begin(tracker: Tracker, nowMs: number): AnnounceOrder {
    tracker.inFlight = true;
    tracker.startedAtMs = nowMs;
    const event = !tracker.knowsUs ? 'started' : tracker.owesCompleted ? 'completed' : undefined;
    tracker.inFlightEvent = event;
    return { tracker: tracker.index, url: tracker.url, event };
  }

  /** Until then one more search announce would be impatience. Regular announces do not count: they are not a search. */
  #stallEndsMs(): number {
    let inFlight = 0;
    let endsMs = Number.NEGATIVE_INFINITY;
    for (const tracker of this.#trackers) {
      if (!tracker.inFlight || tracker.state === 'ok') continue;
      inFlight++;
      endsMs = Math.max(endsMs, tracker.startedAtMs + STALL_MS);
    }
    if (inFlight === 0) return endsMs;
    return this.#isPrivate || inFlight >= MAX_IN_FLIGHT ? Number.POSITIVE_INFINITY : endsMs;
  }

  /** Trackers to try beside those that work, in BEP 12 order, due or not. */
  #candidates(wanted: number): Tracker[] {
    const working = this.#trackers.filter((t) => t.state === 'ok');
    const bestTier = Math.min(...working.map((t) => t.tier));
    const known = working.reduce((sum, t) => sum + t.lastPeers, 0);
    const hasEnough = working.length > 0 && (this.#isPrivate || known >= Math.min(wanted, ENOUGH_PEERS));
    const found: Tracker[] = [];
    this.#tiers.forEach((tier, number) => {
      if (tier.some((t) => t.state === 'ok')) return;
      // Every BEP 12 round begins at the first tier: a better one that failed is tried again at its back-off.
      if (hasEnough && (this.#isPrivate || number > bestTier)) return;
      for (const t of tier) if (!t.inFlight && (t.state === 'idle' || t.state === 'error')) found.push(t);
    });
    return found;
  }
}

function newTracker(index: number, entry: TrackerEntry, tier: number): Tracker {
  return {
    index,
    url: entry.url,
    tier,
    state: entry.disabled === undefined ? 'idle' : 'disabled',
    inFlight: false,
    startedAtMs: 0,
    knowsUs: false,
    owesCompleted: false,
    owesMove: false,
    inFlightEvent: undefined,
    failures: 0,
    dueAtMs: Number.NEGATIVE_INFINITY,
    earliestAtMs: Number.NEGATIVE_INFINITY,
    lastPeers: 0,
    peersReceived: 0,
    message: entry.disabled,
    seeds: undefined,
    leechers: undefined,
  };
}
