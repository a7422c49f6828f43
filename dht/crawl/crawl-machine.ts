// A crawl as a pure machine: who is asked next for what, and what the answers mean. Time comes in as nowMs, chance as rng,
// datagrams go through a port; so the same code runs against sockets and against simulated networks whose truth is known.
import type { Rng } from '../../core/base/clock.ts';
import { seededRng } from '../../core/base/clock.ts';
import type { DhtAddress, Family } from '../base/address.ts';
import { mix } from '../base/mix.ts';
import { Id160 } from '../base/node-id.ts';
import type { Outcome } from '../dataset/visit-table.ts';
import type { KrpcMessage } from '../krpc/krpc.ts';
import { Approach } from './approach.ts';
import { CrawlCounts, type RestoredVisit } from './crawl-counts.ts';
import { IdQueue } from './id-queue.ts';
import { GIVEN, NO_CLAIM, NodeState, NodeTable } from './node-table.ts';
import type { OptOut } from './opt-out.ts';
import { type ProbeDone, type ProbeMethod, type ProbePolicy, Prober } from './prober.ts';
import { factsOf } from './reply-facts.ts';
import { Subnets, type TrapPolicy, trapPolicy } from './subnets.ts';
import { TableDrain } from './table-drain.ts';
import { TriesBefore } from './tries-before.ts';
import type { Listing, ReplyFacts, Visit } from './visit.ts';
import { WaitWheel } from './wait-wheel.ts';
import { targetFor, type Zone } from './zone.ts';

export interface CrawlOptions {
  readonly family: Family;
  readonly zone: Zone;
  /** Drain every table with a target for each of its buckets, and keep the edges. */
  readonly isTopology: boolean;
  readonly method: ProbeMethod;
  /** Fixes targets and order. */
  readonly seed: number;
  /** Unpredictable: transaction ids. */
  readonly rng: Rng;
  readonly ownId: Id160;
  readonly version: Uint8Array;
  /** BEP 43; true for everybody who only crawls. */
  readonly readOnly: boolean;
  /** Ask for nodes of both families (BEP 32). */
  readonly wantsBoth: boolean;
  readonly policy: ProbePolicy;
  readonly optOut: OptOut;
  /** Default: `trapPolicy` of the zone. */
  readonly traps?: TrapPolicy;
  /** The machine's clock at the start of the run. */
  readonly startMs: number;
}

export interface CrawlPort {
  send(datagram: Uint8Array, to: DhtAddress): void;
  /** An endpoint is heard of for the first time; its facts are in the machine's table. */
  onListed(node: number): void;
  /** Before it is sent. */
  onSent(node: number, tries: number, nowMs: number): void;
  onVisit(visit: Visit): void;
}

/** The cursor of another seed begins elsewhere. */
const CURSOR_SALT = 0x5ee_d0;

/** Where in its zone a crawl begins, 0 to 1; it goes upwards and round. */
export function cursorStart(seed: number): number {
  return (mix(seed ^ CURSOR_SALT) >>> 0) / 2 ** 32;
}

export class CrawlMachine {
  readonly options: CrawlOptions;
  readonly table: NodeTable;
  readonly prober: Prober;
  readonly counts = new CrawlCounts();
  readonly subnets: Subnets;
  readonly #port: CrawlPort;
  readonly #queue: IdQueue;
  readonly #wheel: WaitWheel;
  readonly #approach: Approach;
  readonly #drain: TableDrain | undefined;
  readonly #triesBefore = new TriesBefore();
  #numbers = 0;
  #isStopped = false;

  constructor(options: CrawlOptions, port: CrawlPort) {
    this.options = options;
    this.#port = port;
    this.table = new NodeTable(options.family);
    this.subnets = new Subnets(options.traps ?? trapPolicy(options.zone.bits));
    this.#queue = new IdQueue(this.table, options.zone.bits, cursorStart(options.seed));
    this.#wheel = new WaitWheel(this.table);
    this.#approach = new Approach(options.zone);
    this.#drain = options.isTopology ? new TableDrain() : undefined;
    this.prober = new Prober(
      this.table,
      {
        ownId: options.ownId,
        version: options.version,
        readOnly: options.readOnly,
        want: options.wantsBoth ? 'both' : undefined,
        policy: options.policy,
        rng: options.rng,
      },
      {
        send: (datagram, to) => port.send(datagram, to),
        onSent: (node, tries, nowMs) => port.onSent(node, tries, nowMs),
        onDone: (done) => this.#handleDone(done),
      },
    );
  }

  /** Nothing is left to ask and nothing to wait for. */
  get isDone(): boolean {
    return this.prober.inFlight === 0 && (this.#isStopped || !this.#hasWork);
  }

  /** Endpoints heard of that wait to be asked. */
  get queueLeft(): number {
    return this.#queue.size + this.#wheel.size + (this.#drain?.waiting ?? 0);
  }

  /** Asks nobody new; what is in flight may still be answered. */
  stop(): void {
    this.#isStopped = true;
  }

  /** A way in, of which no id is known. */
  addBootstrap(address: DhtAddress, nowMs: number): void {
    this.#enter(new Id160(0, 0, 0, 0, 0), address, NO_CLAIM, nowMs);
  }

  /** A node that the run was given. */
  addKnown(id: Id160, address: DhtAddress, nowMs: number): void {
    this.#enter(id, address, GIVEN, nowMs);
  }

  /** Sends what may be sent now. */
  start(nowMs: number): void {
    this.#pump(nowMs);
  }

  /** @returns false when it is no answer to us */
  handleDatagram(bytes: Uint8Array, from: DhtAddress, nowMs: number): boolean {
    const isOurs = this.prober.handleDatagram(bytes, from, nowMs);
    if (isOurs) this.#pump(nowMs);
    return isOurs;
  }

  handleUnreachable(to: DhtAddress, nowMs: number): void {
    this.prober.handleUnreachable(to, nowMs);
  }

  nextTimeoutMs(nowMs: number): number {
    const dueMs = this.prober.nextTimeoutMs();
    if (this.#isStopped || !this.prober.hasRoom) return dueMs;
    if (this.#hasTurns) return Math.min(dueMs, this.prober.turnAtMs(nowMs));
    return Math.min(dueMs, this.#wheel.nextMs());
  }

  handleTimeout(nowMs: number): void {
    this.prober.handleTimeout(nowMs);
    this.#pump(nowMs);
  }

  /** Rebuilds what an interrupted run had heard of, in the same order. */
  restoreListed(id: Id160, address: DhtAddress, referrer: number, queuedMs: number): void {
    const node = this.table.add(id, address, referrer, queuedMs);
    this.table.setState(node, NodeState.queued);
    this.#triesBefore.heard(queuedMs);
    if (address.scope === 'global') this.subnets.admit(address);
    if (this.#isInZone(node)) this.counts.listed++;
  }

  restoreSent(node: number, tries: number, atMs: number): void {
    this.#triesBefore.sent(node, tries, atMs);
  }

  /** @param observed whether and how it answered; topology starts a drained table again from its next bucket */
  restoreVisit(visit: RestoredVisit): void {
    const { node, outcome } = visit;
    this.#numbers = Math.max(this.#numbers, visit.number + 1);
    this.#triesBefore.forget(node);
    this.#triesBefore.heard(visit.receivedMs ?? 0);
    for (const listed of visit.listed) this.table.refer(listed);
    const isAgain = this.#drain?.hasAnswered(node) === true;
    this.#settle(node, outcome, visit.observed);
    this.counts.count({ ...visit, isAgain });
    if (visit.isInZone && !isAgain && isVerified(outcome))
      this.subnets.countVerified(this.table.address(node));
    if (this.#drain !== undefined && visit.observed !== undefined) {
      this.#drain.isFinishedAfter(node, visit.deepestBits);
    }
  }

  /** After the last `restore*`: whoever has not been visited to the end waits again. */
  endRestore(): void {
    this.#triesBefore.settle(this.options.policy);
    for (let node = 0; node < this.table.size; node++) {
      if (this.table.state(node) !== NodeState.queued && this.#drain?.has(node) !== true) continue;
      this.#enqueue(node);
    }
  }

  get #hasTurns(): boolean {
    return (
      this.#queue.size > 0 ||
      (this.#drain?.waiting ?? 0) > 0 ||
      this.#approach.hasNext(this.counts.listed, this.prober.inFlight)
    );
  }

  get #hasWork(): boolean {
    return this.#hasTurns || this.#wheel.size > 0;
  }

  #isInZone(node: number): boolean {
    return this.table.hasClaim(node) && this.options.zone.has(this.table.id(node));
  }

  #pump(nowMs: number): void {
    if (this.#isStopped) return;
    this.#wheel.drain(nowMs, (node) => this.#enqueue(node));
    while (this.prober.hasTurn(nowMs)) {
      const node = this.#next();
      if (node < 0) return;
      const address = this.table.address(node);
      const readyAtMs = this.prober.readyAtMs(address, nowMs);
      if (readyAtMs > nowMs) {
        this.table.setState(node, NodeState.deferred);
        this.#wheel.push(node, readyAtMs, nowMs);
      } else if (address.scope === 'global' && this.subnets.isTrapped(address)) {
        this.#skip(node, 'trapped', nowMs);
      } else {
        this.#ask(node, nowMs);
      }
    }
  }

  #next(): number {
    const drained = this.#drain?.next() ?? -1;
    if (drained >= 0) return drained;
    const node = this.#queue.pop();
    if (node >= 0) return node;
    return this.#approach.hasNext(this.counts.listed, this.prober.inFlight) ? this.#approach.next() : -1;
  }

  #enqueue(node: number): void {
    if (this.#drain?.has(node) === true) {
      this.#drain.wait(node);
      return;
    }
    this.table.setState(node, NodeState.queued);
    if (this.#isInZone(node) || this.options.zone.bits === 0) this.#queue.push(node);
    else this.#approach.add(node, this.#approachBits(node));
  }

  #approachBits(node: number): number {
    return this.table.hasClaim(node) ? this.table.id(node).sharedBits(this.options.zone.prefix) : 0;
  }

  #ask(node: number, nowMs: number): void {
    const { zone, method, seed } = this.options;
    const id = this.table.id(node);
    // Fixed by the seed and the node, whatever the order in which answers come.
    const rng = seededRng(mix(seed ^ mix(id.a ^ id.b)) ^ id.c);
    let target: Id160 | undefined;
    if (this.#drain !== undefined) target = this.#drain.target(node, id, rng);
    else if (this.#isInZone(node)) target = targetFor(id, zone, this.counts.listed, rng);
    else target = zone.randomId(rng);
    const triesBefore = this.#triesBefore.of(node);
    if (triesBefore >= this.options.policy.tries) {
      // An interrupted run had asked as often as it may, and waited.
      this.#triesBefore.forget(node);
      this.#skip(node, 'timeout', nowMs, triesBefore);
      return;
    }
    this.prober.ask(node, method, target, nowMs, triesBefore);
  }

  /** A visit without a question. */
  #skip(node: number, outcome: Outcome, nowMs: number, tries = 0): void {
    this.#emit({
      node,
      outcome,
      method: this.options.method,
      target: undefined,
      tries,
      answeredTry: 0,
      sentMs: nowMs,
      askedMs: nowMs,
      receivedMs: nowMs,
      message: undefined,
      bytes: 0,
    });
  }

  /** Takes in an endpoint. @returns its number, -1 when it is of no use here */
  #enter(id: Id160, address: DhtAddress, referrer: number, nowMs: number): number {
    const { zone, startMs, optOut } = this.options;
    const known = this.table.find(address);
    if (known >= 0) return known;
    const isInZone = referrer !== NO_CLAIM && zone.has(id);
    if (!isInZone && zone.bits > 0 && referrer >= 0 && !this.#approach.wants(this.counts.listed)) return -1;
    const isTrapped = referrer >= 0 && address.scope === 'global' && !this.subnets.admit(address);
    if (isTrapped && !this.subnets.isFirstOfSubnet(address)) return -1;
    const node = this.table.add(id, address, referrer, Math.max(0, nowMs - startMs));
    if (isInZone) this.counts.listed++;
    this.#port.onListed(node);
    if (optOut.has(address)) this.#skip(node, 'optout', nowMs);
    else if (isTrapped) this.#skip(node, 'trapped', nowMs);
    else this.#enqueue(node);
    return node;
  }

  #handleDone(done: ProbeDone): void {
    this.#triesBefore.forget(done.node);
    this.#emit(done);
  }

  #emit(done: ProbeDone): void {
    const { node, outcome, message } = done;
    const address = this.table.address(node);
    const isReply = message !== undefined && message.kind === 'reply';
    const observed = isReply ? Id160.read(message.bytes, message.id.start) : undefined;
    const claimed = this.table.hasClaim(node) ? this.table.id(node) : undefined;
    const reply = isReply ? this.#readReply(message, node, observed as Id160, done) : undefined;
    const { startMs, zone } = this.options;
    const id = observed ?? claimed;
    const visit: Visit = {
      number: this.#numbers++,
      node,
      idClaimed: claimed,
      idObserved: observed,
      address,
      isInZone: id !== undefined && zone.has(id),
      source:
        claimed === undefined ? 'bootstrap' : this.table.firstReferrer(node) === GIVEN ? 'known' : 'reply',
      firstReferrer: this.table.firstReferrer(node) >= 0 ? this.table.firstReferrer(node) : undefined,
      referrerCount: this.table.referrers(node),
      queuedMs: this.table.queuedMs(node),
      sentMs: done.tries === 0 ? undefined : done.sentMs - startMs,
      receivedMs: message === undefined ? undefined : done.receivedMs - startMs,
      tries: done.tries,
      answeredTry: done.answeredTry === 0 ? undefined : done.answeredTry,
      outcome,
      method: done.method,
      target: done.target,
      reply,
    };
    const isAgain = this.#drain?.hasAnswered(node) === true;
    this.#settle(node, outcome, observed);
    this.counts.count({
      isAgain,
      outcome,
      isInZone: visit.isInZone,
      isClaimedInZone: claimed !== undefined && zone.has(claimed),
      tries: visit.tries,
      answeredTry: visit.answeredTry,
      roundTripMs: isReply ? done.receivedMs - done.sentMs : undefined,
      client: reply?.client,
      bep42: reply?.bep42,
    });
    if (visit.isInZone && !isAgain && isVerified(outcome) && address.scope === 'global')
      this.subnets.countVerified(address);
    if (reply !== undefined && this.#drain !== undefined) {
      const deepest = reply.listings.reduce(
        (most, { id: other }) => Math.max(most, other.sharedBits(observed as Id160)),
        -1,
      );
      if (!this.#drain.isFinishedAfter(node, deepest)) this.#drain.wait(node);
    } else this.#drain?.forget(node);
    this.#port.onVisit(visit);
  }

  #settle(node: number, outcome: Outcome, observed: Id160 | undefined): void {
    if (observed !== undefined) {
      this.table.setState(node, isVerified(outcome) ? NodeState.verified : NodeState.answered);
    } else {
      const wasAsked = outcome !== 'optout' && outcome !== 'trapped';
      this.table.setState(node, wasAsked ? NodeState.dead : NodeState.setAside);
    }
  }

  #readReply(message: KrpcMessage, node: number, observed: Id160, done: ProbeDone): ReplyFacts {
    const before = this.table.size;
    const onListing = (listing: Listing): void => this.#list(listing, node, done.receivedMs);
    const facts = factsOf(message, this.options, { from: this.table.address(node), observed, onListing });
    return { ...facts, nodesNew: this.table.size - before, bytes: done.bytes };
  }

  #list(listing: Listing, referrer: number, nowMs: number): void {
    if (listing.id.equals(this.options.ownId)) return;
    listing.node = this.#enter(listing.id, listing.address, referrer, nowMs);
    if (listing.node >= 0) this.table.refer(listing.node);
  }
}

function isVerified(outcome: Outcome): boolean {
  return outcome === 'ok' || outcome === 'stalled_late';
}
