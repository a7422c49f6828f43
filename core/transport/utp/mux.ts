// All uTP connections of one UDP port (BEP 29): finds the one a packet is for, takes in strangers' SYNs within bounds, tells
// those who talk to nobody. Pure: datagrams and time in, datagrams out.
import { type Rng, randomInt } from '../../base/clock.ts';
import { type Endpoint, isIPv6, sourceOf } from '../../base/endpoint.ts';
import { TokenBucket } from '../../base/token-bucket.ts';
import { UtpConnection } from './connection.ts';
import type {
  ConnectionEvents,
  ConnectionIds,
  ConnectionOptions,
  ConnectionParts,
} from './connection-port.ts';
import {
  emptyView,
  HEADER_BYTES,
  type PacketView,
  readPacket,
  ST_RESET,
  ST_SYN,
  writeHeader,
} from './packet.ts';

const MAX_CONNECTIONS = 2_000;
/** SYNs of addresses that may be forged; the oldest make room, so that a flood pushes out itself ... */
const MAX_HALF_OPEN = 512;
const MAX_HALF_OPEN_PER_HOST = 8;
/** ... at most so often a second: each costs a connection and an answer, and whoever is pushed out at once never gets in. */
const PUSHES_PER_SEC = 100;
/** RESETs to strangers, a second: each is as long as what it answers, but nobody shall be sent many. */
const RESETS_PER_SEC = 50;
const ID_ATTEMPTS = 64;

export interface MuxOutput {
  send(bytes: Uint8Array, to: Endpoint, ttl: number | undefined): void;
  /** A datagram that tries how much the path takes. @returns whether it left in one piece, as far as anybody knows */
  sendProbe?(bytes: Uint8Array, to: Endpoint): boolean;
}

/** Takes what a new connection from outside will tell. Nothing is promised before `onOpen`. */
export type AcceptStranger = (from: Endpoint, connection: () => UtpConnection) => ConnectionEvents;

export interface DialOptions {
  readonly firstTtl?: number;
  readonly firstTtlMs?: number;
}

interface Entry {
  readonly connection: UtpConnection;
  /** Ids that packets for it may carry: one, and while it dials one for each SYN. */
  receiveIds: number[];
  readonly remote: Endpoint;
  /** What floods are counted by. */
  readonly host: string;
}

export class UtpMux {
  readonly #rng: Rng;
  readonly #output: MuxOutput;
  readonly #isThisMachine: (host: string) => boolean;
  /** By the id that packets to us carry. */
  readonly #byId = new Map<number, Entry[]>();
  readonly #entries = new Map<UtpConnection, Entry>();
  readonly #halfOpen = new Set<Entry>();
  readonly #dirty = new Set<Entry>();
  readonly #view: PacketView = emptyView();
  #accept: AcceptStranger | undefined;
  #nextMs = Number.POSITIVE_INFINITY;
  #mayEnter: (host: string) => boolean = () => true;
  readonly #resets = new TokenBucket(RESETS_PER_SEC, RESETS_PER_SEC);
  readonly #pushes = new TokenBucket(PUSHES_PER_SEC, PUSHES_PER_SEC);

  /** @param options.isThisMachine packets to that address never leave it; default nobody's */
  constructor(options: {
    readonly rng: Rng;
    readonly output: MuxOutput;
    readonly isThisMachine?: (host: string) => boolean;
  }) {
    this.#rng = options.rng;
    this.#isThisMachine = options.isThisMachine ?? (() => false);
    this.#output = options.output;
  }

  get connectionCount(): number {
    return this.#entries.size;
  }

  get halfOpenCount(): number {
    return this.#halfOpen.size;
  }

  /** Something waits for `flush`. */
  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** undefined: SYNs are ignored. @param mayEnter asked of each host that is not there yet */
  setAccept(accept: AcceptStranger | undefined, mayEnter: (host: string) => boolean = () => true): void {
    this.#accept = accept;
    this.#mayEnter = mayEnter;
  }

  /** @returns undefined when there are far too many connections */
  dial(
    remote: Endpoint,
    events: ConnectionEvents,
    options: DialOptions,
    nowMs: number,
  ): UtpConnection | undefined {
    const receive = this.#freeId(remote);
    if (receive === undefined || this.#entries.size >= MAX_CONNECTIONS) return undefined;
    const ids = idsFrom(receive);
    let entry: Entry | undefined;
    const moreIds = (): ConnectionIds | undefined => {
      const next = this.#freeId(remote);
      if (entry === undefined || next === undefined) return undefined;
      this.#listen(entry, next);
      return idsFrom(next);
    };
    const parts = { ...this.#senders(remote), events, moreIds };
    const connection = UtpConnection.dial(parts, { ids, ...this.#pathTo(remote), ...options }, nowMs);
    entry = this.#add(connection, remote);
    return connection;
  }

  /** The connection has something to do. */
  touch(connection: UtpConnection): void {
    const entry = this.#entries.get(connection);
    if (entry !== undefined) this.#dirty.add(entry);
  }

  /** @returns false: it is no uTP. Answers leave with `flush`. */
  handleDatagram(bytes: Uint8Array, from: Endpoint, nowMs: number): boolean {
    const view = this.#view;
    if (!readPacket(bytes, view)) return false;
    const entry = this.#find(view, from);
    if (entry !== undefined) {
      entry.connection.handlePacket(view, nowMs);
      this.#dirty.add(entry);
      if (entry.receiveIds.length > 1 && !entry.connection.isDialling) this.#keepOneId(entry);
      if (!entry.connection.isHalfOpen) this.#halfOpen.delete(entry);
    } else if (view.type === ST_SYN) this.#handleStranger(view, from, nowMs);
    else if (view.type !== ST_RESET) this.#reset(view, from, nowMs);
    return true;
  }

  /** The system could not send there. */
  handleUnreachable(to: Endpoint, code: string): void {
    for (const entry of this.#entries.values()) {
      if (!isSame(entry.remote, to)) continue;
      entry.connection.handleUnreachable(code);
      this.#dirty.add(entry);
    }
  }

  /** Sends what this turn of the loop brought about. */
  flush(nowMs: number): void {
    for (const entry of this.#dirty) {
      // Whoever is touched from within comes up again in this same loop.
      this.#dirty.delete(entry);
      entry.connection.flush(nowMs);
      this.#settle(entry);
    }
  }

  nextTimeoutMs(): number {
    return this.#nextMs;
  }

  handleTimeout(nowMs: number): void {
    this.#nextMs = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries.values()) {
      if (entry.connection.nextTimeoutMs() <= nowMs) entry.connection.handleTimeout(nowMs);
      this.#settle(entry);
    }
    this.flush(nowMs);
  }

  closeAll(nowMs: number): void {
    for (const entry of this.#entries.values()) {
      entry.connection.close(nowMs);
      this.#dirty.add(entry);
    }
    this.flush(nowMs);
  }

  // --- inside

  #pathTo({ host }: Endpoint): { readonly family: 4 | 6; readonly isLoopback: boolean } {
    return { family: isIPv6(host) ? 6 : 4, isLoopback: this.#isThisMachine(host) };
  }

  #senders(remote: Endpoint): Pick<ConnectionParts, 'send' | 'sendProbe'> {
    const output = this.#output;
    return {
      send: (bytes, ttl) => output.send(bytes, remote, ttl),
      sendProbe: output.sendProbe && ((bytes) => output.sendProbe?.(bytes, remote) !== false),
    };
  }

  #add(connection: UtpConnection, remote: Endpoint): Entry {
    const entry: Entry = { connection, receiveIds: [], remote, host: sourceOf(remote.host) };
    this.#listen(entry, connection.ids.receive);
    this.#entries.set(connection, entry);
    this.#dirty.add(entry);
    this.#nextMs = Math.min(this.#nextMs, connection.nextTimeoutMs());
    return entry;
  }

  #listen(entry: Entry, id: number): void {
    entry.receiveIds.push(id);
    const sharing = this.#byId.get(id);
    if (sharing === undefined) this.#byId.set(id, [entry]);
    else sharing.push(entry);
  }

  #unlisten(entry: Entry, id: number): void {
    const left = (this.#byId.get(id) ?? []).filter((each) => each !== entry);
    if (left.length === 0) this.#byId.delete(id);
    else this.#byId.set(id, left);
  }

  /** One of its SYNs was answered: whoever answers another one is told that nobody is there. */
  #keepOneId(entry: Entry): void {
    const { receive } = entry.connection.ids;
    for (const id of entry.receiveIds) if (id !== receive) this.#unlisten(entry, id);
    entry.receiveIds = [receive];
  }

  #settle(entry: Entry): void {
    if (entry.connection.isGone) this.#remove(entry);
    else this.#nextMs = Math.min(this.#nextMs, entry.connection.nextTimeoutMs());
  }

  #remove(entry: Entry): void {
    for (const id of entry.receiveIds) this.#unlisten(entry, id);
    this.#entries.delete(entry.connection);
    this.#halfOpen.delete(entry);
    this.#dirty.delete(entry);
  }

  #find(view: PacketView, from: Endpoint): Entry | undefined {
    const id = view.connectionId;
    // A SYN carries the id that its sender listens to; ours is the next one.
    if (view.type === ST_SYN) return this.#at((id + 1) & 0xffff, from);
    const entry = this.#at(id, from);
    if (entry !== undefined || view.type !== ST_RESET) return entry;
    // Who does not know us resets with the id of our own packet.
    for (const receive of [(id - 1) & 0xffff, (id + 1) & 0xffff]) {
      const other = this.#at(receive, from);
      if (other?.connection.ids.send === id) return other;
    }
    return undefined;
  }

  #at(receive: number, from: Endpoint): Entry | undefined {
    const sharing = this.#byId.get(receive);
    if (sharing === undefined) return undefined;
    for (const entry of sharing) if (isSame(entry.remote, from)) return entry;
    return undefined;
  }

  #handleStranger(syn: PacketView, from: Endpoint, nowMs: number): void {
    const accept = this.#accept;
    if (accept === undefined || this.#entries.size >= MAX_CONNECTIONS || !this.#makeRoom(from, nowMs)) return;
    const ids = { receive: (syn.connectionId + 1) & 0xffff, send: syn.connectionId };
    let connection: UtpConnection | undefined;
    const events = accept(from, () => connection as UtpConnection);
    const parts = { ...this.#senders(from), events };
    const options: ConnectionOptions = { ids, ...this.#pathTo(from) };
    connection = UtpConnection.answer(parts, options, syn, randomInt(this.#rng, 0x10000), nowMs);
    this.#halfOpen.add(this.#add(connection, from));
  }

  #makeRoom(from: Endpoint, nowMs: number): boolean {
    const host = sourceOf(from.host);
    let ofHost = 0;
    for (const entry of this.#halfOpen) if (entry.host === host) ofHost++;
    if (ofHost >= MAX_HALF_OPEN_PER_HOST || !this.#mayEnter(from.host)) return false;
    if (this.#halfOpen.size < MAX_HALF_OPEN) return true;
    if (!this.#pushes.take(nowMs)) return false;
    const [oldest] = this.#halfOpen;
    if (oldest !== undefined) this.#remove(oldest);
    return true;
  }

  /** BEP 29: who sends to a connection that is not there is told. */
  #reset(view: PacketView, to: Endpoint, nowMs: number): void {
    if (!this.#resets.take(nowMs)) return;
    const packet = new Uint8Array(HEADER_BYTES);
    const fields = { timestampUs: 0, delayUs: 0, windowBytes: 0, ack: view.seq };
    writeHeader(packet, ST_RESET, view.connectionId, randomInt(this.#rng, 0x10000), fields);
    this.#output.send(packet, to, undefined);
  }

  #freeId(remote: Endpoint): number | undefined {
    for (let i = 0; i < ID_ATTEMPTS; i++) {
      const id = randomInt(this.#rng, 0x10000);
      if (this.#at(id, remote) === undefined && this.#at((id + 1) & 0xffff, remote) === undefined) return id;
    }
    return undefined;
  }
}

function idsFrom(receive: number): ConnectionIds {
  return { receive, send: (receive + 1) & 0xffff };
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a === b || (a.port === b.port && a.host === b.host);
}
