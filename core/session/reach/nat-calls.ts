// One torrent's calls through relays (tt_relay): ours to peers that we cannot dial, and theirs to us. The relay client speaks the
// protocol; here it becomes streams.
import { toHex } from '../../base/bytes.ts';
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import { answerTo, type Rung } from '../../nat/ladder.ts';
import { type Reach, reachOf } from '../../nat/ladder-reach.ts';
import { SignalLimit } from '../../nat/ladder-rules.ts';
import {
  type CallResult,
  type ClientLinkId,
  type IncomingCall,
  type Introduction,
  ROLE,
  type SpliceOrder,
} from '../../relay/client-port.ts';
import type { NatState, PeerRecord, Way } from '../../relay/messages.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import { never, pause } from '../pauses.ts';
import { INTRODUCED_DIAL_MS } from '../peer-limits.ts';
import type { SessionShared } from '../shared.ts';
import { NO_RELAY } from './nat-climb.ts';
import { openSplice } from './nat-splice.ts';
import { SpliceLines } from './splice-lines.ts';
import { agreeOnPorts, punchTcp } from './tcp-punch.ts';

/** Relays asked for one rung. */
const MAX_LINKS = 3;
/** The called peer dials back within that, or never. */
const REVERSE_WAIT_MS = 6_000;
const TICKET_WAIT_MS = 5_000;
/** A caller that asks again meanwhile has not failed: it has heard of us in two ways, and one hole is meant. */
const TRYING_MS = 2_000;
/** So long a caller's vain attempts are remembered by whom it called: shorter than the time between two upgrades. */
const TRIED_MS = 50_000;
const MAX_TRIED = 256;

/** The called peer has said which way it goes and what it is. */
export interface Answered {
  readonly rung: Rung;
  readonly peer: Reach;
  readonly state: NatState;
  readonly relay: Endpoint;
  /** How much later than we the peer hears of it, by the relay's measure. */
  readonly delayMs: number;
  /** Where the peer is, as the relay sees it. */
  readonly endpoint: Endpoint;
  /** By this any relay knows it, whatever port it shows there. */
  readonly key: Uint8Array | undefined;
}

/** What a caller has tried, and from when on it counts as failed. */
interface Tried {
  readonly rungs: Map<Rung, number>;
  readonly atMs: number;
}

/** A call, and what it says as which ports relays see us (`PunchPorts.seenPorts`). */
interface Repeatable {
  readonly call: () => Promise<CallResult>;
  readonly said: ReadonlyMap<string, number> | undefined;
}

/** Whom to call: by key where that is known, by an endpoint, or (neither) anybody of the torrent. */
export interface Called {
  readonly endpoint?: Endpoint;
  readonly key?: Uint8Array | undefined;
}

/** No relay led to the peer. */
export class CallRefused extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`no relay calls for us: ${code}`);
    this.code = code;
  }
  /** It is there and does not want, or we do not. */
  get isAnswer(): boolean {
    return this.code === 'policy' || this.code === 'rules';
  }
}

const RUNG_OF: Readonly<Partial<Record<Way, Rung>>> = {
  direct: 'direct',
  reverse: 'reverse',
  punch: 'punch',
  'tcp-punch': 'tcp-punch',
  splice: 'splice',
};

/** What a relay must offer for a rung beyond passing calls on. */
const ROLE_FOR: Readonly<Partial<Record<Rung, number>>> = { splice: ROLE.splice, 'tcp-punch': ROLE.mirror };

/** What a caller says that it has tried in vain. That it cannot dial us says nothing of our dialling it. */
function rungsOf(ways: readonly Way[]): Set<Rung> {
  return new Set(ways.map((way) => RUNG_OF[way]).filter((rung) => rung !== undefined && rung !== 'direct'));
}

/** A peer as the relay presents it: where packets for it go. */
export function endpointOf({ host, udpPort, tcpPort, sourcePort }: PeerRecord): Endpoint {
  return { host, port: udpPort || tcpPort || sourcePort };
}

export class NatCalls {
  readonly #shared: SessionShared;
  readonly #infoHash: Uint8Array;
  readonly #limits = new Map<ClientLinkId, SignalLimit>();
  /** Splices that were agreed upon, by nonce: who waits for the ticket. */
  readonly #tickets = new Map<string, (order: SpliceOrder) => void>();
  readonly #waiting = new Map<string, Promise<SpliceOrder>>();
  readonly #triedByCaller = new Map<string, Tried>();
  readonly #lines: SpliceLines;

  constructor(shared: SessionShared, infoHash: Uint8Array) {
    this.#shared = shared;
    this.#infoHash = infoHash;
    // TCP, as the kernels at both ends do it: a relay passes many on, and when it dies we hear of it.
    this.#lines = new SpliceLines((relay) => shared.connectToRelay(relay, 'tcp'));
  }

  close(): void {
    this.#lines.close();
  }

  get canCall(): boolean {
    return (this.#shared.nat.relays?.linksFor(this.#infoHash) ?? []).length > 0;
  }
  /** Relays are used at all. */
  get canFindRelays(): boolean {
    return this.#shared.nat.relays !== undefined;
  }
  get canSplice(): boolean {
    return (this.#shared.nat.relays?.linksFor(this.#infoHash, ROLE.splice) ?? []).length > 0;
  }

  get canPunchTcp(): boolean {
    const { punchPorts, relays } = this.#shared.nat;
    return punchPorts !== undefined && (relays?.linksFor(this.#infoHash, ROLE.mirror) ?? []).length > 0;
  }
  /** The relay has said as whom it sees the port that we would punch from. */
  hasPunchPort(relay: Endpoint): boolean {
    return (this.#shared.nat.punchPorts?.seenPort(relay) ?? 0) !== 0;
  }

  /**
   * @param rung a neighbour of the swarm passes calls on, but no bytes
   * @param onAnswer before anything is dialled
   */
  async call(
    called: Called,
    rung: Rung,
    tried: readonly Way[],
    onAnswer: (answered: Answered) => void,
    signal: AbortSignal,
  ): Promise<ByteStream> {
    let refusal: CallRefused | undefined;
    const isSpent = called.endpoint !== undefined && !this.#shared.nat.canFollow(called.endpoint);
    if (isSpent && rung === 'punch') throw new CallRefused('rules');
    const role = ROLE_FOR[rung] ?? ROLE.signal;
    const { relays } = this.#shared.nat;
    const isAnybody = called.key === undefined && called.endpoint === undefined;
    const links = relays?.linksFor(this.#infoHash, role, isAnybody ? 'anybody' : 'somebody') ?? [];
    // We keep no relay any more, or have not found one yet: its own know it.
    if (links.length === 0 && called.key !== undefined && rung !== 'splice')
      return this.callKey(called.key, tried, onAnswer, signal);
    for (const link of links.slice(0, MAX_LINKS)) {
      if (signal.aborted) break;
      if (!this.#limitOf(link).take(this.#shared.clock.nowMs())) continue;
      const again = this.#repeatable(() =>
        this.#callOne(link, called, isSpent ? [...tried, 'punch'] : tried),
      );
      const relay = rung === 'splice' ? relays?.relayOf(link) : undefined;
      if (relay !== undefined) this.#lines.prepare(relay);
      const result = await again.call();
      const isSplice = result.kind === 'go' && result.introduction.way === 'splice';
      if (relay !== undefined && !isSplice) this.#lines.release(relay);
      if (result.kind === 'go') return this.#follow(result.introduction, again, onAnswer, signal);
      refusal = new CallRefused(result.code);
      // Another relay would ask the same one. But a neighbour that passes no bytes on refuses that itself, where the peer was willing.
      const splices = relays?.linksFor(this.#infoHash, ROLE.splice) ?? [];
      if (refusal.isAnswer && (refusal.code === 'rules' || splices.includes(link))) break;
    }
    throw refusal ?? new CallRefused(NO_RELAY);
  }

  /** A peer that is known by its key alone, through the relays that it keeps. */
  async callKey(
    key: Uint8Array,
    tried: readonly Way[],
    onAnswer: (answered: Answered) => void,
    signal: AbortSignal,
  ): Promise<ByteStream> {
    const { relays } = this.#shared.nat;
    if (relays === undefined) throw new CallRefused(NO_RELAY);
    const again = this.#repeatable(() =>
      this.#ask((onResult) => relays.callKey(key, { infoHash: this.#infoHash, tried }, onResult)),
    );
    const result = await again.call();
    if (result.kind !== 'go') throw new CallRefused(result.code);
    return this.#follow(result.introduction, again, onAnswer, signal);
  }

  #repeatable(call: () => Promise<CallResult>): Repeatable {
    return { call, said: this.#shared.nat.punchPorts?.seenPorts() };
  }

  /** @throws where nobody listens for streams of ours */
  punchTcp(relay: Endpoint, target: Endpoint, signal: AbortSignal): Promise<ByteStream> {
    const { nat, accept } = this.#shared;
    if (nat.punchPorts === undefined) throw new Error('no port to punch from');
    return punchTcp({ ports: nat.punchPorts, accept }, relay, target, signal);
  }

  #callOne(link: ClientLinkId, { endpoint, key }: Called, tried: readonly Way[]): Promise<CallResult> {
    const { relays } = this.#shared.nat;
    if (relays === undefined) return Promise.resolve({ kind: 'refused', code: 'gone' });
    const to = key !== undefined ? { key } : endpoint !== undefined ? { endpoint } : {};
    return this.#ask((onResult) => relays.call(link, { infoHash: this.#infoHash, tried, ...to }, onResult));
  }

  #ask(call: (onResult: (result: CallResult) => void) => void): Promise<CallResult> {
    return new Promise((resolve) => {
      call((result) => {
        const { stats } = this.#shared.nat;
        stats.handleIntroduction(
          result.kind === 'go' ? { way: result.introduction.way } : { refused: result.code },
        );
        // The ticket of a splice may come in the same turn as the word that it was agreed upon.
        if (result.kind === 'go' && result.introduction.way === 'splice') this.#expect(result.introduction);
        resolve(result);
      });
    });
  }

  async #follow(
    introduction: Introduction,
    again: Repeatable,
    onAnswer: (answered: Answered) => void,
    signal: AbortSignal,
  ): Promise<ByteStream> {
    const { way, peer, relay, delayMs } = introduction;
    const rung = RUNG_OF[way];
    if (rung === undefined) throw new Error('the peer does not want');
    const { state, filter, key } = peer;
    const endpoint = endpointOf(peer);
    onAnswer({ rung, peer: reachOf(state, filter), state, relay, delayMs, endpoint, key });
    try {
      const stream = await this.#go(introduction, again, signal);
      this.#shared.nat.relays?.report(relay, true);
      return stream;
    } catch (error) {
      if (!signal.aborted) this.#shared.nat.relays?.report(relay, false);
      throw error;
    }
  }

  async #go(introduction: Introduction, again: Repeatable, signal: AbortSignal): Promise<ByteStream> {
    const { target } = introduction;
    switch (introduction.way) {
      case 'splice':
        return this.#ticketOf(introduction, signal);
      case 'reverse':
        // It comes in as any other connection does; whoever climbs is told then.
        return never(REVERSE_WAIT_MS, signal, 'the peer did not dial back');
      case 'punch':
        if (target === undefined) throw new Error('no endpoint to punch to');
        await pause(introduction.delayMs, signal);
        return this.#shared.nat.punch(target, signal, introduction.delayMs);
      case 'tcp-punch':
        return this.#goTcp(introduction, again, signal);
      case 'direct':
        if (target === undefined) throw new Error('no endpoint to dial');
        return this.#shared.nat.dialIntroduced(target, () =>
          this.#shared.connect(target, INTRODUCED_DIAL_MS),
        );
      default:
        throw new Error(`the way ${introduction.way} is not known here`);
    }
  }

  /** Two ports are wanted that nobody knew before they were needed. */
  async #goTcp(first: Introduction, { call, said }: Repeatable, signal: AbortSignal): Promise<ByteStream> {
    const { punchPorts } = this.#shared.nat;
    if (punchPorts === undefined) throw new Error('no port to punch from');
    const saidPort = said?.get(endpointKey(first.relay)) ?? 0;
    const agreed = await agreeOnPorts(punchPorts, first, saidPort, call, signal);
    if (agreed.way !== 'tcp-punch') return this.#go(agreed, { call, said }, signal);
    await pause(agreed.delayMs, signal);
    return this.punchTcp(agreed.relay, agreed.target as Endpoint, signal);
  }

  // --- splices

  #expect({ nonce }: Introduction): Promise<SpliceOrder> {
    const name = toHex(nonce);
    const known = this.#waiting.get(name);
    if (known !== undefined) return known;
    const waiting = new Promise<SpliceOrder>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#tickets.delete(name);
        this.#waiting.delete(name);
        reject(new Error('no ticket came'));
      }, TICKET_WAIT_MS);
      timer.unref();
      this.#tickets.set(name, (order) => {
        clearTimeout(timer);
        this.#tickets.delete(name);
        resolve(order);
      });
    });
    waiting.catch(() => {});
    this.#waiting.set(name, waiting);
    return waiting;
  }

  async #ticketOf(introduction: Introduction, signal: AbortSignal): Promise<ByteStream> {
    const order = await this.#expect(introduction);
    this.#waiting.delete(toHex(introduction.nonce));
    if (signal.aborted) throw new Error('not wanted any more');
    return this.open(order, endpointOf(introduction.peer));
  }

  open({ relay, ticket }: SpliceOrder, remote: Endpoint): Promise<ByteStream> {
    return openSplice((endpoint) => this.#lines.take(endpoint), relay, ticket, remote);
  }

  /** @returns true when somebody here waits for it */
  handleTicket(order: SpliceOrder): boolean {
    const { introduction } = order;
    if (introduction === undefined) return false;
    const take = this.#tickets.get(toHex(introduction.nonce));
    take?.(order);
    return take !== undefined;
  }

  // --- being called

  /**
   * What to answer, given that we want the peer at all.
   * @param isSpliced a relay passes bytes on between us already, or did: what was tried before is tried again
   */
  decide(call: IncomingCall, isSpliced: boolean): Way {
    const way = this.#wayFor(call, isSpliced);
    if (way === 'splice' && (call.roles & ROLE.splice) !== 0) this.#lines.prepare(call.relay);
    return way;
  }

  #wayFor(call: IncomingCall, isSpliced: boolean): Way {
    const { caller } = call;
    const own = this.#shared.nat.reach();
    const theirs = reachOf(caller.state, caller.filter);
    const { rungs } = this.#triedBy(caller, isSpliced ? [] : call.tried);
    const nowMs = this.#shared.clock.nowMs();
    const tried = isSpliced
      ? rungsOf(call.tried)
      : new Set([...rungs].flatMap(([rung, fromMs]) => (fromMs <= nowMs ? [rung] : [])));
    const note = (rung: Rung, tryingMs = TRYING_MS): void => {
      if (!isSpliced && !rungs.has(rung)) rungs.set(rung, nowMs + tryingMs);
    };
    if (own.isOpen === 'yes' && !tried.has('direct')) return 'direct';
    const { punchPorts } = this.#shared.nat;
    const tcpPunch = punchPorts !== undefined && (call.roles & ROLE.mirror) !== 0;
    // Where no more introductions are followed for a while, nothing is agreed to that needs one.
    const { host, udpPort, tcpPort } = caller;
    const canFollow = this.#shared.nat.canFollow({ host, port: udpPort || tcpPort }, call.relay);
    const ruledOut: readonly Rung[] = canFollow ? [] : ['reverse', 'punch', 'tcp-punch'];
    const way = answerTo(own, theirs, { splice: true, tcpPunch }, new Set([...tried, ...ruledOut]));
    if (way === 'no') return 'none';
    if (way === 'tcp-punch' && punchPorts !== undefined) {
      // The first answers only say that this is the way: until both ports are known the caller calls again.
      if (caller.punchPort !== undefined && punchPorts.seenPort(call.relay) !== 0) note(way);
      else punchPorts.prepare(call.relay).catch(() => note(way, 0));
      return way;
    }
    note(way);
    // A hole needs a port at both ends.
    const hasPorts = this.#shared.nat.hasUtp && caller.udpPort !== 0;
    return way === 'punch' && !hasPorts ? 'splice' : way;
  }

  /** A caller that asks again has failed: the next way is another one. */
  #triedBy(caller: PeerRecord, said: readonly Way[]): Tried {
    const nowMs = this.#shared.clock.nowMs();
    const key = `${caller.host} ${caller.key === undefined ? caller.sourcePort : toHex(caller.key)}`;
    let entry = this.#triedByCaller.get(key);
    if (entry === undefined || nowMs - entry.atMs > TRIED_MS) {
      entry = { rungs: new Map(), atMs: nowMs };
      this.#triedByCaller.delete(key);
      if (this.#triedByCaller.size >= MAX_TRIED) {
        this.#triedByCaller.delete(this.#triedByCaller.keys().next().value as string);
      }
      this.#triedByCaller.set(key, entry);
    }
    for (const rung of rungsOf(said)) entry.rungs.set(rung, 0);
    return entry;
  }

  #limitOf(link: ClientLinkId): SignalLimit {
    let limit = this.#limits.get(link);
    if (limit === undefined) {
      limit = new SignalLimit();
      this.#limits.set(link, limit);
    }
    return limit;
  }
}
