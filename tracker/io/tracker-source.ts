// Trackers as a PeerSource: the shell of one AnnouncePolicy per torrent. It owns the timers and the announces in flight;
// invariant: after stop() resolves nothing of the torrent is in flight.
import { type Clock, randomInt } from '../../core/base/clock.ts';
import type { Endpoint } from '../../core/base/endpoint.ts';
import { type Log, silentLog } from '../../core/base/log.ts';
import type {
  PeerSearch,
  PeerSource,
  PeerSourceEvents,
  PeerSourceStatus,
  SoughtTorrent,
} from '../../core/base/peer-source.ts';
import { type AnnounceOrder, AnnouncePolicy, type TrackerEntry } from '../announce-policy.ts';
import { FailureNotes } from '../failure-notes.ts';
import type { AnnounceReply, AnnounceRequest, TrackerFailure } from '../messages.ts';
import { parseTrackerUrl, type TrackerUrl } from '../tracker-url.ts';
import { startDeadline } from './deadline.ts';
import { type FamilyReply, TrackerClient, type TrackerClientOptions } from './tracker-client.ts';

export interface TrackerSourceOptions extends TrackerClientOptions {
  readonly log?: Log;
  /** Announced to for every torrent, after its own trackers (`--tracker`); never for private ones. */
  readonly extraTiers?: readonly (readonly string[])[];
  /** Floor for announce intervals; the default keeps to what trackers put up with. */
  readonly minIntervalMs?: number;
}

/** Trackers give 50 when not asked and rarely more than 200 whatever is asked. */
const MAX_NUMWANT = 200;
/** While the metadata is unknown, any number but zero will do: zero would list us as a seed. */
const LEFT_WHILE_UNKNOWN = 16_384;
/** After one family has answered with nobody, how long the other may still make the difference. */
const FAMILY_GRACE_MS = 250;
const NAMED_PEER_TIMEOUT_MS = 5_000;
/** Between two announces for no other reason than that our port has changed. */
const MIN_MOVE_MS = 60_000;
/** Trackers that fail at once are told in one line, once so long has passed since the first that has none of its own. */
const SUM_AFTER_MS = 1_000;
/** setTimeout's own ceiling is 2^31 - 1. */
const MAX_TIMER_MS = 3600_000;

/** Trackers as a source of peers: announces as AnnouncePolicy says (BEP 3, 12), over HTTP (BEP 3, 7, 23) and UDP (BEP 15). */
export class TrackerSource implements PeerSource {
  readonly kind = 'tracker';
  readonly #options: TrackerSourceOptions;
  readonly #client: TrackerClient;
  readonly #searches = new Set<TrackerSearch>();

  constructor(options: TrackerSourceOptions) {
    this.#options = options;
    this.#client = new TrackerClient(options);
  }

  /** The first announce has left for its socket when this returns. */
  open(torrent: SoughtTorrent, events: PeerSourceEvents): PeerSearch | undefined {
    const extra = torrent.isPrivate ? [] : (this.#options.extraTiers ?? []);
    const tiers = [...torrent.trackerTiers, ...extra].filter((tier) => tier.length > 0);
    if (tiers.length === 0) return undefined;
    const search = new TrackerSearch(this.#options, this.#client, torrent, tiers, events, () =>
      this.#searches.delete(search),
    );
    this.#searches.add(search);
    search.start();
    return search;
  }

  /** Ends what is left without farewells; a session stops its searches first. */
  async close(): Promise<void> {
    await Promise.all([...this.#searches].map((search) => search.stop(0)));
    this.#client.close();
  }
}

type Outcome = FamilyReply<AnnounceReply | TrackerFailure>;

class TrackerSearch implements PeerSearch {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #client: TrackerClient;
  readonly #torrent: SoughtTorrent;
  readonly #events: PeerSourceEvents;
  readonly #onStopped: () => void;
  readonly #policy: AnnouncePolicy;
  readonly #urls = new Map<string, TrackerUrl>();
  /** BEP 3 tracker ids, by URL. */
  readonly #trackerIds = new Map<string, Uint8Array>();
  readonly #key: number;
  readonly #abort = new AbortController();
  #announcedPort: number | undefined;
  #movedAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  readonly #failures = new FailureNotes();
  #sumTimer: NodeJS.Timeout | undefined;
  #stopping: Promise<void> | undefined;

  constructor(
    options: TrackerSourceOptions,
    client: TrackerClient,
    torrent: SoughtTorrent,
    tiers: readonly (readonly string[])[],
    events: PeerSourceEvents,
    onStopped: () => void,
  ) {
    this.#clock = options.clock;
    this.#log = options.log ?? silentLog;
    this.#client = client;
    this.#torrent = torrent;
    this.#events = events;
    this.#onStopped = onStopped;
    this.#key = randomInt(options.rng, 2 ** 32);
    this.#policy = new AnnouncePolicy({
      tiers: tiers.map((tier) => tier.map((text) => this.#entryOf(text))),
      rng: options.rng,
      isPrivate: torrent.isPrivate,
      ...(options.minIntervalMs === undefined ? {} : { minIntervalMs: options.minIntervalMs }),
    });
  }

  start(): void {
    this.#pump();
  }

  completed(): void {
    this.#policy.complete(this.#clock.nowMs());
    this.#pump();
  }

  refresh(): void {
    const nowMs = this.#clock.nowMs();
    const isMoved = this.#announcedPort !== undefined && this.#announcedPort !== this.#torrent.listenPort();
    // A gateway may change its mind as often as it likes; trackers are not bothered each time.
    if (isMoved && nowMs - this.#movedAtMs >= MIN_MOVE_MS) {
      this.#movedAtMs = nowMs;
      this.#policy.move(nowMs);
    } else this.#policy.refresh(nowMs);
    this.#pump();
  }

  status(): readonly PeerSourceStatus[] {
    return this.#policy.status();
  }

  stop(timeoutMs: number): Promise<void> {
    this.#stopping ??= this.#sayGoodbye(timeoutMs);
    return this.#stopping;
  }

  async #sayGoodbye(timeoutMs: number): Promise<void> {
    clearTimeout(this.#timer);
    this.#tellSum();
    const farewells = this.#policy.stop();
    this.#abort.abort();
    if (timeoutMs > 0) {
      const deadline = startDeadline(timeoutMs, 'no answer');
      await Promise.all(
        farewells.map((order) => {
          const url = this.#urls.get(order.url);
          const request = (): AnnounceRequest => this.#requestFor(order);
          return url && this.#client.announce(url, request, { signal: deadline.signal, timeoutMs }, () => {});
        }),
      );
      deadline.clear();
    }
    this.#onStopped();
  }

  #entryOf(text: string): TrackerEntry {
    const parsed = parseTrackerUrl(text);
    if (!parsed.ok) return { url: text, disabled: parsed.reason.what };
    this.#urls.set(parsed.value.href, parsed.value);
    return { url: parsed.value.href, disabled: this.#client.refusal(parsed.value) };
  }

  /** Makes every announce that is due, and sets the one timer to the next. */
  #pump(): void {
    if (this.#stopping !== undefined) return;
    clearTimeout(this.#timer);
    for (;;) {
      const order = this.#policy.pollAnnounce(this.#clock.nowMs(), this.#torrent.wanted());
      if (order === undefined) break;
      this.#announce(order);
    }
    const nextMs = this.#policy.nextTimeoutMs(this.#torrent.wanted());
    if (nextMs === undefined) return;
    const delayMs = Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(nextMs - this.#clock.nowMs())));
    this.#timer = setTimeout(() => this.#pump(), delayMs);
  }

  /**
   * The policy hears once per announce: of the first family that gave peers, else of the first that answered once the
   * other has had its grace, else of the failure. Peers go on at once, whichever family they come from.
   */
  #announce(order: AnnounceOrder): void {
    const url = this.#urls.get(order.url) as TrackerUrl;
    const startedMs = this.#clock.nowMs();
    let settled = false;
    let best: AnnounceReply | undefined;
    let failure: TrackerFailure = { message: 'no answer', retryInMs: undefined, fromTracker: false };
    let graceTimer: NodeJS.Timeout | undefined;
    const settle = (): void => {
      clearTimeout(graceTimer);
      if (settled || this.#stopping !== undefined) return;
      settled = true;
      if (best !== undefined) this.#policy.handleReply(order.tracker, this.#clock.nowMs(), best);
      else this.#policy.handleFailure(order.tracker, this.#clock.nowMs(), failure);
      this.#pump();
    };
    const onOutcome = (outcome: Outcome): void => {
      if (this.#stopping !== undefined) return;
      const { result } = outcome;
      if (!('peers' in result)) {
        // What a tracker says is worth more than what a socket says; the IPv6 half of a dual-stack name often just fails.
        if (!failure.fromTracker) failure = result;
        this.#log('debug', `tracker ${url.href}: ${result.message}`, { tookMs: outcome.tookMs });
        return;
      }
      this.#takeReply(order, url, outcome.from, result);
      best = best === undefined || result.peers.length > best.peers.length ? result : best;
      if (result.peers.length > 0) settle();
      else graceTimer ??= setTimeout(settle, FAMILY_GRACE_MS);
    };
    this.#log('debug', `announcing to ${url.href}`, { event: order.event });
    const request = (): AnnounceRequest => this.#requestFor(order);
    void this.#client.announce(url, request, { signal: this.#abort.signal }, onOutcome).then(() => {
      if (best === undefined && this.#stopping === undefined) {
        this.#tellFailure(url.href, failure.message, this.#clock.nowMs() - startedMs);
      }
      settle();
    });
  }

  #tellFailure(url: string, message: string, tookMs: number): void {
    this.#log(this.#failures.handleFailure(url, message), `tracker ${url}: ${message}`, { tookMs });
    if (this.#failures.owesSum) this.#sumTimer ??= setTimeout(() => this.#tellSum(), SUM_AFTER_MS);
  }

  #tellSum(): void {
    clearTimeout(this.#sumTimer);
    const text = this.#failures.pollSum(this.#urls.size);
    if (text !== undefined) this.#log('warn', text);
  }

  #takeReply(order: AnnounceOrder, url: TrackerUrl, from: string, reply: AnnounceReply): void {
    if (reply.trackerId !== undefined) this.#trackerIds.set(url.href, reply.trackerId);
    if (reply.warning === undefined) this.#failures.handleAnswer(url.href);
    else
      this.#log(
        this.#failures.handleFailure(url.href, reply.warning),
        `tracker ${url.href}: ${reply.warning}`,
      );
    if (reply.externalHost !== undefined) this.#events.onExternalAddress?.(reply.externalHost, from);
    this.#policy.handlePeers(order.tracker, reply.peers.length);
    if (reply.peers.length > 0) this.#events.onPeers(reply.peers, 'tracker');
    if (reply.namedPeers.length > 0 && this.#client.canResolve) void this.#resolveNamed(order, reply);
  }

  async #resolveNamed(order: AnnounceOrder, reply: AnnounceReply): Promise<void> {
    const deadline = startDeadline(NAMED_PEER_TIMEOUT_MS, 'no address', this.#abort.signal);
    const found = await Promise.allSettled(
      reply.namedPeers.map(async ({ host, port }): Promise<Endpoint[]> => {
        const addresses = await this.#client.resolve(host, deadline.signal);
        return [...addresses.v4.slice(0, 1), ...addresses.v6.slice(0, 1)].map((ip) => ({ host: ip, port }));
      }),
    );
    deadline.clear();
    const peers = found.flatMap((item) => (item.status === 'fulfilled' ? item.value : []));
    if (peers.length === 0 || this.#stopping !== undefined) return;
    this.#policy.handlePeers(order.tracker, peers.length);
    this.#events.onPeers(peers, 'tracker');
  }

  #requestFor(order: AnnounceOrder): AnnounceRequest {
    const { downloaded, uploaded, left, corrupt } = this.#torrent.transfer();
    const isStopping = order.event === 'stopped';
    this.#announcedPort = this.#torrent.listenPort();
    return {
      infoHash: this.#torrent.infoHash,
      peerId: this.#torrent.peerId,
      port: this.#torrent.listenPort(),
      uploaded,
      downloaded,
      left: left ?? LEFT_WHILE_UNKNOWN,
      corrupt,
      event: order.event,
      numwant: isStopping ? 0 : Math.max(0, Math.min(MAX_NUMWANT, Math.floor(this.#torrent.wanted()))),
      key: this.#key,
      trackerId: this.#trackerIds.get(order.url),
    };
  }
}
