// A session's use of relays: keeps those it needs while it cannot be reached, finds those that know peers of its torrents, asks them
// whether it can be reached, and takes what comes through a proxy port. The ways to a peer are chosen elsewhere (nat-*.ts).
import os from 'node:os';
import type { Endpoint } from '../../base/endpoint.ts';
import { endpointKey, isIPv6 } from '../../base/endpoint.ts';
import type { InfoHash } from '../../base/ids.ts';
import type { DialBack } from '../../nat/dial-back.ts';
import { RelayDialBack } from '../../nat/io/relay-dial-back.ts';
import type { RelayStatus } from '../../relay/client-links.ts';
import { ROLE, type SpliceOrder, type TestResult } from '../../relay/client-port.ts';
import type { RelayIdentity } from '../../relay/identity.ts';
import { ClientShell } from '../../relay/io/client-shell.ts';
import { shardKey, torrentRelayKey } from '../../relay/keys.ts';
import type { PeerFacts } from '../../relay/messages.ts';
import type { QueueCounts } from '../../relay/queue-counts.ts';
import type { RelaySnapshot } from '../../relay/snapshot.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import type { ExtendedHandshake, RelayOffer } from '../../wire/extended-handshake.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';
import { resolveHosts } from '../resolve-hosts.ts';
import type { SessionShared } from '../shared.ts';
import { closeDeadSplices, openSplice } from './nat-splice.ts';
import { fathom } from './own-gateways.ts';
import { type DialFrom, PunchPorts } from './punch-ports.ts';
import { type RelayKeyFile, TOUCH_MS } from './relay-key-file.ts';
import { RelayLookups } from './relay-lookups.ts';
import { RelayNeighbours } from './relay-neighbours.ts';

/** A torrent, as far as relays are concerned. */
export interface RelayedTorrent {
  readonly infoHashBytes: InfoHash;
  readonly isPrivate: boolean;
  readonly isActive: boolean;
  readonly isComplete: boolean;
  /** Known metadata: before that nobody can say whether it is private. */
  readonly metainfo: unknown;
  readonly peers: { readonly connections: ReadonlySet<PeerConnection> };
}

export interface RelaySessionOptions {
  readonly shared: SessionShared;
  /** Who we are towards relays. */
  readonly identity: RelayIdentity;
  /** Keeps that key for a restart. */
  readonly keyFile: RelayKeyFile;
  readonly torrents: () => Iterable<RelayedTorrent>;
  /** Relays that the user names: kept whatever others there are. */
  readonly given: readonly { readonly host: string; readonly port: number }[];
  /** Pairs of peers whose bytes we pass on at a time. */
  readonly splices: number;
  /** By TCP from a port of its own; undefined: TCP does not leave from here straight. */
  readonly dialFrom: ((endpoint: Endpoint, from: DialFrom) => Promise<ByteStream>) | undefined;
  /** A relay said as whom it sees our UDP port. */
  readonly onSeen: (seen: Endpoint, by: string) => void;
}

/** BEP 10 `v`, as in other handshakes. */
const CLIENT = 'tt 0.1.0';
const POLL_MS = 1_000;
/** Peers enough: relays need not be asked for more. */
const ENOUGH_PEERS = 8;
const SEEK_MS = 20_000;
const SEEK_AGAIN_MS = 5 * 60_000;
/** Until then a relay must be a stranger to our UDP port, so that its datagrams can tell whether strangers get in. */
const STRANGERS_MS = 10_000;
/** How far away our own gateways are is asked again so late, and sooner where nobody could say. */
const FATHOM_MS = 10 * 60_000;
const FATHOM_RETRY_MS = 60_000;

export class RelaySession {
  readonly dialBack: DialBack;
  readonly #options: RelaySessionOptions;
  readonly #shell: ClientShell;
  readonly #neighbours: RelayNeighbours;
  readonly #lookups: RelayLookups;
  readonly #startedAtMs: number;
  /** Torrent -> when R(ih) is looked up next. */
  readonly #seekAtMs = new WeakMap<RelayedTorrent, number>();
  readonly #timer: NodeJS.Timeout;
  #network = networkName();
  #touchedAtMs: number;
  #greets = false;
  /** Dial-backs that were asked for and not answered yet. */
  #testCount = 0;
  /** Infinity while it is being asked. */
  #fathomAtMs = 0;
  readonly #given = new AbortController();
  #isClosed = false;

  constructor(options: RelaySessionOptions) {
    const { shared, given } = options;
    const { clock, rng, log, policy, nat } = shared;
    this.#options = options;
    this.#startedAtMs = clock.nowMs();
    this.#touchedAtMs = this.#startedAtMs;
    this.#lookups = new RelayLookups(shared.sources, shared.peerId);
    this.#shell = new ClientShell(
      {
        clock,
        rng,
        log,
        policy,
        client: CLIENT,
        peerId: shared.peerId,
        identity: options.identity,
        wallMs: (nowMs) => Date.now() + nowMs - clock.nowMs(),
        facts: (relay) => nat.factsFor(relay),
        torrents: () => this.#wanted().map(({ infoHashBytes }) => infoHashBytes),
        sought: () => this.#sought().map(({ infoHashBytes }) => infoHashBytes),
        // Whoever has everything is worth an unmodified client's while.
        proxied: () =>
          this.#wanted()
            .filter(({ isComplete }) => isComplete)
            .map(({ infoHashBytes }) => infoHashBytes),
        wantsRelays: () => this.#wantsRelays(nat.ownFacts()),
        whyNotFollow: (target, relay, nowMs) => nat.whyNotFollow(target, relay, nowMs),
        dialControl: (relay) => shared.connectToRelay(relay, this.#greets ? 'any' : 'tcp'),
        listenPort: () => shared.announcedPort(),
      },
      {
        decide: (call) => nat.decide(call),
        introduce: (introduction) => nat.introduce(introduction),
        splice: (order) => this.#handleSplice(order),
        onQueued: (item, entry, relay) => nat.handleQueued(item, entry, relay),
        onSilent: (relay) => {
          for (const { peers } of options.torrents())
            closeDeadSplices(peers.connections, relay, clock.nowMs());
        },
        onChanged: () => this.#handleChanged(),
        findRelays: (shard) => this.#findRelays(shard),
      },
    );
    this.#neighbours = new RelayNeighbours(shared, this.#shell, options.splices);
    const { dialFrom } = options;
    if (dialFrom !== undefined)
      nat.punchPorts = new PunchPorts({
        dial: dialFrom,
        rng,
        nowMs: () => clock.nowMs(),
        mayStart: (target) => nat.mayStart(target),
      });
    this.dialBack = new RelayDialBack({
      relays: () => this.#testers(),
      isStranger: (relay) => !this.#greeted().has(endpointKey(relay)),
      ask: (relay, order, onStart, onResult) => {
        this.#testCount++;
        const settle = (result: TestResult): void => {
          this.#testCount--;
          onResult(result);
          // What it says of us is known then.
          if (result.kind === 'tested') setImmediate(() => this.#greet());
        };
        this.#shell.run((machine, nowMs) => machine.testThrough(relay, order, onStart, settle, nowMs));
      },
      datagrams: () => shared.datagrams(),
    });
    nat.relays = {
      relayOf: (link) => this.#shell.relayOf(link),
      linksFor: (infoHash, role, whom) => this.#shell.client.linksFor(infoHash, role, whom),
      call: (link, call, onResult) => {
        this.#shell.run((machine, nowMs) => machine.call(link, call, onResult, nowMs));
      },
      callKey: (key, call, onResult) =>
        this.#shell.run((machine, nowMs) => machine.callKey(key, call, onResult, nowMs)),
      push: (key, infoHash, nonce, onResult) =>
        this.#shell.run((machine, nowMs) => machine.push(key, infoHash, onResult, nowMs, nonce)),
      report: (relay, worked) =>
        this.#shell.run((machine, nowMs) => machine.reportIntroduction(relay, worked, nowMs)),
      check: () => this.#shell.run((machine, nowMs) => machine.checkLinks(nowMs)),
    };
    void resolveHosts(given, shared.resolvesNames, (endpoints) => {
      if (this.#isClosed) return;
      this.#shell.run((machine, nowMs) => {
        for (const relay of endpoints) machine.addGiven(relay, nowMs);
      });
    });
    this.#timer = setInterval(() => this.#poll(), POLL_MS);
    this.#timer.unref();
  }

  status(): RelayStatus[] {
    return this.#shell.client.status();
  }
  /** For the picture of the session: calls that were left and taken. */
  reach(): { readonly queue: QueueCounts; readonly relaying?: RelaySnapshot } {
    const relaying = this.#neighbours.snapshot();
    return { queue: this.#shell.client.queueCounts, ...(relaying === undefined ? {} : { relaying }) };
  }

  /** A connection that came in: a ticket of a splice that we agreed to, or a peer. */
  sort(stream: ByteStream, onPeer: (stream: ByteStream) => void): void {
    if (this.#isClosed) onPeer(stream);
    else this.#neighbours.sort(stream, onPeer);
  }

  /** Our own address at a proxy port: trackers and PEX bring it back to us. */
  isOwnProxy(endpoint: Endpoint): boolean {
    const key = endpointKey(endpoint);
    return this.#shell.client.proxyEndpoints().some((each) => endpointKey(each) === key);
  }

  // --- neighbours in a swarm

  offerTo(connection: PeerConnection, infoHash: Uint8Array): RelayOffer | undefined {
    return this.#isClosed ? undefined : this.#neighbours.offerTo(connection, infoHash);
  }
  join(connection: PeerConnection, handshake: ExtendedHandshake): void {
    if (!this.#isClosed) this.#neighbours.join(connection, handshake);
  }
  /** @returns why the connection must end, or undefined */
  handleMessage(connection: PeerConnection, payload: Uint8Array): string | undefined {
    return this.#isClosed ? undefined : this.#neighbours.handleMessage(connection, payload);
  }
  leave(connection: PeerConnection): void {
    this.#neighbours.leave(connection);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    void this.#options.keyFile.touch(Date.now());
    clearInterval(this.#timer);
    this.#given.abort();
    const { nat } = this.#options.shared;
    nat.relays = undefined;
    nat.punchPorts?.close();
    nat.punchPorts = undefined;
    this.#lookups.close();
    this.#neighbours.close();
    this.#shell.close();
  }

  // --- what is wanted

  /** Never a private torrent, and none of which nobody knows yet whether it is (BEP 27). */
  #wanted(): RelayedTorrent[] {
    return [...this.#options.torrents()].filter(
      ({ isActive, isPrivate, metainfo }) => isActive && !isPrivate && metainfo !== undefined,
    );
  }

  /** Magnets ask too: R(ih) says no more about us than the lookup of the torrent itself. */
  #sought(): RelayedTorrent[] {
    return [...this.#options.torrents()].filter(
      ({ isActive, isPrivate, isComplete, peers }) =>
        isActive && !isPrivate && !isComplete && peers.connections.size < ENOUGH_PEERS,
    );
  }

  #wantsRelays({ state }: PeerFacts): boolean {
    if (state === 'open' || state === 'mapped') return false;
    // Nothing is known yet: most machines will turn out to need none, but a relay that the user named is meant.
    return state !== 'unknown' || this.#options.given.length > 0;
  }

  #poll(): void {
    const { clock } = this.#options.shared;
    const nowMs = clock.nowMs();
    if (nowMs - this.#startedAtMs > STRANGERS_MS) this.#greet();
    if (nowMs - this.#touchedAtMs >= TOUCH_MS) {
      this.#touchedAtMs = nowMs;
      void this.#options.keyFile.touch(Date.now());
    }
    const network = networkName();
    if (network !== this.#network) {
      this.#network = network;
      this.#options.shared.nat.learnOwnHops(undefined);
      this.#fathomAtMs = nowMs;
      this.#shell.run((machine) => machine.handleNetworkChange(nowMs));
    }
    this.#neighbours.poll();
    if (this.#greets) void this.#fathom(nowMs);
    this.#shell.run((machine) => machine.poll(nowMs));
    if (!this.#lookups.isPossible) return;
    for (const torrent of this.#sought()) {
      if (nowMs < (this.#seekAtMs.get(torrent) ?? 0)) continue;
      const { infoHashBytes } = torrent;
      this.#seekAtMs.set(torrent, nowMs + SEEK_MS);
      this.#lookups.find(torrentRelayKey(infoHashBytes), (endpoints) => {
        if (endpoints.length === 0) return;
        this.#seekAtMs.set(torrent, clock.nowMs() + SEEK_AGAIN_MS);
        this.#shell.run((machine, foundMs) =>
          machine.handleTorrentRelays(infoHashBytes, this.#others(endpoints), foundMs),
        );
      });
    }
  }

  #findRelays(shard: number): void {
    this.#lookups.find(shardKey(shard), (endpoints, isLast) =>
      this.#shell.run((machine, nowMs) =>
        machine.handleRelays(shard, this.#others(endpoints), isLast, nowMs),
      ),
    );
  }

  #others(endpoints: readonly Endpoint[]): Endpoint[] {
    const { shared } = this.#options;
    return endpoints.filter((endpoint) => !shared.isSelf(endpoint) && !shared.isBanned(endpoint.host));
  }

  // --- dial-backs

  /** Relays that our UDP port has sent to. */
  #greeted(): ReadonlySet<string> {
    const overUtp = this.status().filter(({ isUtp }) => isUtp);
    return new Set(overUtp.map(({ endpoint }) => endpointKey(endpoint)));
  }

  #testers(): Endpoint[] {
    const nowMs = this.#options.shared.clock.nowMs();
    return [...this.#shell.client.pool.values()]
      .filter(({ nextTryMs }) => nextTryMs <= nowMs)
      .map(({ endpoint }) => endpoint);
  }

  /** From now on control connections are uTP ones where that passes, so that relays see the endpoint to punch. */
  #greet(): void {
    // The connections through which tests were asked for are given up: the other test's answer first.
    if (this.#greets || this.#isClosed || this.#testCount > 0) return;
    this.#greets = true;
    const { nat } = this.#options.shared;
    if (!nat.hasUtp || !this.#wantsRelays(nat.ownFacts())) return;
    void this.#fathom(this.#options.shared.clock.nowMs());
    // Beside those that there are: without a place at a relay nobody could call us.
    this.#shell.renew(this.#shell.client.relaysOverTcp(), (relay) =>
      this.#options.shared.connectToRelay(relay, 'utp'),
    );
  }

  /** The first packets of holes shall open all gateways that are ours and no other. Makes us known to the relay's UDP port: after the tests. */
  async #fathom(nowMs: number): Promise<void> {
    const { shared } = this.#options;
    const { nat, clock, rng, log } = shared;
    const datagrams = shared.datagrams();
    const network = this.#network;
    // IPv4 is where gateways translate.
    const relay = this.#shell.client.relaysWith(ROLE.fathom).find(({ host }) => !isIPv6(host));
    if (nowMs < this.#fathomAtMs || datagrams === undefined || relay === undefined) return;
    if (!this.#wantsRelays(nat.ownFacts())) return;
    this.#fathomAtMs = Number.POSITIVE_INFINITY;
    const { signal } = this.#given;
    const dial = (endpoint: Endpoint) => shared.connectToRelay(endpoint, 'tcp');
    try {
      const hops = await fathom(relay, { dial, datagrams, rng, signal });
      if (this.#network !== network) return;
      nat.learnOwnHops(hops);
      this.#fathomAtMs = clock.nowMs() + FATHOM_MS;
      log('debug', 'how many hops open our own gateways', { hops: hops ?? 'unknown' });
    } catch (error) {
      this.#fathomAtMs = clock.nowMs() + FATHOM_RETRY_MS;
      log('debug', 'nobody says how far away our own gateways are', { error: String(error) });
    }
  }

  // --- what relays bring

  #handleChanged(): void {
    for (const { relay, observed, isUtp } of this.#shell.client.observations()) {
      this.#options.shared.voteExternalAddress(observed.host, relay.host);
      if (isUtp) this.#options.onSeen(observed, relay.host);
    }
    this.#options.shared.nat.handleRelays();
  }

  #handleSplice(order: SpliceOrder): void {
    const { shared } = this.#options;
    if (order.introduction !== undefined) {
      shared.nat.splice(order);
      return;
    }
    if (shared.isBanned(order.remote.host)) return;
    // An unmodified client waits at the proxy port; it speaks first, as any peer that comes in.
    const connect = (relay: Endpoint) => shared.connectToRelay(relay, 'tcp');
    openSplice(connect, order.relay, order.ticket, order.remote).then(
      (stream) => shared.accept(stream),
      (error: unknown) => shared.log('debug', 'no way back to the relay', { error: String(error) }),
    );
  }
}

/** Another address or interface than before: what was reserved is reserved for the old one. */
function networkName(): string {
  return Object.entries(os.networkInterfaces())
    .flatMap(([name, each]) => (each ?? []).map(({ address }) => `${name} ${address}`))
    .sort()
    .join(', ');
}
