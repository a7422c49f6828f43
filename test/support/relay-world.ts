// Relays and peers of the relay protocol joined in memory on virtual time: every message is encoded and decoded, delivery takes a
// set time, nothing runs by itself.
import { toHex } from '../../core/base/bytes.ts';
import { type Rng, seededRng } from '../../core/base/clock.ts';
import { type Endpoint, endpointKey } from '../../core/base/endpoint.ts';
import { whyNotDial } from '../../core/relay/addresses.ts';
import { RelayClient } from '../../core/relay/client.ts';
import type {
  IncomingCall,
  Introduction,
  RelayClientPort,
  SpliceOrder,
} from '../../core/relay/client-port.ts';
import { ROLE } from '../../core/relay/client-port.ts';
import { RelayIdentity } from '../../core/relay/identity.ts';
import { DEFAULT_RELAY_LIMITS, type RelayLimits } from '../../core/relay/limits.ts';
import { decodeMessage } from '../../core/relay/message-codec.ts';
import type { PeerFacts, QueueEntry, RelayMessage, Way } from '../../core/relay/messages.ts';
import type { QueueItem } from '../../core/relay/queue-item.ts';
import { RelayServer } from '../../core/relay/server.ts';
import type { TestOrder } from '../../core/relay/server-port.ts';
import type { Splice, SpliceEnd } from '../../core/relay/splices.ts';

/** 2026-01-01: what the relays' wall clocks show at virtual time 0. */
const EPOCH_MS = Date.UTC(2026, 0, 1);
const ALL_ROLES = Object.values(ROLE).reduce((all, role) => all | role, 0);

export class RelayWorld {
  readonly rng: Rng;
  nowMs = 1_000;
  readonly relays: WorldRelay[] = [];
  readonly peers: WorldPeer[] = [];
  /** Everything that peers were told to dial. */
  readonly dialled: { readonly by: WorldPeer; readonly target: Endpoint }[] = [];
  /** When a message arrives, in ms after it was sent: several times for one that is doubled, never for one that is lost. */
  arrivals: (latencyMs: number) => readonly number[] = (latencyMs) => [latencyMs];
  #events: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];
  #order = 0;
  #links = 0;

  constructor(seed: number) {
    this.rng = seededRng(seed);
  }

  relay(
    host: string,
    options: {
      limits?: Partial<RelayLimits>;
      proxyPorts?: number[];
      isPrivate?: (hash: Uint8Array) => boolean;
    } = {},
  ): WorldRelay {
    const relay = new WorldRelay(this, { host, port: 6900 }, options);
    this.relays.push(relay);
    return relay;
  }

  peer(host: string, options: Partial<PeerOptions> = {}): WorldPeer {
    const peer = new WorldPeer(this, host, options);
    this.peers.push(peer);
    return peer;
  }

  nextLink(): number {
    return ++this.#links;
  }

  after(ms: number, run: () => void): void {
    this.#events.push({ atMs: this.nowMs + ms, order: this.#order++, run });
  }

  /** Runs everything that is due within so many ms. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      this.#events.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      const event = this.#events[0];
      const machines = [...this.relays.filter(({ isUp }) => isUp), ...this.peers];
      const dueMs = Math.min(event?.atMs ?? Number.POSITIVE_INFINITY, ...machines.map((each) => each.dueMs));
      if (dueMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, dueMs);
      if (event !== undefined && event.atMs <= this.nowMs) {
        this.#events.shift();
        event.run();
      }
      for (const machine of machines) if (machine.dueMs <= this.nowMs) machine.timeout();
    }
    this.nowMs = endMs;
  }
}

interface Wire {
  readonly serverLink: number;
  readonly clientLink: number;
  readonly peer: WorldPeer;
  readonly relay: WorldRelay;
  isUp: boolean;
}

export class WorldRelay {
  readonly endpoint: Endpoint;
  readonly world: RelayWorld;
  readonly wires = new Map<number, Wire>();
  readonly tests: TestOrder[] = [];
  /** Nonces of the calls that it has passed on since it started, in hex. */
  passedOn: string[] = [];
  readonly ended: { readonly splice: Splice; readonly end: SpliceEnd }[] = [];
  readonly #options: {
    limits?: Partial<RelayLimits>;
    proxyPorts?: number[];
    isPrivate?: (hash: Uint8Array) => boolean;
  };
  server: RelayServer;
  isUp = true;

  constructor(
    world: RelayWorld,
    endpoint: Endpoint,
    options: {
      limits?: Partial<RelayLimits>;
      proxyPorts?: number[];
      isPrivate?: (hash: Uint8Array) => boolean;
    },
  ) {
    this.world = world;
    this.endpoint = endpoint;
    this.#options = options;
    this.server = this.#start();
  }

  #start(): RelayServer {
    const { limits, proxyPorts = [], ...rest } = this.#options;
    return new RelayServer(
      {
        ...rest,
        proxyPorts: () => proxyPorts,
        limits: { ...DEFAULT_RELAY_LIMITS, ...limits },
        rng: this.world.rng,
        ownHosts: () => [this.endpoint.host],
        wallMs: (nowMs) => EPOCH_MS + nowMs,
        hasUdp: () => true,
      },
      {
        send: (link, payload) => this.#send(link, payload),
        drop: (link) => this.hangUp(link),
        test: (order) => this.tests.push(order),
        endSplice: (splice, end) => this.ended.push({ splice, end }),
        onChanged: () => {},
      },
      this.world.nowMs,
    );
  }

  get dueMs(): number {
    return this.server.nextTimeoutMs();
  }
  timeout(): void {
    this.server.handleTimeout(this.world.nowMs);
  }

  #send(link: number, payload: Uint8Array): void {
    const wire = this.wires.get(link);
    if (wire === undefined) return;
    const message = decodeMessage(payload);
    if (message.ok && message.value.type === 'called') this.passedOn.push(toHex(message.value.nonce));
    for (const ms of this.world.arrivals(wire.peer.latencyMs))
      this.world.after(ms, () => {
        if (wire.isUp) wire.peer.receive(wire.clientLink, payload);
      });
  }

  hangUp(link: number): void {
    const wire = this.wires.get(link);
    if (wire === undefined) return;
    wire.isUp = false;
    this.wires.delete(link);
    this.server.removeLink(link, this.world.nowMs);
    this.world.after(wire.peer.latencyMs, () =>
      wire.peer.client.handleLinkEnd(wire.clientLink, this.world.nowMs),
    );
  }

  /** Everything it knew is lost, as with a process that ends. */
  kill(): void {
    this.isUp = false;
    for (const link of [...this.wires.keys()]) this.hangUp(link);
  }
  restart(): void {
    this.server = this.#start();
    this.passedOn = [];
    this.isUp = true;
  }
}

export interface PeerOptions {
  readonly port: number;
  readonly latencyMs: number;
  readonly facts: PeerFacts;
  readonly torrents: readonly Uint8Array[];
  readonly sought: readonly Uint8Array[];
  readonly proxied: readonly Uint8Array[];
  readonly wantsRelays: boolean;
  readonly decide: (call: IncomingCall) => Way;
}

export class WorldPeer implements RelayClientPort {
  readonly world: RelayWorld;
  readonly client: RelayClient;
  readonly endpoint: Endpoint;
  readonly latencyMs: number;
  readonly identity: RelayIdentity;
  readonly calls: IncomingCall[] = [];
  readonly introductions: Introduction[] = [];
  readonly splices: SpliceOrder[] = [];
  readonly queued: QueueItem[] = [];
  readonly silent: { readonly relay: Endpoint; readonly atMs: number }[] = [];
  readonly received: RelayMessage[] = [];
  readonly #wires = new Map<number, Wire>();
  readonly #decide: (call: IncomingCall) => Way;
  isOffline = false;

  constructor(world: RelayWorld, host: string, options: Partial<PeerOptions>) {
    this.world = world;
    this.endpoint = { host, port: options.port ?? 40_000 };
    this.latencyMs = options.latencyMs ?? 10;
    this.#decide = options.decide ?? (() => 'splice');
    this.identity = RelayIdentity.random(world.rng);
    const facts = options.facts ?? { state: 'apdm', filter: 'apdf', tcpPort: 0, udpPort: 0 };
    this.client = new RelayClient(
      {
        identity: this.identity,
        rng: world.rng,
        wallMs: (nowMs) => EPOCH_MS + nowMs,
        facts: () => facts,
        torrents: () => options.torrents ?? [],
        sought: () => options.sought ?? [],
        proxied: () => options.proxied ?? [],
        wantsRelays: () => options.wantsRelays ?? true,
        whyNotFollow: (target, relay) => whyNotDial(target, relay, () => false),
      },
      this,
      world.nowMs,
    );
  }

  get dueMs(): number {
    return this.client.nextTimeoutMs();
  }
  timeout(): void {
    this.client.handleTimeout(this.world.nowMs);
  }

  receive(link: number, payload: Uint8Array): void {
    const message = decodeMessage(payload);
    if (message.ok) this.received.push(message.value);
    this.client.handleMessage(link, payload, this.world.nowMs);
  }

  /** The network goes away, or comes back. */
  setOffline(isOffline: boolean): void {
    this.isOffline = isOffline;
    if (isOffline) for (const wire of [...this.#wires.values()]) wire.relay.hangUp(wire.serverLink);
  }

  /** The server's link of the connection to a relay. */
  linkTo(relay: WorldRelay): number {
    for (const wire of this.#wires.values()) if (wire.relay === relay && wire.isUp) return wire.serverLink;
    throw new Error('not connected');
  }

  // --- RelayClientPort

  connect(endpoint: Endpoint): void {
    const { world } = this;
    world.after(this.latencyMs * 2, () => {
      const relay = world.relays.find((each) => endpointKey(each.endpoint) === endpointKey(endpoint));
      if (relay === undefined || !relay.isUp || this.isOffline) {
        this.client.handleNoLink(endpoint, world.nowMs);
        return;
      }
      const wire = {
        serverLink: world.nextLink(),
        clientLink: world.nextLink(),
        peer: this,
        relay,
        isUp: true,
      };
      const challenge = relay.server.newChallenge();
      relay.wires.set(wire.serverLink, wire);
      this.#wires.set(wire.clientLink, wire);
      const info = { remote: this.endpoint, isUtp: true };
      if (!relay.server.addLink(wire.serverLink, info, challenge, world.nowMs)) {
        relay.hangUp(wire.serverLink);
        this.client.handleNoLink(endpoint, world.nowMs);
        return;
      }
      const offer = { version: 1, roles: ALL_ROLES, free: 1, challenge };
      this.client.handleLink(wire.clientLink, { relay: endpoint, offer, isUtp: true }, world.nowMs);
    });
  }
  send(link: number, payload: Uint8Array): void {
    const wire = this.#wires.get(link);
    if (wire === undefined) return;
    for (const ms of this.world.arrivals(this.latencyMs))
      this.world.after(ms, () => {
        if (wire.isUp) wire.relay.server.handleMessage(wire.serverLink, payload, this.world.nowMs);
      });
  }
  drop(link: number): void {
    const wire = this.#wires.get(link);
    if (wire?.isUp === true) wire.relay.hangUp(wire.serverLink);
    // Cut: the relay does not hear of it.
    else this.client.handleLinkEnd(link, this.world.nowMs);
  }
  findRelays(shard: number): void {
    this.world.after(50, () => this.client.handleRelays(shard, [], true, this.world.nowMs));
  }
  decide(call: IncomingCall): Way {
    this.calls.push(call);
    return this.#decide(call);
  }
  introduce(introduction: Introduction): void {
    this.introductions.push(introduction);
    if (introduction.target !== undefined) this.world.dialled.push({ by: this, target: introduction.target });
  }
  splice(order: SpliceOrder): void {
    this.splices.push(order);
  }
  onQueued(item: QueueItem, _entry: QueueEntry): void {
    this.queued.push(item);
  }
  onSilent(relay: Endpoint): void {
    this.silent.push({ relay, atMs: this.world.nowMs });
  }
  onChanged(): void {}
}
