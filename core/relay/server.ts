// A relay as a machine: reservations, calls, tickets, dial-back tests, queues. Peers are links (a control connection each);
// their messages come in, messages and wishes go out through the port. It never makes anybody dial an address out of a
// message: tests go to the asker's own address, splices are two connections that came in. Everything is in memory. Pure.
import { randomBytes } from '../base/clock.ts';
import type { Endpoint } from '../base/endpoint.ts';
import { hostPrefix } from './addresses.ts';
import { CallTable } from './calls.ts';
import { BucketsByPrefix, MinuteBucket } from './limits.ts';
import { decodeMessage } from './message-codec.ts';
import {
  type AnswerMessage,
  type CallMessage,
  CHALLENGE_BYTES,
  MessageType,
  type Refusal,
  type RelayMessage,
  type TestMessage,
  type TestWays,
} from './messages.ts';
import { QueueStore } from './queue-store.ts';
import type { RelayCounters } from './server-counters.ts';
import { type Link, type LinkId, type LinkInfo, Links, recordOf } from './server-links.ts';
import type { RelayServerOptions, RelayServerPort, TestOrder } from './server-port.ts';
import { QueueDesk } from './server-queues.ts';
import { Reservations } from './server-reservations.ts';
import { ServerVoice } from './server-voice.ts';
import {
  type Direction,
  type Party,
  type Splice,
  type SpliceEnd,
  SpliceTable,
  type StreamId,
} from './splices.ts';

/** A link without a place that says nothing. */
const IDLE_LINK_MS = 120_000;
/** Three heartbeats of 25 s and a little. */
const DEAD_MS = 80_000;
const SWEEP_MS = 10_000;
const LEAST_TEST_PORT = 1024;

export class RelayServer {
  readonly links: Links;
  readonly splices: SpliceTable;
  readonly queues: QueueStore;
  readonly #options: RelayServerOptions;
  readonly #port: RelayServerPort;
  readonly #calls: CallTable;
  readonly #voice: ServerVoice;
  readonly #reservations: Reservations;
  readonly #desk: QueueDesk;
  readonly #hostTests: BucketsByPrefix;
  readonly #tests: MinuteBucket;
  #sweepAtMs: number;

  constructor(options: RelayServerOptions, port: RelayServerPort, nowMs: number) {
    const { limits, rng, wallMs } = options;
    this.#options = options;
    this.#port = port;
    this.links = new Links(limits);
    this.splices = new SpliceTable(limits, rng);
    this.queues = new QueueStore(limits, { wallMs });
    this.#calls = new CallTable(limits);
    this.#voice = new ServerVoice(this.links, limits, rng, (link, payload) => port.send(link, payload));
    this.#reservations = new Reservations(options, this.links, this.#voice, () => port.onChanged());
    this.#desk = new QueueDesk(this.queues, this.links, this.#voice, options.isPrivate);
    this.#hostTests = new BucketsByPrefix(limits.testsPerMinutePerHost);
    this.#tests = new MinuteBucket(limits.testsPerMinute, nowMs);
    this.#sweepAtMs = nowMs + SWEEP_MS;
  }

  get counters(): RelayCounters {
    return this.#voice.counters;
  }

  /** Calls whose answers have not come yet. */
  get pendingCalls(): number {
    return this.#calls.size;
  }

  // --- links

  /** A challenge for one link: its handshake carries it. */
  newChallenge(): Uint8Array {
    return randomBytes(this.#options.rng, CHALLENGE_BYTES);
  }

  /** @returns false when there is no room for it: end the connection */
  addLink(id: LinkId, info: LinkInfo, challenge: Uint8Array, nowMs: number): boolean {
    if (this.links.add(id, info, challenge, nowMs) !== undefined) return true;
    this.counters.refuse('full');
    return false;
  }

  removeLink(id: LinkId, nowMs: number): void {
    const link = this.links.get(id);
    if (link === undefined) return;
    const had = link.slot !== undefined;
    this.links.remove(link);
    for (const call of this.#calls.dropLink(id)) {
      const caller = this.links.get(call.caller);
      if (caller === undefined) continue;
      caller.pendingCalls--;
      this.#voice.refuse(caller, MessageType.call, 'gone', { nonce: call.nonce });
    }
    for (const splice of [...this.splices.values()])
      if (splice.startedAtMs === undefined && splice.parties.some((party) => party.link === id))
        this.#endSplice(splice, 'expired');
    if (had) this.#port.onChanged();
    this.#sweep(nowMs, false);
  }

  /** One `tt_relay` message. Messages that only peers get are none of ours. */
  handleMessage(id: LinkId, payload: Uint8Array, nowMs: number): void {
    const link = this.links.get(id);
    if (link === undefined) return;
    const decoded = decodeMessage(payload);
    if (!decoded.ok) {
      this.counters.malformed++;
      this.#port.drop(id, decoded.reason.what);
      return;
    }
    this.handleDecoded(id, decoded.value, nowMs);
  }

  handleDecoded(id: LinkId, message: RelayMessage, nowMs: number): void {
    const link = this.links.get(id);
    if (link === undefined) return;
    if (!link.messages.take(nowMs)) {
      this.#port.drop(id, 'too many messages');
      return;
    }
    link.lastHeardMs = nowMs;
    switch (message.type) {
      case 'reserve':
        this.#reservations.handle(link, message, nowMs);
        break;
      case 'call':
        this.#handleCall(link, message, nowMs);
        break;
      case 'answer':
        this.#handleAnswer(link, message, nowMs);
        break;
      case 'test':
        this.#handleTest(link, message, nowMs);
        break;
      case 'push':
        this.#desk.handlePush(link, message, nowMs);
        break;
      case 'peek':
        this.#desk.handlePeek(link, message.request, nowMs);
        break;
      case 'pop':
        this.#desk.handlePop(link, message, nowMs);
        break;
      case 'gone':
        if (link.key !== undefined) this.queues.pop(link.key, message.nonces, link.slot !== undefined, nowMs);
        break;
      case 'beat':
        this.#voice.handleBeat(link, message.count, message.isEcho, nowMs);
    }
  }

  announcedTorrents(): string[] {
    return this.#reservations.announcedTorrents();
  }
  proxiedTorrents(): { readonly infoHash: string; readonly port: number }[] {
    return this.#reservations.proxiedTorrents();
  }

  // --- calls

  #handleCall(link: Link, message: CallMessage, nowMs: number): void {
    const { nonce, infoHash } = message;
    const refuse = (code: Refusal): void => this.#voice.refuse(link, MessageType.call, code, { nonce });
    if (!this.#voice.takeSignal(link, nowMs)) {
      refuse('quota');
      return;
    }
    if (this.#options.isPrivate?.(infoHash) === true) {
      refuse('private');
      return;
    }
    const target = this.links.find(message, link);
    if (target?.slot === undefined) {
      refuse('unknown');
      return;
    }
    const code = this.#calls.add({ nonce, caller: link.id, target: target.id }, link, nowMs);
    if (code !== undefined) {
      refuse(code);
      return;
    }
    link.facts = message.facts;
    target.slot.lastCalledMs = nowMs;
    this.counters.calls++;
    this.#voice.reply(target, {
      type: 'called',
      nonce,
      infoHash,
      caller: recordOf(link),
      tried: message.tried,
      rttMs: link.rttMs,
    });
    if (link.rttMs === undefined) this.#voice.beat(link, nowMs);
    if (target.rttMs === undefined) this.#voice.beat(target, nowMs);
  }

  #handleAnswer(link: Link, message: AnswerMessage, nowMs: number): void {
    const call = this.#calls.take(message.nonce, link.id, nowMs);
    if (call === undefined) {
      this.#voice.refuse(link, MessageType.answer, 'late', { nonce: message.nonce });
      return;
    }
    const caller = this.links.get(call.caller);
    if (caller === undefined) {
      this.#voice.refuse(link, MessageType.answer, 'gone', { nonce: call.nonce });
      return;
    }
    caller.pendingCalls--;
    link.facts = message.facts;
    const { nonce } = call;
    const { way } = message;
    this.counters.answers[way]++;
    if (way === 'none') {
      this.#voice.refuse(caller, MessageType.call, 'policy', { nonce });
      return;
    }
    let splice: Splice | undefined;
    if (way === 'splice') {
      const parties: [Party, Party] = [partyOf(caller), partyOf(link)];
      const isAllowed = this.#options.maySplice?.() !== false;
      const made = isAllowed ? this.splices.create(parties, { nonce }, nowMs) : 'policy';
      if (typeof made === 'string') {
        this.#voice.refuse(caller, MessageType.call, made, { nonce });
        this.#voice.refuse(link, MessageType.answer, made, { nonce });
        return;
      }
      splice = made;
    }
    const lead = ((caller.rttMs ?? 0) - (link.rttMs ?? 0)) / 2;
    const known = caller.rttMs !== undefined && link.rttMs !== undefined;
    const delay = (ms: number): number => (known ? Math.max(0, Math.round(ms)) : 0);
    this.#voice.reply(caller, { type: 'go', nonce, way, peer: recordOf(link), delayMs: delay(-lead) });
    this.#voice.reply(link, { type: 'go', nonce, way, peer: recordOf(caller), delayMs: delay(lead) });
    if (splice !== undefined) this.#sendTickets(splice);
  }

  // --- splices

  #sendTickets(splice: Splice): void {
    const { nonce, from, parties, tickets } = splice;
    for (const [side, { link: id }] of parties.entries()) {
      const link = id === undefined ? undefined : this.links.get(id);
      const ticket = tickets[side];
      if (link === undefined || ticket === undefined) continue;
      this.#voice.reply(link, { type: 'ticket', nonce, ticket, limits: this.#options.limits.splice, from });
    }
  }

  /** A connection opened with a ticket. @returns undefined: close it; else the splice, started once both ends are here */
  redeem(ticket: Uint8Array, stream: StreamId, nowMs: number): Splice | undefined {
    const splice = this.splices.redeem(ticket, stream, nowMs);
    if (splice === undefined) this.counters.badTickets++;
    else if (splice.startedAtMs !== undefined) this.counters.splices++;
    return splice;
  }

  /** An unmodified client came to a proxy port. @returns the splice that waits for the seed, or undefined: close it */
  handleProxyConnection(port: number, stream: StreamId, from: Endpoint, nowMs: number): Splice | undefined {
    for (const link of this.links.values()) {
      if (link.slot?.proxyPort !== port) continue;
      const parties: [Party, Party] = [partyOf(link), { link: undefined, host: from.host }];
      const splice = this.splices.create(parties, { from, waiting: stream }, nowMs);
      if (typeof splice === 'string') {
        this.counters.refuse(splice);
        return undefined;
      }
      this.counters.proxied++;
      this.#sendTickets(splice);
      return splice;
    }
    this.counters.refuse('unknown');
    return undefined;
  }

  /** Bytes came from one end. @returns how many of them may go to the other; with fewer, it ends after them */
  passBytes(splice: Splice, direction: Direction, bytes: number, nowMs: number): number {
    const passed = this.splices.pass(splice, direction, bytes, nowMs);
    this.counters.splicedBytes += passed;
    return passed;
  }

  /** One of its streams ended, or what it may carry is used up. */
  handleSpliceEnd(splice: Splice, end: SpliceEnd): void {
    this.#endSplice(splice, end);
  }

  #endSplice(splice: Splice, end: SpliceEnd): void {
    if (!this.splices.remove(splice)) return;
    this.counters.spliceEnds[end]++;
    this.#port.endSplice(splice, end);
    const { nonce } = splice;
    if (nonce === undefined || end === 'closed') return;
    const code = end === 'expired' ? 'late' : 'quota';
    for (const { link } of splice.parties)
      if (link !== undefined) this.#voice.refuseTo(link, MessageType.ticket, code, { nonce });
  }

  // --- tests

  #handleTest(link: Link, message: TestMessage, nowMs: number): void {
    const { nonce, ways } = message;
    const refuse = (code: Refusal): void => this.#voice.refuse(link, MessageType.test, code, { nonce });
    const tcp = ways.tcp && message.tcpPort >= LEAST_TEST_PORT;
    const hasUdp = message.udpPort >= LEAST_TEST_PORT;
    const tried: TestWays = {
      tcp,
      udp: ways.udp && hasUdp && this.#options.hasUdp?.() === true,
      udpOtherPort: ways.udpOtherPort && hasUdp,
    };
    if (!tried.tcp && !tried.udp && !tried.udpOtherPort) {
      refuse('policy');
      return;
    }
    const { host } = link.info.remote;
    if (!this.#hostTests.take(hostPrefix(host), nowMs) || !this.#tests.take(nowMs)) {
      refuse('quota');
      return;
    }
    this.counters.tests++;
    const { tcpPort, udpPort } = message;
    this.#port.test({ link: link.id, nonce, host, tcpPort, udpPort, ways: tried });
  }

  handleTested(order: TestOrder, tcpReached: boolean): void {
    const link = this.links.get(order.link);
    if (link === undefined) return;
    const observed = link.info.remote;
    this.#voice.reply(link, { type: 'tested', nonce: order.nonce, observed, tried: order.ways, tcpReached });
  }

  // --- time

  nextTimeoutMs(): number {
    return Math.min(this.#sweepAtMs, this.#calls.nextTimeoutMs(), this.splices.nextTimeoutMs());
  }

  handleTimeout(nowMs: number): void {
    for (const { nonce, caller } of this.#calls.expire(nowMs)) {
      const link = this.links.get(caller);
      if (link !== undefined) link.pendingCalls--;
      this.#voice.refuseTo(caller, MessageType.call, 'late', { nonce });
    }
    for (const splice of [...this.splices.values()])
      if (nowMs >= splice.endsAtMs)
        this.#endSplice(splice, splice.startedAtMs === undefined ? 'expired' : 'time');
    this.#sweep(nowMs, nowMs >= this.#sweepAtMs);
  }

  #sweep(nowMs: number, isDue: boolean): void {
    if (!isDue) return;
    this.#sweepAtMs = nowMs + SWEEP_MS;
    this.queues.sweep(nowMs);
    let changed = false;
    for (const link of [...this.links.values()]) {
      const { slot } = link;
      if (slot !== undefined && slot.expiresAtMs <= nowMs) {
        this.links.release(link);
        changed = true;
      }
      const silentMs = nowMs - link.lastHeardMs;
      if (silentMs > (link.slot === undefined ? IDLE_LINK_MS : DEAD_MS)) this.#port.drop(link.id, 'silent');
      else if (link.slot !== undefined && nowMs >= link.nextBeatMs) this.#voice.beat(link, nowMs);
    }
    if (changed) this.#port.onChanged();
  }
}

function partyOf({ id, info }: Link): Party {
  return { link: id, host: info.remote.host };
}
