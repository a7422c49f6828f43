// The second half of announce and put: one write to each of the closest nodes with the token it gave, then the account.

import type { Id160 } from '../base/node-id.ts';
import type { DhtContact, QueryFailure } from '../base/results.ts';
import type { KrpcMessage } from '../krpc/krpc.ts';
import type { Composer } from '../krpc/krpc-compose.ts';
import type { QueryFrame } from '../krpc/queries.ts';
import type { OpenQuery, QueryOwner } from '../krpc/transactions.ts';
import { composer, type NodeContext } from '../node/context.ts';
import type { Candidate } from './lookup-candidate.ts';

/** These nodes answered a moment ago: whoever does not now has lost the datagram, and asking again is cheap. */
const TIMEOUT_MS = 4_000;
const TRIES = 2;

export interface StoreOutcome {
  readonly accepted: readonly DhtContact[];
  readonly attempted: number;
  readonly errors: ReadonlyMap<number, number>;
}

export class StorePhase implements QueryOwner {
  readonly #context: NodeContext;
  readonly #compose: (
    out: Composer,
    frame: QueryFrame,
    tid: Uint8Array,
    node: Candidate,
    token: Uint8Array,
  ) => Uint8Array;
  readonly #onDone: (outcome: StoreOutcome, nowMs: number) => void;
  readonly #pending = new Map<OpenQuery, { readonly node: Candidate; readonly tries: number }>();
  readonly #accepted: DhtContact[] = [];
  readonly #errors = new Map<number, number>();
  #attempted = 0;
  #isCancelled = false;

  constructor(options: {
    readonly context: NodeContext;
    readonly compose: (
      out: Composer,
      frame: QueryFrame,
      tid: Uint8Array,
      node: Candidate,
      token: Uint8Array,
    ) => Uint8Array;
    readonly onDone: (outcome: StoreOutcome, nowMs: number) => void;
  }) {
    this.#context = options.context;
    this.#compose = options.compose;
    this.#onDone = options.onDone;
  }

  start(nodes: readonly Candidate[], nowMs: number): void {
    for (const node of nodes) {
      if (node.token === undefined) continue;
      this.#attempted++;
      this.#ask(node, 1, nowMs);
    }
    this.#finishIfDone(nowMs);
  }

  cancel(): void {
    this.#isCancelled = true;
    for (const query of this.#pending.keys()) this.#context.transactions.close(query);
    this.#pending.clear();
  }

  onReply(query: OpenQuery, _message: KrpcMessage, _roundTripMs: number, nowMs: number): void {
    const entry = this.#pending.get(query);
    this.#pending.delete(query);
    if (entry !== undefined)
      this.#accepted.push({ id: (entry.node.id as Id160).toBytes(), address: entry.node.address });
    this.#finishIfDone(nowMs);
  }

  onStall(): void {}

  onFailure(query: OpenQuery, failure: QueryFailure, nowMs: number, message?: KrpcMessage): void {
    const entry = this.#pending.get(query);
    this.#pending.delete(query);
    if (message !== undefined)
      this.#errors.set(message.errorCode, (this.#errors.get(message.errorCode) ?? 0) + 1);
    if (failure === 'timeout' && entry !== undefined && entry.tries < TRIES)
      this.#ask(entry.node, entry.tries + 1, nowMs);
    this.#finishIfDone(nowMs);
  }

  #ask(node: Candidate, tries: number, nowMs: number): void {
    const family = this.#context.family(node.address.family);
    if (family === undefined || this.#isCancelled) return;
    const query = this.#context.ask({
      family,
      address: node.address,
      expectedId: node.id,
      owner: this,
      compose: (frame, tid) => this.#compose(composer, frame, tid, node, node.token as Uint8Array),
      stallMs: Number.POSITIVE_INFINITY,
      timeoutMs: TIMEOUT_MS,
      nowMs,
    });
    if (query !== undefined) this.#pending.set(query, { node, tries });
  }

  #finishIfDone(nowMs: number): void {
    if (this.#pending.size > 0 || this.#isCancelled) return;
    this.#isCancelled = true;
    const { accepted, errors } = { accepted: this.#accepted, errors: this.#errors };
    this.#onDone({ accepted, attempted: this.#attempted, errors }, nowMs);
  }
}
