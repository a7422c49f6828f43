// Who stays how long: known nodes are asked again and again, each at 1.2 times the gap since its last answer, between one and
// fifteen minutes (Wang and Kangasharju; Stutzbach and Rejaie). Hands out sessions when they end. Pure, like the crawl.
import type { Rng } from '../../core/base/clock.ts';
import type { DhtAddress, Family } from '../base/address.ts';
import { DeadlineHeap } from '../base/deadline-heap.ts';
import type { Id160 } from '../base/node-id.ts';
import { ANSWERED } from '../dataset/visit-table.ts';
import { GIVEN, NodeTable } from './node-table.ts';
import { type ProbePolicy, Prober } from './prober.ts';

export interface MonitorPace {
  readonly factor: number;
  readonly leastMs: number;
  readonly mostMs: number;
}

export const MONITOR_PACE: MonitorPace = { factor: 1.2, leastMs: 60_000, mostMs: 900_000 };

export interface MonitorOptions {
  readonly family: Family;
  readonly rng: Rng;
  readonly ownId: Id160;
  readonly version: Uint8Array;
  readonly policy: ProbePolicy;
  readonly pace: MonitorPace;
}

/** `window` and `interrupted` are no ends of the session: the looking ended, for good or for a while. */
export type EndReason = 'silent' | 'id_changed' | 'window' | 'interrupted';

/** How a probe ended. */
export type Verdict = 'there' | 'silent' | 'other_id';

/** All that is known of a watched node: what a run that was killed goes on with. */
export interface WatchedState {
  readonly id: Id160;
  readonly address: DhtAddress;
  readonly isPresent: boolean;
  readonly firstSuccessMs: number;
  readonly lastSuccessMs: number;
  readonly gapMs: number;
  readonly beforeMs: number | undefined;
  readonly firstFailureMs: number | undefined;
  readonly failures: number;
  readonly probes: number;
  readonly lostProbes: number;
  readonly idChanges: number;
  /** Asked next. */
  readonly dueMs: number;
}

export interface MonitorPort {
  send(datagram: Uint8Array, to: DhtAddress): void;
  onSession(session: MonitoredSession): void;
  /** From now on watched. */
  onWatched(state: WatchedState): void;
  /** @param atMs of the answer, or of the first question that had none */
  onProbed(node: number, verdict: Verdict, atMs: number): void;
}

export interface MonitoredSession {
  readonly node: number;
  readonly id: Id160;
  readonly address: DhtAddress;
  readonly firstSuccessMs: number;
  readonly lastSuccessMs: number;
  /** The last look that did not find it; undefined when it was there at the first look. */
  readonly beforeMs: number | undefined;
  /** When the first of the probes that ended it was asked. */
  readonly firstFailureMs: number | undefined;
  readonly probes: number;
  readonly lostProbes: number;
  readonly endReason: EndReason;
  readonly idChanges: number;
  /** Other endpoints at which the id was seen. */
  readonly endpointChanges: number;
}

/** So many probes in a row unanswered end a session: one may be lost twice on a bad line, hardly both. */
const FAILURES_THAT_END = 2;

class Watched {
  dueMs = 0;
  heapAt = -1;
  readonly node: number;
  isPresent = false;
  firstSuccessMs = 0;
  lastSuccessMs = Number.NEGATIVE_INFINITY;
  /** Gap between the last two answers. */
  gapMs = 0;
  beforeMs: number | undefined;
  firstFailureMs: number | undefined;
  failures = 0;
  probes = 0;
  lostProbes = 0;
  idChanges = 0;

  constructor(node: number) {
    this.node = node;
  }
}

function isInDoubt({ isPresent, failures }: Watched): boolean {
  return isPresent && failures > 0;
}

export class MonitorMachine {
  readonly table: NodeTable;
  readonly prober: Prober;
  readonly #pace: MonitorPace;
  readonly #watched: Watched[] = [];
  readonly #due = new DeadlineHeap<Watched>();
  readonly #port: MonitorPort;
  /** Endpoints by id: who moves keeps the id. */
  readonly #endpoints = new Map<string, number>();
  #isClosing = false;
  #isStopped = false;

  constructor(options: MonitorOptions, port: MonitorPort) {
    this.table = new NodeTable(options.family);
    this.#pace = options.pace;
    this.#port = port;
    this.prober = new Prober(
      this.table,
      { ...options, readOnly: true, want: undefined },
      {
        send: (datagram, to) => port.send(datagram, to),
        onSent: () => {},
        onDone: ({ node, outcome, askedMs, receivedMs }) => {
          if (this.#isStopped) return;
          const isSame = outcome !== 'id_mismatch';
          const verdict = !isSame ? 'other_id' : ANSWERED.includes(outcome) ? 'there' : 'silent';
          // Who is silent was gone when the first try came, not when we had waited long enough to be sure of it.
          const atMs = verdict === 'silent' ? askedMs : receivedMs;
          port.onProbed(node, verdict, atMs);
          this.probed(node, verdict, atMs);
        },
      },
    );
  }

  /** Nodes watched, and those of them that are there. */
  get watched(): number {
    return this.#watched.length;
  }

  get present(): number {
    return this.#watched.filter(({ isPresent }) => isPresent).length;
  }

  /** Stopped, or closing and nobody is left in doubt. */
  get isDone(): boolean {
    if (this.#isStopped) return true;
    return this.#isClosing && this.#due.size === 0 && this.prober.inFlight === 0;
  }

  has(address: DhtAddress): boolean {
    return this.table.find(address) >= 0;
  }

  /**
   * A node that a crawl has just verified.
   * @param absentMs an earlier crawl had not heard of it then; undefined for those of the first crawl
   */
  add(id: Id160, address: DhtAddress, seenMs: number, absentMs: number | undefined): void {
    if (this.has(address)) return;
    const watched = this.#watch(id, address, seenMs);
    this.#begin(watched, seenMs, absentMs);
    this.#due.set(watched, seenMs + this.#pace.leastMs);
    this.#port.onWatched(this.#stateOf(watched));
  }

  /** A node of the run before, in the order in which they were added. */
  restore(state: WatchedState): void {
    if (this.has(state.address)) return;
    const { id, address, dueMs, ...facts } = state;
    const watched = this.#watch(id, address, facts.firstSuccessMs);
    Object.assign(watched, facts);
    this.#due.set(watched, dueMs);
  }

  /**
   * After the last `restore` and `probed`. Nobody looked since `lookedMs`: when that is longer than the longest pace, what was open
   * is cut where it was seen last, and nobody is known to have been absent.
   */
  resume(nowMs: number, lookedMs: number): void {
    if (nowMs - lookedMs <= this.#pace.mostMs) return;
    for (const watched of this.#watched) {
      if (watched.isPresent) this.#end(watched, 'interrupted');
      watched.isPresent = false;
      watched.firstFailureMs = undefined;
    }
  }

  /** Everybody watched, in order. */
  *states(): IterableIterator<WatchedState> {
    for (const watched of this.#watched) yield this.#stateOf(watched);
  }

  handleDatagram(bytes: Uint8Array, from: DhtAddress, nowMs: number): void {
    this.prober.handleDatagram(bytes, from, nowMs);
  }

  nextTimeoutMs(nowMs: number): number {
    const dueMs = Math.max(this.#due.nextMs, this.prober.turnAtMs(nowMs));
    return Math.min(this.prober.nextTimeoutMs(), this.prober.hasRoom ? dueMs : Number.POSITIVE_INFINITY);
  }

  handleTimeout(nowMs: number): void {
    this.prober.handleTimeout(nowMs);
    while (this.prober.hasTurn(nowMs)) {
      const watched = this.#due.popDue(nowMs);
      if (watched === undefined) return;
      const readyAtMs = this.prober.readyAtMs(this.table.address(watched.node), nowMs);
      if (readyAtMs > nowMs) this.#due.set(watched, readyAtMs);
      else this.prober.ask(watched.node, 'ping', undefined, nowMs);
    }
  }

  /**
   * The window is over: only those whose last probe had no answer are asked once more, until `isDone`. Else who went at the end
   * would count as cut off before, and those who stayed as seen until then: sessions would look longer than they are.
   */
  close(nowMs: number): void {
    this.#isClosing = true;
    for (const watched of this.#watched) {
      // Whoever is being asked is judged by that answer.
      if (watched.heapAt < 0) continue;
      if (isInDoubt(watched)) this.#due.set(watched, nowMs);
      else this.#due.remove(watched);
    }
  }

  /** The window is over: open sessions are handed out as not seen to end. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    for (const watched of this.#watched) if (watched.isPresent) this.#end(watched, 'window');
  }

  #begin(watched: Watched, nowMs: number, absentMs: number | undefined): void {
    watched.isPresent = true;
    watched.firstSuccessMs = nowMs;
    watched.lastSuccessMs = nowMs;
    watched.beforeMs = absentMs;
    watched.firstFailureMs = undefined;
    watched.failures = 0;
    watched.probes = 1;
    watched.lostProbes = 0;
    watched.gapMs = 0;
  }

  /** What a probe came to; of the run before when it is replayed. */
  probed(node: number, verdict: Verdict, nowMs: number): void {
    const watched = this.#watched[node];
    if (watched === undefined) return;
    if (verdict === 'other_id') watched.idChanges++;
    if (verdict === 'there') this.#handlePresence(watched, nowMs);
    else this.#handleAbsence(watched, nowMs, verdict === 'silent');
    const gapMs = verdict === 'there' ? watched.gapMs : nowMs - watched.lastSuccessMs;
    const { factor, leastMs, mostMs } = this.#pace;
    const waitMs = this.#isClosing ? 0 : Math.min(mostMs, Math.max(leastMs, gapMs * factor));
    if (!this.#isClosing || isInDoubt(watched)) this.#due.set(watched, nowMs + waitMs);
  }

  #watch(id: Id160, address: DhtAddress, seenMs: number): Watched {
    const watched = new Watched(this.table.add(id, address, GIVEN, Math.max(0, seenMs)));
    this.#watched.push(watched);
    this.#endpoints.set(id.key, (this.#endpoints.get(id.key) ?? 0) + 1);
    return watched;
  }

  #stateOf(watched: Watched): WatchedState {
    const { node, isPresent, firstSuccessMs, lastSuccessMs, gapMs, beforeMs, firstFailureMs } = watched;
    const { failures, probes, lostProbes, idChanges, dueMs } = watched;
    return {
      ...{ id: this.table.id(node), address: this.table.address(node), isPresent, firstSuccessMs },
      ...{ lastSuccessMs, gapMs, beforeMs, firstFailureMs, failures, probes, lostProbes, idChanges, dueMs },
    };
  }

  #handlePresence(watched: Watched, nowMs: number): void {
    if (!watched.isPresent) {
      this.#begin(watched, nowMs, watched.firstFailureMs);
      return;
    }
    watched.probes++;
    // What seemed to be gone was only not heard.
    watched.lostProbes += watched.failures;
    watched.failures = 0;
    watched.firstFailureMs = undefined;
    watched.gapMs = nowMs - watched.lastSuccessMs;
    watched.lastSuccessMs = nowMs;
  }

  #handleAbsence(watched: Watched, nowMs: number, isSilent: boolean): void {
    if (!watched.isPresent) {
      // The latest moment of absence is the one that tells when the next session began.
      watched.firstFailureMs = nowMs;
      return;
    }
    watched.probes++;
    watched.failures++;
    watched.firstFailureMs ??= nowMs;
    if (isSilent && watched.failures < FAILURES_THAT_END) return;
    this.#end(watched, isSilent ? 'silent' : 'id_changed');
    watched.isPresent = false;
    watched.firstFailureMs = nowMs;
  }

  #end(watched: Watched, endReason: EndReason): void {
    const id = this.table.id(watched.node);
    this.#port.onSession({
      node: watched.node,
      id,
      address: this.table.address(watched.node),
      firstSuccessMs: watched.firstSuccessMs,
      lastSuccessMs: watched.lastSuccessMs,
      beforeMs: watched.beforeMs,
      firstFailureMs: watched.firstFailureMs,
      probes: watched.probes,
      lostProbes: watched.lostProbes,
      endReason,
      idChanges: watched.idChanges,
      endpointChanges: (this.#endpoints.get(id.key) ?? 1) - 1,
    });
  }
}
