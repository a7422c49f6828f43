// One question to the DHT: a lookup per family and per disjoint path, started together and reported as one. Owns where
// lookups start from: the cache of recent neighbourhoods, the table, or what the caller gives.
import type { Family } from '../base/address.ts';
import { compareDistance, Id160, randomIdAt } from '../base/node-id.ts';
import { K, type LookupPolicy } from '../base/options.ts';
import type {
  LookupEnd,
  LookupOptions,
  LookupReport,
  LookupResult,
  QueryTrace,
  Responder,
} from '../base/results.ts';
import type { NodeContext } from '../node/context.ts';
import type { FamilyState } from '../node/family-state.ts';
import { Lookup } from './lookup.ts';
import type { Candidate } from './lookup-candidate.ts';
import type { LookupTask, StartNode } from './lookup-task.ts';
import { findNodeTask } from './lookup-tasks.ts';

/** Twice k: some of what the table knows is dead or shares a host. */
const START_NODES = 16;
const CACHED_NODES = 8;
/** Lookups around a crowd: the nearest honest part of the space and the next. */
const SCOUTS = 2;

export interface GroupOptions extends LookupOptions {
  readonly context: NodeContext;
  readonly target: Id160;
  readonly makeTask: (family: FamilyState) => LookupTask;
  /** Nodes to announce to or store at, by family, nearest first, with all that is known of them. */
  readonly onEnd: (result: LookupResult, stores: readonly Candidate[], nowMs: number) => void;
  readonly nowMs: number;
}

export class LookupGroup {
  readonly #options: GroupOptions;
  readonly #lookups: Lookup[] = [];
  /** Every candidate asked, and its place in the trace. */
  readonly #trace = new Map<Candidate, number>();
  readonly #scouts: LookupGroup[] = [];
  readonly #policy: LookupPolicy;
  #running = 0;
  #isCancelled = false;

  constructor(options: GroupOptions) {
    this.#options = options;
    this.#policy = { ...options.context.lookup, ...options.policy };
  }

  get isDone(): boolean {
    return this.#isCancelled || this.#running === 0;
  }

  get lookups(): readonly Lookup[] {
    return this.#lookups;
  }

  start(): void {
    const { context, families, nowMs } = this.#options;
    const states = [...context.families.values()].filter((state) => families?.includes(state.family) ?? true);
    const starts: { readonly lookup: Lookup; readonly nodes: readonly StartNode[] }[] = [];
    for (const family of states) {
      const nodes = this.#startNodes(family, nowMs);
      const paths = Math.max(1, this.#policy.disjointPaths);
      const claims = paths > 1 ? new Set<string>() : undefined;
      for (let path = 0; path < paths; path++) {
        const lookup = this.#makeLookup(family, path, claims);
        // Dealt in turn, so that no path starts with the near ones only.
        starts.push({ lookup, nodes: nodes.filter((_, i) => i % paths === path) });
      }
    }
    this.#running = starts.length;
    for (const { lookup, nodes } of starts) lookup.start(nodes, nowMs);
  }

  cancel(): void {
    if (this.isDone) return;
    this.#isCancelled = true;
    for (const scout of this.#scouts) scout.cancel();
    for (const lookup of this.#lookups) lookup.finish('cancelled', lookup.startedAtMs);
  }

  /** Ends all lookups with what there is. */
  finish(end: LookupEnd, nowMs: number): void {
    for (const lookup of this.#lookups) lookup.finish(end, nowMs);
  }

  trace(): QueryTrace[] {
    return [...this.#trace.keys()].map((candidate) => this.#traceOf(candidate));
  }

  #makeLookup(family: FamilyState, path: number, claims: Set<string> | undefined): Lookup {
    const { context, target, makeTask, nowMs } = this.#options;
    const lookup = new Lookup({
      context,
      family,
      target,
      policy: this.#policy,
      task: makeTask(family),
      events: {
        onQuery: (candidate) => this.#handleQuery(candidate),
        onEnd: (_lookup, _end, atMs) => this.#handleEnd(atMs),
        onDense: (crowded, atMs) => this.#scout(crowded, atMs),
      },
      nowMs,
      path,
      ...(claims === undefined ? {} : { claims }),
    });
    this.#lookups.push(lookup);
    return lookup;
  }

  #startNodes(family: FamilyState, nowMs: number): StartNode[] {
    const { target, startFrom } = this.#options;
    if (startFrom !== undefined) {
      return startFrom
        .filter((node) => node.address.family === family.family)
        .map((node) => ({
          id: Id160.of(node.id),
          address: node.address,
          roundTripMs: 0,
          origin: 'given' as const,
        }));
    }
    const nodes: StartNode[] = [];
    if (this.#policy.useCache)
      for (const cached of family.cache.near(target, CACHED_NODES, nowMs))
        nodes.push({ ...cached, origin: 'cache' });
    const { table } = family;
    const count = table.closest(target, START_NODES, 'all', nowMs);
    for (let i = 0; i < count; i++) {
      const slot = table.chosenAt(i);
      nodes.push({
        id: table.slab.id(slot),
        address: table.slab.address(slot),
        roundTripMs: table.slab.roundTripMs(slot),
        origin: 'table',
      });
    }
    return nodes;
  }

  /**
   * A crowd around the target is all that anybody near it names. Look up points of honest distance from it instead: who
   * lives there is near enough, and known to others.
   */
  #scout(lookup: Lookup, nowMs: number): void {
    const { context, target } = this.#options;
    const { family } = lookup;
    const nodes = family.size.nodes ?? K;
    const homeBits = Math.max(0, Math.floor(Math.log2(Math.max(1, nodes / K))));
    const found: StartNode[] = [];
    let running = SCOUTS;
    for (let i = 0; i < SCOUTS; i++) {
      const aim = randomIdAt(target, Math.max(0, homeBits - i), context.rng);
      const scout = new LookupGroup({
        context,
        target: aim,
        families: [family.family],
        policy: { ...this.#policy, widenWhenDense: false, useCache: false, disjointPaths: 1 },
        makeTask: () => findNodeTask(aim, undefined),
        onEnd: (result, _stores, atMs) => {
          for (const { id, address, roundTripMs } of result.closest)
            found.push({ id: Id160.of(id), address, roundTripMs, origin: 'given' });
          if (--running === 0) lookup.resume(found, atMs);
        },
        nowMs,
      });
      this.#scouts.push(scout);
      scout.start();
    }
  }

  #traceOf(candidate: Candidate): QueryTrace {
    return candidate.toTrace(this.#options.target, (other) => this.#trace.get(other) ?? -1);
  }

  #handleQuery(candidate: Candidate): void {
    let index = this.#trace.get(candidate);
    if (index === undefined) {
      index = this.#trace.size;
      this.#trace.set(candidate, index);
    }
    if (!this.#isCancelled) this.#options.onQuery?.(index, this.#traceOf(candidate));
  }

  #handleEnd(nowMs: number): void {
    this.#running--;
    if (this.#isCancelled || this.#running > 0) return;
    const families = [...new Set(this.#lookups.map((lookup) => lookup.family.family))];
    const stores: Candidate[] = [];
    const reports = families.map((family) => this.#report(family, stores, nowMs));
    const { target, onEnd } = this.#options;
    const closest = reports
      .flatMap((report) => report.closest)
      .sort((x, y) => compareDistance(target, Id160.of(x.id), Id160.of(y.id)));
    onEnd({ target: target.toBytes(), reports, closest }, stores, nowMs);
  }

  /** Several paths of one family as one; their closest nodes are pooled. */
  #report(family: Family, stores: Candidate[], nowMs: number): LookupReport {
    const { target } = this.#options;
    const lookups = this.#lookups.filter((lookup) => lookup.family.family === family);
    const parts = lookups.map((lookup) => lookup.report(nowMs));
    const isSuspicious = parts.some((part) => part.suspicious);
    const pooled = lookups
      .flatMap((lookup) => lookup.closest())
      .sort((x, y) => compareDistance(target, x.id as Id160, y.id as Id160));
    const closest = isSuspicious ? pooled : pooled.slice(0, this.#policy.closest);
    stores.push(...closest);
    const first = parts[0] as (typeof parts)[number];
    const sum = (field: 'queries' | 'replies' | 'lateReplies' | 'stalls' | 'timeouts'): number =>
      parts.reduce((total, part) => total + part[field], 0);
    const earliest = (field: 'firstReplyMs' | 'firstValueMs'): number | undefined => {
      const known = parts.map((part) => part[field]).filter((value) => value !== undefined);
      return known.length === 0 ? undefined : Math.min(...known);
    };
    return {
      family,
      end: parts.some((part) => part.end === 'converged') ? 'converged' : first.end,
      closest: closest.map(responderOf),
      elapsedMs: nowMs - this.#options.nowMs,
      firstReplyMs: earliest('firstReplyMs'),
      firstValueMs: earliest('firstValueMs'),
      queries: sum('queries'),
      replies: sum('replies'),
      lateReplies: sum('lateReplies'),
      stalls: sum('stalls'),
      timeouts: sum('timeouts'),
      hops: Math.max(...parts.map((part) => part.hops)),
      hopsToClosest: closest[0]?.hop ?? 0,
      suspicious: isSuspicious,
    };
  }
}

function responderOf(candidate: Candidate): Responder {
  return {
    id: (candidate.id as Id160).toBytes(),
    address: candidate.address,
    token: candidate.token,
    roundTripMs: candidate.roundTripMs,
    hop: candidate.hop,
  };
}
