// What the parts of one node share: policies, clocks' deadlines, the way out, counters. Owns asking: every query of the node
// leaves through `ask`, every answer to one is judged here before its owner hears of it.
import type { Rng } from '../../core/base/clock.ts';
import type { Log } from '../../core/base/log.ts';
import type { DhtAddress, Family } from '../base/address.ts';
import { type Deadline, DeadlineHeap, type DeadlineWatch } from '../base/deadline-heap.ts';
import { Id160 } from '../base/node-id.ts';
import type { LimitPolicy, LookupPolicy, MaintenancePolicy, TablePolicy } from '../base/options.ts';
import type { KrpcMessage } from '../krpc/krpc.ts';
import { Composer } from '../krpc/krpc-compose.ts';
import type { QueryFrame } from '../krpc/queries.ts';
import type { RoundTrips } from '../krpc/round-trips.ts';
import { type OpenQuery, type QueryOwner, Transactions } from '../krpc/transactions.ts';
import type { FamilyState } from './family-state.ts';
import type { Counters } from './statistics.ts';
import type { Throttle } from './throttle.ts';

/** Where datagrams go. `datagram` is valid during the call only, and no machine may be called from inside. */
export interface DhtOutput {
  send(datagram: Uint8Array, to: DhtAddress): void;
}

export interface Timer extends Deadline {
  fire(nowMs: number): void;
}

/** A timer that is not running yet. */
export function timer(fire: (nowMs: number) => void): Timer {
  return { dueMs: 0, heapAt: -1, fire };
}

/** One buffer for all nodes of the process: messages are sent before the next is begun. */
export const composer = new Composer();

/** Timeouts in a row after which we take ourselves for offline (pymdht). */
const OFFLINE_AFTER_TIMEOUTS = 10;
/** Nothing received for so long while asking: offline (mldht). */
const OFFLINE_AFTER_MS = 60_000;

export interface NodeContextParts {
  readonly rng: Rng;
  readonly output: DhtOutput;
  readonly log: Log;
  readonly lookup: LookupPolicy;
  readonly table: TablePolicy;
  readonly maintenance: MaintenancePolicy;
  readonly limits: LimitPolicy;
  readonly readOnly: boolean;
  readonly version: Uint8Array;
  readonly roundTrips: RoundTrips;
  readonly outgoing: Throttle;
  readonly counters: Counters;
}

export interface AskOptions {
  readonly family: FamilyState;
  readonly address: DhtAddress;
  readonly expectedId: Id160 | undefined;
  /** Of the contact in the family's table; -1 or none for somebody else. */
  readonly slot?: number;
  readonly owner: QueryOwner;
  /** Composes the query into `composer`. */
  readonly compose: (frame: QueryFrame, tid: Uint8Array) => Uint8Array;
  /** When the owner hears of a stall; Infinity for never. */
  readonly stallMs: number;
  readonly timeoutMs: number;
  readonly nowMs: number;
}

export class NodeContext implements NodeContextParts, DeadlineWatch {
  // What every datagram needs stands first, side by side.
  readonly counters: Counters;
  readonly output: DhtOutput;
  readonly version: Uint8Array;
  readonly readOnly: boolean;
  /** Does `#nextMs` have to be found anew? */
  isStale = true;
  /** Undefined for never: Infinity would be put into a box of its own. */
  #nextMs: number | undefined;
  #v4: FamilyState | undefined;
  #v6: FamilyState | undefined;
  #timeoutsInRow = 0;
  /** Before anything that `nowMs` may be. */
  #heardAtMs = -1;
  #firstUnansweredMs: number | undefined;
  readonly transactions: Transactions;
  readonly roundTrips: RoundTrips;
  readonly outgoing: Throttle;
  readonly limits: LimitPolicy;
  readonly rng: Rng;
  readonly lookup: LookupPolicy;
  readonly table: TablePolicy;
  readonly maintenance: MaintenancePolicy;
  readonly log: Log;
  readonly timers = new DeadlineHeap<Timer>(this);
  /** For going through them; `family` finds one. */
  readonly families = new Map<Family, FamilyState>();
  /** Told when a table changed its mind about our id. */
  onNewAddress: ((family: FamilyState, nowMs: number) => void) | undefined;
  /** The last one: nearly always that of the next query. */
  #frame: QueryFrame | undefined;

  constructor(parts: NodeContextParts) {
    this.counters = parts.counters;
    this.transactions = new Transactions(parts.rng, this);
    this.output = parts.output;
    this.version = parts.version;
    this.readOnly = parts.readOnly;
    this.roundTrips = parts.roundTrips;
    this.outgoing = parts.outgoing;
    this.limits = parts.limits;
    this.rng = parts.rng;
    this.lookup = parts.lookup;
    this.table = parts.table;
    this.maintenance = parts.maintenance;
    this.log = parts.log;
  }

  addFamily(state: FamilyState): void {
    this.families.set(state.family, state);
    if (state.family === 4) this.#v4 = state;
    else this.#v6 = state;
  }

  get hasBothFamilies(): boolean {
    return this.#v4 !== undefined && this.#v6 !== undefined;
  }

  /** Undefined when we do not take part in it. */
  family(which: Family): FamilyState | undefined {
    return which === 4 ? this.#v4 : this.#v6;
  }

  /** Nobody is blamed for silence while this holds. */
  isOffline(nowMs: number): boolean {
    if (this.#timeoutsInRow >= OFFLINE_AFTER_TIMEOUTS) return true;
    return this.#firstUnansweredMs !== undefined && nowMs - this.#firstUnansweredMs > OFFLINE_AFTER_MS;
  }

  markHeard(nowMs: number): void {
    this.#heardAtMs = nowMs;
    this.#timeoutsInRow = 0;
    this.#firstUnansweredMs = undefined;
  }

  send(datagram: Uint8Array, to: DhtAddress): void {
    const { counters, output } = this;
    counters.datagramsOut++;
    counters.bytesOut += datagram.length;
    output.send(datagram, to);
  }

  frame(family: FamilyState): QueryFrame {
    if (this.#frame?.ownId !== family.ownId)
      this.#frame = { ownId: family.ownId, readOnly: this.readOnly, version: this.version };
    return this.#frame;
  }

  /** Sends a query. @returns undefined when limits forbid it: to this address now, or at all */
  ask(options: AskOptions): OpenQuery | undefined {
    const { transactions, limits, outgoing, counters } = this;
    const { family, address, nowMs } = options;
    if (transactions.size >= limits.maxOutstanding) return undefined;
    if (!outgoing.admit(address.hostKey, nowMs)) return undefined;
    const tid = transactions.newTid();
    const datagram = options.compose(this.frame(family), transactions.tidBytes(tid));
    const query = transactions.open(tid, options);
    this.#firstUnansweredMs ??= nowMs;
    counters.queriesOut++;
    this.send(datagram, address);
    return query;
  }

  /** A reply or an error came in. */
  handleAnswer(message: KrpcMessage, from: DhtAddress, nowMs: number): void {
    const { transactions, counters, roundTrips } = this;
    const query = transactions.take(message, from);
    const family = this.family(from.family);
    if (query === undefined || family === undefined) {
      counters.strays++;
      return;
    }
    this.markHeard(nowMs);
    const roundTripMs = nowMs - query.sentAtMs;
    if (query.hasStalled) counters.lateReplies++;
    if (message.kind === 'error') {
      counters.errorsIn++;
      query.owner.onFailure(query, 'error', nowMs, message);
      return;
    }
    counters.repliesIn++;
    if (query.expectedId !== undefined && !query.expectedId.isAt(message.bytes, message.id.start)) {
      counters.strays++;
      family.handleLiar(query.expectedId, from, nowMs);
      query.owner.onFailure(query, 'id-mismatch', nowMs);
      return;
    }
    roundTrips.add(roundTripMs);
    const id = query.expectedId ?? Id160.read(message.bytes, message.id.start);
    if (family.handleAnswer(message, id, from, query.slot, roundTripMs, nowMs))
      this.onNewAddress?.(family, nowMs);
    query.owner.onReply(query, message, roundTripMs, nowMs);
  }

  /** Queries whose time has come; then timers. */
  handleTimeout(nowMs: number): void {
    const { transactions } = this;
    for (let due = transactions.popDue(nowMs); due !== undefined; due = transactions.popDue(nowMs)) {
      if (due.isLost) this.#lose(due.query, 'timeout', nowMs);
      else due.query.owner.onStall(due.query, nowMs);
    }
    for (let due = this.timers.popDue(nowMs); due !== undefined; due = this.timers.popDue(nowMs))
      due.fire(nowMs);
  }

  handleUnreachable(to: DhtAddress, nowMs: number): void {
    for (const query of this.transactions.takeAll(to)) this.#lose(query, 'unreachable', nowMs);
  }

  /** After a sleep: what was in flight is lost, and it is nobody's fault. */
  forgetQueries(nowMs: number): void {
    this.#timeoutsInRow = 0;
    this.#firstUnansweredMs = undefined;
    for (const query of this.transactions.takeAll()) query.owner.onFailure(query, 'timeout', nowMs);
  }

  /** Runs `action` with the next timeout: callbacks of a command never fire inside the command. */
  later(action: (nowMs: number) => void, nowMs: number): void {
    this.timers.set(timer(action), nowMs);
  }

  nextTimeoutMs(): number {
    if (this.isStale) {
      this.isStale = false;
      const nextMs = Math.min(this.transactions.nextMs, this.timers.nextMs);
      this.#nextMs = nextMs === Number.POSITIVE_INFINITY ? undefined : nextMs;
    }
    return this.#nextMs ?? Number.POSITIVE_INFINITY;
  }

  #lose(query: OpenQuery, failure: 'timeout' | 'unreachable', nowMs: number): void {
    this.counters.timeouts++;
    // Answers come before timeouts: only when nothing came since this query went out does its loss say anything about us.
    if (this.#heardAtMs < query.sentAtMs) this.#timeoutsInRow++;
    const family = this.family(query.address.family);
    if (query.expectedId !== undefined && !this.isOffline(nowMs))
      family?.table.fail(query.expectedId, query.address, nowMs);
    query.owner.onFailure(query, failure, nowMs);
  }
}
