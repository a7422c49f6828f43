// Port mapping on real gateways: finds them, runs the machine of port-mapper.ts for each family, remembers what is granted in case we
// are killed, and takes it back at the end.
import type { Clock, Rng } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { MappingKey, MappingProtocol, MapRequest, Transport } from '../mapping-types.ts';
import { type MapperPort, type MappingSnapshot, PortMapper } from '../port-mapper.ts';
import { GatewayAnnouncements } from './announcements.ts';
import { NatPmpClient, PcpClient } from './datagram-clients.ts';
import { findGateway, type Gateway } from './gateway.ts';
import type { MappingClient } from './mapping-client.ts';
import { MappingFile, type MappingRecord } from './mapping-file.ts';
import { IgdFinder, PinholeClient, UpnpClient } from './upnp-client.ts';

/** Taking mappings back must not hold up the end of the program. */
const RELEASE_TIMEOUT_MS = 1_500;

export interface MappingServiceOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly stateDir: string;
  readonly families: readonly (4 | 6)[];
  readonly ports: Readonly<Partial<Record<Transport, number>>>;
  /** Local addresses to speak from; default the system's choice. */
  readonly bindAddresses?: readonly string[] | undefined;
  readonly protocols?: readonly MappingProtocol[] | undefined;
  readonly lifetimeSec?: number | undefined;
  readonly onChange: () => void;
  /** A claim that somebody outside should try; the answer goes to `handleVerdict`. */
  readonly onClaim: (claim: Claim) => void;
  /** The gateway has lost its table, or is another one. */
  readonly onGatewayNews: () => void;
}

export interface Claim {
  readonly family: 4 | 6;
  readonly transport: Transport;
  readonly externalHost: string | undefined;
  readonly externalPort: number;
}

export interface FamilyMappings {
  readonly family: 4 | 6;
  /** undefined: no default route. */
  readonly gateway: string | undefined;
  readonly localHost: string | undefined;
  readonly mappings: readonly MappingSnapshot[];
}

interface FamilyPart {
  readonly gateway: Gateway;
  readonly mapper: PortMapper;
  readonly clients: ReadonlyMap<MappingProtocol, MappingClient>;
  readonly announcements: GatewayAnnouncements;
}

export class MappingService {
  readonly #options: MappingServiceOptions;
  readonly #file: MappingFile;
  readonly #parts = new Map<4 | 6, FamilyPart>();
  readonly #releases = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: MappingServiceOptions) {
    this.#options = options;
    this.#file = new MappingFile(options.stateDir, process.pid);
  }

  async start(): Promise<void> {
    const { families, bindAddresses } = this.#options;
    const gateways = await Promise.all(
      families.map((family) => findGateway(family, specific(bindAddresses, family))),
    );
    if (this.#closing !== undefined) return;
    const v4 = gateways.find((gateway) => gateway?.family === 4);
    const finder = v4 === undefined ? undefined : new IgdFinder(v4);
    const leftovers = await this.#file.takeLeftovers(isAlive, Date.now());
    if (this.#closing !== undefined) return;
    for (const gateway of gateways) if (gateway !== undefined) this.#open(gateway, finder);
    for (const record of leftovers) this.#cleanUp(record);
    for (const { mapper } of this.#parts.values()) mapper.start(this.#options.clock.nowMs());
    this.#arm();
    this.#options.onChange();
  }

  handleVerdict({ family, transport, externalPort }: Claim, isReached: boolean): void {
    this.#parts
      .get(family)
      ?.mapper.handleVerdict(transport, externalPort, isReached, this.#options.clock.nowMs());
    this.#arm();
  }

  /** A stranger came in at a port of ours: whatever the gateway forwards there has proved itself. */
  handleVisitor(family: 4 | 6, transport: Transport): void {
    for (const { state, transport: of, externalPort } of this.mappings(family)) {
      if (state !== 'claimed' || of !== transport || externalPort === undefined) continue;
      this.handleVerdict({ family, transport, externalHost: undefined, externalPort }, true);
    }
  }

  /** Asks the gateways whether they still know us. */
  check(): void {
    for (const { mapper, clients } of this.#parts.values()) {
      for (const { protocol, key } of mapper.grants()) {
        const client = clients.get(protocol);
        if (client !== undefined) this.#check(client, key, mapper);
      }
    }
  }

  mappings(family: 4 | 6): readonly MappingSnapshot[] {
    return this.#parts.get(family)?.mapper.snapshot(this.#options.clock.nowMs()) ?? [];
  }

  snapshot(): readonly FamilyMappings[] {
    return this.#options.families.map((family) => {
      const gateway = this.#parts.get(family)?.gateway;
      return {
        family,
        gateway: gateway?.host,
        localHost: gateway?.localHost,
        mappings: this.mappings(family),
      };
    });
  }

  /** Takes all mappings back; waits a moment for it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer);
    for (const { mapper, announcements } of this.#parts.values()) {
      announcements.close();
      mapper.release();
    }
    // A timer of its own: the sockets below keep no program alive.
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, RELEASE_TIMEOUT_MS);
    });
    const isDone = await Promise.race([this.#settle().then(() => true), late.then(() => false)]);
    clearTimeout(timer);
    // What could not be taken back is left to the next run.
    if (isDone) await this.#file.write([]);
    await Promise.all(
      [...this.#parts.values()].flatMap(({ clients }) =>
        [...clients.values()].map((client) => client.close()),
      ),
    );
  }

  /** What was asked for in the last moment is granted, perhaps, and then released as well. */
  async #settle(): Promise<void> {
    const clients = [...this.#parts.values()].flatMap((part) => [...part.clients.values()]);
    await Promise.all(clients.map((client) => client.stop()));
    while (this.#releases.size > 0) await Promise.all(this.#releases);
  }

  #open(gateway: Gateway, finder: IgdFinder | undefined): void {
    const { clock, rng, ports, protocols, lifetimeSec, log, onGatewayNews } = this.#options;
    const { family } = gateway;
    const lost = (protocol: MappingProtocol): void => {
      mapper.handleLost(protocol, clock.nowMs());
      log('info', 'the gateway has lost its port mappings', { gateway: gateway.host, protocol });
      this.#arm();
      onGatewayNews();
    };
    const nowMs = (): number => clock.nowMs();
    const clients = new Map<MappingProtocol, MappingClient>();
    clients.set('pcp', new PcpClient(gateway, rng, nowMs, () => lost('pcp')));
    if (family === 4) clients.set('nat-pmp', new NatPmpClient(gateway, nowMs, () => lost('nat-pmp')));
    if (finder !== undefined) {
      clients.set('upnp', family === 4 ? new UpnpClient(finder) : new PinholeClient(finder, gateway));
    }
    for (const protocol of clients.keys()) {
      if (protocols !== undefined && !protocols.includes(protocol)) clients.delete(protocol);
    }
    const port: MapperPort = {
      ask: (protocol, request, nonce) => void this.#ask(clients, protocol, request, nonce, mapper),
      release: (protocol, key) => this.#release(clients.get(protocol), key),
      abandon: (protocol, key) => void clients.get(protocol)?.unmap(key),
      check: (protocol, key) => {
        const client = clients.get(protocol);
        if (client !== undefined) this.#check(client, key, mapper);
      },
      verify: (transport, externalHost, externalPort) =>
        this.#options.onClaim({ family, transport, externalHost, externalPort }),
      changed: () => {
        this.#remember();
        this.#options.onChange();
      },
    };
    const mapper = new PortMapper(
      { ports, protocols: [...clients.keys()], rng, ...(lifetimeSec === undefined ? {} : { lifetimeSec }) },
      port,
    );
    const announcements = new GatewayAnnouncements(gateway, (isAboutPorts) => {
      // The epoch may be too young to show the fall: then asking again is surer than comparing.
      if (isAboutPorts) mapper.handleNews(clock.nowMs());
      this.check();
      this.#arm();
    });
    this.#parts.set(family, { gateway, mapper, clients, announcements });
  }

  async #ask(
    clients: ReadonlyMap<MappingProtocol, MappingClient>,
    protocol: MappingProtocol,
    request: MapRequest,
    nonce: Uint8Array,
    mapper: PortMapper,
  ): Promise<void> {
    const client = clients.get(protocol) as MappingClient;
    const answer = await client.map(request, nonce);
    this.#options.log('debug', 'gateway answered', { protocol, ...request, answer });
    mapper.handleAnswer(protocol, request.transport, answer, this.#options.clock.nowMs());
    this.#arm();
  }

  #release(client: MappingClient | undefined, key: MappingKey): void {
    if (client === undefined) return;
    const release = client.unmap(key).finally(() => this.#releases.delete(release));
    this.#releases.add(release);
  }

  #check(client: MappingClient, key: MappingKey, mapper: PortMapper): void {
    void client.isLost(key).then((isLost) => {
      if (!isLost || this.#closing !== undefined) return;
      mapper.handleLost(client.protocol, this.#options.clock.nowMs());
      this.#arm();
      this.#options.onGatewayNews();
    });
  }

  /** A mapping of a process that is no more, unless we are about to ask for the same. */
  #cleanUp({ family, gateway, localHost, protocol, key }: MappingRecord): void {
    const part = this.#parts.get(family);
    // On another network there is nothing to clean, and nobody there should be asked.
    if (part === undefined || part.gateway.host !== gateway || part.gateway.localHost !== localHost) return;
    if (this.#options.ports[key.transport] === key.internalPort) return;
    this.#options.log('info', 'taking back a port mapping of an earlier run', { protocol, ...key });
    this.#release(part.clients.get(protocol), key);
  }

  #remember(): void {
    if (this.#closing !== undefined) return;
    const nowUnixMs = Date.now();
    const records = [...this.#parts.values()].flatMap(({ gateway, mapper }) =>
      mapper.grants().map(({ protocol, key, lifetimeSec }) => ({
        family: gateway.family,
        gateway: gateway.host,
        localHost: gateway.localHost,
        protocol,
        key,
        expiresAtUnixMs: nowUnixMs + lifetimeSec * 1_000,
      })),
    );
    void this.#file.write(records);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#closing !== undefined) return;
    const { clock } = this.#options;
    const dueMs = Math.min(...[...this.#parts.values()].map(({ mapper }) => mapper.nextTimeoutMs()));
    if (!Number.isFinite(dueMs)) return;
    this.#timer = setTimeout(
      () => {
        for (const { mapper } of this.#parts.values()) mapper.handleTimeout(clock.nowMs());
        this.#arm();
      },
      Math.max(0, dueMs - clock.nowMs()),
    );
    this.#timer.unref();
  }
}

/** The address to speak from, where one is prescribed. */
function specific(addresses: readonly string[] | undefined, family: 4 | 6): string | undefined {
  return addresses?.find(
    (address) => address.includes(':') === (family === 6) && address !== '0.0.0.0' && address !== '::',
  );
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    // Somebody else's process is one as well.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
