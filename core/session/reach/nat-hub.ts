// What the ways around NATs have in common in one session: what we know of ourselves, how many introductions we follow, uTP, and
// the relays: whoever runs the RelayClient hands its questions on to here (`decide`, `introduce`, `splice`, `whyNotFollow`).
import { toHex } from '../../base/bytes.ts';
import type { DatagramPort } from '../../base/datagram-port.ts';
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import { isLocalAddress } from '../../base/local-address.ts';
import { type Reach, reachOf } from '../../nat/ladder-reach.ts';
import { IntroductionBudget } from '../../nat/ladder-rules.ts';
import { whyNotDial } from '../../relay/addresses.ts';
import type { CallOptions } from '../../relay/client-calls.ts';
import type { Callee } from '../../relay/client-links.ts';
import type {
  CallResult,
  ClientLinkId,
  IncomingCall,
  Introduction,
  SpliceOrder,
} from '../../relay/client-port.ts';
import type { PushResult } from '../../relay/client-queue.ts';
import type { PeerFacts, QueueEntry, Way } from '../../relay/messages.ts';
import type { QueueItem } from '../../relay/queue-item.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import type { UtpConnectOptions, UtpStack } from '../../transport/utp-api.ts';
import type { PunchPorts } from './punch-ports.ts';
import { ReachStats } from './reach-stats.ts';

/**
 * Leaves the home gateway and dies before it comes near another: where the peer's gateway answers strangers, a packet that comes too early closes
 * the hole. As long as no relay has said how many gateways are our own (own-gateways.ts).
 */
const FIRST_TTL = 2;
/** Behind a carrier's gateway the home's comes first: where a hole did not open twice, every other time the outer one is opened as well. */
const OUTER_TTL = 3;
/** So long: both sides hear of each other at about the same time. */
const FIRST_TTL_MS = 300;
/** The second time, when one side may have heard of it much later than the other. */
const PATIENT_TTL_MS = 1_500;
/** So long it is remembered that a hole did not open. */
const VAIN_MS = 5 * 60_000;
const MAX_VAIN = 256;
/** Three SYNs and the time for an answer (rule: an introduction costs a stranger at most that). */
const PUNCH_TIMEOUT_MS = 5_000;
/** Neighbours that can introduce us: one may leave, and not all know whom we want. */
const ENOUGH_UTP_PEERS = 3;
/** By then a dial has become a connection or failed. */
const UTP_DIAL_MS = 5_000;
const TOO_MANY = 'too many introductions';
const NO_FACTS: PeerFacts = { state: 'unknown', filter: 'unknown', tcpPort: 0, udpPort: 0 };

/** What the ladder wants of the relays that we are connected to. */
export interface RelayCalls {
  /**
   * Links through which somebody of a torrent may be called, best first.
   * @param role what the relay must offer (ROLE); default that it passes calls on
   */
  linksFor(infoHash: Uint8Array, role?: number, whom?: Callee): readonly ClientLinkId[];
  call(link: ClientLinkId, options: CallOptions, onResult: (result: CallResult) => void): void;
  /** Where a link leads; undefined for neighbours of a swarm. */
  relayOf(link: ClientLinkId): Endpoint | undefined;
  /** The same for a peer that is known by its key, through the relays that it keeps. */
  callKey(key: Uint8Array, options: CallOptions, onResult: (result: CallResult) => void): void;
  /** Leaves a call for a peer that is away. */
  push(
    key: Uint8Array,
    infoHash: Uint8Array,
    nonce: Uint8Array,
    onResult: (result: PushResult) => void,
  ): void;
  /** How an introduction ended: a relay whose introductions lead nowhere is left. */
  report(relay: Endpoint, worked: boolean): void;
  /** The way to a peer is dead: so may be those to the relays. */
  check(): void;
}

/** One torrent, as relays reach it. */
export interface CalledTorrent {
  decide(call: IncomingCall): Way;
  introduce(introduction: Introduction): void;
  splice(order: SpliceOrder): void;
  /** Relays came or went. */
  handleRelays(): void;
  /** Somebody called while we were away. */
  handleQueued(item: QueueItem, entry: QueueEntry, relay: Endpoint): void;
}

export interface NatHubOptions {
  readonly utp: () => Pick<UtpStack, 'connect' | 'port'> | undefined;
  readonly datagrams: () => Pick<DatagramPort, 'send'> | undefined;
  readonly isSelf: (endpoint: Endpoint) => boolean;
  readonly nowMs: () => number;
  /** Connections that run over uTP. */
  readonly utpPeerCount: () => number;
}

interface Punching {
  readonly endpoint: Endpoint;
  readonly hole: Promise<unknown>;
  readonly untilMs: number;
}

export class NatHub {
  readonly #options: NatHubOptions;
  readonly #budget = new IntroductionBudget();
  readonly #torrents = new Map<string, CalledTorrent>();
  #utpDialsMs: number[] = [];
  /** Under way; until when their packets have the low hop limit. */
  readonly #punching = new Map<string, Punching>();
  readonly #dialling = new Map<string, Promise<unknown>>();
  /** Holes that did not open, by endpoint: when the last was begun, how many in a row. */
  readonly #vainHoles = new Map<string, { readonly atMs: number; readonly count: number }>();
  readonly stats = new ReachStats();
  /** Set by whoever runs relays; undefined without. */
  relays: RelayCalls | undefined;
  #ownHops: number | undefined;
  /** Ports for holes in TCP; set by whoever dials, undefined where TCP does not leave from here straight. */
  punchPorts: PunchPorts | undefined;
  /** Set by whoever finds out about our own NAT. */
  ownFacts: () => PeerFacts = () => NO_FACTS;

  constructor(options: NatHubOptions) {
    this.#options = options;
  }

  /** Behind a NAT some neighbours shall see our uTP endpoint; TCP costs less and is good for all others. */
  prefersUtp(endpoint: Endpoint): boolean {
    if (this.reach().isOpen === 'yes' || isLocalAddress(endpoint.host)) return false;
    const nowMs = this.#options.nowMs();
    this.#utpDialsMs = this.#utpDialsMs.filter((atMs) => nowMs - atMs < UTP_DIAL_MS);
    if (this.#options.utpPeerCount() + this.#utpDialsMs.length >= ENOUGH_UTP_PEERS) return false;
    this.#utpDialsMs.push(nowMs);
    return true;
  }

  /** @param relay whom it is said to: what of it only that relay can know is added */
  factsFor(relay: Endpoint | undefined): PeerFacts {
    const punchPort = relay === undefined ? 0 : (this.punchPorts?.seenPort(relay) ?? 0);
    return { ...this.ownFacts(), ...(punchPort === 0 ? {} : { punchPort }) };
  }

  /** Somebody sees our uTP endpoint. */
  get hasUtpPeers(): boolean {
    return this.#options.utpPeerCount() > 0;
  }

  get hasUtp(): boolean {
    return this.#options.utp() !== undefined;
  }

  reach(): Reach {
    const { state, filter } = this.ownFacts();
    return reachOf(state, filter);
  }

  // --- for whoever runs the RelayClient

  decide(call: IncomingCall): Way {
    return this.#torrents.get(toHex(call.infoHash))?.decide(call) ?? 'none';
  }

  introduce(introduction: Introduction): void {
    this.#torrents.get(toHex(introduction.infoHash))?.introduce(introduction);
  }

  /** Of a call; proxy ports have no introduction and are not ours. */
  splice(order: SpliceOrder): void {
    if (order.introduction === undefined) return;
    this.#torrents.get(toHex(order.introduction.infoHash))?.splice(order);
  }

  handleRelays(): void {
    for (const torrent of this.#torrents.values()) torrent.handleRelays();
  }

  handleQueued(item: QueueItem, entry: QueueEntry, relay: Endpoint): void {
    this.#torrents.get(toHex(item.infoHash))?.handleQueued(item, entry, relay);
  }

  /**
   * Whether an introduction is followed; if so it is counted.
   * @param relay the host that introduces us, as the socket shows it
   * @returns why not, or undefined
   */
  whyNotFollow(target: Endpoint, relay: string, nowMs: number): string | undefined {
    const rule = whyNotDial(target, relay, (endpoint) => this.#options.isSelf(endpoint));
    if (rule !== undefined) return rule;
    return this.#budget.take(relay, target, nowMs) ? undefined : TOO_MANY;
  }

  // --- for torrents

  /** Another introduction to there would be followed: who agrees to one and does not send makes the other side's packets close the hole. */
  canFollow(target: Endpoint, relay?: Endpoint): boolean {
    return this.#budget.hasRoomFor(target, this.#options.nowMs(), relay?.host);
  }

  /** Packets may leave for where an introduction leads; if so it is counted. */
  mayStart(target: Endpoint): boolean {
    return this.#budget.start(target, this.#options.nowMs());
  }

  /** An introduction says that somebody waits to be dialled. It may be a victim: no second dial beside the first. */
  async dialIntroduced(target: Endpoint, dial: () => Promise<ByteStream>): Promise<ByteStream> {
    const key = endpointKey(target);
    const other = this.#dialling.get(key);
    if (other !== undefined) {
      await other.catch(() => {});
      throw new Error('dialled on another word');
    }
    if (!this.mayStart(target)) throw new Error(TOO_MANY);
    try {
      const dialling = dial();
      this.#dialling.set(key, dialling);
      return await dialling;
    } finally {
      this.#dialling.delete(key);
    }
  }

  add(infoHash: Uint8Array, torrent: CalledTorrent): void {
    this.#torrents.set(toHex(infoHash), torrent);
  }

  remove(infoHash: Uint8Array, torrent: CalledTorrent): void {
    if (this.#torrents.get(toHex(infoHash)) === torrent) this.#torrents.delete(toHex(infoHash));
  }

  /**
   * A relay has found out how many hops open all our own gateways; undefined: not to be found out here. Holes that are being punched with fewer
   * are caught up with.
   */
  learnOwnHops(hops: number | undefined): void {
    this.#ownHops = hops;
    for (const { endpoint, untilMs } of this.#punching.values())
      if (this.#options.nowMs() < untilMs) this.openDoor(endpoint);
  }

  /**
   * Our own gateway shall let the peer's first packet in: a neighbour tells it of us before us of it, and its next one comes seconds later. Ours
   * never gets as far as the peer's gateway.
   */
  openDoor(endpoint: Endpoint): void {
    if (!isLocalAddress(endpoint.host))
      this.#options.datagrams()?.send(new Uint8Array(1), endpoint, { ttl: this.#ownHops ?? FIRST_TTL });
  }

  /**
   * One side of a hole. Rejects when the other side's packets do not come through.
   * @param waitedMs what the relay thought that the other side hears later than we; it may be twice that
   */
  async punch(endpoint: Endpoint, signal: AbortSignal, waitedMs = 0): Promise<ByteStream> {
    const utp = this.#options.utp();
    if (utp === undefined) throw new Error('no uTP here');
    // Introduced by two: one hole is enough, and twice the packets would be more than an introduction may cost.
    const key = endpointKey(endpoint);
    const other = this.#punching.get(key);
    if (other !== undefined) {
      await other.hole.catch(() => {});
      throw new Error('the hole was punched on another word');
    }
    const nowMs = this.#options.nowMs();
    if (!this.mayStart(endpoint)) throw new Error(TOO_MANY);
    const vain = this.#vainHoles.get(key);
    const vainCount = vain === undefined || nowMs - vain.atMs >= VAIN_MS ? 0 : vain.count;
    const lowMs = (vainCount > 0 ? PATIENT_TTL_MS : FIRST_TTL_MS) + waitedMs;
    const options: UtpConnectOptions = {
      timeoutMs: PUNCH_TIMEOUT_MS + lowMs,
      signal,
      firstTtl: this.#ownHops ?? (vainCount > 0 && vainCount % 2 === 0 ? OUTER_TTL : FIRST_TTL),
      firstTtlMs: lowMs,
    };
    try {
      const hole = utp.connect(endpoint, options);
      this.#punching.set(key, { endpoint, hole, untilMs: nowMs + lowMs });
      const stream = await hole;
      this.#vainHoles.delete(key);
      return stream;
    } catch (error) {
      if (!signal.aborted) this.#noteVain(key, { atMs: nowMs, count: vainCount + 1 });
      throw error;
    } finally {
      this.#punching.delete(key);
    }
  }

  #noteVain(key: string, vain: { readonly atMs: number; readonly count: number }): void {
    this.#vainHoles.delete(key);
    if (this.#vainHoles.size >= MAX_VAIN)
      this.#vainHoles.delete(this.#vainHoles.keys().next().value as string);
    this.#vainHoles.set(key, vain);
  }
}
