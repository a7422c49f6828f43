// `tt relay` put together: listeners, the relay, the DHT and uTP on one UDP port, and what is announced. Nothing is kept on disk but
// the nodes of the DHT.
import { randomBytes } from 'node:crypto';
import os from 'node:os';
import type { DatagramPort } from '../../core/base/datagram-port.ts';
import { isIPv6, normalizeHost } from '../../core/base/endpoint.ts';
import { peerIdOf } from '../../core/base/ids.ts';
import { isLocalAddress } from '../../core/base/local-address.ts';
import type { Log } from '../../core/base/log.ts';
import type { PeerSource } from '../../core/base/peer-source.ts';
import { OperationError } from '../../core/base/result.ts';
import { Announcer } from '../../core/relay/io/announcer.ts';
import { openProxyPort, type ProxyPort } from '../../core/relay/io/proxy-ports.ts';
import { RelayNode } from '../../core/relay/io/relay-node.ts';
import type { RelayLimits } from '../../core/relay/limits.ts';
import { type RelaySnapshot, snapshotRelay } from '../../core/relay/snapshot.ts';
import { Listeners } from '../../core/session/listeners.ts';
import { systemClock, systemRng } from '../../core/session/system.ts';
import type { EncryptionPolicy } from '../../core/transport/mse.ts';
import { DatagramUtp } from '../../core/transport/utp-stack.ts';
import { DhtNode, type DhtNodeOptions } from '../../dht/io/dht-node.ts';
import { DhtSource } from '../../dht/io/dht-source.ts';
import { SharedPort } from '../../dht/io/shared-port.ts';
import type { TrackerClientOptions } from '../../tracker/io/tracker-client.ts';
import { TrackerSource } from '../../tracker/io/tracker-source.ts';

export interface RelayRunnerOptions {
  readonly log: Log;
  readonly client: string;
  readonly policy: EncryptionPolicy;
  readonly limits: RelayLimits;
  readonly portRange: readonly [first: number, last: number];
  /** Addresses to listen on. */
  readonly hosts: readonly string[];
  readonly proxyPortCount: number;
  /** undefined: no DHT. */
  readonly dht: DhtNodeOptions | undefined;
  readonly utp: boolean;
  /** Where proxied torrents are announced besides the DHT: the operator's choice, never out of a message. */
  readonly trackers: readonly string[];
  readonly tracker: TrackerClientOptions;
  /** What the operator says our address is. */
  readonly externalHost: string | undefined;
}

export interface RelayStatusData extends RelaySnapshot {
  readonly port: number;
  readonly proxyPorts: readonly number[];
  /** As the world sees us; undefined as long as nobody said. */
  readonly host: string | undefined;
  readonly announced: number;
  readonly dhtNodes: number;
}

/** Until somebody in the DHT has said how it sees us, and when our address changes. */
const ADDRESS_POLL_MS = 5_000;
const MAX_PORT_TRIES = 1_000;
const CLIENT_ID_BYTES = 12;

export class RelayRunner {
  readonly #options: RelayRunnerOptions;
  readonly #node: RelayNode;
  readonly #listeners = new Listeners();
  readonly #proxies: ProxyPort[] = [];
  #udp: DatagramPort | undefined;
  #utp: DatagramUtp | undefined;
  #dht: DhtNode | undefined;
  #announcer: Announcer | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(options: RelayRunnerOptions) {
    this.#options = options;
    this.#node = new RelayNode({
      clock: systemClock,
      rng: systemRng,
      log: options.log,
      limits: options.limits,
      policy: options.policy,
      client: options.client,
      ownHosts: () => this.#ownHosts(),
      wallMs: (nowMs) => Date.now() + nowMs - systemClock.nowMs(),
      proxyPorts: () => this.#proxies.map(({ port }) => port),
      hasUdp: () => this.#udp !== undefined,
      onChanged: () => queueMicrotask(() => this.#announce()),
    });
  }

  /** @throws OperationError `network` when a port cannot be bound */
  static async open(options: RelayRunnerOptions): Promise<RelayRunner> {
    const runner = new RelayRunner(options);
    try {
      await runner.#start();
      return runner;
    } catch (error) {
      await runner.close();
      throw error;
    }
  }

  get port(): number {
    return this.#listeners.port;
  }

  status(): RelayStatusData {
    const families = this.#dht?.machine.snapshot(this.#dht.now()).families ?? [];
    return {
      ...snapshotRelay(this.#node.server, systemClock.nowMs()),
      port: this.port,
      proxyPorts: this.#proxies.map(({ port }) => port),
      host: this.#externalHost(),
      announced: this.#announcer?.count ?? 0,
      dhtNodes: families.reduce((sum, { good }) => sum + good, 0),
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#node.close();
    await Promise.all([this.#listeners.close(), ...this.#proxies.map((proxy) => proxy.close())]);
    // Withdrawn while the DHT still runs.
    await this.#announcer?.close();
    await this.#utp?.close();
    await this.#dht?.close();
    await this.#udp?.close();
  }

  async #start(): Promise<void> {
    const { hosts, portRange, proxyPortCount } = this.#options;
    await this.#listeners.open(hosts, portRange, (stream) => this.#node.accept(stream));
    let port = this.port;
    for (let tries = 0; this.#proxies.length < proxyPortCount; tries++) {
      if (tries >= MAX_PORT_TRIES || ++port > 65_535)
        throw new OperationError('network', `there are no ${proxyPortCount} free ports above ${this.port}`);
      await this.#openProxy(hosts[0] as string, port);
    }
    await this.#openUdp();
    this.#timer = setInterval(() => this.#announce(), ADDRESS_POLL_MS);
    this.#announce();
  }

  /** A port that is taken is passed over. */
  async #openProxy(host: string, port: number): Promise<void> {
    try {
      const onStream = this.#node.acceptProxied.bind(this.#node);
      this.#proxies.push(await openProxyPort(host, port, systemClock, onStream));
    } catch (error) {
      if ((error as OperationError).code !== 'EADDRINUSE') throw error;
    }
  }

  async #openUdp(): Promise<void> {
    const { dht, utp, hosts, log } = this.#options;
    const families = [...new Set(hosts.map((host) => (isIPv6(host) ? (6 as const) : (4 as const))))];
    const bindV4 = hosts.find((host) => !isIPv6(host));
    const shared = new SharedPort({ families, bindV4, bindV6: hosts.find(isIPv6) });
    const openPort = (port: number): Promise<DatagramPort> => shared.open(port);
    try {
      this.#udp = await openPort(this.port);
    } catch (error) {
      log('warn', `no UDP on port ${this.port}: no uTP, no dial-back by UDP`, { error: String(error) });
    }
    if (utp && this.#udp !== undefined) {
      this.#utp = new DatagramUtp({ port: await openPort(this.port), clock: systemClock, rng: systemRng });
      this.#utp.listen((stream) => this.#node.accept(stream));
    }
    const sources: PeerSource[] = [];
    if (dht !== undefined) {
      const shares = this.#udp === undefined ? {} : { openPort };
      this.#dht = await DhtNode.open({ ...dht, port: this.port, ...shares });
      sources.push(new DhtSource({ node: this.#dht, clock: systemClock, rng: systemRng, log }));
    }
    const tracker = new TrackerSource({ ...this.#options.tracker, log });
    this.#announcer = new Announcer({
      peerId: peerIdOf(
        new TextEncoder().encode(`-tt0100-${randomBytes(CLIENT_ID_BYTES / 2).toString('hex')}`),
      ),
      keySources: sources,
      torrentSources: [...sources, tracker],
      trackers: this.#options.trackers,
      port: () => this.port,
    });
  }

  #announce(): void {
    const { server } = this.#node;
    this.#announcer?.update(this.#externalHost(), server.announcedTorrents(), server.proxiedTorrents());
  }

  #interfaceHosts(): string[] {
    return Object.values(os.networkInterfaces())
      .flatMap((each) => each ?? [])
      .map(({ address }) => normalizeHost(address))
      .filter((host) => host !== undefined);
  }

  #ownHosts(): readonly string[] {
    const external = this.#externalHost();
    return [...(external === undefined ? [] : [external]), ...this.#interfaceHosts()];
  }

  /** The operator's word, else the DHT's, else an address of ours that is on the Internet, else one that is on some network. */
  #externalHost(): string | undefined {
    const { externalHost } = this.#options;
    if (externalHost !== undefined) return externalHost;
    const families = this.#dht?.machine.snapshot(this.#dht.now()).families ?? [];
    const seen = families.find(({ externalAddress }) => externalAddress !== undefined)?.externalAddress;
    if (seen !== undefined) return seen.host;
    const { hosts } = this.#options;
    const isWild = (host: string): boolean => host === '0.0.0.0' || host === '::';
    const own = hosts.some(isWild) ? this.#interfaceHosts() : hosts;
    return own.find((host) => !isLocalAddress(host)) ?? own.find((host) => !isWild(host));
  }
}
