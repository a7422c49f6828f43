// A peer's side of the relay protocol as a machine: keeps its relays, reserves and renews, heartbeats, calls and is called, asks
// for dial-backs, pushes and takes queued calls. Links are control connections: to relays (opened through the port) and to
// neighbours of a swarm that relay on the side. Pure.
import { toHex } from '../base/bytes.ts';
import type { Endpoint } from '../base/endpoint.ts';
import { type CallOptions, ClientCalls } from './client-calls.ts';
import {
  type Callee,
  type ClientLink,
  ClientLinks,
  doubt,
  IDLE_MS,
  type LinkFacts,
  newLink,
  noteHeard,
  type RelayStatus,
  retire,
  statusOf,
  takeBeat,
} from './client-links.ts';
import {
  type CallResult,
  type ClientLinkId,
  type RelayClientOptions,
  type RelayClientPort,
  ROLE,
  type TestResult,
} from './client-port.ts';
import { ClientQueue, type PushResult } from './client-queue.ts';
import { ClientReservations } from './client-reservations.ts';
import { RelaySearch } from './client-search.ts';
import { KeptRelays } from './kept-relays.ts';
import { KeyErrands } from './key-errands.ts';
import { KeyRelays } from './key-relays.ts';
import { decodeMessage, encodeMessage } from './message-codec.ts';
import {
  MessageType,
  type RefuseMessage,
  type RelayMessage,
  type ReservedMessage,
  type TestWays,
  type ToRelay,
} from './messages.ts';
import type { QueueCounts } from './queue-counts.ts';
import { RelayPool } from './relay-pool.ts';

export class RelayClient {
  readonly pool: RelayPool;
  readonly #options: RelayClientOptions;
  readonly #port: RelayClientPort;
  readonly #reservations: ClientReservations;
  readonly #calls: ClientCalls;
  readonly #queue: ClientQueue;
  readonly #search: RelaySearch;
  readonly #relays: KeptRelays;
  readonly #keyRelays: KeyRelays;
  readonly #errands: KeyErrands;
  readonly #links = new ClientLinks();
  #pollAtMs: number;
  /** The last time that came in: what waited for a connection goes on then. */
  #nowMs: number;

  constructor(options: RelayClientOptions, port: RelayClientPort, nowMs: number) {
    this.#options = options;
    this.#port = port;
    this.pool = new RelayPool(options.rng);
    const send = (link: ClientLink, message: ToRelay): void => this.#send(link, message);
    this.#reservations = new ClientReservations(options, this.#links, send);
    this.#calls = new ClientCalls(options, port, send);
    this.#queue = new ClientQueue(options, port, send);
    this.#search = new RelaySearch(this.pool, (shard) => port.findRelays(shard));
    const isInUse = (link: ClientLink): boolean => this.#calls.uses(link) || this.#queue.uses(link);
    this.#relays = new KeptRelays(options, port, this.pool, this.#links, this.#search, isInUse);
    this.#keyRelays = new KeyRelays(this.pool, this.#search);
    this.#errands = new KeyErrands({
      keyRelays: this.#keyRelays,
      links: this.#links,
      relays: this.#relays,
      queue: this.#queue,
      callThrough: (relay, call, onResult) => this.callThrough(relay, call, onResult, this.#nowMs),
      nowMs: () => this.#nowMs,
    });
    this.#pollAtMs = nowMs;
    this.#nowMs = nowMs;
  }

  get queueCounts(): QueueCounts {
    return this.#queue.counts.snapshot();
  }
  get publicKey(): Uint8Array {
    return this.#options.identity.publicKey;
  }
  status(): RelayStatus[] {
    return this.#links.current().map(statusOf);
  }
  /** Our endpoint as each relay sees it. */
  observations(): { readonly relay: Endpoint; readonly observed: Endpoint; readonly isUtp: boolean }[] {
    return this.#links
      .current()
      .flatMap(({ relay, reserved, isUtp }) =>
        reserved === undefined ? [] : [{ relay, observed: reserved.observed, isUtp }],
      );
  }
  /** Where unmodified clients reach us. */
  proxyEndpoints(): Endpoint[] {
    return this.#links
      .current()
      .flatMap(({ relay, reserved }) =>
        reserved === undefined || reserved.proxyPort === 0
          ? []
          : [{ host: relay.host, port: reserved.proxyPort }],
      );
  }
  /** Relays that we keep and that do this for us. */
  relaysWith(role: number): Endpoint[] {
    return this.#links.relaysWith(role);
  }
  /** Of those the ones that do not see our UDP endpoint. */
  relaysOverTcp(): Endpoint[] {
    return this.#links.relaysWith(0).filter((relay) => this.#links.to(relay)?.isUtp === false);
  }
  /** Links through which somebody of a torrent may be called, best first. */
  linksFor(infoHash: Uint8Array, role: number = ROLE.signal, whom: Callee = 'somebody'): ClientLinkId[] {
    return this.#links.for(infoHash, role, this.#relays.announcedFor(toHex(infoHash)), whom);
  }

  // --- what the shell knows

  /** A relay the user named: kept whatever others there are. */
  addGiven(endpoint: Endpoint, nowMs: number): void {
    this.pool.add(endpoint, nowMs, true);
    this.poll(nowMs);
  }

  /** Found under R(shard). @param isLast nothing more will come of this lookup */
  handleRelays(shard: number, endpoints: readonly Endpoint[], isLast: boolean, nowMs: number): void {
    this.#nowMs = nowMs;
    for (const endpoint of endpoints) this.pool.add(endpoint, nowMs);
    if (isLast) this.#search.handleDone(shard, nowMs);
    this.#keyRelays.poll(nowMs);
    this.poll(nowMs);
  }

  /** Found under R(ih): relays through which peers of the torrent are reached. They are kept while the torrent seeks peers. */
  handleTorrentRelays(infoHash: Uint8Array, endpoints: readonly Endpoint[], nowMs: number): void {
    this.#relays.handleTorrentRelays(infoHash, endpoints, nowMs);
    this.poll(nowMs);
  }

  /** Torrents, facts or the wish for relays changed: reservations follow. */
  poll(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#pollAtMs = nowMs + 1_000;
    this.#relays.poll(nowMs);
    for (const link of [...this.#links.values()]) this.#reservations.keep(link, nowMs);
  }

  /** A second one to the same relay takes the first one's place, as soon as it has a reservation. */
  handleLink(id: ClientLinkId, facts: LinkFacts, nowMs: number): void {
    this.#nowMs = nowMs;
    const { relay, neighbourOf } = facts;
    const known = neighbourOf === undefined ? this.pool.get(relay) : undefined;
    const link = newLink(id, facts, known, nowMs);
    this.#links.add(link);
    if (neighbourOf === undefined) this.#relays.settle(relay, link);
    this.#reservations.keep(link, nowMs);
    if (link.reserving === undefined) this.#replace(link);
  }

  #replace(link: ClientLink): void {
    for (const former of this.#links.before(link)) retire(former);
    this.#relays.dropRetired();
  }

  /** A connection that `connect` asked for did not come about. */
  handleNoLink(relay: Endpoint, nowMs: number): void {
    this.#nowMs = nowMs;
    const known = this.pool.get(relay);
    if (known !== undefined) this.pool.handleLost(known, nowMs);
    this.#relays.settle(relay, undefined);
  }

  handleLinkEnd(id: ClientLinkId, nowMs: number): void {
    this.#nowMs = nowMs;
    const link = this.#links.get(id);
    if (link === undefined) return;
    this.#links.remove(link);
    this.#calls.handleLinkEnd(link);
    this.#queue.handleLinkEnd(link);
    if (link.known !== undefined && this.#links.to(link.relay) === undefined)
      this.pool.handleLost(link.known, nowMs, link.isDead);
    if (link.reserved !== undefined) this.#port.onChanged();
  }

  handleMessage(id: ClientLinkId, payload: Uint8Array, nowMs: number): void {
    const decoded = decodeMessage(payload);
    if (decoded.ok) this.handleDecoded(id, decoded.value, nowMs);
    else if (this.#links.get(id) !== undefined) this.#port.drop(id, decoded.reason.what);
  }

  handleDecoded(id: ClientLinkId, message: RelayMessage, nowMs: number): void {
    this.#nowMs = nowMs;
    const link = this.#links.get(id);
    if (link === undefined) return;
    noteHeard(link, nowMs);
    switch (message.type) {
      case 'reserved':
        this.#handleReserved(link, message, nowMs);
        break;
      case 'refuse':
        this.#handleRefuse(link, message, nowMs);
        break;
      case 'called':
        this.#calls.handleCalled(link, message, nowMs);
        break;
      case 'go':
        this.#calls.handleGo(link, message, nowMs);
        break;
      case 'ticket':
        this.#calls.handleTicket(link, message);
        break;
      case 'tested':
        this.#calls.handleTested(link, message);
        break;
      case 'pushed':
        this.#queue.handlePushed(link, message.request, message.isOnline);
        break;
      case 'items':
        this.#queue.handleItems(link, message, nowMs);
        break;
      case 'beat':
        if (!message.isEcho) this.#send(link, { type: 'beat', count: message.count, isEcho: true });
        break;
    }
  }

  // --- commands

  /** Asks to be connected with somebody, through a link that there is. @returns the nonce; undefined when the link is gone */
  call(
    id: ClientLinkId,
    options: CallOptions,
    onResult: (result: CallResult) => void,
    nowMs: number,
  ): Uint8Array | undefined {
    const link = this.#links.get(id);
    if (link === undefined) return undefined;
    link.idleAtMs = nowMs + IDLE_MS;
    return this.#calls.call(link, options, onResult, nowMs);
  }

  /** The same through a relay that was found under R(ih): connects first where need be. */
  callThrough(
    relay: Endpoint,
    options: CallOptions,
    onResult: (result: CallResult) => void,
    nowMs: number,
  ): void {
    this.#nowMs = nowMs;
    this.#relays.withLink(relay, nowMs, (link) => {
      if (link === undefined) onResult({ kind: 'refused', code: 'gone' });
      else this.#calls.call(link, options, onResult, this.#nowMs);
    });
  }

  /** Whether we can be reached: a relay dials our own address. @returns the nonce its connections and datagrams carry */
  test(
    id: ClientLinkId,
    order: { tcpPort: number; udpPort: number; ways: TestWays },
    onResult: (result: TestResult) => void,
    nowMs: number,
  ): Uint8Array | undefined {
    const link = this.#links.get(id);
    return link === undefined ? undefined : this.#calls.test(link, order, onResult, nowMs);
  }

  /** The same by a relay that was named or found: connects first where need be. */
  testThrough(
    relay: Endpoint,
    order: { tcpPort: number; udpPort: number; ways: TestWays },
    onStart: (nonce: Uint8Array) => void,
    onResult: (result: TestResult) => void,
    nowMs: number,
  ): void {
    this.#nowMs = nowMs;
    this.#relays.withLink(relay, nowMs, (link) => {
      if (link === undefined) onResult({ kind: 'refused', code: 'gone' });
      else onStart(this.#calls.test(link, order, onResult, this.#nowMs));
    });
  }

  /** Asks for a peer that is known by its key, with whatever relay knows it. */
  callKey(
    key: Uint8Array,
    options: CallOptions,
    onResult: (result: CallResult) => void,
    nowMs: number,
  ): void {
    this.#nowMs = nowMs;
    this.#errands.call(key, options, onResult, nowMs);
  }

  /** Leaves a call for somebody who may be away, with the relays nearest to his key. */
  push(
    target: Uint8Array,
    infoHash: Uint8Array,
    onResult: (result: PushResult) => void,
    nowMs: number,
    nonce?: Uint8Array,
  ): void {
    this.#nowMs = nowMs;
    this.#errands.push(target, infoHash, onResult, nowMs, nonce);
  }

  /** A connection of ours is dead for no reason that we know: are those to the relays? */
  checkLinks(nowMs: number): void {
    for (const link of this.#links.values()) doubt(link, nowMs);
    this.handleTimeout(nowMs);
  }

  /** The network changed: what is reserved is reserved for another address. */
  handleNetworkChange(nowMs: number): void {
    for (const link of [...this.#links.values()]) {
      if (link.neighbourOf !== undefined) continue;
      this.#port.drop(link.id, 'the network changed');
      // Its end may be told later: then the relay would count as lost, and be left alone for a while.
      this.handleLinkEnd(link.id, nowMs);
    }
    this.pool.handleNetworkChange(nowMs);
    this.poll(nowMs);
  }

  /** How an introduction ended; a relay whose introductions lead nowhere is left. */
  reportIntroduction(relay: Endpoint, worked: boolean, nowMs: number): void {
    const known = this.pool.get(relay);
    if (known === undefined || !this.pool.handleIntroduction(known, worked, nowMs)) return;
    const link = this.#links.to(relay);
    if (link !== undefined) this.#port.drop(link.id, 'its introductions lead nowhere');
  }

  nextTimeoutMs(): number {
    let next = Math.min(this.#pollAtMs, this.#calls.nextTimeoutMs(), this.#queue.nextTimeoutMs());
    next = Math.min(next, this.#keyRelays.nextTimeoutMs());
    for (const link of this.#links.values()) next = Math.min(next, link.nextBeatMs);
    return next;
  }

  handleTimeout(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#calls.handleTimeout(nowMs);
    this.#queue.handleTimeout(nowMs);
    this.#keyRelays.handleTimeout(nowMs);
    if (nowMs >= this.#pollAtMs) this.poll(nowMs);
    for (const link of [...this.#links.values()]) this.#beat(link, nowMs);
  }

  #beat(link: ClientLink, nowMs: number): void {
    const due = takeBeat(link, nowMs);
    if (due === 'send') this.#send(link, { type: 'beat', count: ++link.beatCount, isEcho: false });
    if (due !== 'dead') return;
    if (link.neighbourOf === undefined) this.#port.drop(link.id, 'the relay is silent');
    this.#port.onSilent(link.relay);
    this.#pollAtMs = nowMs;
  }

  // --- reservations

  #handleReserved(link: ClientLink, message: ReservedMessage, nowMs: number): void {
    const what = this.#reservations.handleReserved(link, message, nowMs);
    if (what === 'stale') return;
    if (what !== 'given-back' && link.known !== undefined) this.pool.handleReserved(link.known, nowMs);
    if (what === 'new' && link.neighbourOf === undefined && (link.offer.roles & ROLE.queue) !== 0)
      this.#queue.peek(link, nowMs);
    this.#replace(link);
    this.#port.onChanged();
  }

  #handleRefuse(link: ClientLink, message: RefuseMessage, nowMs: number): void {
    if (this.#calls.handleRefuse(link, message)) return;
    const { request, code } = message;
    if (request === undefined) return;
    if (message.of !== MessageType.reserve) {
      this.#queue.handleRefuse(link, request, code);
      return;
    }
    if (!this.#reservations.handleRefuse(link, message, nowMs)) return;
    if (this.#links.before(link).length > 0) this.#port.drop(link.id, 'no place for a second connection');
    this.#port.onChanged();
  }

  #send(link: ClientLink, message: ToRelay): void {
    this.#port.send(link.id, encodeMessage(message));
  }
}
