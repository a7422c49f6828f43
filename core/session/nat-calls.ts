// One torrent's calls through relays (tt_relay): ours to peers that we cannot dial, and theirs to us. The relay client speaks the
// protocol; here it becomes streams.
import { toHex } from '../base/bytes.ts';
import type { Endpoint } from '../base/endpoint.ts';
import { answerTo, type Rung } from '../nat/ladder.ts';
import { type Reach, reachOf } from '../nat/ladder-reach.ts';
import { SignalLimit } from '../nat/ladder-rules.ts';
import {
  type CallResult,
  type ClientLinkId,
  type IncomingCall,
  type Introduction,
  ROLE,
  type SpliceOrder,
} from '../relay/client-port.ts';
import type { PeerRecord, Way } from '../relay/messages.ts';
import type { ByteStream } from '../transport/byte-stream.ts';
import { openSplice } from './nat-splice.ts';
import type { SessionShared } from './shared.ts';

/** Relays asked for one rung. */
const MAX_LINKS = 3;
/** The called peer dials back within that, or never. */
const REVERSE_WAIT_MS = 6_000;
const TICKET_WAIT_MS = 5_000;
/** So long a caller's vain attempts are remembered by whom it called: shorter than the time between two upgrades. */
const TRIED_MS = 50_000;
const MAX_TRIED = 256;

/** The called peer has said which way it goes and what it is. */
export interface Answered {
  readonly rung: Rung;
  readonly peer: Reach;
  /** Where the peer is, as the relay sees it. */
  readonly endpoint: Endpoint;
  /** By this any relay knows it, whatever port it shows there. */
  readonly key: Uint8Array | undefined;
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
  'tcp-punch': 'punch',
  splice: 'splice',
};

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
  readonly #triedByCaller = new Map<string, { readonly rungs: Set<Rung>; readonly atMs: number }>();

  constructor(shared: SessionShared, infoHash: Uint8Array) {
    this.#shared = shared;
    this.#infoHash = infoHash;
  }

  get canCall(): boolean {
    return (this.#shared.nat.relays?.linksFor(this.#infoHash) ?? []).length > 0;
  }
  get canSplice(): boolean {
    return (this.#shared.nat.relays?.linksFor(this.#infoHash, ROLE.splice) ?? []).length > 0;
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
    const role = rung === 'splice' ? ROLE.splice : ROLE.signal;
    const links = this.#shared.nat.relays?.linksFor(this.#infoHash, role) ?? [];
    for (const link of links.slice(0, MAX_LINKS)) {
      if (signal.aborted) break;
      if (!this.#limitOf(link).take(this.#shared.clock.nowMs())) continue;
      const result = await this.#callOne(link, called, tried);
      if (result.kind === 'go') return this.#follow(result.introduction, onAnswer, signal);
      refusal = new CallRefused(result.code);
      // Another relay would ask the same one.
      if (refusal.isAnswer) break;
    }
    throw refusal ?? new CallRefused('no relay');
  }

  /** A peer that is known by its key alone, through the relays that it keeps. */
  async callKey(
    key: Uint8Array,
    onAnswer: (answered: Answered) => void,
    signal: AbortSignal,
  ): Promise<ByteStream> {
    const { relays } = this.#shared.nat;
    if (relays === undefined) throw new CallRefused('no relay');
    const result = await this.#ask((onResult) => relays.callKey(key, { infoHash: this.#infoHash }, onResult));
    if (result.kind !== 'go') throw new CallRefused(result.code);
    return this.#follow(result.introduction, onAnswer, signal);
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
        // The ticket of a splice may come in the same turn as the word that it was agreed upon.
        if (result.kind === 'go' && result.introduction.way === 'splice') this.#expect(result.introduction);
        resolve(result);
      });
    });
  }

  async #follow(
    introduction: Introduction,
    onAnswer: (answered: Answered) => void,
    signal: AbortSignal,
  ): Promise<ByteStream> {
    const { way, peer, target, relay } = introduction;
    const rung = RUNG_OF[way];
    if (rung === undefined) throw new Error('the peer does not want');
    const reach = reachOf(peer.state, peer.filter);
    onAnswer({ rung, peer: reach, endpoint: endpointOf(peer), key: peer.key });
    try {
      const stream = await this.#go(introduction, target, signal);
      this.#shared.nat.relays?.report(relay, true);
      return stream;
    } catch (error) {
      if (!signal.aborted) this.#shared.nat.relays?.report(relay, false);
      throw error;
    }
  }

  async #go(
    introduction: Introduction,
    target: Endpoint | undefined,
    signal: AbortSignal,
  ): Promise<ByteStream> {
    switch (introduction.way) {
      case 'splice':
        return this.#ticketOf(introduction, signal);
      case 'reverse':
        // It comes in as any other connection does; whoever climbs is told then.
        return never(REVERSE_WAIT_MS, signal, 'the peer did not dial back');
      case 'punch':
        if (target === undefined) throw new Error('no endpoint to punch to');
        await pause(introduction.delayMs, signal);
        return this.#shared.nat.punch(target, signal);
      case 'direct':
        if (target === undefined) throw new Error('no endpoint to dial');
        return this.#shared.connect(target);
      default:
        throw new Error(`the way ${introduction.way} is not known here`);
    }
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
    return openSplice((endpoint) => this.#shared.connect(endpoint), relay, ticket, remote);
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

  /** What to answer, given that we want the peer at all. */
  decide(call: IncomingCall): Way {
    const { caller } = call;
    const own = this.#shared.nat.reach();
    const theirs = reachOf(caller.state, caller.filter);
    const tried = this.#triedBy(caller, call.tried);
    if (own.isOpen === 'yes' && !tried.has('direct')) return 'direct';
    const way = answerTo(own, theirs, { splice: true }, tried);
    if (way === 'no') return 'none';
    tried.add(way);
    return way === 'punch' && !this.#shared.nat.hasUtp ? 'splice' : way;
  }

  /** A caller that asks again has failed: the next way is another one. */
  #triedBy(caller: PeerRecord, said: readonly Way[]): Set<Rung> {
    const nowMs = this.#shared.clock.nowMs();
    const key = `${caller.host} ${caller.key === undefined ? caller.sourcePort : toHex(caller.key)}`;
    let entry = this.#triedByCaller.get(key);
    if (entry === undefined || nowMs - entry.atMs > TRIED_MS) {
      entry = { rungs: new Set(), atMs: nowMs };
      this.#triedByCaller.delete(key);
      if (this.#triedByCaller.size >= MAX_TRIED) {
        this.#triedByCaller.delete(this.#triedByCaller.keys().next().value as string);
      }
      this.#triedByCaller.set(key, entry);
    }
    for (const way of said) {
      const rung = RUNG_OF[way];
      if (rung !== undefined && rung !== 'direct') entry.rungs.add(rung);
    }
    return entry.rungs;
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

export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    timer.unref();
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        reject(new Error('not wanted any more'));
      },
      { once: true },
    );
  });
}

async function never(ms: number, signal: AbortSignal, why: string): Promise<never> {
  await pause(ms, signal);
  throw new Error(why);
}
