// Getting into one DHT: saved nodes are asked 32 at a time, routers only when those do not do, and the lookup of our own id
// begins as soon as a handful answered. Then the far buckets are filled. Aims at under a second.
import type { DhtAddress } from './base/address.ts';
import { Id160, randomIdAt } from './base/node-id.ts';
import type { LookupPolicy } from './base/options.ts';
import type { DhtContact, QueryTrace } from './base/results.ts';
import { targetQuery } from './krpc/queries.ts';
import type { QueryOwner } from './krpc/transactions.ts';
import { LookupGroup } from './lookup/lookup-group.ts';
import { findNodeTask } from './lookup/lookup-tasks.ts';
import { composer, type NodeContext, type Timer, timer } from './node/context.ts';
import type { FamilyState } from './node/family-state.ts';

const WIDTH = 32;
/** With fewer saved nodes alive after this time, routers are asked. */
const ENOUGH_ALIVE = 10;
const ROUTERS_AFTER_MS = 500;
/** Nobody answered: one datagram lost, or an entry that is busy. Asked again so often before it is said that there is no way in. */
const MORE_ROUNDS = 3;
const NEXT_ROUND_AFTER_MS = 1_000;
/** So many answers make a good start for the lookup of ourselves. */
const START_ALIVE = 8;
/** A saved node that takes longer gives its place to the next. */
const STALL_MS = 250;
const TIMEOUT_MS = 5_000;
const ALPHA = 12;
const HASTY_STALL = { kind: 'adaptive', initialMs: 350, minSamples: 16 } as const;
/** Lookups into far buckets after the first: each brings 8 to 40 nodes. */
const MAX_FILLS = 6;
/** Also in a table that is nearly empty. */
const MIN_FILLS = 2;

export interface FamilyBootstrapResult {
  readonly savedAlive: number;
  readonly usedRouters: boolean;
  readonly queries: number;
}

export class Bootstrap {
  readonly #context: NodeContext;
  readonly #family: FamilyState;
  readonly #queue: DhtContact[];
  readonly #routers: readonly DhtAddress[];
  readonly #onDone: (result: FamilyBootstrapResult, nowMs: number) => void;
  readonly #routersDue: Timer;
  readonly #owner: QueryOwner;
  #active = 0;
  #alive = 0;
  #queries = 0;
  #usedRouters = false;
  #roundsLeft = MORE_ROUNDS;
  #group: LookupGroup | undefined;
  #isDone = false;

  constructor(options: {
    readonly context: NodeContext;
    readonly family: FamilyState;
    readonly nodes: readonly DhtContact[];
    readonly routers: readonly DhtAddress[];
    readonly onDone: (result: FamilyBootstrapResult, nowMs: number) => void;
  }) {
    this.#context = options.context;
    this.#family = options.family;
    this.#queue = options.nodes.filter((node) => node.address.family === options.family.family);
    this.#routers = options.routers.filter((router) => router.family === options.family.family);
    this.#onDone = options.onDone;
    this.#routersDue = timer((nowMs) => this.#handleRoutersDue(nowMs));
    this.#owner = {
      onReply: (query, _message, _roundTripMs, nowMs) => {
        this.#alive++;
        this.#settle(query.hasStalled, nowMs);
      },
      onStall: (_query, nowMs) => this.#settle(false, nowMs),
      onFailure: (query, _failure, nowMs) => this.#settle(query.hasStalled, nowMs),
    };
  }

  trace(): readonly QueryTrace[] {
    return this.#group?.trace() ?? [];
  }

  start(nowMs: number): void {
    this.#context.timers.set(this.#routersDue, this.#queue.length === 0 ? nowMs : nowMs + ROUTERS_AFTER_MS);
    this.#pump(nowMs);
  }

  cancel(): void {
    this.#isDone = true;
    this.#context.timers.remove(this.#routersDue);
    this.#group?.cancel();
  }

  #settle(hadStalled: boolean, nowMs: number): void {
    if (!hadStalled) this.#active--;
    this.#pump(nowMs);
    const isThrough = this.#active === 0 && this.#queue.length === 0;
    if (this.#alive >= START_ALIVE || (isThrough && this.#alive > 0)) this.#lookupSelf(nowMs);
    if (isThrough && this.#alive < ENOUGH_ALIVE && !this.#usedRouters) this.#handleRoutersDue(nowMs);
  }

  #pump(nowMs: number): void {
    const { table } = this.#family;
    while (!this.#isDone && this.#active < WIDTH && this.#queue.length > 0) {
      const node = this.#queue.shift() as DhtContact;
      const query = this.#context.ask({
        family: this.#family,
        address: node.address,
        expectedId: Id160.of(node.id),
        owner: this.#owner,
        compose: (frame, tid) => targetQuery(composer, frame, 'find_node', table.ownId, this.#want, tid),
        stallMs: STALL_MS,
        timeoutMs: TIMEOUT_MS,
        nowMs,
      });
      if (query === undefined) continue;
      this.#queries++;
      this.#active++;
    }
  }

  get #want(): 'both' | undefined {
    return this.#context.families.size > 1 ? 'both' : undefined;
  }

  #handleRoutersDue(nowMs: number): void {
    this.#context.timers.remove(this.#routersDue);
    if (this.#isDone || this.#usedRouters) return;
    if (this.#alive < ENOUGH_ALIVE && this.#routers.length > 0) this.#usedRouters = true;
    this.#lookupSelf(nowMs);
    if (!this.#usedRouters) return;
    const starts = this.#routers.map((address) => ({
      id: undefined,
      address,
      roundTripMs: 0,
      origin: 'given' as const,
    }));
    for (const lookup of this.#group?.lookups ?? []) lookup.addStarts(starts, nowMs);
  }

  #lookupSelf(nowMs: number): void {
    if (this.#isDone || this.#group !== undefined) return;
    const { ownId, family } = this.#family;
    this.#group = new LookupGroup({
      context: this.#context,
      target: ownId,
      families: [family],
      policy: this.#hastyPolicy(),
      makeTask: () => findNodeTask(ownId, this.#want),
      onEnd: (result, _stores, atMs) => {
        for (const report of result.reports) this.#queries += report.queries;
        this.#endRound(atMs);
      },
      nowMs,
    });
    this.#group.start();
  }

  /** Again when no family has found anybody; a family that is not there at all keeps nobody waiting. */
  #endRound(nowMs: number): void {
    const families = [...this.#context.families.values()];
    const isFutile = this.#routers.length === 0 || this.#roundsLeft === 0;
    if (this.#isDone || isFutile || families.some(({ table }) => table.size > 0)) {
      this.#end(nowMs);
      return;
    }
    this.#roundsLeft--;
    this.#group = undefined;
    this.#usedRouters = false;
    this.#context.timers.set(this.#routersDue, nowMs + NEXT_ROUND_AFTER_MS);
  }

  /** Wider than an ordinary lookup, and the round trips of a few saved nodes are enough to know a slow one by. */
  #hastyPolicy(): Partial<LookupPolicy> {
    const { lookup } = this.#context;
    if (lookup.stall.kind !== 'adaptive') return { disjointPaths: 1 };
    return { disjointPaths: 1, alpha: Math.max(ALPHA, lookup.alpha), stall: HASTY_STALL };
  }

  #end(nowMs: number): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#context.timers.remove(this.#routersDue);
    this.#onDone({ savedAlive: this.#alive, usedRouters: this.#usedRouters, queries: this.#queries }, nowMs);
    this.#fill(0, nowMs);
  }

  /** Far buckets in turn, nearest level last: the table is useful from the first on. */
  #fill(depth: number, nowMs: number): void {
    const { table } = this.#family;
    if (depth >= MAX_FILLS || depth >= Math.max(MIN_FILLS, table.neighbourhoodLevel())) return;
    const target = randomIdAt(table.ownId, depth, this.#context.rng);
    new LookupGroup({
      context: this.#context,
      target,
      families: [this.#family.family],
      makeTask: () => findNodeTask(target, undefined),
      onEnd: (_result, _stores, atMs) => this.#fill(depth + 1, atMs),
      nowMs,
    }).start();
  }
}
