// One node in one lookup: what is known of it, who named it, how its query went. It is the trace entry as well, so that
// tracing costs nothing.
import type { DhtAddress } from '../base/address.ts';
import type { Id160 } from '../base/node-id.ts';
import type { QueryFailure, QueryTrace } from '../base/results.ts';
import type { KrpcMessage } from '../krpc/krpc.ts';
import type { OpenQuery, QueryOwner } from '../krpc/transactions.ts';

export type CandidateState =
  | 'new'
  /** Not to be asked unless nothing else is left: same host as another, or known from bad sources only. */
  | 'aside'
  | 'asked'
  | 'stalled'
  | 'answered'
  | 'failed';

/** More sources than this tell nothing new. */
const MAX_SOURCES = 8;
/** A source that gave this many useless contacts, and few others, is a bad one (mldht). */
const USELESS_LIMIT = 3;

export interface CandidateEvents {
  candidateReplied(candidate: Candidate, message: KrpcMessage, roundTripMs: number, nowMs: number): void;
  candidateStalled(candidate: Candidate, nowMs: number): void;
  candidateFailed(candidate: Candidate, failure: QueryFailure, nowMs: number): void;
}

export class Candidate implements QueryOwner {
  readonly #events: CandidateEvents;
  /** Undefined until a bootstrap address answers. */
  id: Id160 | undefined;
  readonly address: DhtAddress;
  /** Where we have it from when no other candidate named it. */
  readonly origin: 'table' | 'cache' | 'given';
  /** Who named it first. */
  readonly from: Candidate | undefined;
  /** Who named it, as far as they are still trusted to. */
  readonly sources: Candidate[] = [];
  readonly hop: number;
  /** Mean round trip known before; 0 for unknown. */
  readonly knownRoundTripMs: number;
  state: CandidateState = 'new';
  isSameHost = false;
  /** Its id fits its address, or nobody asks for that. */
  isValid = true;
  tries = 0;
  query: OpenQuery | undefined;
  /** The same question again, when a lost datagram is likelier than a dead node. */
  repeat: OpenQuery | undefined;
  token: Uint8Array | undefined;
  version: Uint8Array | undefined;
  rank = 0;
  path = 0;
  sentAtMs = 0;
  stalledAtMs: number | undefined;
  answeredAtMs: number | undefined;
  failedAtMs: number | undefined;
  failure: QueryFailure | undefined;
  nodesGiven = 0;
  valuesGiven = 0;
  #usefulGiven = 0;
  #uselessGiven = 0;

  constructor(options: {
    readonly events: CandidateEvents;
    readonly id: Id160 | undefined;
    readonly address: DhtAddress;
    readonly origin: 'table' | 'cache' | 'given';
    readonly from: Candidate | undefined;
    readonly knownRoundTripMs: number;
    readonly path: number;
  }) {
    this.#events = options.events;
    this.id = options.id;
    this.address = options.address;
    this.origin = options.origin;
    this.from = options.from;
    this.knownRoundTripMs = options.knownRoundTripMs;
    this.path = options.path;
    this.hop = (options.from?.hop ?? 0) + 1;
    if (options.from !== undefined) this.sources.push(options.from);
  }

  addSource(from: Candidate): void {
    if (this.sources.length < MAX_SOURCES && !this.sources.includes(from)) this.sources.push(from);
  }

  /** Everybody who named it has named mostly useless ones. */
  get hasOnlyBadSources(): boolean {
    if (this.sources.length === 0) return false;
    return this.sources.every((source) => source.isBadSource);
  }

  get isBadSource(): boolean {
    return this.#uselessGiven >= USELESS_LIMIT && this.#uselessGiven > 3 * this.#usefulGiven;
  }

  creditSources(wasUseful: boolean): void {
    for (const source of this.sources) {
      if (wasUseful) source.#usefulGiven++;
      else source.#uselessGiven++;
    }
  }

  get roundTripMs(): number {
    return (this.answeredAtMs ?? this.sentAtMs) - this.sentAtMs;
  }

  onReply(_query: OpenQuery, message: KrpcMessage, roundTripMs: number, nowMs: number): void {
    this.#events.candidateReplied(this, message, roundTripMs, nowMs);
  }

  onStall(_query: OpenQuery, nowMs: number): void {
    this.#events.candidateStalled(this, nowMs);
  }

  /** Its queries still in flight. */
  openQueries(): readonly OpenQuery[] {
    const isOpen = (query: OpenQuery | undefined): query is OpenQuery => (query?.heapAt ?? -1) >= 0;
    return [this.query, this.repeat].filter(isOpen);
  }

  onFailure(_query: OpenQuery, failure: QueryFailure, nowMs: number): void {
    if (failure === 'timeout' && this.openQueries().length > 0) return;
    this.#events.candidateFailed(this, failure, nowMs);
  }

  /** @param indexOf the place of another candidate in the same trace */
  toTrace(target: Id160, indexOf: (candidate: Candidate) => number): QueryTrace {
    return {
      family: this.address.family,
      id: this.id?.toBytes(),
      address: this.address,
      source: this.from === undefined ? { kind: this.origin } : { kind: 'reply', query: indexOf(this.from) },
      namedBy: this.sources.length,
      hop: this.hop,
      sharedBits: this.id?.sharedBits(target) ?? 0,
      rank: this.rank,
      path: this.path,
      tries: this.tries,
      sentAtMs: this.sentAtMs,
      stalledAtMs: this.stalledAtMs,
      answeredAtMs: this.answeredAtMs,
      roundTripMs: this.answeredAtMs === undefined ? undefined : this.roundTripMs,
      failedAtMs: this.failedAtMs,
      failure: this.failure,
      nodesGiven: this.nodesGiven,
      valuesGiven: this.valuesGiven,
      hasToken: this.token !== undefined,
      clientVersion: this.version,
    };
  }
}
