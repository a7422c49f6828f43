// A network of real machines on virtual time: hosts with addresses, lines and translators; datagrams, timers, arrivals and
// departures in one queue. Invariant: the same options give the same run, to the byte (see `trace`).
import type { DhtAddress } from '../base/address.ts';
import { idForAddress } from '../base/bep42.ts';
import type { Id160 } from '../base/node-id.ts';
import type { BootstrapResult, DhtContact } from '../base/results.ts';
import { DhtMachine, type DhtOutput } from '../machine.ts';
import { hash3, stream } from './chance.ts';
import { type Datagram, DatagramPool } from './datagram-pool.ts';
import { EventQueue } from './event-queue.ts';
import { hostAddress, hostOf, SIM_PORT } from './hosts.ts';
import { FEW_QUANTILES, Network, type NetworkOptions } from './latency.ts';
import { NatBox, type NatOptions } from './nat.ts';
import { hostIds, Population } from './population.ts';
import { type ClientMix, type ClientProfile, clientOptions, type ProfileName } from './profiles.ts';
import { type ChurnOptions, Sessions } from './sessions.ts';
import { TraceHash } from './trace-hash.ts';

export interface WorldOptions {
  readonly seed: number;
  /** Nodes that are there at any time. */
  readonly nodes: number;
  readonly network: NetworkOptions;
  readonly clients: ClientMix;
  /** Undefined: everybody stays. */
  readonly churn?: ChurnOptions | undefined;
  /** Translators, by share of the hosts; the rest has none. */
  readonly nats?: readonly (NatOptions & { readonly share: number })[];
  /** Changes to all profiles. */
  readonly override?: ClientProfile;
}

/** Somebody who is not one of the machines: an attacker. */
export interface Guest {
  handleDatagram(datagram: Uint8Array, from: DhtAddress): void;
}

/** When the timer event of a host is due that counts; others are leftovers. */
const TIMER_US = 0;
/** What its machine last said it is waiting for. */
const DUE_MS = 1;
const WAIT_CELLS = 2;

const DATAGRAM = 1;
const TIMER = 2;
const TURN = 3;
const ACTION = 4;
/** Hour one: no machine sees a clock near zero. */
export const WORLD_START_MS = 3_600_000;
/** Hosts that never leave and have no translator, whom the others know as bootstrap addresses. */
const ROUTERS = 8;
/** Contacts a node saves when it leaves. */
const SAVED_CONTACTS = 100;
/** Numbers of guests, beyond those of hosts. */
const FIRST_GUEST = 2 ** 27;

export class World {
  readonly options: WorldOptions;
  readonly trace = new TraceHash();
  /** Hosts that are there or come back. */
  readonly hosts: number;
  /** After every arrival, when its bootstrap has ended. */
  onBootstrap: ((host: number, result: BootstrapResult) => void) | undefined;
  datagrams = 0;
  arrivals = 0;
  readonly #queue = new EventQueue(WORLD_START_MS * 1000);
  readonly #network: Network;
  readonly #pool = new DatagramPool();
  readonly #sessions: Sessions | undefined;
  readonly #ids: Id160[];
  readonly #machines: (DhtMachine | undefined)[];
  readonly #profiles: readonly ProfileName[];
  readonly #nats: readonly (NatBox | undefined)[];
  readonly #hasNats: boolean;
  /** By host, side by side since both are needed at once: TIMER_US and DUE_MS. */
  readonly #waits: Float64Array;
  readonly #saved = new Map<number, readonly DhtContact[]>();
  readonly #clients = new Map<ProfileName, ReturnType<typeof clientOptions>>();
  #starts = 0;
  readonly #guests: { readonly guest: Guest; readonly address: DhtAddress }[] = [];
  /** Indices of guests by IP address; one port each. */
  readonly #guestAt = new Map<number, number>();

  constructor(options: WorldOptions) {
    this.options = options;
    const { seed, nodes, churn } = options;
    this.#network = new Network(seed, options.network, FEW_QUANTILES);
    const churnRng = stream(seed, 'churn');
    this.#sessions = churn === undefined ? undefined : new Sessions(churn, churnRng);
    this.hosts = churn === undefined ? nodes : Math.ceil(nodes / Sessions.availability);
    this.#ids = hostIds(seed, this.hosts);
    this.#waits = new Float64Array(this.hosts * WAIT_CELLS).fill(Number.POSITIVE_INFINITY);
    const traits = stream(seed, 'workload', 1);
    this.#profiles = this.#ids.map(() => pickShare(options.clients, traits.next())?.profile ?? 'ours');
    this.#nats = this.#ids.map((_, host) => {
      const nat = pickShare(options.nats ?? [], traits.next());
      return nat === undefined || host < ROUTERS ? undefined : new NatBox(nat, hash3(seed, host, 7));
    });
    this.#hasNats = this.#nats.some((nat) => nat !== undefined);
    this.#machines = this.#ids.map(() => undefined);
    this.#populate();
  }

  /** Whole milliseconds, as the machines see them: small integers cost no memory. Datagrams travel in microseconds. */
  get nowMs(): number {
    return Math.floor(this.#queue.nowUs / 1000);
  }

  get events(): number {
    return this.#queue.popped;
  }

  /** Of the host when it is there. */
  machine(host: number): DhtMachine | undefined {
    return this.#machines[host];
  }

  id(host: number): Id160 {
    return this.#ids[host] as Id160;
  }

  profile(host: number): ProfileName {
    return this.#profiles[host] as ProfileName;
  }

  hasNat(host: number): boolean {
    return this.#nats[host] !== undefined;
  }

  /** Is somebody there who can be reached by all and has this id? */
  isServing(contact: DhtContact): boolean {
    const host = hostOf(contact.address);
    if (host < 0 || host >= this.hosts || this.#machines[host] === undefined) return false;
    return this.#nats[host] === undefined && this.id(host).isAt(contact.id, 0);
  }

  /** The `count` hosts nearest to `target` that are there and can be reached. */
  closestServing(target: Id160, count: number): readonly number[] {
    return this.#reachable().closest(target, count, () => true);
  }

  /** Hosts that are there, lowest number first. */
  *present(): IterableIterator<number> {
    for (let host = 0; host < this.hosts; host++) if (this.#machines[host] !== undefined) yield host;
  }

  at(atMs: number, run: () => void): void {
    this.#queue.push(Math.ceil(atMs * 1000), ACTION, 0, 0, 0, run);
  }

  /** Gives a command to the machine of a host, and wakes it when it must be. */
  command<T>(host: number, run: (machine: DhtMachine, nowMs: number) => T): T | undefined {
    const machine = this.#machines[host];
    if (machine === undefined) return undefined;
    const result = run(machine, this.nowMs);
    this.#schedule(host, machine);
    return result;
  }

  /** The host is gone without a word. @returns contacts it would have saved */
  stop(host: number): readonly DhtContact[] {
    const saved = this.#machines[host]?.state(this.nowMs).contacts.slice(0, SAVED_CONTACTS) ?? [];
    this.#machines[host] = undefined;
    return saved;
  }

  /** The host comes back with an empty table and gets going; without `nodes` by the routers alone. */
  start(host: number, nodes: readonly DhtContact[], onDone: (result: BootstrapResult) => void): void {
    const machine = this.#start(host);
    const routers = Array.from({ length: ROUTERS }, (_, router) => hostAddress(router));
    machine.bootstrap({ nodes, routers, onDone }, this.nowMs);
    this.#schedule(host, machine);
  }

  contact(host: number): DhtContact {
    return { id: this.id(host).toBytes(), address: hostAddress(host) };
  }

  /** @param address outside of the hosts' block; one guest for an IP address */
  addGuest(address: DhtAddress, guest: Guest): void {
    this.#guestAt.set(address.w0, this.#guests.push({ guest, address }) - 1);
  }

  sendAsGuest(address: DhtAddress, datagram: Uint8Array, to: DhtAddress): void {
    this.#send(FIRST_GUEST + (this.#guestAt.get(address.w0) as number), address.port, datagram, to);
  }

  run(untilMs: number): void {
    const untilUs = untilMs * 1000;
    while (this.#queue.pop(untilUs)) {
      const { kind, a, b, c, ref } = this.#queue.event;
      this.trace.addTime(this.#queue.nowUs);
      this.trace.add((kind << 28) ^ a);
      if (kind === DATAGRAM) this.#deliver(a, b, c, ref as Datagram);
      else if (kind === TIMER) this.#fire(a);
      else if (kind === TURN) this.#turn(a);
      else (ref as () => void)();
    }
    this.#queue.advanceTo(untilUs);
  }

  /** Those who are there from the start know each other as in a network that has run for long. */
  #populate(): void {
    const churn = this.#sessions;
    const traits = stream(this.options.seed, 'workload', 2);
    for (let host = 0; host < this.hosts; host++) {
      const isThere = churn === undefined || host < ROUTERS || traits.next() < Sessions.availability;
      if (isThere) this.#start(host);
      if (churn !== undefined && host >= ROUTERS)
        this.#turnIn(host, isThere ? churn.restOfSessionMs() : churn.restOfAwayMs());
    }
    const members = this.#reachable();
    for (const host of this.present()) {
      const machine = this.#machines[host] as DhtMachine;
      const options = this.#clientOptions(this.profile(host));
      const checkMs = options.maintenance.checkMs;
      members.table(
        this.id(host),
        host,
        (other) => {
          // As if heard from some time ago, so that checks come spread out.
          const agoMs = ((hash3(this.options.seed, host, other) >>> 0) / 2 ** 32) * checkMs;
          machine.insertVerified(
            this.contact(other),
            this.nowMs - agoMs,
            this.#network.roundTripMs(host, other),
          );
        },
        options.table,
      );
      machine.settle(this.nowMs);
      this.#schedule(host, machine);
    }
  }

  #reachable(): Population {
    const members: number[] = [];
    for (const host of this.present()) if (this.#nats[host] === undefined) members.push(host);
    const { table } = clientOptions('ours', this.options.override);
    return new Population(this.options.seed, this.#ids, table, members);
  }

  /** Made once: machines of one kind share their policies. */
  #clientOptions(name: ProfileName): ReturnType<typeof clientOptions> {
    let options = this.#clients.get(name);
    if (options === undefined) {
      options = clientOptions(name, this.options.override);
      this.#clients.set(name, options);
    }
    return options;
  }

  #start(host: number): DhtMachine {
    const { seed } = this.options;
    const machine = new DhtMachine(
      {
        ...this.#clientOptions(this.profile(host)),
        rng: stream(seed, 'protocol', hash3(seed, host, this.#starts++)),
        nodeId: this.id(host).toBytes(),
      },
      new Line(host, this.#sendAs),
      this.nowMs,
    );
    this.#machines[host] = machine;
    this.#waits[host * WAIT_CELLS + TIMER_US] = Number.POSITIVE_INFINITY;
    return machine;
  }

  #turnIn(host: number, afterMs: number): void {
    this.#queue.push(this.#queue.nowUs + Math.ceil(afterMs * 1000), TURN, host, 0, 0, undefined);
  }

  /** Somebody leaves without a word, or comes back to where they were. */
  #turn(host: number): void {
    const sessions = this.#sessions as Sessions;
    if (this.#machines[host] !== undefined) {
      this.#saved.set(host, this.stop(host));
      this.#turnIn(host, sessions.awayMs());
      return;
    }
    this.arrivals++;
    const rng = stream(this.options.seed, 'churn', 1 + this.arrivals);
    const isNew = rng.next() < (this.options.churn?.newIdShare ?? 0);
    if (isNew) this.#ids[host] = idForAddress(hostAddress(host), rng);
    const saved = isNew ? [] : (this.#saved.get(host) ?? []);
    this.#saved.delete(host);
    this.start(host, saved, (result) => this.onBootstrap?.(host, result));
    this.#turnIn(host, sessions.sessionMs());
  }

  /** One for all hosts: a closure each would be memory to fetch with every datagram. */
  readonly #sendAs = (host: number, datagram: Uint8Array, to: DhtAddress): void =>
    this.#send(host, SIM_PORT, datagram, to);

  #send(from: number, port: number, datagram: Uint8Array, to: DhtAddress): void {
    this.datagrams++;
    const { nowUs } = this.#queue;
    const sourcePort = (this.#hasNats ? this.#nats[from]?.outbound(to.w0, nowUs) : undefined) ?? port;
    const target = this.#numberOf(to);
    if (target < 0) return;
    const travelUs = this.#network.travelUs(from, target, datagram.length, nowUs);
    if (travelUs < 0) return;
    const ports = (to.port << 16) | sourcePort;
    this.#queue.push(nowUs + travelUs, DATAGRAM, target, from, ports, this.#pool.copy(datagram));
  }

  /** Of the host or guest with this IP address; -1 for nobody. */
  #numberOf(address: DhtAddress): number {
    const host = hostOf(address);
    if (host >= 0) return host < this.hosts ? host : -1;
    const guest = this.#guestAt.get(address.w0);
    return guest === undefined ? -1 : FIRST_GUEST + guest;
  }

  #addressOf(number: number, port: number): DhtAddress {
    if (number >= FIRST_GUEST) return (this.#guests[number - FIRST_GUEST] as { address: DhtAddress }).address;
    return hostAddress(number, port);
  }

  #deliver(target: number, from: number, ports: number, held: Datagram): void {
    const { bytes: datagram } = held;
    this.trace.addWords(datagram.length, held.words);
    const source = this.#addressOf(from, ports & 0xffff);
    if (target >= FIRST_GUEST) {
      this.#guests[target - FIRST_GUEST]?.guest.handleDatagram(datagram, source);
    } else {
      const machine = this.#machines[target];
      if (machine !== undefined && this.#isAdmitted(target, ports >>> 16, source)) {
        machine.handleDatagram(datagram, source, this.nowMs);
        this.#schedule(target, machine);
      }
    }
    this.#pool.release(held);
  }

  #isAdmitted(host: number, port: number, source: DhtAddress): boolean {
    const nat = this.#hasNats ? this.#nats[host] : undefined;
    return nat === undefined ? port === SIM_PORT : nat.admits(port, source.w0, this.#queue.nowUs);
  }

  /** One timer event per host counts: the earliest. When the deadline has moved back by then, the event moves after it. */
  #schedule(host: number, machine: DhtMachine): void {
    const nextMs = machine.nextTimeoutMs();
    const at = host * WAIT_CELLS;
    this.#waits[at + DUE_MS] = nextMs;
    if (nextMs === Number.POSITIVE_INFINITY) return;
    const atUs = Math.max(this.#queue.nowUs + 1, Math.ceil(nextMs) * 1000);
    if (atUs >= (this.#waits[at + TIMER_US] as number)) return;
    this.#waits[at + TIMER_US] = atUs;
    this.#queue.push(atUs, TIMER, host, 0, 0, undefined);
  }

  #fire(host: number): void {
    const machine = this.#machines[host];
    const at = host * WAIT_CELLS;
    if (machine === undefined || this.#waits[at + TIMER_US] !== this.#queue.nowUs) return;
    this.#waits[at + TIMER_US] = Number.POSITIVE_INFINITY;
    const dueMs = this.#waits[at + DUE_MS] as number;
    if (dueMs <= this.nowMs) {
      machine.handleTimeout(this.nowMs);
      this.#schedule(host, machine);
    } else if (dueMs !== Number.POSITIVE_INFINITY) {
      // Known without touching the machine, whose memory is far away.
      const atUs = Math.ceil(dueMs) * 1000;
      this.#waits[at + TIMER_US] = atUs;
      this.#queue.push(atUs, TIMER, host, 0, 0, undefined);
    }
  }
}

/** What a machine sends through. */
class Line implements DhtOutput {
  readonly #host: number;
  readonly #sendAs: (host: number, datagram: Uint8Array, to: DhtAddress) => void;

  constructor(host: number, sendAs: (host: number, datagram: Uint8Array, to: DhtAddress) => void) {
    this.#host = host;
    this.#sendAs = sendAs;
  }

  send(datagram: Uint8Array, to: DhtAddress): void {
    this.#sendAs(this.#host, datagram, to);
  }
}

function pickShare<T extends { readonly share: number }>(choices: readonly T[], draw: number): T | undefined {
  let sum = 0;
  for (const choice of choices) {
    sum += choice.share;
    if (draw < sum) return choice;
  }
  return undefined;
}
