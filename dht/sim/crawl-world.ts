// A world for crawls, light enough for a million nodes: ideal tables (nothing is stored a node), real datagrams, virtual time.
// Its rules, which docs/measurement.md states too:
// - ids fit addresses (BEP 42); every bucket of every table holds min(k, population) random members of its part of the space;
// - members are: nodes that can be reached; nodes behind translators, which are listed and answer no stranger; dead entries,
//   listed for all time; nodes that come and go, listed from their arrival until STALE_MS after they went;
// - liars answer as themselves and list invented nodes near the target, all in a few subnets; those answer too;
// - every datagram is lost with the same chance, latencies are log-normal and belong to the pair.
import type { Rng } from '../../core/base/clock.ts';
import { DhtAddress } from '../base/address.ts';
import { Id160, randomIdAt } from '../base/node-id.ts';
import { exponential, hash3, stream } from './chance.ts';
import { EventQueue } from './event-queue.ts';
import { attackerAddress, hostAddress, hostOf, SIM_PORT } from './hosts.ts';
import { Network, type NetworkOptions } from './latency.ts';
import { hostIds, Population } from './population.ts';
import { MAINLINE_CHURN, Sessions } from './sessions.ts';
import { readQuery, writeReply } from './stub-replies.ts';

export interface CrawlWorldOptions {
  readonly seed: number;
  /** Nodes that are there and can be reached, at any time. */
  readonly nodes: number;
  /** Of all members of tables. */
  readonly deadShare: number;
  readonly natShare: number;
  readonly network: NetworkOptions;
  /** Half of the sessions are shorter; undefined: everybody stays. */
  readonly medianSessionMin?: number | undefined;
  /** Share of the addresses with four nodes behind them, each on a port of its own; the others have one. */
  readonly sharedShare?: number;
  /** How long the world will be looked at: arrivals are drawn for so long. */
  readonly horizonMs: number;
  /** Share of the reachable nodes that invent others. */
  readonly liarShare?: number;
  /** Subnets (/24) that invented nodes live in. */
  readonly liarSubnets?: number;
}

/** Hour one: no machine sees a clock near zero. */
export const CRAWL_START_MS = 3_600_000;
const K = 8;
const SHARED_BY = 4;
const REPLY_NODES = 8;
/** Entries looked at to fill a reply: members that have not come yet or are long gone are passed over. */
const LOOKED_AT = 24;
/** Tables keep who went for so long (BEP 5: a node is questionable after 15 minutes). */
const STALE_MS = 15 * 60_000;
const CLIENT_HOST = 2 ** 27;
const ARRIVE = 1;
const REPLY = 2;
const NO_TOKEN = undefined;

export interface WorldClient {
  handleDatagram(bytes: Uint8Array, from: DhtAddress, nowMs: number): unknown;
  nextTimeoutMs(nowMs: number): number;
  handleTimeout(nowMs: number): void;
}

export class CrawlWorld {
  readonly options: CrawlWorldOptions;
  readonly population: Population;
  readonly #ids: readonly Id160[];
  readonly #kinds: Uint8Array;
  /** When each is there, milliseconds of virtual time. */
  readonly #from: Float64Array;
  readonly #until: Float64Array;
  #network: Network;
  readonly #queue = new EventQueue(CRAWL_START_MS * 1000);
  /** Invented nodes by address. */
  readonly #invented = new Map<number, Id160>();
  #liarRng: Rng;
  #clients = 0;
  datagrams = 0;

  constructor(options: CrawlWorldOptions) {
    this.options = options;
    const { seed, nodes, deadShare, natShare, medianSessionMin, horizonMs } = options;
    const listed = Math.round(nodes / (1 - deadShare - natShare));
    const dead = Math.round(listed * deadShare);
    const churn = stream(seed, 'churn');
    const sessions =
      medianSessionMin === undefined
        ? undefined
        : new Sessions({ ...MAINLINE_CHURN, medianSessionMin }, churn);
    const arrivals: number[] = [];
    if (sessions !== undefined) {
      const meanMs = meanSessionMs(medianSessionMin as number);
      const living = listed - dead;
      for (
        let at = exponential(churn, meanMs / living);
        at < horizonMs;
        at += exponential(churn, meanMs / living)
      )
        arrivals.push(CRAWL_START_MS + at);
    }
    const count = listed + arrivals.length;
    this.#ids = hostIds(seed, count);
    this.#kinds = new Uint8Array(count);
    this.#from = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
    this.#until = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
    const traits = stream(seed, 'workload', 1);
    const translated = natShare / (1 - deadShare);
    for (let host = 0; host < count; host++) {
      if (host < dead) {
        this.#kinds[host] = 2;
        continue;
      }
      this.#kinds[host] = traits.next() < translated ? 1 : 0;
      if (sessions === undefined) continue;
      const arrival = arrivals[host - listed];
      this.#from[host] = arrival ?? Number.NEGATIVE_INFINITY;
      this.#until[host] =
        arrival === undefined ? CRAWL_START_MS + sessions.restOfSessionMs() : arrival + sessions.sessionMs();
    }
    const everybody = Array.from({ length: count }, (_, host) => host);
    this.population = new Population(seed, this.#ids, { k: K, digitBits: 1, topBuckets: [] }, everybody);
    this.#network = new Network(seed, options.network);
    this.#liarRng = stream(seed, 'workload', 2);
  }

  get nowMs(): number {
    return this.#queue.nowUs / 1000;
  }

  /** Another chance of loss and latency over the same nodes: one population serves many trials. */
  reseed(seed: number): void {
    this.#network = new Network(seed, this.options.network);
    this.#liarRng = stream(seed, 'workload', 2);
    this.#invented.clear();
  }

  /** Reachable nodes that are there at this time, in the zone that `counts` admits. */
  reachable(atMs: number, counts: (id: Id160) => boolean = () => true): number {
    let count = 0;
    for (let host = 0; host < this.#kinds.length; host++) {
      if (this.#kinds[host] === 0 && this.#isPresent(host, atMs) && counts(this.#ids[host] as Id160)) count++;
    }
    return count;
  }

  /** Somebody who can be reached from the start to the end. */
  stableHosts(count: number): number[] {
    const hosts: number[] = [];
    for (let host = 0; host < this.#kinds.length && hosts.length < count; host++) {
      if (this.#kinds[host] === 0 && this.#until[host] === Number.POSITIVE_INFINITY) hosts.push(host);
      else if (
        this.#kinds[host] === 0 &&
        (this.#until[host] as number) > CRAWL_START_MS + this.options.horizonMs
      )
        hosts.push(host);
    }
    return hosts;
  }

  /** Numbers of the reachable nodes that are there. */
  reachableHosts(atMs: number): number[] {
    const hosts: number[] = [];
    for (let host = 0; host < this.#kinds.length; host++)
      if (this.#kinds[host] === 0 && this.#isPresent(host, atMs)) hosts.push(host);
    return hosts;
  }

  /** When this one is there, virtual time. */
  stay(host: number): { readonly fromMs: number; readonly untilMs: number } {
    return { fromMs: this.#from[host] as number, untilMs: this.#until[host] as number };
  }

  /** Of these, who is there at that time. */
  stillThere(hosts: readonly number[], atMs: number): number {
    return hosts.filter((host) => this.#isPresent(host, atMs)).length;
  }

  /** The nearest that can be reached now: what a lookup without error ends with. */
  nearestReachable(target: Id160, count: number): readonly number[] {
    return this.population.closest(
      target,
      count,
      (host) => this.#kinds[host] === 0 && this.#isPresent(host, this.nowMs),
    );
  }

  id(host: number): Id160 {
    return this.#ids[host] as Id160;
  }

  address(host: number): DhtAddress {
    const { sharedShare, seed } = this.options;
    if (sharedShare === undefined) return hostAddress(host);
    const first = host - (host % SHARED_BY);
    const isShared = (hash3(seed, first, 98) >>> 0) / 2 ** 32 < sharedShare;
    return isShared ? hostAddress(first, SIM_PORT + (host % SHARED_BY)) : hostAddress(host);
  }

  /** -1 for nobody. */
  hostAt(address: DhtAddress): number {
    const first = hostOf(address);
    if (first < 0) return -1;
    const host = first + address.port - SIM_PORT;
    return host >= 0 && host < this.#ids.length && this.address(host).equals(address) ? host : -1;
  }

  /** @returns how a client of its own sends */
  join(): (datagram: Uint8Array, to: DhtAddress) => void {
    const client = CLIENT_HOST + this.#clients++;
    return (datagram, to) => this.#deliver(client, datagram, to);
  }

  /** Runs the client that joined last until `isDone` or `untilMs`. */
  run(client: WorldClient, isDone: () => boolean, untilMs = Number.POSITIVE_INFINITY): void {
    const untilUs = untilMs * 1000;
    while (!isDone()) {
      const timeoutUs = Math.max(this.#queue.nowUs + 1, Math.ceil(client.nextTimeoutMs(this.nowMs) * 1000));
      if (Math.min(timeoutUs, this.#queue.nextUs) > untilUs) {
        this.#queue.advanceTo(untilUs);
        return;
      }
      if (this.#queue.nextUs <= timeoutUs) {
        this.#queue.pop(untilUs);
        const { kind, a, b, c, ref } = this.#queue.event;
        if (kind === ARRIVE) this.#answer(a, DhtAddress.v4(b, c), ref as Uint8Array);
        else client.handleDatagram(ref as Uint8Array, DhtAddress.v4(b, c), this.nowMs);
      } else {
        if (timeoutUs === Number.POSITIVE_INFINITY) return;
        this.#queue.advanceTo(timeoutUs);
        client.handleTimeout(this.nowMs);
      }
    }
  }

  /** Answers that are still on their way must not reach the next client. */
  drain(): void {
    while (this.#queue.pop(Number.POSITIVE_INFINITY));
  }

  #isPresent(host: number, atMs: number): boolean {
    return (this.#from[host] as number) <= atMs && atMs < (this.#until[host] as number);
  }

  #isListed(host: number, atMs: number): boolean {
    return (this.#from[host] as number) <= atMs && atMs < (this.#until[host] as number) + STALE_MS;
  }

  #deliver(client: number, datagram: Uint8Array, to: DhtAddress): void {
    this.datagrams++;
    const number = this.hostAt(to);
    const peer = number >= 0 ? number : CLIENT_HOST / 2 + (to.w0 & 0xffff);
    const travelUs = this.#network.travelUs(client, peer, datagram.length, this.#queue.nowUs);
    if (travelUs < 0) return;
    this.#queue.push(this.#queue.nowUs + travelUs, ARRIVE, client, to.w0, to.port, datagram.slice());
  }

  #answer(client: number, at: DhtAddress, datagram: Uint8Array): void {
    const host = this.hostAt(at);
    const invented = host < 0 ? this.#invented.get(at.w0) : undefined;
    if (invented === undefined && (host < 0 || this.#kinds[host] !== 0 || !this.#isPresent(host, this.nowMs)))
      return;
    const query = readQuery(datagram);
    if (query === undefined) return;
    const own = invented ?? (this.#ids[host] as Id160);
    const targetBytes = query.view(query.target);
    const target = targetBytes === undefined ? undefined : Id160.read(targetBytes, 0);
    const isLiar = invented !== undefined || this.#isLiar(host);
    const nodes =
      target === undefined ? undefined : isLiar ? this.#invent(target) : this.#nodesFor(host, target);
    const reply = { id: own, nodes, peers: [], token: NO_TOKEN };
    const bytes = writeReply(query, reply, hostAddress(client));
    const peer = host >= 0 ? host : CLIENT_HOST / 2 + (at.w0 & 0xffff);
    const travelUs = this.#network.travelUs(peer, client, bytes.length, this.#queue.nowUs);
    if (travelUs >= 0)
      this.#queue.push(this.#queue.nowUs + travelUs, REPLY, client, at.w0, at.port, bytes.slice());
  }

  #nodesFor(host: number, target: Id160): { id: Id160; address: DhtAddress }[] {
    const nodes: { id: Id160; address: DhtAddress }[] = [];
    for (const other of this.population.closestInTable(host, target, LOOKED_AT)) {
      if (other === host || !this.#isListed(other, this.nowMs)) continue;
      nodes.push({ id: this.id(other), address: this.address(other) });
      if (nodes.length === REPLY_NODES) break;
    }
    return nodes;
  }

  #isLiar(host: number): boolean {
    const { liarShare, seed } = this.options;
    return liarShare !== undefined && (hash3(seed, host, 99) >>> 0) / 2 ** 32 < liarShare;
  }

  #invent(target: Id160): { id: Id160; address: DhtAddress }[] {
    const subnets = this.options.liarSubnets ?? 4;
    return Array.from({ length: REPLY_NODES }, () => {
      const place = this.#liarRng.next() * subnets * 254;
      const address = attackerAddress(Math.floor(place / 254), Math.floor(place) % 254);
      let id = this.#invented.get(address.w0);
      if (id === undefined) {
        id = randomIdAt(target, 24, this.#liarRng);
        this.#invented.set(address.w0, id);
      }
      return { id, address };
    });
  }
}

function meanSessionMs(medianSessionMin: number): number {
  // The mixture of dht/sim/sessions.ts: its mean is 5.04 times its median.
  return medianSessionMin * 60_000 * ((0.866 * 235.5 + 0.134 * 6000) / 200);
}
