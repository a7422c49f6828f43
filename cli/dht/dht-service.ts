// The DHT as a session sees it: a peer source and a neighbour whose node is loaded and bound a moment after the first
// torrent needs it, so that nothing waits for it. What goes wrong in here is a line in the log, never a failed download.
import type { Endpoint } from '../../core/base/endpoint.ts';
import type { Log } from '../../core/base/log.ts';
import type {
  DhtNeighbour,
  DhtPicture,
  PeerSearch,
  PeerSource,
  PeerSourceEvents,
  PeerSourceStatus,
  SoughtTorrent,
} from '../../core/base/peer-source.ts';
import type { Reflection } from '../../core/nat/reflection.ts';
import { systemClock, systemRng } from '../../core/session/system.ts';
import type { DhtNode, DhtNodeOptions } from '../../dht/io/dht-node.ts';

/** Time for the peers that are known already: loading the node takes 30 ms of the one thread. */
const START_DELAY_MS = 150;
/** Nodes that peers named before ours was there. */
const MAX_EARLY_NODES = 64;

export interface DhtServiceOptions {
  readonly node: DhtNodeOptions;
  readonly log: Log;
}

interface Running {
  readonly node: DhtNode;
  readonly source: PeerSource;
}

export class DhtService implements PeerSource, DhtNeighbour {
  readonly kind = 'dht';
  readonly #options: DhtServiceOptions;
  readonly #early: Endpoint[] = [];
  #starting: Promise<Running | undefined> | undefined;
  #running: Running | undefined;
  #isClosed = false;

  constructor(options: DhtServiceOptions) {
    this.#options = options;
  }

  port(): number {
    const node = this.#running?.node;
    return node?.port(4) ?? node?.port(6) ?? 0;
  }

  addNode(endpoint: Endpoint): void {
    if (this.#running === undefined) {
      if (this.#early.length < MAX_EARLY_NODES) this.#early.push(endpoint);
      return;
    }
    this.#running.node.addNode(endpoint);
  }

  picture(): DhtPicture | undefined {
    const node = this.#running?.node;
    if (node === undefined) return undefined;
    const { families, statistics, outstanding, offline, roundTripP10Ms, roundTripP90Ms } =
      node.machine.snapshot(node.now());
    const { lookups, queriesOut, queriesIn, timeouts } = statistics;
    return {
      families: families.map(({ family, good, nodes, buckets }) => ({
        family,
        port: node.port(family) ?? 0,
        good,
        nodes,
        depth: buckets.reduce(
          (deepest, bucket) => (bucket.nodes > 0 ? Math.max(deepest, bucket.depth) : deepest),
          0,
        ),
      })),
      lookups,
      queriesOut,
      queriesIn,
      timeouts,
      outstanding,
      roundTripP10Ms,
      roundTripP90Ms,
      isOffline: offline,
    };
  }

  /** Nobody is asked before a torrent wanted the node. */
  async reflect(family: 4 | 6): Promise<Reflection> {
    if (this.#running === undefined) return { asked: 0, answered: 0, seen: [] };
    const { reflectBy } = await import('./reflect.ts');
    return reflectBy(this.#running.node, family);
  }

  open(torrent: SoughtTorrent, events: PeerSourceEvents): PeerSearch | undefined {
    if (torrent.isPrivate || this.#isClosed) return undefined;
    // The node shares its port number with the listener, as peers and routers expect.
    this.#starting ??= this.#start(torrent.localPort?.() ?? torrent.listenPort());
    const source = this.#starting.then((running) => running?.source);
    return new DeferredSearch(source, torrent, events);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopWaiting();
    await (await this.#starting)?.source.close();
  }

  #stopWaiting: () => void = () => {};

  async #start(port: number): Promise<Running | undefined> {
    await new Promise<void>((resolve) => {
      this.#stopWaiting = resolve;
      setTimeout(resolve, START_DELAY_MS).unref();
    });
    if (this.#isClosed) return undefined;
    try {
      const [{ DhtNode: Node }, { DhtSource }] = await Promise.all([
        import('../../dht/io/dht-node.ts'),
        import('../../dht/io/dht-source.ts'),
      ]);
      const open = (at: number): Promise<DhtNode> => Node.open({ ...this.#options.node, port: at });
      // Somebody else may hold the port for UDP: any other will do.
      const node = port === 0 ? await open(0) : await open(port).catch(() => open(0));
      const { log } = this.#options;
      const onClose = (): Promise<void> => node.close();
      this.#running = {
        node,
        source: new DhtSource({ node, clock: systemClock, rng: systemRng, log, onClose }),
      };
      for (const endpoint of this.#early.splice(0)) this.addNode(endpoint);
      return this.#running;
    } catch (error) {
      this.#options.log('warn', 'no DHT', { error: String(error) });
      return undefined;
    }
  }
}

/** A search that begins when the node is there. */
class DeferredSearch implements PeerSearch {
  #search: PeerSearch | undefined;
  #isStopped = false;
  #hasFailed = false;

  constructor(source: Promise<PeerSource | undefined>, torrent: SoughtTorrent, events: PeerSourceEvents) {
    void source.then((ready) => {
      if (this.#isStopped) return;
      this.#search = ready?.open(torrent, events);
      this.#hasFailed = this.#search === undefined;
    });
  }

  completed(): void {
    this.#search?.completed();
  }

  refresh(): void {
    this.#search?.refresh();
  }

  status(): readonly PeerSourceStatus[] {
    if (this.#search !== undefined) return this.#search.status();
    return [
      {
        kind: 'dht',
        name: 'DHT',
        tier: 0,
        state: this.#hasFailed ? 'error' : 'working',
        message: this.#hasFailed ? 'the DHT node could not be started' : undefined,
        peersReceived: 0,
        seeds: undefined,
        leechers: undefined,
        nextAnnounceAtMs: undefined,
      },
    ];
  }

  async stop(timeoutMs: number): Promise<void> {
    this.#isStopped = true;
    await this.#search?.stop(timeoutMs);
  }
}
