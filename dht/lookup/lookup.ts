// One iterative lookup in one family: keeps alpha queries in flight at the head of the sorted candidates, frees a slot when
// one stalls, never counts the dead, and ends on the closest live set. Invariant: a candidate is asked at most `tries` times,
// an IP address once.

import { compareDistance, Id160 } from '../base/node-id.ts';
import type { LookupPolicy } from '../base/options.ts';
import type { LookupEnd, LookupReport, QueryFailure } from '../base/results.ts';
import type { KrpcMessage } from '../krpc/krpc.ts';
import { composer, type NodeContext, timer } from '../node/context.ts';
import type { FamilyState } from '../node/family-state.ts';
import { CandidateList } from './candidate-list.ts';
import { Candidate, type CandidateEvents } from './lookup-candidate.ts';
import { ClosestSet } from './lookup-closest.ts';
import { awaitUntilMs, slowOnes } from './lookup-patience.ts';
import { LookupTally } from './lookup-tally.ts';
import type { LookupTask, StartNode } from './lookup-task.ts';

export interface LookupEvents {
  onQuery(candidate: Candidate): void;
  onEnd(lookup: Lookup, end: LookupEnd, nowMs: number): void;
  /** The closest are too dense to be honest: find others around, and hand them to `resume`. Asked for once. */
  onDense(lookup: Lookup, nowMs: number): void;
}

/** Nodes whose ids break BEP 42 may still hold peers; but a flood of them must not keep a lookup busy. */
const MAX_INVALID_ASKED = 16;
/** How far a suspicious lookup goes on beyond the 8. */
const MAX_WIDENING = 72;
/** When only stalled queries are left and we have too few, they get this many stall times more. */
const LINGER_STALLS = 3;
const MAX_LINGER_MS = 3_000;
/** Below this share of answers refilling is damped. */
const MIN_ANSWERED_SHARE = 1 / 3;

export class Lookup implements CandidateEvents {
  readonly target: Id160;
  readonly family: FamilyState;
  readonly policy: LookupPolicy;
  /** In the order first asked. */
  readonly asked: Candidate[] = [];
  readonly path: number;
  readonly #context: NodeContext;
  readonly #task: LookupTask;
  readonly #events: LookupEvents;
  readonly #candidates: CandidateList;
  /** Bootstrap addresses whose id is not known. */
  readonly #nameless: Candidate[] = [];
  readonly #hosts = new Set<number | string>();
  /** Ids taken by other paths of the same lookup; undefined for a plain lookup. */
  readonly #claims: Set<string> | undefined;
  readonly #linger = timer((nowMs) => this.#end('exhausted', nowMs));
  readonly #patience = timer((nowMs) => this.#advance(nowMs));
  #active = 0;
  #stalled = 0;
  readonly #tally: LookupTally;
  #invalidAsked = 0;
  #dense = 0;
  #scouting: 'not yet' | 'running' | 'done' = 'not yet';
  #ended: LookupEnd | undefined;

  constructor(options: {
    readonly context: NodeContext;
    readonly family: FamilyState;
    readonly target: Id160;
    readonly policy: LookupPolicy;
    readonly task: LookupTask;
    readonly events: LookupEvents;
    readonly nowMs: number;
    readonly path?: number;
    readonly claims?: Set<string>;
  }) {
    this.#context = options.context;
    this.family = options.family;
    this.target = options.target;
    this.policy = options.policy;
    this.#task = options.task;
    this.#events = options.events;
    this.#tally = new LookupTally(options.nowMs);
    this.path = options.path ?? 0;
    this.#claims = options.claims;
    this.#candidates = new CandidateList(this.target, this.policy.requireValidIds, this.#claims);
  }

  get isDone(): boolean {
    return this.#ended !== undefined;
  }

  get startedAtMs(): number {
    return this.#tally.startedAtMs;
  }

  /** `onEnd` never fires inside: without anybody to ask it comes with the next timeout. */
  start(nodes: readonly StartNode[], nowMs: number): void {
    this.#context.counters.lookups++;
    for (const node of nodes) this.#addStart(node);
    this.#refill(nowMs);
    if (this.#active === 0) this.#context.timers.set(this.#linger, nowMs);
  }

  /** More nodes to start from (routers that are needed after all). */
  addStarts(nodes: readonly StartNode[], nowMs: number): void {
    if (this.isDone) return;
    for (const node of nodes) this.#addStart(node);
    this.#advance(nowMs);
  }

  /** Honest nodes around a crowd, which themselves would only have named the crowd. */
  resume(nodes: readonly StartNode[], nowMs: number): void {
    this.#scouting = 'done';
    this.addStarts(nodes, nowMs);
  }

  /** Ends it now with what there is. */
  finish(end: LookupEnd, nowMs: number): void {
    this.#end(end, nowMs);
  }

  /** Nearest first: the live closest set, and after a dense start the nodes beyond it. */
  closest(): readonly Candidate[] {
    return this.#closestSet().result();
  }

  report(nowMs: number): Omit<LookupReport, 'closest'> {
    const nearest = this.#candidates.sorted.find((candidate) => candidate.state === 'answered');
    return {
      family: this.family.family,
      ...this.#tally.report(this.#ended ?? 'cancelled', this.asked, nearest, nowMs),
      suspicious: this.#dense > 0,
    };
  }

  candidateReplied(candidate: Candidate, message: KrpcMessage, _roundTripMs: number, nowMs: number): void {
    this.#leaveFlight(candidate);
    if (candidate.stalledAtMs !== undefined) this.#tally.late++;
    candidate.state = 'answered';
    candidate.answeredAtMs = nowMs;
    candidate.version = message.copy(message.version);
    if (this.isDone) {
      this.#events.onQuery(candidate);
      return;
    }
    this.#tally.countAnswer(candidate.stalledAtMs, nowMs);
    if (candidate.id === undefined) {
      const id = Id160.read(message.bytes, message.id.start);
      candidate.id = id;
      candidate.isValid = this.#candidates.isValid(id, candidate);
      this.#nameless.splice(this.#nameless.indexOf(candidate), 1);
      this.#candidates.insertAnswered(candidate, id);
    }
    candidate.token = message.copy(message.token);
    candidate.creditSources(true);
    candidate.valuesGiven = this.#task.handleReply(message, candidate, nowMs);
    if (candidate.valuesGiven > 0) this.#tally.noteValue(nowMs);
    if (!this.isDone) this.#learnNodes(message, candidate);
    this.#events.onQuery(candidate);
    this.#advance(nowMs);
  }

  candidateStalled(candidate: Candidate, nowMs: number): void {
    if (candidate.state !== 'asked') return;
    candidate.state = 'stalled';
    candidate.stalledAtMs = nowMs;
    this.#active--;
    this.#stalled++;
    this.#tally.countStall();
    this.#events.onQuery(candidate);
    this.#advance(nowMs);
  }

  candidateFailed(candidate: Candidate, failure: QueryFailure, nowMs: number): void {
    const wasActive = candidate.state === 'asked';
    this.#leaveFlight(candidate);
    if (wasActive) this.#tally.settled++;
    const isSilent = failure === 'timeout' || failure === 'unreachable';
    if (isSilent) this.#tally.timeouts++;
    if (failure === 'timeout' && candidate.tries < this.policy.tries && !this.isDone) {
      candidate.state = 'new';
    } else {
      candidate.state = 'failed';
      candidate.failure = failure;
      candidate.failedAtMs = nowMs;
      candidate.creditSources(false);
    }
    this.#events.onQuery(candidate);
    this.#advance(nowMs);
  }

  #leaveFlight(candidate: Candidate): void {
    for (const query of candidate.openQueries()) this.#context.transactions.close(query);
    if (candidate.state === 'asked') this.#active--;
    else if (candidate.state === 'stalled') this.#stalled--;
  }

  #addStart(node: StartNode): void {
    const candidate = new Candidate({
      events: this,
      id: node.id,
      address: node.address,
      origin: node.origin,
      from: undefined,
      knownRoundTripMs: node.roundTripMs,
      path: this.path,
    });
    if (node.id === undefined) this.#nameless.push(candidate);
    else this.#candidates.insert(candidate, node.id);
  }

  #learnNodes(message: KrpcMessage, from: Candidate): void {
    const named = this.family.namedNodes(message, from.address);
    from.nodesGiven = named.length;
    for (const { id, address } of named) {
      // On disjoint paths every hop must come closer, so that a liar leads nobody away.
      if (
        this.#claims !== undefined &&
        from.id !== undefined &&
        this.#tally.answered >= this.policy.closest
      ) {
        if (compareDistance(this.target, id, from.id) > 0) continue;
      }
      // Most are known already: then an object would be made for nothing.
      const held = this.#candidates.find(id, address);
      if (held !== undefined) {
        held.addSource(from);
        continue;
      }
      const candidate = new Candidate({
        events: this,
        id,
        address,
        origin: 'given',
        from,
        knownRoundTripMs: 0,
        path: this.path,
      });
      this.#candidates.insert(candidate, id);
    }
  }

  #closestSet(): ClosestSet {
    const set = new ClosestSet(this.policy, this.#task.needsToken, this.#dense);
    for (const candidate of this.#candidates.sorted) if (set.add(candidate)) break;
    return set;
  }

  #advance(nowMs: number): void {
    if (this.isDone) return;
    this.#refill(nowMs);
    if (this.#active > 0) {
      this.#context.timers.remove(this.#linger);
      return;
    }
    const set = this.#closestSet();
    if (set.isFull || this.#stalled === 0) {
      // With too few live nodes and nobody left, the doubtful get their turn.
      if (!set.isFull && this.#candidates.readmit()) this.#advance(nowMs);
      else this.#conclude(set, nowMs);
      return;
    }
    if (this.#linger.heapAt >= 0) return;
    const stallMs = this.#context.roundTrips.stallMs(this.policy.stall, 0);
    this.#context.timers.set(this.#linger, nowMs + Math.min(MAX_LINGER_MS, stallMs * LINGER_STALLS));
  }

  /** Fills free slots; ends the lookup when the closest set is complete and nothing nearer is on its way. */
  #refill(nowMs: number): void {
    while (!this.isDone && this.#active < this.#allowance()) {
      const nameless = this.#nameless.find((candidate) => candidate.state === 'new');
      if (nameless !== undefined) {
        this.#ask(nameless, 0, nowMs);
        continue;
      }
      const set = new ClosestSet(this.policy, this.#task.needsToken, this.#dense);
      let isNearPending = false;
      let rank = 0;
      let next: Candidate | undefined;
      for (const candidate of this.#candidates.sorted) {
        if (set.add(candidate)) break;
        if (candidate.state === 'asked') isNearPending = true;
        if (candidate.state === 'new' && this.#mayAsk(candidate)) {
          next = candidate;
          break;
        }
        rank++;
      }
      if (next !== undefined) this.#ask(next, rank, nowMs);
      else {
        if (set.isFull && !isNearPending) this.#conclude(set, nowMs);
        return;
      }
    }
  }

  /** Slots, active ones included. Stalled queries cost nothing unless hardly anybody answers. */
  #allowance(): number {
    const { alpha, damping } = this.policy;
    const { answered, settled } = this.#tally;
    if (!damping || settled < 2 * alpha) return alpha;
    if (answered >= settled * MIN_ANSWERED_SHARE) return alpha;
    return Math.max(1, alpha - Math.ceil(this.#stalled / 2));
  }

  /** Sets aside those that are not worth a query now. */
  #mayAsk(candidate: Candidate): boolean {
    if (this.policy.restrictAddresses && candidate.tries === 0) {
      if (this.#hosts.has(candidate.address.hostKey)) {
        candidate.isSameHost = true;
        candidate.state = 'aside';
        return false;
      }
    }
    const isTooMany = !candidate.isValid && this.#invalidAsked >= MAX_INVALID_ASKED;
    const isDoubtful = this.policy.sourceScoring && candidate.hasOnlyBadSources;
    if (isTooMany || isDoubtful) {
      candidate.state = 'aside';
      return false;
    }
    return true;
  }

  #ask(candidate: Candidate, rank: number, nowMs: number): void {
    const { roundTrips } = this.#context;
    const stallMs = roundTrips.stallMs(this.policy.stall, candidate.knownRoundTripMs);
    this.#hosts.add(candidate.address.hostKey);
    const query = this.#context.ask({
      family: this.family,
      address: candidate.address,
      expectedId: candidate.id,
      owner: candidate,
      compose: (frame, tid) => this.#task.compose(composer, frame, tid),
      stallMs,
      timeoutMs: this.policy.timeoutMs,
      nowMs,
    });
    if (query === undefined) {
      // Our own limits: as if it were not there, without blame.
      candidate.state = 'aside';
      candidate.isSameHost = true;
      const at = this.#nameless.indexOf(candidate);
      if (at >= 0) this.#nameless.splice(at, 1);
      return;
    }
    if (candidate.tries++ === 0) {
      this.asked.push(candidate);
      candidate.rank = rank;
      candidate.sentAtMs = nowMs;
    }
    if (!candidate.isValid) this.#invalidAsked++;
    candidate.query = query;
    candidate.state = 'asked';
    this.#active++;
    this.#events.onQuery(candidate);
  }

  #conclude(set: ClosestSet, nowMs: number): void {
    if (set.isFull && this.policy.widenWhenDense && this.#dense < MAX_WIDENING && this.#isDenser(set)) {
      if (this.#scouting === 'not yet') {
        this.#scouting = 'running';
        this.#events.onDense(this, nowMs);
      }
      this.#refill(nowMs);
      if (this.#active > 0 || this.isDone) return;
    }
    if (this.#scouting === 'running') return;
    if (set.isFull && this.policy.awaitSlow) {
      const slow = slowOnes(
        this.#candidates.sorted,
        new ClosestSet(this.policy, this.#task.needsToken, this.#dense),
      );
      const untilMs = awaitUntilMs(slow, this.#tally, this.#context.roundTrips.stallMs(this.policy.stall, 0));
      if (untilMs > nowMs) {
        for (const candidate of slow) this.#repeat(candidate, nowMs);
        this.#context.timers.set(this.#patience, untilMs);
        return;
      }
    }
    this.#end(set.isFull ? 'converged' : 'exhausted', nowMs);
  }

  /** Asks once more while we wait anyway: a datagram got lost, or the answer is on its way and this one comes too late. */
  #repeat(candidate: Candidate, nowMs: number): void {
    if (candidate.repeat !== undefined) return;
    candidate.repeat = this.#context.ask({
      family: this.family,
      address: candidate.address,
      expectedId: candidate.id,
      owner: candidate,
      compose: (frame, tid) => this.#task.compose(composer, frame, tid),
      stallMs: Number.POSITIVE_INFINITY,
      timeoutMs: this.policy.timeoutMs,
      nowMs,
    });
    if (candidate.repeat !== undefined) candidate.tries++;
  }

  /** More nodes this near than chance allows: go on until there are 8 beyond them. */
  #isDenser(set: ClosestSet): boolean {
    const dense = this.family.size.denseCount(set.distances(this.target));
    if (dense <= this.#dense) return false;
    this.#dense = Math.min(MAX_WIDENING, dense);
    return true;
  }

  #end(end: LookupEnd, nowMs: number): void {
    if (this.isDone) return;
    this.#ended = end;
    this.#context.timers.remove(this.#linger);
    this.#context.timers.remove(this.#patience);
    if (end === 'converged') {
      const set = this.#closestSet();
      if (this.#dense === 0) this.family.size.learn(set.distances(this.target));
      const nodes = set.result().map((candidate) => ({
        id: candidate.id as Id160,
        address: candidate.address,
        roundTripMs: candidate.roundTripMs,
      }));
      if (this.policy.useCache) this.family.cache.put(this.target, nodes, nowMs);
    }
    this.#events.onEnd(this, end, nowMs);
  }
}
