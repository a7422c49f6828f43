// A client: its listeners, its torrents, what they share. Routes inputs; every decision about payload is made below.
import { toHex } from '../base/bytes.ts';
import type { Clock, Rng } from '../base/clock.ts';
import { isIPv6 } from '../base/endpoint.ts';
import { peerIdOf } from '../base/ids.ts';
import { silentLog } from '../base/log.ts';
import { OperationError, UsageError } from '../base/result.ts';
import { LsdSource } from '../discovery/lsd.ts';
import { DiskWorkers } from '../storage/disk-workers.ts';
import { SlotMemory } from '../storage/slots.ts';
import { ReadMemory } from '../storage/torrent-storage.ts';
import type { ByteStream } from '../transport/byte-stream.ts';
import { skeyHash } from '../transport/mse.ts';
import { RateLimiter } from '../transport/rate-limiter.ts';
import { Accounts } from './accounts.ts';
import { AddressVotes } from './address-votes.ts';
import { crowdedPlaces, makePlace } from './crowd.ts';
import { DialScheduler } from './dial-scheduler.ts';
import { Incoming } from './incoming.ts';
import { Listeners } from './listeners.ts';
import { OwnEndpoints } from './own-endpoints.ts';
import { makePeerId } from './own-peer-id.ts';
import { PeerConnection } from './peer/peer-connection.ts';
import { MAX_PEERS, MAX_PEERS_PER_TORRENT, TICK_MS } from './peer-limits.ts';
import { NatHub } from './reach/nat-hub.ts';
import type { RelaySession } from './reach/relay-session.ts';
import { SessionNat } from './reach/session-nat.ts';
import { WayOut } from './reach/way-out.ts';
import type {
  AddTorrentOptions,
  Command,
  SessionApi,
  SessionEvent,
  SessionOptions,
  TorrentHandle,
} from './session-api.ts';
import { SessionDatagrams } from './session-datagrams.ts';
import { snapshotSession } from './session-snapshot.ts';
import type { SessionShared, TorrentEvent } from './shared.ts';
import type { SessionSnapshot } from './snapshot.ts';
import { systemClock, systemRng } from './system.ts';
import { Torrent } from './torrent.ts';

/** How long trackers may hold up a stop. */
const CLOSE_TIMEOUT_MS = 4_000;

/** A client (BEP 3, 10): nothing is opened before `start`, everything is closed by `close`. What it takes and throws: SessionApi. */
export class Session implements SessionApi {
  readonly #options: SessionOptions;
  readonly #clock: Clock;
  readonly #shared: SessionShared;
  readonly #torrents = new Map<string, Torrent>();
  /** HASH('req2', info hash) -> info hash, for encrypted connections that come in (MSE). */
  readonly #bySkey = new Map<string, Uint8Array>();
  readonly #listeners = new Listeners();
  readonly #incoming: Incoming;
  readonly #subscribers = new Set<(event: SessionEvent) => void>();
  readonly #bans = new Set<string>();
  readonly #votes = new AddressVotes();
  readonly #own: OwnEndpoints;
  readonly #nat: SessionNat;
  readonly #lsd: LsdSource | undefined;
  readonly #wayOut: WayOut;
  readonly #datagrams = new SessionDatagrams();
  #relays: RelaySession | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const rng = options.rng ?? systemRng;
    const isDirect = options.proxy === undefined;
    this.#incoming = new Incoming({
      clock: this.#clock,
      log: options.log ?? silentLog,
      isBanned: (host) => this.#bans.has(host),
    });
    this.#lsd =
      options.lsd !== false && isDirect
        ? new LsdSource({
            clock: this.#clock,
            rng,
            ...localDiscovery(options),
          })
        : undefined;
    this.#wayOut = new WayOut({
      ...options,
      utp: () => this.#datagrams.utp,
      prefersUtp: (endpoint) => this.#shared.nat.prefersUtp(endpoint),
      onProxyFault: (message) => {
        for (const { infoHash } of this.#torrents.values()) {
          this.#emit(infoHash, { kind: 'source-error', source: 'proxy', message });
        }
      },
    });
    this.#nat = this.#makeNat(options, rng);
    this.#own = new OwnEndpoints(
      {
        bound: options.bindAddresses,
        ports: (family) => [this.#listeners.port, this.#datagrams.utp?.port(family) ?? 0],
        outerHosts: (family) => [this.#votes.winner(family), ...this.#nat.outerHosts(family)],
        outerPorts: (family) => this.#nat.outerPorts(family),
      },
      () => this.#clock.nowMs(),
    );
    const maxPeers = options.maxPeers ?? MAX_PEERS;
    this.#shared = {
      clock: this.#clock,
      rng,
      log: options.log ?? silentLog,
      policy: options.encryption ?? 'prefer',
      peerId: peerIdOf(makePeerId(rng)),
      stateDir: options.stateDir,
      userAgent: options.userAgent ?? 'tt',
      pex: options.pex !== false,
      downLimiter: new RateLimiter(this.#clock, options.downLimit),
      upLimiter: new RateLimiter(this.#clock, options.upLimit),
      slotMemory: new SlotMemory(),
      readMemory: new ReadMemory(),
      workers: new DiskWorkers(),
      dials: new DialScheduler(this.#clock),
      accounts: new Accounts(this.#clock),
      sources: [...(options.peerSources ?? []), ...(this.#lsd === undefined ? [] : [this.#lsd])],
      dht: options.dht,
      trace: options.trace,
      maxPeersPerTorrent: options.maxPeersPerTorrent ?? Math.min(maxPeers, MAX_PEERS_PER_TORRENT),
      isFull: (counting) => this.#peerCount(counting) >= maxPeers,
      makePlace: (host) => makePlace(this.#connections(), host, maxPeers, this.#clock.nowMs()),
      crowdedPlaces: () => crowdedPlaces(this.#connections(), maxPeers),
      connect: (endpoint, timeoutMs) => this.#nat.watch(this.#wayOut.connect(endpoint, timeoutMs)),
      connectByTcp: (endpoint) => this.#nat.watch(this.#wayOut.connectToRelay(endpoint, 'tcp')),
      connectToWeb: (url, mayBeLocal, signal) => this.#wayOut.connectToWeb(url, mayBeLocal, signal),
      connectToRelay: (relay, via) => this.#nat.watch(this.#wayOut.connectToRelay(relay, via)),
      relays: () => this.#relays,
      noteUtp: (endpoint) => this.#wayOut.noteUtp(endpoint),
      datagrams: () => this.#datagrams.port,
      accept: (stream) => this.#accept(stream),
      nat: new NatHub({
        utp: () => this.#datagrams.utp,
        datagrams: () => this.#datagrams.port,
        isSelf: (endpoint) => this.#own.has(endpoint),
        nowMs: () => this.#clock.nowMs(),
        utpPeerCount: () => this.#utpPeerCount(),
      }),
      resolvesNames: isDirect,
      announcedPort: () => this.#nat.announcedPort,
      listenPort: () => this.#listeners.port || this.#datagrams.utpPort,
      isSelf: (endpoint) => this.#own.has(endpoint) || this.#relays?.isOwnProxy(endpoint) === true,
      isBanned: (key) => this.#bans.has(key),
      ban: (key) => this.#bans.add(key),
      voteExternalAddress: (host, voter) => {
        this.#votes.vote(host, voter);
        this.#own.refresh();
      },
      externalAddress: (family) => this.#votes.winner(family),
      emit: (infoHash, event) => this.#emit(infoHash, event),
    };
    this.#shared.nat.ownFacts = () => options.ownPlace?.() ?? this.#nat.facts();
  }

  #makeNat(
    { ipv4, ipv6, bindAddresses, dht, log, portMap, proxy, stateDir }: SessionOptions,
    rng: Rng,
  ): SessionNat {
    const isOff = proxy !== undefined;
    return new SessionNat({
      clock: this.#clock,
      rng,
      log: log ?? silentLog,
      stateDir,
      isMappingOn: portMap === true && !isOff,
      bindAddresses,
      families: [...(ipv4 === false ? [] : [4 as const]), ...(ipv6 === false ? [] : [6 as const])],
      tcpPort: () => this.#shared.listenPort(),
      udpPort: (family) => this.#datagrams.port?.port(family) ?? 0,
      reflect: isOff || dht?.reflect === undefined ? undefined : (family) => dht.reflect!(family),
      onPortChange: () => {
        for (const torrent of this.#torrents.values()) torrent.sources.refresh();
      },
    });
  }

  async start(): Promise<void> {
    const { ipv4 = true, ipv6 = true, bindAddresses, portRange, proxy, tcp = true } = this.#options;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
    // Behind a proxy nobody can reach us, and listening would show the address that the proxy hides.
    if (proxy !== undefined) return;
    const addresses = bindAddresses ?? [...(ipv4 ? ['0.0.0.0'] : []), ...(ipv6 ? ['::'] : [])];
    const { keeper } = this.#incoming;
    if (tcp) await this.#listeners.open(addresses, portRange, (stream) => this.#accept(stream), keeper);
    await this.#openDatagrams();
    await this.#openRelays();
    this.#nat.start();
  }

  /** Before the first peer is met, since handshakes say that we relay. */
  async #openRelays(): Promise<void> {
    const { relays = false } = this.#options;
    if (relays === false || this.#closing !== undefined) return;
    const [{ RelaySession: Relays }, { RelayKeyFile }] = await Promise.all([
      import('./reach/relay-session.ts'),
      import('./reach/relay-key-file.ts'),
    ]);
    const { bindAddresses = [], stateDir } = this.#options;
    const place = [this.#shared.listenPort(), ...bindAddresses].join('-');
    const keyFile = new RelayKeyFile(stateDir, place);
    const identity = await keyFile.load(this.#shared.rng, Date.now());
    if (this.#closing !== undefined) return;
    this.#relays = new Relays({
      shared: this.#shared,
      identity,
      keyFile,
      given: relays.given,
      splices: relays.splices ?? 0,
      torrents: () => this.#torrents.values(),
      dialFrom: this.#wayOut.dialsTcp ? (endpoint, from) => this.#wayOut.dialFrom(endpoint, from) : undefined,
      onSeen: (seen, by) => this.#nat.handleSeen(seen, by),
    });
    this.#nat.dialBack = this.#relays.dialBack;
  }

  /** Without UDP there is still TCP; without TCP there must be UDP. */
  async #openDatagrams(): Promise<void> {
    const { openDatagramPort, portRange, tcp = true, utp = true } = this.#options;
    if (openDatagramPort === undefined) return;
    const { clock, rng } = this.#shared;
    const { mayEnter } = this.#incoming;
    try {
      await this.#datagrams.open({
        openPort: openDatagramPort,
        besidePort: this.#listeners.port,
        portRange,
        utp: utp ? { clock, rng, mayEnter, onStream: (stream) => this.#accept(stream) } : undefined,
      });
    } catch (error) {
      if (!tcp) throw error;
      this.#shared.log('warn', 'no UDP port', { error: String(error) });
    }
  }

  async add(options: AddTorrentOptions): Promise<TorrentHandle> {
    this.#assertOpen();
    const torrent = new Torrent(this.#shared, options);
    if (this.#torrents.has(torrent.infoHash)) {
      throw new OperationError('refused', `${torrent.name} is here already (info hash ${torrent.infoHash})`);
    }
    this.#torrents.set(torrent.infoHash, torrent);
    this.#bySkey.set(skeyHash(torrent.infoHashBytes), torrent.infoHashBytes);
    try {
      await torrent.start();
    } catch (error) {
      await this.#drop(torrent);
      throw error;
    }
    return torrent;
  }

  async command(command: Command): Promise<void> {
    this.#assertOpen();
    if (command.kind === 'set-limits') {
      const { down = this.#shared.downLimiter.bytesPerSec, up = this.#shared.upLimiter.bytesPerSec } =
        command;
      if (!(down >= 0 && up >= 0))
        throw new UsageError('a limit is a number of bytes a second, or 0 for none');
      this.#shared.downLimiter.setLimit(down);
      this.#shared.upLimiter.setLimit(up);
      return;
    }
    const torrent = this.#torrents.get(command.torrent);
    if (torrent === undefined) throw new OperationError('refused', `no torrent ${command.torrent} here`);
    switch (command.kind) {
      case 'pause':
        return torrent.pause();
      case 'resume':
        return torrent.resume();
      case 'remove':
        return this.#drop(torrent);
      case 'recheck':
        return torrent.recheck();
      case 'announce':
        return torrent.sources.refresh();
      case 'set-file-priority':
        return torrent.setFilePriority(command.file, command.priority);
      case 'set-fetching':
        return torrent.setFetching(command.on);
      case 'set-sequential':
        return torrent.setSequential(command.on);
      case 'add-peer':
        return torrent.addPeer(command.host, command.port);
    }
  }

  snapshot(): SessionSnapshot {
    const parts = {
      shared: this.#shared,
      torrents: [...this.#torrents.values()],
      listen: [...this.#listeners.snapshot(), ...this.#datagrams.snapshot(this.#options.bindAddresses)],
      externalAddresses: this.#votes.ranked(),
      nat: this.#nat.snapshot(),
      relays: this.#relays,
    };
    return snapshotSession(parts, this.#clock.nowMs());
  }

  subscribe(listener: (event: SessionEvent) => void): () => void {
    this.#subscribers.add(listener);
    return () => this.#subscribers.delete(listener);
  }

  close(timeoutMs = CLOSE_TIMEOUT_MS): Promise<void> {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  async #close(timeoutMs: number): Promise<void> {
    clearInterval(this.#timer);
    this.#shared.dials.close();
    this.#relays?.close();
    this.#wayOut.close();
    this.#incoming.close();
    const torrents = [...this.#torrents.values()];
    const natClosed = this.#nat.close();
    await Promise.all([this.#listeners.close(), ...torrents.map((torrent) => torrent.stop(timeoutMs))]);
    this.#shared.downLimiter.close();
    this.#shared.upLimiter.close();
    const sources = this.#shared.sources.map((source) => source.close());
    await Promise.all([...sources, this.#shared.workers.close()]);
    await natClosed;
    await this.#datagrams.close();
  }

  // --- inside

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new OperationError('refused', 'the session is closed');
  }

  #peerCount(counting: 'connected' | 'with-dials'): number {
    let count = 0;
    for (const { peers } of this.#torrents.values()) {
      count += counting === 'connected' ? peers.connections.size : peers.countWithDials;
    }
    return count;
  }

  #connections(): Set<PeerConnection> {
    return new Set([...this.#torrents.values()].flatMap(({ peers }) => [...peers.connections]));
  }

  #utpPeerCount(): number {
    let count = 0;
    for (const { peers } of this.#torrents.values())
      for (const { stream } of peers.connections) if (stream.transport === 'utp') count++;
    return count;
  }

  #accept(stream: ByteStream): void {
    if (stream.transport === 'tcp') this.#nat.handleIncoming(stream.remote.host);
    if (this.#bans.has(stream.remote.host) || this.#torrents.size === 0) {
      stream.destroy();
      return;
    }
    if (this.#relays === undefined || stream.transport === 'relayed') this.#listenTo(stream);
    else this.#relays.sort(stream, (peer) => this.#listenTo(peer));
  }

  #listenTo(stream: ByteStream): void {
    const connection = PeerConnection.incoming({
      stream,
      clock: this.#clock,
      rng: this.#shared.rng,
      policy: this.#shared.policy,
      downLimiter: this.#shared.downLimiter,
      trace: this.#shared.trace,
      findTorrent: (key) => this.#bySkey.get(key),
      findOwner: (infoHash) => this.#torrents.get(toHex(infoHash))?.host,
      onEnd: this.#incoming.onEnd,
    });
    this.#listeners.addPending(connection);
  }

  async #drop(torrent: Torrent): Promise<void> {
    this.#torrents.delete(torrent.infoHash);
    this.#bySkey.delete(skeyHash(torrent.infoHashBytes));
    await torrent.stop(CLOSE_TIMEOUT_MS);
  }

  #tick(): void {
    const nowMs = this.#clock.nowMs();
    this.#listeners.tick(nowMs);
    for (const torrent of this.#torrents.values()) torrent.tick(nowMs);
  }

  #emit(infoHash: string, event: TorrentEvent): void {
    if (this.#subscribers.size === 0) return;
    const stamped = { ...event, atMs: this.#clock.nowMs(), torrent: infoHash } as SessionEvent;
    for (const subscriber of [...this.#subscribers]) subscriber(stamped);
  }
}

/** Bound to certain addresses, we speak on their networks only; an IPv6 group needs an interface, which an address does not name. */
function localDiscovery(options: SessionOptions): { ipv4: boolean; ipv6: boolean; interfaceV4?: string } {
  const { bindAddresses, ipv4 = true, ipv6 = true } = options;
  if (bindAddresses === undefined) return { ipv4, ipv6 };
  const wildcards = ['0.0.0.0', '::'];
  const interfaceV4 = bindAddresses.find((address) => !isIPv6(address));
  return {
    ipv4: ipv4 && interfaceV4 !== undefined,
    ipv6: ipv6 && bindAddresses.includes('::'),
    ...(interfaceV4 === undefined || wildcards.includes(interfaceV4) ? {} : { interfaceV4 }),
  };
}
