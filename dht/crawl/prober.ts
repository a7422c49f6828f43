// Queries in flight: sent at a polite pace, tried again, matched to their answers by transaction and exact endpoint, and
// given up. Slow is told apart from dead: a late answer still counts. One for crawls, monitors and tests of loss.
import { type Rng, randomInt } from '../../core/base/clock.ts';
import type { DhtAddress } from '../base/address.ts';
import { mix } from '../base/mix.ts';
import type { Id160 } from '../base/node-id.ts';
import type { Outcome } from '../dataset/visit-table.ts';
import { KrpcMessage } from '../krpc/krpc.ts';
import { Composer } from '../krpc/krpc-compose.ts';
import { scanKrpc } from '../krpc/krpc-scan.ts';
import { getPeersQuery, pingQuery, type QueryFrame, targetQuery, type Want } from '../krpc/queries.ts';
import { DueQueue } from './due-queue.ts';
import { NodeState, type NodeTable } from './node-table.ts';
import { KeyedPace, type Pace, TotalPace } from './pacer.ts';
import { type ProbeMethod, Questions } from './questions.ts';

export type { ProbeMethod } from './questions.ts';

export interface ProbePolicy {
  /** Queries to one node, the first included. */
  readonly tries: number;
  /** Wait of each try. */
  readonly tryMs: number;
  /** After the last try's wait answers are late; after this they are not waited for any more. From the last try on. */
  readonly lateMs: number;
  readonly total: Pace;
  readonly perHost: Pace;
  readonly perSubnet: Pace;
  /** At most 2^17. */
  readonly maxInFlight: number;
}

export const POLITE: ProbePolicy = {
  tries: 2,
  // Round trips of Mainline: the slowest per mille takes about a second.
  tryMs: 1_500,
  // dht.md: transactions are kept for 10 s.
  lateMs: 10_000,
  total: { perSecond: 500, burst: 50 },
  perHost: { perSecond: 1, burst: 4 },
  perSubnet: { perSecond: 8, burst: 8 },
  maxInFlight: 1 << 16,
};

/** How a query ended. One object, used again: read it at once. */
export interface ProbeDone {
  node: number;
  outcome: Outcome;
  method: ProbeMethod;
  target: Id160 | undefined;
  tries: number;
  /** 1 or 2; 0 without an answer. */
  answeredTry: number;
  /** Of the try that was answered, else of the last. */
  sentMs: number;
  /** Of the first try: whoever was there then would have heard that one. */
  askedMs: number;
  receivedMs: number;
  /** Set when a reply or an error came; valid until the next datagram. */
  message: KrpcMessage | undefined;
  bytes: number;
}

export interface ProberPort {
  /** @param datagram valid until the next one is composed */
  send(datagram: Uint8Array, to: DhtAddress): void;
  /** Before `send`: what must be remembered over a crash. */
  onSent(node: number, tries: number, nowMs: number): void;
  /** The node may be asked again when this returns. */
  onDone(done: ProbeDone): void;
}

export interface ProberOptions {
  readonly ownId: Id160;
  readonly version: Uint8Array;
  /** BEP 43: nobody shall take us into a table. */
  readonly readOnly: boolean;
  /** Which nodes to ask for; both for `supports_32`. */
  readonly want: Want;
  readonly policy: ProbePolicy;
  /** Unpredictable: answers are matched by what it draws. */
  readonly rng: Rng;
}

const SLOT_BITS = 17;
const NONCE_BITS = 15;
const TID_BYTES = 4;
const LIMITER_KEYS = 1 << 17;
/** A second try that may not leave yet is looked at again after this. */
const RETRY_WAIT_MS = 50;
const FREE = 0;
const TRYING = 1;
/** The last try's wait is over. */
const LATE = 2;

export class Prober {
  readonly policy: ProbePolicy;
  readonly #table: NodeTable;
  readonly #options: ProberOptions;
  readonly #port: ProberPort;
  readonly #frame: QueryFrame;
  readonly #total: TotalPace;
  readonly #hosts: KeyedPace;
  readonly #subnets: KeyedPace;
  readonly #message = new KrpcMessage();
  readonly #out = new Composer();
  readonly #tid = new Uint8Array(TID_BYTES);
  readonly #nodes: Int32Array;
  readonly #stages: Uint8Array;
  readonly #triesOf: Uint8Array;
  readonly #generations: Uint32Array;
  /** Two tries a slot. */
  readonly #nonces: Uint16Array;
  readonly #sentMs: Float64Array;
  readonly #questions: Questions;
  /** A stack. */
  readonly #free: Int32Array;
  #freeCount = 0;
  #used = 0;
  #inFlight = 0;
  readonly #tryDue = new DueQueue();
  readonly #lateDue = new DueQueue();
  /** Slots whose second try waits for its turn. */
  readonly #retries = new DueQueue();
  #retryAtMs = Number.POSITIVE_INFINITY;
  readonly #done: ProbeDone = {
    node: 0,
    outcome: 'timeout',
    method: 'find_node',
    target: undefined,
    tries: 0,
    answeredTry: 0,
    sentMs: 0,
    askedMs: 0,
    receivedMs: 0,
    message: undefined,
    bytes: 0,
  };
  /** Queries sent, tries included; bytes of them. */
  sent = 0;
  bytesOut = 0;
  /** Datagrams that match no query: strays, forgeries, other protocols. */
  strays = 0;

  constructor(table: NodeTable, options: ProberOptions, port: ProberPort) {
    this.#table = table;
    this.#options = options;
    this.#port = port;
    this.policy = options.policy;
    const { total, perHost, perSubnet } = options.policy;
    const slots = Math.min(options.policy.maxInFlight, 1 << SLOT_BITS);
    this.#nodes = new Int32Array(slots);
    this.#free = new Int32Array(slots);
    this.#stages = new Uint8Array(slots);
    this.#triesOf = new Uint8Array(slots);
    this.#generations = new Uint32Array(slots);
    this.#nonces = new Uint16Array(slots * 2);
    this.#sentMs = new Float64Array(slots * 2);
    this.#questions = new Questions(slots);
    this.#frame = { ownId: options.ownId, readOnly: options.readOnly, version: options.version };
    this.#total = new TotalPace(total);
    this.#hosts = new KeyedPace(perHost, LIMITER_KEYS);
    this.#subnets = new KeyedPace(perSubnet, LIMITER_KEYS);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** May anything be sent at all now? */
  hasTurn(nowMs: number): boolean {
    return this.#total.readyAtMs(nowMs) <= nowMs && this.hasRoom;
  }

  get hasRoom(): boolean {
    return this.#inFlight < this.#nodes.length;
  }

  /** When the next query may leave. */
  turnAtMs(nowMs: number): number {
    return this.#total.readyAtMs(nowMs);
  }

  /** When this address may be asked: `nowMs` or earlier for at once. */
  readyAtMs(address: DhtAddress, nowMs: number): number {
    const host = this.#hosts.readyAtMs(hostNumber(address), nowMs);
    if (address.scope !== 'global') return host;
    return Math.max(host, this.#subnets.readyAtMs(subnetNumber(address), nowMs));
  }

  /**
   * Asks a node; the caller has looked at `hasTurn` and `readyAtMs`.
   * @param triesBefore of an interrupted run: they count
   */
  ask(node: number, method: ProbeMethod, target: Id160 | undefined, nowMs: number, triesBefore = 0): void {
    const slot = this.#freeCount > 0 ? (this.#free[--this.#freeCount] as number) : this.#used++;
    this.#inFlight++;
    this.#nodes[slot] = node;
    this.#questions.set(slot, method, target);
    this.#triesOf[slot] = triesBefore;
    this.#nonces[slot * 2] = randomInt(this.#options.rng, 1 << NONCE_BITS);
    this.#nonces[slot * 2 + 1] = randomInt(this.#options.rng, 1 << NONCE_BITS);
    this.#table.setState(node, NodeState.inFlight);
    this.#table.setNext(node, slot);
    this.#try(slot, nowMs);
  }

  /** @returns false when it is no answer to us */
  handleDatagram(bytes: Uint8Array, from: DhtAddress, nowMs: number): boolean {
    const message = this.#message;
    if (scanKrpc(bytes, message) !== 'ok') return this.#handleNonsense(from, bytes.length, nowMs);
    if (message.kind === 'query') return false;
    const { start, end } = message.tid;
    if (end - start !== TID_BYTES) return this.#stray();
    const word =
      (((bytes[start] as number) << 24) |
        ((bytes[start + 1] as number) << 16) |
        ((bytes[start + 2] as number) << 8) |
        (bytes[start + 3] as number)) >>>
      0;
    const slot = word >>> NONCE_BITS;
    const nonce = word & ((1 << NONCE_BITS) - 1);
    if (slot >= this.#used || this.#stages[slot] === FREE) return this.#stray();
    const which = this.#nonces[slot * 2] === nonce ? 0 : this.#nonces[slot * 2 + 1] === nonce ? 1 : -1;
    if (which < 0 || which >= (this.#triesOf[slot] as number)) return this.#stray();
    const node = this.#nodes[slot] as number;
    const address = this.#table.address(node);
    if (!address.sameHost(from)) return this.#stray();
    this.#finish(
      slot,
      this.#outcomeOf(slot, message, from.port !== address.port),
      which,
      bytes.length,
      nowMs,
    );
    return true;
  }

  /** The system says that nothing is there. */
  handleUnreachable(to: DhtAddress, nowMs: number): void {
    const slot = this.#slotAt(to);
    if (slot >= 0) this.#finish(slot, 'icmp_unreachable', -1, 0, nowMs);
  }

  nextTimeoutMs(): number {
    return Math.min(this.#retryAtMs, this.#tryDue.nextMs, this.#lateDue.nextMs);
  }

  /** Waits that are over; second tries. */
  handleTimeout(nowMs: number): void {
    for (; this.#tryDue.nextMs <= nowMs; this.#tryDue.shift()) {
      const { slot, generation } = this.#tryDue;
      if (this.#generations[slot] !== generation || this.#stages[slot] !== TRYING) continue;
      if ((this.#triesOf[slot] as number) < this.policy.tries) this.#retries.push(slot, generation, nowMs);
      else this.#stages[slot] = LATE;
    }
    this.#sendRetries(nowMs);
    while (this.#lateDue.nextMs <= nowMs) {
      const { slot, generation } = this.#lateDue;
      this.#lateDue.shift();
      if (this.#generations[slot] === generation && this.#stages[slot] !== FREE)
        this.#finish(slot, 'timeout', -1, 0, nowMs);
    }
  }

  #sendRetries(nowMs: number): void {
    // Each once: who still has to wait goes to the end of a line that is then as it was.
    for (let left = this.#retries.size; left > 0; left--) {
      const { slot, generation } = this.#retries;
      this.#retries.shift();
      // Answered meanwhile; the slot may be another's by now.
      if (this.#generations[slot] !== generation) continue;
      if (this.#mayRetry(slot, nowMs)) this.#try(slot, nowMs);
      else this.#retries.push(slot, generation, nowMs);
    }
    this.#retryAtMs = this.#retries.size === 0 ? Number.POSITIVE_INFINITY : nowMs + RETRY_WAIT_MS;
  }

  #mayRetry(slot: number, nowMs: number): boolean {
    if (this.#total.readyAtMs(nowMs) > nowMs) return false;
    return this.readyAtMs(this.#table.address(this.#nodes[slot] as number), nowMs) <= nowMs;
  }

  #try(slot: number, nowMs: number): void {
    const node = this.#nodes[slot] as number;
    const address = this.#table.address(node);
    const tries = (this.#triesOf[slot] as number) + 1;
    this.#triesOf[slot] = tries;
    const which = Math.min(1, tries - 1);
    this.#sentMs[slot * 2 + which] = nowMs;
    this.#stages[slot] = TRYING;
    const generation = ((this.#generations[slot] as number) + 1) >>> 0;
    this.#generations[slot] = generation;
    this.#tryDue.push(slot, generation, nowMs + this.policy.tryMs);
    if (tries >= this.policy.tries) this.#lateDue.push(slot, generation, nowMs + this.policy.lateMs);
    this.#total.take(nowMs);
    this.#hosts.take(hostNumber(address), nowMs);
    if (address.scope === 'global') this.#subnets.take(subnetNumber(address), nowMs);
    const tid = (slot * 2 ** NONCE_BITS + (this.#nonces[slot * 2 + which] as number)) >>> 0;
    this.#tid[0] = tid >>> 24;
    this.#tid[1] = tid >>> 16;
    this.#tid[2] = tid >>> 8;
    this.#tid[3] = tid;
    const datagram = this.#compose(this.#questions.method(slot), this.#questions.target(slot));
    this.sent++;
    this.bytesOut += datagram.length;
    this.#port.onSent(node, tries, nowMs);
    this.#port.send(datagram, address);
  }

  #compose(method: ProbeMethod, target: Id160 | undefined): Uint8Array {
    if (method === 'ping' || target === undefined) return pingQuery(this.#out, this.#frame, this.#tid);
    const { want } = this.#options;
    if (method === 'get_peers')
      return getPeersQuery(
        this.#out,
        this.#frame,
        target,
        { noSeeds: false, scrape: false, want },
        this.#tid,
      );
    return targetQuery(this.#out, this.#frame, method, target, want, this.#tid);
  }

  #outcomeOf(slot: number, message: KrpcMessage, isOtherPort: boolean): Outcome {
    if (message.kind === 'error') return errorOutcome(message.errorCode);
    if (isOtherPort) return 'port_mismatch';
    const node = this.#nodes[slot] as number;
    // A node nobody listed under an id (a bootstrap node) cannot have another one.
    if (this.#table.hasClaim(node) && !this.#table.id(node).isAt(message.bytes, message.id.start))
      return 'id_mismatch';
    return this.#stages[slot] === LATE ? 'stalled_late' : 'ok';
  }

  #finish(slot: number, outcome: Outcome, which: number, bytes: number, nowMs: number): void {
    const done = this.#done;
    const tries = this.#triesOf[slot] as number;
    done.node = this.#nodes[slot] as number;
    done.outcome = outcome;
    done.method = this.#questions.method(slot);
    done.target = this.#questions.target(slot);
    done.tries = tries;
    done.answeredTry = which + 1;
    done.sentMs = this.#sentMs[slot * 2 + (which >= 0 ? which : Math.min(1, tries - 1))] as number;
    done.askedMs = this.#sentMs[slot * 2] as number;
    done.receivedMs = nowMs;
    done.message = which >= 0 ? this.#message : undefined;
    done.bytes = bytes;
    this.#stages[slot] = FREE;
    this.#generations[slot] = ((this.#generations[slot] as number) + 1) >>> 0;
    this.#free[this.#freeCount++] = slot;
    this.#inFlight--;
    this.#table.setNext(done.node, -1);
    this.#port.onDone(done);
  }

  /** What is no KRPC at all, from somebody we asked: the answer of somebody who is something else. */
  #handleNonsense(from: DhtAddress, bytes: number, nowMs: number): boolean {
    const slot = this.#slotAt(from);
    if (slot < 0) return this.#stray();
    this.#finish(slot, 'bad_bencode', -1, bytes, nowMs);
    return true;
  }

  #slotAt(address: DhtAddress): number {
    const node = this.#table.find(address);
    return node >= 0 && this.#table.state(node) === NodeState.inFlight ? this.#table.next(node) : -1;
  }

  #stray(): false {
    this.strays++;
    return false;
  }
}

function errorOutcome(code: number): Outcome {
  return code === 201 || code === 202 || code === 203 || code === 204 ? `error_${code}` : 'error_other';
}

/** One number for one host (IPv6: its /64). On local networks many nodes share a machine, so that the port belongs to it. */
function hostNumber(address: DhtAddress): number {
  const port = address.scope === 'global' ? 0 : address.port;
  if (address.family === 4) return (address.w0 >>> 0) * 2 ** 16 + port;
  const low = address.scope === 'global' ? 0 : mix(address.w2) ^ mix(address.w3 + 1);
  return (mix(address.w0 ^ low) >>> 0) * 2 ** 16 + (mix(address.w1 ^ port) >>> 16);
}

function subnetNumber(address: DhtAddress): number {
  return address.family === 4 ? address.w0 >>> 8 : (mix(address.w0) >>> 0) * 2 ** 16 + (address.w1 >>> 16);
}
