// The DHT as a PeerSource: one search per torrent that announces, streams peers as they come, and announces again before
// others forget us. Invariants: a private torrent never gets in (BEP 27); after stop() nothing of the torrent is in flight.
import { type Clock, type Rng, randomInt } from '../../core/base/clock.ts';
import { toHex } from '../../core/base/ids.ts';
import { type Log, silentLog } from '../../core/base/log.ts';
import type {
  PeerSearch,
  PeerSource,
  PeerSourceEvents,
  PeerSourceStatus,
  SoughtTorrent,
} from '../../core/base/peer-source.ts';
import type { DhtAddress } from '../base/address.ts';
import type { AnnounceResult, DhtOperation, GetPeersResult } from '../base/results.ts';
import type { DhtMachine } from '../machine.ts';
import { type HostAndPort, resolveRouters } from './routers.ts';

/** Half of the 30 minutes after which nodes forget a peer: one round may be lost. */
const ANNOUNCE_MS = 15 * 60_000;
/** Torrents started together do not announce together for ever. */
const JITTER_MS = 60_000;
/** While peers are wanted, the DHT is asked this often. */
const SEEK_MS = 5 * 60_000;
/**
 * While nothing comes in: whoever has it may announce any moment. Grows by half each time, up to SEEK_MS. Found peers do not
 * count, since the first of them are ourselves, others who wait, and those who left.
 */
const FIRST_STARVED_MS = 10_000;
const STARVED_GROWTH = 1.5;
/** The earliest repeat when somebody asks for more peers. */
const MIN_REFRESH_MS = 60_000;
/** Nobody answered at all, or took the announce: the node is not in yet, or we are offline. Doubled up to the maximum. */
const FIRST_RETRY_MS = 5_000;
const MAX_RETRY_MS = 5 * 60_000;
/** BEP 5 `nodes` of a torrent: more are not asked. */
const MAX_TORRENT_NODES = 16;

/** What a source needs of a running node; DhtNode is one. */
export interface DhtAccess {
  run<T>(command: (machine: DhtMachine, nowMs: number) => T): T;
  readonly ready: Promise<unknown>;
}

export interface DhtSourceOptions {
  readonly node: DhtAccess;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log?: Log;
  /** Called by `close()`, for a node that belongs to the source. */
  readonly onClose?: () => Promise<void>;
}

/** The DHT as a source of peers: one search for each torrent, announced again in time. `open` gives none for private ones (BEP 27). */
export class DhtSource implements PeerSource {
  readonly kind = 'dht';
  readonly #options: DhtSourceOptions;
  readonly #searches = new Set<DhtSearch>();

  constructor(options: DhtSourceOptions) {
    this.#options = options;
  }

  /** @returns undefined for private torrents */
  open(torrent: SoughtTorrent, events: PeerSourceEvents): PeerSearch | undefined {
    if (torrent.isPrivate) return undefined;
    const search = new DhtSearch(this.#options, torrent, events, () => this.#searches.delete(search));
    this.#searches.add(search);
    search.start();
    return search;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#searches].map((search) => search.stop()));
    await this.#options.onClose?.();
  }
}

class DhtSearch implements PeerSearch {
  readonly #options: DhtSourceOptions;
  readonly #torrent: SoughtTorrent;
  readonly #events: PeerSourceEvents;
  readonly #onStop: () => void;
  readonly #log: Log;
  #operation: DhtOperation | undefined;
  #timer: NodeJS.Timeout | undefined;
  #nextAtMs: number | undefined;
  #announcedAtMs = Number.NEGATIVE_INFINITY;
  #startedAtMs = Number.NEGATIVE_INFINITY;
  #retryMs = FIRST_RETRY_MS;
  #starvedMs = FIRST_STARVED_MS;
  #downloadedBefore = 0;
  #peersReceived = 0;
  #message: string | undefined;
  #state: PeerSourceStatus['state'] = 'idle';
  #wantsAnnounce = true;
  /** What others were told last. */
  #announcedPort = 0;
  #isStopped = false;

  constructor(
    options: DhtSourceOptions,
    torrent: SoughtTorrent,
    events: PeerSourceEvents,
    onStop: () => void,
  ) {
    this.#options = options;
    this.#torrent = torrent;
    this.#events = events;
    this.#onStop = onStop;
    this.#log = options.log ?? silentLog;
  }

  start(): void {
    this.#state = 'working';
    const { dhtNodes } = this.#torrent;
    if (dhtNodes.length > 0) void this.#addNodes(dhtNodes.slice(0, MAX_TORRENT_NODES));
    if (this.#hasNodes()) this.#go();
    else void this.#options.node.ready.then(() => this.#go());
  }

  completed(): void {
    // Scrapes tell seeds from peers (BEP 33): say at once that we are one now.
    this.#wantsAnnounce = true;
    this.#schedule(0);
  }

  refresh(): void {
    // What others know would lead them to a port that nobody forwards.
    const isMoved = this.#announcedPort !== 0 && this.#torrent.listenPort() !== this.#announcedPort;
    const earliestMs = isMoved ? 0 : this.#startedAtMs + MIN_REFRESH_MS;
    this.#schedule(Math.max(0, earliestMs - this.#options.clock.nowMs()));
  }

  status(): readonly PeerSourceStatus[] {
    return [
      {
        kind: 'dht',
        name: 'DHT',
        tier: 0,
        state: this.#state,
        message: this.#message,
        peersReceived: this.#peersReceived,
        seeds: undefined,
        leechers: undefined,
        nextAnnounceAtMs: this.#nextAtMs,
      },
    ];
  }

  /** There is no goodbye in the DHT: others forget us after 30 minutes. */
  stop(): Promise<void> {
    if (!this.#isStopped) {
      this.#isStopped = true;
      this.#state = 'idle';
      clearTimeout(this.#timer);
      this.#operation?.cancel();
      this.#onStop();
    }
    return Promise.resolve();
  }

  async #addNodes(nodes: readonly HostAndPort[]): Promise<void> {
    const addresses = await resolveRouters(nodes);
    if (this.#isStopped) return;
    this.#options.node.run((machine, nowMs) => {
      for (const address of addresses) machine.addNode(address, nowMs);
    });
  }

  #hasNodes(): boolean {
    return this.#options.node.run((machine, nowMs) =>
      machine.snapshot(nowMs).families.some((family) => family.good > 0),
    );
  }

  #schedule(inMs: number): void {
    if (this.#isStopped || (this.#operation !== undefined && !this.#operation.isDone)) return;
    const atMs = this.#options.clock.nowMs() + inMs;
    if (this.#nextAtMs !== undefined && this.#nextAtMs <= atMs) return;
    clearTimeout(this.#timer);
    this.#nextAtMs = atMs;
    this.#timer = setTimeout(() => this.#go(), inMs);
  }

  #go(): void {
    if (this.#isStopped || (this.#operation !== undefined && !this.#operation.isDone)) return;
    clearTimeout(this.#timer);
    this.#nextAtMs = undefined;
    const { clock, node } = this.#options;
    const { infoHash } = this.#torrent;
    this.#startedAtMs = clock.nowMs();
    this.#state = 'working';
    const port = this.#torrent.listenPort();
    if (port !== this.#announcedPort) this.#wantsAnnounce = true;
    const isDue = this.#wantsAnnounce || this.#startedAtMs - this.#announcedAtMs >= ANNOUNCE_MS - JITTER_MS;
    const onPeers = (peers: readonly DhtAddress[]): void => this.#handlePeers(peers);
    if (port === 0 || !isDue) {
      const onDone = (result: GetPeersResult): void => this.#handleEnd(result, undefined);
      this.#operation = node.run((machine, nowMs) => machine.getPeers(infoHash, { onPeers, onDone }, nowMs));
      return;
    }
    const isSeed = this.#torrent.transfer().left === 0;
    this.#wantsAnnounce = false;
    this.#announcedPort = port;
    const onAnnounced = (result: AnnounceResult): void => this.#handleEnd(result, result);
    this.#operation = node.run((machine, nowMs) =>
      machine.announce(infoHash, { port, isSeed, onPeers, onAnnounced }, nowMs),
    );
  }

  #handlePeers(peers: readonly DhtAddress[]): void {
    if (this.#isStopped) return;
    this.#peersReceived += peers.length;
    this.#events.onPeers(
      peers.map(({ host, port }) => ({ host, port })),
      'dht',
    );
  }

  #handleEnd(result: GetPeersResult, announced: AnnounceResult | undefined): void {
    if (this.#isStopped) return;
    this.#operation = undefined;
    this.#tellExternalAddress();
    if (result.closest.length === 0) {
      this.#state = 'error';
      this.#message = 'no DHT node answers';
      this.#wantsAnnounce = true;
      this.#retryLater();
      return;
    }
    this.#state = 'ok';
    this.#message = undefined;
    if (announced !== undefined) {
      this.#log('debug', 'announced to the DHT', {
        infoHash: toHex(this.#torrent.infoHash),
        nodes: announced.accepted.length,
        peers: result.peers.length,
      });
      if (announced.accepted.length === 0) {
        this.#message = 'no DHT node took the announce';
        this.#wantsAnnounce = true;
        this.#retryLater();
        return;
      }
      this.#announcedAtMs = this.#options.clock.nowMs();
    }
    this.#retryMs = FIRST_RETRY_MS;
    const waitMs = this.#torrent.wanted() > 0 ? SEEK_MS : ANNOUNCE_MS;
    this.#schedule(this.#starvedWaitMs() ?? waitMs - randomInt(this.#options.rng, JITTER_MS));
  }

  #retryLater(): void {
    this.#schedule(this.#retryMs);
    this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2);
  }

  /** Undefined when something came since the last search, or is not needed. */
  #starvedWaitMs(): number | undefined {
    const { left, downloaded } = this.#torrent.transfer();
    if (downloaded !== this.#downloadedBefore) this.#starvedMs = FIRST_STARVED_MS;
    const isStarved = left !== 0 && this.#torrent.wanted() > 0 && downloaded === this.#downloadedBefore;
    this.#downloadedBefore = downloaded;
    if (!isStarved || this.#starvedMs >= SEEK_MS) return undefined;
    const waitMs = this.#starvedMs;
    this.#starvedMs *= STARVED_GROWTH;
    return waitMs;
  }

  #tellExternalAddress(): void {
    const { onExternalAddress } = this.#events;
    if (onExternalAddress === undefined) return;
    const families = this.#options.node.run((machine, nowMs) => machine.snapshot(nowMs).families);
    for (const { externalAddress } of families)
      if (externalAddress !== undefined) onExternalAddress.call(this.#events, externalAddress.host, 'DHT');
  }
}
