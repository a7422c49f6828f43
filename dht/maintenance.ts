// Keeps one family's table alive: checks its oldest contacts, verifies those who waited, looks after our neighbourhood first.
// Where we lack nodes a check is a find_node into that part of the space, so that refreshing costs nothing extra; else a ping.
import type { DhtAddress } from './base/address.ts';
import { type Id160, randomIdAt } from './base/node-id.ts';
import type { KrpcMessage } from './krpc/krpc.ts';
import { pingQuery, type QueryFrame, targetQuery } from './krpc/queries.ts';
import type { OpenQuery, QueryOwner } from './krpc/transactions.ts';
import { composer, type NodeContext, type Timer, timer } from './node/context.ts';
import type { FamilyState, NamedNode } from './node/family-state.ts';
import type { Bucket } from './table/buckets.ts';
import { MostOverdue } from './table/most-overdue.ts';

/** A contact that failed once is asked again this soon: dead or a lost datagram? */
const RETRY_MS = 20_000;
/** Checks sent in one go; the rest follow a moment later, so that a wake-up makes no burst. */
const MAX_CHECKS = 16;
const PAUSE_MS = 500;
/** Otherwise what falls due within this time is done together: looking through the table costs more than a few checks. */
const BATCH_MS = 60_000;
/** Our own id is looked up at intervals that differ by as much, so that nodes started together do not go on in step. */
const SELF_LOOKUP_SPREAD = 0.5;
/** So many bits shared with our own id are nobody's but ours. */
const NEAR_BITS = 120;
/** Newly named nodes that one reply may make us ask. */
const MAX_VERIFICATIONS = 2;
/** Verifications in flight. */
const MAX_VERIFYING = 16;
/** Nothing is due: look again then. */
const IDLE_MS = 60_000;
/** Without a node in the table, time between attempts to get one, doubled up to the maximum. */
const FIRST_REJOIN_MS = 5_000;
const MAX_REJOIN_MS = 5 * 60_000;

/** Scratch of one look through a table: one serves all nodes of the process. */
const mostOverdue = new MostOverdue(MAX_CHECKS);

export interface MaintenanceEvents {
  /** Look up our own id. */
  lookupSelf(nowMs: number): void;
  /** The table is empty. */
  rejoin(nowMs: number): void;
}

export class Maintenance implements QueryOwner {
  readonly #context: NodeContext;
  readonly #family: FamilyState;
  readonly #events: MaintenanceEvents;
  readonly #timer: Timer;
  readonly #verifying = new Set<OpenQuery>();
  #selfLookupDueMs = Number.NEGATIVE_INFINITY;
  #rejoinMs = FIRST_REJOIN_MS;
  #rejoinAtMs = Number.NEGATIVE_INFINITY;
  /** Of the query that is being composed; undefined for a ping. */
  #target: Id160 | undefined;
  readonly #compose = (frame: QueryFrame, tid: Uint8Array): Uint8Array =>
    this.#target === undefined
      ? pingQuery(composer, frame, tid)
      : targetQuery(composer, frame, 'find_node', this.#target, undefined, tid);

  constructor(context: NodeContext, family: FamilyState, events: MaintenanceEvents) {
    this.#context = context;
    this.#family = family;
    this.#events = events;
    this.#timer = timer((nowMs) => this.#fire(nowMs));
  }

  start(nowMs: number): void {
    if (this.#context.maintenance.enabled) this.#context.timers.set(this.#timer, nowMs + PAUSE_MS);
  }

  /** Our own id was looked up just now by somebody else (bootstrap). */
  markSelfLookup(nowMs: number): void {
    const { rng, maintenance } = this.#context;
    const spread = 1 + (rng.next() - 0.5) * SELF_LOOKUP_SPREAD;
    this.#selfLookupDueMs = nowMs + Math.round(maintenance.selfLookupMs * spread);
  }

  /**
   * We are in for some time: the next look through our table, and the next lookup of our neighbourhood, come at any moment of
   * their usual intervals. Nodes settled together would do both in step otherwise, which no real ones do.
   */
  settle(nowMs: number): void {
    const { rng, maintenance } = this.#context;
    this.#selfLookupDueMs = nowMs + Math.round(maintenance.selfLookupMs * rng.next());
    if (maintenance.enabled) this.#context.timers.set(this.#timer, nowMs + Math.round(BATCH_MS * rng.next()));
  }

  /** After a sleep or a change of network: everything is doubtful, the neighbourhood first. */
  wake(nowMs: number): void {
    this.#selfLookupDueMs = Number.NEGATIVE_INFINITY;
    this.start(nowMs);
  }

  /** Somebody named these: those the table has a use for are asked, and get in if they answer. */
  verify(nodes: readonly NamedNode[], most: number, nowMs: number): void {
    let count = 0;
    for (const { id, address } of nodes) {
      if (count >= most || this.#verifying.size >= MAX_VERIFYING) return;
      if (!this.#family.table.isWanted(id, address) || !this.#family.isWelcome(id, address, nowMs)) continue;
      if (this.#isVerifyingHost(address)) continue;
      if (this.#ask(id, address, nowMs)) count++;
    }
  }

  onReply(query: OpenQuery, message: KrpcMessage, _roundTripMs: number, nowMs: number): void {
    const wasVerifying = this.#verifying.delete(query);
    if (!wasVerifying) {
      const named = this.#family.namedNodes(message, query.address, true);
      this.verify(named, MAX_VERIFICATIONS, nowMs);
    }
  }

  onStall(): void {}

  onFailure(query: OpenQuery): void {
    this.#verifying.delete(query);
  }

  #fire(nowMs: number): void {
    const { table } = this.#family;
    // Also while the table is empty: the first node of a network knows only who asks it.
    this.releaseQuarantine(nowMs);
    if (table.size === 0) {
      if (nowMs >= this.#rejoinAtMs) {
        this.#rejoinAtMs = nowMs + this.#rejoinMs;
        this.#rejoinMs = Math.min(MAX_REJOIN_MS, this.#rejoinMs * 2);
        this.#events.rejoin(nowMs);
      }
      this.#context.timers.set(this.#timer, this.#rejoinAtMs);
      return;
    }
    this.#rejoinMs = FIRST_REJOIN_MS;
    if (nowMs >= this.#selfLookupDueMs) {
      this.markSelfLookup(nowMs);
      this.#events.lookupSelf(nowMs);
    }
    const nextCheckMs = this.#check(nowMs);
    const nextReleaseMs = this.#family.quarantine[0]?.dueMs ?? Number.POSITIVE_INFINITY;
    const nextMs = Math.min(nextCheckMs, nextReleaseMs, this.#selfLookupDueMs, nowMs + IDLE_MS);
    this.#context.timers.set(this.#timer, Math.max(nowMs + PAUSE_MS, nextMs));
  }

  /** Asks those whose time has come whether they are there. */
  releaseQuarantine(nowMs: number): void {
    const { quarantine, table } = this.#family;
    if (!this.#context.maintenance.enabled) return;
    while (quarantine.length > 0 && (quarantine[0]?.dueMs as number) <= nowMs) {
      const node = quarantine.shift();
      if (node !== undefined && table.isWanted(node.id, node.address))
        this.#ask(node.id, node.address, nowMs);
    }
  }

  /** Asks the contacts that are most overdue. @returns when the next one is due */
  #check(nowMs: number): number {
    const { table } = this.#family;
    const { slab } = table;
    const { checkMs, neighbourCheckMs } = this.#context.maintenance;
    const homeLevel = table.neighbourhoodLevel();
    mostOverdue.clear();
    let nextMs = Number.POSITIVE_INFINITY;
    // Slot by slot instead of bucket by bucket: one stretch of memory from end to end.
    for (let slot = 0; slot < slab.end; slot++) {
      const level = slab.memberLevel(slot);
      if (level < 0) continue;
      const atMs = this.#dueMs(slot, level >= homeLevel ? neighbourCheckMs : checkMs);
      if (atMs <= nowMs) mostOverdue.add(slot, atMs);
      else if (atMs < nextMs) nextMs = atMs;
    }
    let neediest = mostOverdue.size === 0 ? undefined : this.#neediest(homeLevel, nowMs);
    for (let i = 0; i < mostOverdue.size; i++) {
      this.#askSlot(mostOverdue.slotAt(i), neediest, homeLevel, nowMs);
      if (neediest !== undefined) neediest = this.#neediest(homeLevel, nowMs);
    }
    return mostOverdue.isOverfull ? nowMs : Math.max(nowMs + BATCH_MS, nextMs);
  }

  /** Newcomers are asked again when the translator they may sit behind has forgotten us: most of those go then. */
  #dueMs(slot: number, usualMs: number): number {
    const { slab } = this.#family.table;
    const askedMs = slab.askedMs(slot);
    if (slab.failures(slot) > 0) return askedMs + RETRY_MS;
    const isNew = askedMs === Number.NEGATIVE_INFINITY;
    const intervalMs = isNew ? Math.min(usualMs, this.#context.maintenance.quarantineMs) : usualMs;
    return Math.max(slab.answeredMs(slot) + intervalMs, askedMs + RETRY_MS);
  }

  #askSlot(slot: number, neediest: Bucket | undefined, homeLevel: number, nowMs: number): void {
    const { table } = this.#family;
    this.#target = this.#usefulTarget(slot, neediest, homeLevel, nowMs);
    table.slab.markAsked(slot, nowMs);
    this.#context.ask({
      family: this.#family,
      address: table.slab.address(slot),
      expectedId: table.slab.id(slot),
      slot,
      owner: this,
      compose: this.#compose,
      stallMs: Number.POSITIVE_INFINITY,
      timeoutMs: this.#context.lookup.timeoutMs,
      nowMs,
    });
  }

  /** The bucket with room that was looked after longest ago, if that is long enough. */
  #neediest(homeLevel: number, nowMs: number): Bucket | undefined {
    let neediest: Bucket | undefined;
    let oldestMs = nowMs - this.#context.maintenance.bucketRefreshMs;
    for (const bucket of this.#family.table.places) {
      // Beyond our neighbourhood there is nobody to find.
      if (bucket === undefined || bucket.level > homeLevel) continue;
      if (bucket.refreshedAtMs > oldestMs || bucket.members.length >= bucket.capacity) continue;
      oldestMs = bucket.refreshedAtMs;
      neediest = bucket;
    }
    return neediest;
  }

  /**
   * A random id in the bucket that needs it most; around ourselves for neighbours, who know the others, and for newcomers, who
   * have to show that they answer honestly. Undefined: nothing to learn here.
   */
  #usefulTarget(
    slot: number,
    neediest: Bucket | undefined,
    homeLevel: number,
    nowMs: number,
  ): Id160 | undefined {
    const { rng, table: policy } = this.#context;
    const { table } = this.#family;
    if (neediest === undefined) {
      const isNear = table.slab.sharedBits(slot, table.ownId) >= homeLevel * policy.digitBits;
      const isNew = table.slab.askedMs(slot) === Number.NEGATIVE_INFINITY;
      return isNear || isNew ? randomIdAt(table.ownId, NEAR_BITS, rng) : undefined;
    }
    neediest.refreshedAtMs = nowMs;
    return randomIdAt(table.ownId, table.depthOf(neediest), rng);
  }

  /** A reply full of one victim makes us send it one ping. */
  #isVerifyingHost(address: DhtAddress): boolean {
    for (const query of this.#verifying) if (query.address.hostKey === address.hostKey) return true;
    return false;
  }

  /** By find_node: whoever answers pings as itself and lookups as somebody else is found out before it gets in. */
  #ask(id: Id160, address: DhtAddress, nowMs: number): boolean {
    const { rng } = this.#context;
    this.#target = randomIdAt(this.#family.ownId, NEAR_BITS, rng);
    const query = this.#context.ask({
      family: this.#family,
      address,
      expectedId: id,
      owner: this,
      compose: this.#compose,
      stallMs: Number.POSITIVE_INFINITY,
      timeoutMs: this.#context.lookup.timeoutMs,
      nowMs,
    });
    if (query === undefined) return false;
    this.#verifying.add(query);
    return true;
  }
}
