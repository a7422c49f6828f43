// A network whose nodes have ideal tables and keep no state: real lookups of a real machine run against a million of them.
// A share is dead, and stays in everybody's tables. This is the ground of the calibration tables.
import type { DhtAddress } from '../base/address.ts';
import { Id160 } from '../base/node-id.ts';
import {
  type DhtOptions,
  type LookupPolicy,
  NO_LIMITS,
  OUR_MAINTENANCE,
  OUR_TABLE,
} from '../base/options.ts';
import type { GetPeersOptions, GetPeersResult, LookupReport } from '../base/results.ts';
import { DhtMachine } from '../machine.ts';
import { hash3, stream } from './chance.ts';
import { EventQueue } from './event-queue.ts';
import { hostAddress, hostOf } from './hosts.ts';
import { Network, type NetworkOptions } from './latency.ts';
import { hostIds, Population, type TableShape } from './population.ts';
import { readQuery, type StubReply, writeReply } from './stub-replies.ts';
import { TraceHash } from './trace-hash.ts';

export interface IdealNetworkOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly shape: TableShape;
  readonly network: NetworkOptions;
  readonly deadShare: number;
  /** Contacts in a reply (BEP 5: 8). */
  readonly replyNodes?: number;
}

export interface LookupOutcome {
  readonly report: LookupReport;
  readonly result: GetPeersResult;
  /** Of the true `closest` live nodes, how many the result has, 0 to 1. */
  readonly recall: number;
  /** Is the nearest live node of all in the result? */
  readonly hasNearest: boolean;
}

/** Machines want a clock that never was at zero. */
const START_US = 3_600_000_000;
const REPLY = 0;
const TOKEN = new Uint8Array(8).fill(7);
/** Out of the way of the network's own hosts. */
const CLIENT_HOST = 2 ** 27;
/** Every lookup ends long before: its queries are bounded and each has a timeout. */
const MAX_LOOKUP_US = 3_600_000_000;

export class IdealNetwork {
  readonly population: Population;
  readonly trace = new TraceHash();
  readonly #options: IdealNetworkOptions;
  readonly #network: Network;
  readonly #queue = new EventQueue(START_US);
  readonly #dead: Uint8Array;
  /** Peers by key of the info hash, at the hosts that store them. */
  readonly #stored = new Map<
    string,
    { readonly hosts: ReadonlySet<number>; readonly peers: readonly DhtAddress[] }
  >();
  #clients = 0;

  constructor(options: IdealNetworkOptions) {
    this.#options = options;
    const everybody = Array.from({ length: options.nodes }, (_, host) => host);
    const ids = hostIds(options.seed, options.nodes);
    this.population = new Population(options.seed, ids, options.shape, everybody);
    this.#network = new Network(options.seed, options.network);
    const churn = stream(options.seed, 'churn');
    this.#dead = Uint8Array.from({ length: options.nodes }, () => (churn.next() < options.deadShare ? 1 : 0));
  }

  get events(): number {
    return this.#queue.popped;
  }

  get nowMs(): number {
    return this.#queue.nowUs / 1000;
  }

  isLive(host: number): boolean {
    return this.#dead[host] === 0;
  }

  /** Puts peers where an announce would have put them: at the `closest` live nodes. */
  store(target: Id160, peers: readonly DhtAddress[], closest = 8): void {
    const hosts = this.population.closest(target, closest, (host) => this.isLive(host));
    this.#stored.set(target.key, { hosts: new Set(hosts), peers });
  }

  /** A new node of the network: an id of its own, the ideal table around it, dead entries and all. */
  client(policy: Partial<LookupPolicy>, shape: TableShape = this.population.shape): IdealClient {
    const number = this.#clients++;
    const { seed } = this.#options;
    const rng = stream(seed, 'protocol', number);
    const own = Id160.random(stream(seed, 'ids', number + 1));
    const machineOptions: DhtOptions = {
      rng,
      nodeId: own.toBytes(),
      lookup: policy,
      table: { ...OUR_TABLE, ...shape, restrictAddresses: false },
      maintenance: { ...OUR_MAINTENANCE, enabled: false },
      limits: NO_LIMITS,
    };
    const machine = new DhtMachine(
      machineOptions,
      { send: (datagram, to) => this.#send(datagram, to) },
      this.nowMs,
    );
    this.population.table(
      own,
      hash3(seed, number, 1),
      (host) => {
        const roundTripMs = this.#network.roundTripMs(CLIENT_HOST, host);
        const contact = { id: this.population.id(host).toBytes(), address: hostAddress(host) };
        machine.insertVerified(contact, this.nowMs, roundTripMs);
      },
      shape,
    );
    return new IdealClient(this, machine);
  }

  /** Runs until `isDone`. */
  run(machine: DhtMachine, isDone: () => boolean): void {
    const untilUs = this.#queue.nowUs + MAX_LOOKUP_US;
    while (!isDone()) {
      const timeoutUs = Math.max(this.#queue.nowUs + 1, Math.ceil(machine.nextTimeoutMs() * 1000));
      if (Math.min(timeoutUs, this.#queue.nextUs) > untilUs) return;
      if (this.#queue.nextUs <= timeoutUs) {
        this.#queue.pop(untilUs);
        const { event } = this.#queue;
        const bytes = event.ref as Uint8Array;
        this.trace.addTime(this.#queue.nowUs);
        this.trace.addBytes(bytes);
        machine.handleDatagram(bytes, hostAddress(event.b), this.nowMs);
      } else {
        this.#queue.advanceTo(timeoutUs);
        machine.handleTimeout(this.nowMs);
      }
    }
  }

  /** Late replies of one client must not reach the next. */
  drain(): void {
    while (this.#queue.pop(Number.POSITIVE_INFINITY));
  }

  #send(datagram: Uint8Array, to: DhtAddress): void {
    const host = hostOf(to);
    if (host < 0 || host >= this.population.size || this.#dead[host] === 1) return;
    const query = readQuery(datagram);
    if (query === undefined) return;
    const { nowUs } = this.#queue;
    const there = this.#network.travelUs(CLIENT_HOST, host, datagram.length, nowUs);
    if (there < 0) return;
    const reply = writeReply(query, this.#answer(host, query.view(query.target)), hostAddress(CLIENT_HOST));
    const back = this.#network.travelUs(host, CLIENT_HOST, reply.length, nowUs);
    if (back >= 0) this.#queue.push(nowUs + there + back, REPLY, 0, host, 0, reply.slice());
  }

  #answer(host: number, targetBytes: Uint8Array | undefined): StubReply {
    const id = this.population.id(host);
    if (targetBytes === undefined) return { id, nodes: undefined, peers: [], token: undefined };
    const target = Id160.read(targetBytes, 0);
    const stored = this.#stored.get(target.key);
    const nodes = this.population
      .closestInTable(host, target, this.#options.replyNodes ?? 8)
      .map((other) => ({ id: this.population.id(other), address: hostAddress(other) }));
    return { id, nodes, peers: stored?.hosts.has(host) ? stored.peers : [], token: TOKEN };
  }
}

/** One machine in the network, asked for one lookup after the other. */
export class IdealClient {
  readonly machine: DhtMachine;
  readonly #network: IdealNetwork;

  constructor(network: IdealNetwork, machine: DhtMachine) {
    this.#network = network;
    this.machine = machine;
  }

  getPeers(target: Id160, options: GetPeersOptions = {}): LookupOutcome {
    const network = this.#network;
    let result: GetPeersResult | undefined;
    this.machine.getPeers(
      target.toBytes(),
      {
        ...options,
        onDone: (done) => {
          result = done;
        },
      },
      network.nowMs,
    );
    network.run(this.machine, () => result !== undefined);
    const done = result as GetPeersResult | undefined;
    const report = done?.reports[0];
    if (done === undefined || report === undefined) throw new Error('a lookup never ended');
    const closest = options.policy?.closest ?? 8;
    const truth = network.population.closest(target, closest, (host) => network.isLive(host));
    const found = new Set(done.closest.map(({ address }) => hostOf(address)));
    return {
      report,
      result: done,
      recall: truth.filter((host) => found.has(host)).length / truth.length,
      hasNearest: found.has(truth[0] as number),
    };
  }
}
