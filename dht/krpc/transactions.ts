// Queries in flight: matched by random transaction id, exact endpoint, once. Each has one deadline at a time: first the
// stall, which only tells its owner, then the hard timeout, which fails it. Replies after a stall count in full.
import { type Rng, randomInt } from '../../core/base/clock.ts';
import type { DhtAddress } from '../base/address.ts';
import { getWord, putWord } from '../base/address.ts';
import { type Deadline, DeadlineHeap, type DeadlineWatch } from '../base/deadline-heap.ts';
import type { Id160 } from '../base/node-id.ts';
import type { QueryFailure } from '../base/results.ts';
import type { KrpcMessage } from './krpc.ts';
import { OpenQueries } from './open-queries.ts';

/** 32 random bits: with the endpoint to guess besides, a million blind replies hit nothing. */
export const TID_BYTES = 4;

/** Who asked. Exactly one of `onReply` and `onFailure` is called, after at most one `onStall`. */
export interface QueryOwner {
  /** `message` is valid during the call. Its id was checked against what was expected. */
  onReply(query: OpenQuery, message: KrpcMessage, roundTripMs: number, nowMs: number): void;
  onStall(query: OpenQuery, nowMs: number): void;
  /** @param message the error message it was answered with, if any */
  onFailure(query: OpenQuery, failure: QueryFailure, nowMs: number, message?: KrpcMessage): void;
}

export interface OpenQuery extends Deadline {
  /** As a signed word. */
  readonly tid: number;
  readonly address: DhtAddress;
  /** Undefined when nobody told us the id. */
  readonly expectedId: Id160 | undefined;
  /** Of the contact that was asked, -1 when it was none. Somebody else may have it by the time of the answer. */
  readonly slot: number;
  readonly owner: QueryOwner;
  readonly sentAtMs: number;
  readonly hardAtMs: number;
  hasStalled: boolean;
}

export class Transactions {
  readonly #rng: Rng;
  readonly #open = new OpenQueries();
  readonly #deadlines: DeadlineHeap<OpenQuery>;
  readonly #tid = new Uint8Array(TID_BYTES);

  constructor(rng: Rng, watch?: DeadlineWatch) {
    this.#rng = rng;
    this.#deadlines = new DeadlineHeap(watch);
  }

  get size(): number {
    return this.#open.size;
  }

  get nextMs(): number {
    return this.#deadlines.nextMs;
  }

  /** @returns a random id that no query in flight has; pass it to `open` */
  newTid(): number {
    for (;;) {
      const tid = randomInt(this.#rng, 2 ** 32) | 0;
      if (this.#open.get(tid) === undefined) return tid;
    }
  }

  /** Its bytes; valid until the next call. */
  tidBytes(tid: number): Uint8Array {
    putWord(this.#tid, 0, tid);
    return this.#tid;
  }

  /** @param options.stallMs Infinity for none */
  open(
    tid: number,
    options: {
      readonly address: DhtAddress;
      readonly expectedId: Id160 | undefined;
      readonly slot?: number;
      readonly owner: QueryOwner;
      readonly stallMs: number;
      readonly timeoutMs: number;
      readonly nowMs: number;
    },
  ): OpenQuery {
    const { address, expectedId, slot = -1, owner, stallMs, timeoutMs, nowMs } = options;
    const query: OpenQuery = {
      dueMs: 0,
      heapAt: -1,
      tid,
      address,
      expectedId,
      slot,
      owner,
      sentAtMs: nowMs,
      hardAtMs: nowMs + timeoutMs,
      hasStalled: false,
    };
    this.#open.add(query);
    this.#deadlines.set(query, nowMs + Math.min(stallMs, timeoutMs));
    return query;
  }

  /** The query that a reply belongs to, taken out; undefined for strays and guesses, which change nothing. */
  take(message: KrpcMessage, from: DhtAddress): OpenQuery | undefined {
    const query = this.#match(message, from);
    if (query !== undefined) this.close(query);
    return query;
  }

  /** Is this the answer to something that we asked? */
  has(message: KrpcMessage, from: DhtAddress): boolean {
    return this.#match(message, from) !== undefined;
  }

  #match(message: KrpcMessage, from: DhtAddress): OpenQuery | undefined {
    if (message.length(message.tid) !== TID_BYTES) return undefined;
    const query = this.#open.get(getWord(message.bytes, message.tid.start));
    return query?.address.equals(from) ? query : undefined;
  }

  /** Forgets it without a word to its owner. */
  close(query: OpenQuery): void {
    this.#open.delete(query.tid);
    this.#deadlines.remove(query);
  }

  /** The next query whose time has come: stalled ones stay in, lost ones are out. */
  popDue(nowMs: number): { readonly query: OpenQuery; readonly isLost: boolean } | undefined {
    const query = this.#deadlines.popDue(nowMs);
    if (query === undefined) return undefined;
    if (!query.hasStalled && query.hardAtMs > nowMs) {
      query.hasStalled = true;
      this.#deadlines.set(query, query.hardAtMs);
      return { query, isLost: false };
    }
    this.#open.delete(query.tid);
    return { query, isLost: true };
  }

  /** Takes out all queries to an endpoint, or all there are. */
  takeAll(to?: DhtAddress): OpenQuery[] {
    const taken: OpenQuery[] = [];
    for (const query of this.#open.all()) if (to === undefined || query.address.equals(to)) taken.push(query);
    for (const query of taken) this.close(query);
    return taken;
  }
}
