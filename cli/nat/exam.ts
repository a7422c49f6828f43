// Finds out about this machine's place behind NATs for a command: a listener, a UDP port with a DHT node that only asks, and what
// core/nat makes of it; everything is closed, and mappings taken back, at the end.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatagramPort, OpenDatagramPort } from '../../core/base/datagram-port.ts';
import type { Endpoint } from '../../core/base/endpoint.ts';
import type { Log } from '../../core/base/log.ts';
import type { OperationError } from '../../core/base/result.ts';
import { findGateway, type Gateway } from '../../core/nat/io/gateway.ts';
import { NatService } from '../../core/nat/io/nat-service.ts';
import { RelayDialBack } from '../../core/nat/io/relay-dial-back.ts';
import type { NatFamilySnapshot, NatSnapshot } from '../../core/nat/nat-snapshot.ts';
import { RelayIdentity } from '../../core/relay/identity.ts';
import { ClientShell } from '../../core/relay/io/client-shell.ts';
import { Listeners } from '../../core/session/listeners.ts';
import { systemClock, systemRng } from '../../core/session/system.ts';
import { dialTcp } from '../../core/transport/tcp.ts';
import { DhtNode, type DhtNodeOptions } from '../../dht/io/dht-node.ts';
import { SharedPort } from '../../dht/io/shared-port.ts';
import { reflectBy } from '../dht/reflect.ts';

const POLL_MS = 25;
const ID_BYTES = 20;
const RELAY_TIMEOUT_MS = 5_000;
const NO_TORRENTS: readonly Uint8Array[] = [];

export interface NatExamOptions {
  readonly portRange: readonly [first: number, last: number];
  readonly bindAddresses: readonly string[] | undefined;
  readonly isMappingOn: boolean;
  /** Families and entry nodes; undefined: the DHT is off. */
  readonly node: DhtNodeOptions | undefined;
  readonly families: readonly (4 | 6)[];
  /** To be asked whether they reach us. */
  readonly relays: readonly Endpoint[];
  readonly stateDir: string;
  readonly client: string;
  readonly log: Log;
}

export interface NatExamResult {
  readonly nat: NatSnapshot;
  readonly tcpPort: number;
  readonly udpPort: number;
  readonly gateways: readonly Gateway[];
  /** Relays that answered a reachability test. */
  readonly relaysAsked: readonly string[];
  readonly isComplete: boolean;
}

export class NatExam {
  readonly #options: NatExamOptions;
  readonly #listeners = new Listeners();
  readonly #relaysAsked = new Set<string>();
  readonly #onClose: (() => Promise<void> | void)[] = [];
  #service: NatService | undefined;
  #udp: DatagramPort | undefined;
  #gateways: readonly Gateway[] = [];

  constructor(options: NatExamOptions) {
    this.#options = options;
  }

  /**
   * Runs until all is known that can be, or time is up.
   * @throws OperationError `network` when nothing can be bound
   */
  async run(timeoutMs: number, signal: AbortSignal): Promise<NatExamResult> {
    const endMs = systemClock.nowMs() + timeoutMs;
    try {
      await this.#open();
      while (!this.#isSettled() && systemClock.nowMs() < endMs && !signal.aborted) await sleep(POLL_MS);
      return this.#result();
    } finally {
      await this.#close();
    }
  }

  async #open(): Promise<void> {
    const { families, bindAddresses, portRange, log, stateDir, isMappingOn } = this.#options;
    const found = await Promise.all(families.map((family) => findGateway(family)));
    this.#gateways = found.filter((gateway) => gateway !== undefined);
    const addresses = bindAddresses ?? families.map((family) => (family === 4 ? '0.0.0.0' : '::'));
    await this.#listeners.open(addresses, portRange, (stream) => {
      this.#service?.handleVisitor(stream.remote.host);
      stream.destroy();
    });
    const shared = new SharedPort({
      families,
      bindV4: addresses.find((address) => !address.includes(':')),
      bindV6: addresses.find((address) => address.includes(':')),
    });
    const openPort: OpenDatagramPort = (port) => shared.open(port);
    const { port } = this.#listeners;
    const udp = await openPort(port).catch((error: unknown) => {
      if ((error as OperationError).code === 'EADDRINUSE') return openPort(0);
      throw error;
    });
    this.#udp = udp;
    this.#onClose.push(() => udp.close());
    const node = await this.#openNode(openPort, port);
    const dialBack = this.#openRelays(udp);
    this.#service = new NatService({
      clock: systemClock,
      rng: systemRng,
      log,
      stateDir,
      families,
      tcpPort: port,
      udpPort: (family) => udp.port(family) ?? 0,
      bindAddresses,
      isMappingOn,
      reflect: node === undefined ? undefined : (family) => reflectBy(node, family),
      dialBack,
    });
    await this.#service.start();
  }

  async #openNode(openPort: OpenDatagramPort, port: number): Promise<DhtNode | undefined> {
    const { node: options } = this.#options;
    if (options === undefined || this.#gateways.length === 0) return undefined;
    const node = await DhtNode.open({
      ...options,
      port,
      openPort,
      nodeId: randomBytes(ID_BYTES),
      followAddress: true,
      // Gone in a moment: nobody shall take it into a table (BEP 43).
      readOnly: true,
    });
    this.#onClose.push(() => node.close());
    return node;
  }

  #openRelays(udp: DatagramPort): RelayDialBack | undefined {
    const { relays, log, client } = this.#options;
    if (relays.length === 0) return undefined;
    const shell = new ClientShell(
      {
        clock: systemClock,
        rng: systemRng,
        log,
        policy: 'prefer',
        client,
        peerId: randomBytes(ID_BYTES),
        // By TCP: the UDP port must not have spoken with the relay, or its datagram would be let in as an answer.
        dialControl: async (relay) => {
          const stream = await dialTcp(relay, { timeoutMs: RELAY_TIMEOUT_MS });
          this.#service?.handleTcpWorks();
          return stream;
        },
        listenPort: () => this.#listeners.port,
        identity: RelayIdentity.random(systemRng),
        wallMs: () => Date.now(),
        facts: () =>
          this.#service?.facts() ?? { state: 'unknown', filter: 'unknown', tcpPort: 0, udpPort: 0 },
        torrents: () => NO_TORRENTS,
        sought: () => NO_TORRENTS,
        proxied: () => NO_TORRENTS,
        wantsRelays: () => false,
        whyNotFollow: () => 'only asking',
      },
      {
        decide: () => 'none',
        introduce: () => undefined,
        splice: () => undefined,
        onQueued: () => undefined,
        onSilent: () => undefined,
        onChanged: () => undefined,
        findRelays: () => undefined,
      },
    );
    this.#onClose.push(() => shell.close());
    return new RelayDialBack({
      relays: () => relays,
      isStranger: () => true,
      datagrams: () => udp,
      ask: (relay, order, onStart, onResult) =>
        shell.run((machine, nowMs) =>
          machine.testThrough(
            relay,
            order,
            onStart,
            (result) => {
              if (result.kind === 'tested') this.#relaysAsked.add(relay.host);
              onResult(result);
            },
            nowMs,
          ),
        ),
    });
  }

  /** Nothing more will come: the gateway has answered, the class is known, and relays that there are have tried. */
  #isSettled(): boolean {
    const snapshot = this.#service?.snapshot();
    if (snapshot === undefined) return false;
    if (this.#gateways.length === 0) return true;
    const known = this.#gateways.map(({ family }) =>
      snapshot.families.find((each) => each.family === family),
    );
    const isMapped = known.every((family) => family?.mappings.every(({ state }) => state !== 'asking'));
    const { node, relays } = this.#options;
    const isClassified =
      node === undefined ||
      known.some((family) => family?.mapping !== 'unknown' || family.state === 'tcp-only');
    const isTested = relays.length === 0 || known.some(isTriedOut);
    return isMapped && isClassified && isTested;
  }

  #result(): NatExamResult {
    const nat = this.#service?.snapshot() as NatSnapshot;
    return {
      nat,
      tcpPort: this.#listeners.port,
      udpPort: this.#udp?.port(4) ?? this.#udp?.port(6) ?? 0,
      gateways: this.#gateways,
      relaysAsked: [...this.#relaysAsked],
      isComplete: this.#isSettled(),
    };
  }

  async #close(): Promise<void> {
    await Promise.all([this.#service?.close(), this.#listeners.close()]);
    await Promise.all(this.#onClose.splice(0).map((close) => close()));
  }
}

/** Somebody outside has knocked, at the port that the router forwards where it does. */
function isTriedOut(family: NatFamilySnapshot | undefined): boolean {
  if (family === undefined) return false;
  const states = family.mappings.map(({ state }) => state);
  // One of them is sometimes tried a moment after the other.
  if (states.includes('claimed')) return false;
  if (states.includes('verified') || states.includes('refuted')) return true;
  return family.evidence.some(({ about }) => about === 'reachability');
}
