// What the ways around NATs have in common in one session: what we know of ourselves, how many introductions we follow, uTP, and
// the relays: whoever runs the RelayClient hands its questions on to here (`decide`, `introduce`, `splice`, `whyNotFollow`).
import { toHex } from '../base/bytes.ts';
import type { Endpoint } from '../base/endpoint.ts';
import { type Reach, reachOf } from '../nat/ladder-reach.ts';
import { IntroductionBudget } from '../nat/ladder-rules.ts';
import { whyNotDial } from '../relay/addresses.ts';
import type { CallOptions } from '../relay/client-calls.ts';
import type {
  CallResult,
  ClientLinkId,
  IncomingCall,
  Introduction,
  SpliceOrder,
} from '../relay/client-port.ts';
import type { PeerFacts, Way } from '../relay/messages.ts';
import type { ByteStream } from '../transport/byte-stream.ts';
import type { UtpConnectOptions, UtpStack } from '../transport/utp-api.ts';

/** Leaves the home gateway and dies before it comes near another: where the peer's gateway answers strangers, a packet that comes too early closes the hole. */
const FIRST_TTL = 2;
/** Three SYNs and the time for an answer (rule: an introduction costs a stranger at most that). */
const PUNCH_TIMEOUT_MS = 5_000;
const NO_FACTS: PeerFacts = { state: 'unknown', filter: 'unknown', tcpPort: 0, udpPort: 0 };

/** What the ladder wants of the relays that we are connected to. */
export interface RelayCalls {
  /** Links through which somebody of a torrent may be called, best first. */
  linksFor(infoHash: Uint8Array): readonly ClientLinkId[];
  call(link: ClientLinkId, options: CallOptions, onResult: (result: CallResult) => void): void;
  /** How an introduction ended: a relay whose introductions lead nowhere is left. */
  report(relay: Endpoint, worked: boolean): void;
}

/** One torrent, as relays reach it. */
export interface CalledTorrent {
  decide(call: IncomingCall): Way;
  introduce(introduction: Introduction): void;
  splice(order: SpliceOrder): void;
}

export interface NatHubOptions {
  readonly utp: () => Pick<UtpStack, 'connect' | 'port'> | undefined;
  readonly isSelf: (endpoint: Endpoint) => boolean;
}

export class NatHub {
  readonly #options: NatHubOptions;
  readonly #budget = new IntroductionBudget();
  readonly #torrents = new Map<string, CalledTorrent>();
  /** Set by whoever runs relays; undefined without. */
  relays: RelayCalls | undefined;
  /** Set by whoever finds out about our own NAT. */
  ownFacts: () => PeerFacts = () => NO_FACTS;

  constructor(options: NatHubOptions) {
    this.#options = options;
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

  /**
   * Whether an introduction is followed; if so it is counted.
   * @param relay the host that introduces us, as the socket shows it
   * @returns why not, or undefined
   */
  whyNotFollow(target: Endpoint, relay: string, nowMs: number): string | undefined {
    const rule = whyNotDial(target, relay, (endpoint) => this.#options.isSelf(endpoint));
    if (rule !== undefined) return rule;
    return this.#budget.take(relay, target, nowMs) ? undefined : 'too many introductions';
  }

  // --- for torrents

  add(infoHash: Uint8Array, torrent: CalledTorrent): void {
    this.#torrents.set(toHex(infoHash), torrent);
  }

  remove(infoHash: Uint8Array, torrent: CalledTorrent): void {
    if (this.#torrents.get(toHex(infoHash)) === torrent) this.#torrents.delete(toHex(infoHash));
  }

  /** One side of a hole. Rejects when the other side's packets do not come through. */
  async punch(endpoint: Endpoint, signal: AbortSignal): Promise<ByteStream> {
    const utp = this.#options.utp();
    if (utp === undefined) throw new Error('no uTP here');
    const options: UtpConnectOptions = { timeoutMs: PUNCH_TIMEOUT_MS, signal, firstTtl: FIRST_TTL };
    return utp.connect(endpoint, options);
  }
}
