// The DHT node as a machine: datagrams, commands and time go in, datagrams and callbacks come out. It reads no clock, no
// randomness and no socket of its own, so that one process runs one on a socket or 100,000 on virtual time.
import { silentLog } from '../core/base/log.ts';
import type { DhtAddress, Family } from './base/address.ts';
import { idForAddress, isValidId } from './base/bep42.ts';
import { Id160 } from './base/node-id.ts';
import {
  CLIENT_VERSION,
  type DhtOptions,
  type LimitPolicy,
  OUR_LIMITS,
  OUR_LOOKUP,
  OUR_MAINTENANCE,
  OUR_STORES,
  OUR_TABLE,
  withDefaults,
} from './base/options.ts';
import type {
  AnnounceOptions,
  BootstrapOptions,
  DhtContact,
  DhtItem,
  DhtOperation,
  DhtSnapshot,
  DhtState,
  FindNodeOptions,
  GetItemOptions,
  GetPeersOptions,
  PingResult,
  PutItemOptions,
  SampleOptions,
  ScrapeOptions,
} from './base/results.ts';
import { Bootstrap, type FamilyBootstrapResult } from './bootstrap.ts';
import { KrpcMessage } from './krpc/krpc.ts';
import { scanKrpc } from './krpc/krpc-scan.ts';
import { RoundTrips } from './krpc/round-trips.ts';
import { Maintenance } from './maintenance.ts';
import { type DhtOutput, NodeContext } from './node/context.ts';
import { FamilyState } from './node/family-state.ts';
import { newCounters } from './node/statistics.ts';
import { Throttle } from './node/throttle.ts';
import { Operations } from './operations.ts';
import { Responder } from './responder.ts';
import { snapshotOf, stateOf } from './snapshot.ts';
import { ItemStore } from './storage/item-store.ts';
import { PeerStore } from './storage/peer-store.ts';
import { Tokens } from './storage/tokens.ts';

export type { DhtOutput } from './node/context.ts';

/** A timer this late means that the machine slept. */
const SLEPT_MS = 60_000;
/** Nodes of the other family taken from one reply while that family has none (BEP 32). */
const MAX_LEAKED = 8;
const POLITENESS = 0.8;

/** One for the process: a message lives as long as one call of `handleDatagram`. */
const message = new KrpcMessage();

export interface TableContact extends DhtContact {
  readonly failures: number;
  readonly lastAnswerMs: number;
  readonly roundTripMs: number;
}

/**
 * A node (BEP 5, 32, 42, 43, 44, 51) without socket or clock: datagrams and `nowMs` in, datagrams out through `DhtOutput`. Whoever holds it
 * calls `handleTimeout` when `nextTimeoutMs` says so. Commands answer through their `on*` callbacks, never before they return.
 */
export class DhtMachine {
  readonly #context: NodeContext;
  readonly #incoming: Throttle;
  readonly #responder: Responder;
  readonly #operations: Operations;
  readonly #peers: PeerStore;
  readonly #items: ItemStore;
  readonly #maintenance = new Map<Family, Maintenance>();
  readonly #followAddress: boolean;
  #bootstrapOptions: BootstrapOptions = {};
  #joining: DhtOperation | undefined;

  constructor(options: DhtOptions, output: DhtOutput, nowMs: number) {
    const { rng } = options;
    const limits = withDefaults(OUR_LIMITS, options.limits);
    const stores = withDefaults(OUR_STORES, options.stores);
    this.#context = new NodeContext({
      rng,
      output,
      log: options.log ?? silentLog,
      lookup: withDefaults(OUR_LOOKUP, options.lookup),
      table: withDefaults(OUR_TABLE, options.table),
      maintenance: withDefaults(OUR_MAINTENANCE, options.maintenance),
      limits,
      readOnly: options.readOnly ?? false,
      version: options.clientVersion ?? CLIENT_VERSION,
      roundTrips: new RoundTrips(),
      outgoing: new Throttle(politer(limits)),
      counters: newCounters(),
    });
    this.#incoming = new Throttle(limits);
    this.#peers = new PeerStore(stores, rng);
    this.#items = new ItemStore(stores);
    this.#responder = new Responder(this.#context, {
      peers: this.#peers,
      items: this.#items,
      tokens: new Tokens(rng),
    });
    this.#operations = new Operations(this.#context);
    this.#followAddress = options.followAddress ?? options.nodeId === undefined;
    const common = options.nodeId === undefined ? Id160.random(rng) : Id160.of(options.nodeId);
    for (const family of options.families ?? [4]) {
      const own = options.nodeIds?.find((one) => one.family === family)?.id;
      this.#addFamily(family, own === undefined ? common : Id160.of(own), nowMs);
    }
    this.#context.onNewAddress = (family, atMs) => this.#handleNewAddress(family, atMs);
  }

  /**
   * @param bytes kept by nobody after the call
   * @returns false when this is not KRPC at all (another protocol on the same port may have it)
   */
  handleDatagram(bytes: Uint8Array, from: DhtAddress, nowMs: number): boolean {
    const { counters } = this.#context;
    const outcome = scanKrpc(bytes, message);
    if (outcome === 'foreign') return false;
    counters.datagramsIn++;
    counters.bytesIn += bytes.length;
    const family = this.#context.family(from.family);
    if (family === undefined || from.port === 0) {
      counters.dropped++;
    } else if (outcome === 'malformed') {
      counters.malformed++;
      // Nonsense counts against its sender, so that floods of it get banned like floods of queries.
      this.#incoming.admit(from.hostKey, nowMs);
    } else if (message.kind === 'query') {
      this.#handleQuery(from, family, nowMs);
    } else {
      if (this.#context.hasBothFamilies) this.#learnOtherFamily(from, nowMs);
      this.#context.handleAnswer(message, from, nowMs);
    }
    return true;
  }

  /** The system reported that nobody is at `to` (ICMP): its queries fail at once. */
  handleUnreachable(to: DhtAddress, nowMs: number): void {
    this.#context.handleUnreachable(to, nowMs);
  }

  /** When `handleTimeout` wants to be called: in nowMs units, Infinity for never. Changes with every call of anything. */
  nextTimeoutMs(): number {
    return this.#context.nextTimeoutMs();
  }

  /** Late calls are fine; a call more than a minute late is taken as a sleep of the machine: nobody is blamed for it. */
  handleTimeout(nowMs: number): void {
    if (nowMs - this.#context.nextTimeoutMs() > SLEPT_MS) this.handleWake(nowMs);
    this.#context.handleTimeout(nowMs);
  }

  /** The machine slept or changed its network: what was in flight is forgotten, the neighbourhood is looked up anew. */
  handleWake(nowMs: number): void {
    this.#context.forgetQueries(nowMs);
    for (const maintenance of this.#maintenance.values()) maintenance.wake(nowMs);
  }

  /** Gets going: saved nodes first, routers when they do not do, then our own neighbourhood. */
  bootstrap(options: BootstrapOptions, nowMs: number): DhtOperation {
    this.#bootstrapOptions = { ...options };
    const results: FamilyBootstrapResult[] = [];
    const parts: Bootstrap[] = [];
    const operation = {
      isDone: false,
      cancel: (): void => {
        operation.isDone = true;
        for (const part of parts) part.cancel();
      },
      trace: () => parts.flatMap((part) => part.trace()),
    };
    this.#joining = operation;
    const finish = (result: FamilyBootstrapResult, family: Family, atMs: number): void => {
      this.#maintenance.get(family)?.markSelfLookup(atMs);
      results.push(result);
      if (results.length < parts.length || operation.isDone) return;
      operation.isDone = true;
      let nodes = 0;
      for (const state of this.#context.families.values()) nodes += state.table.goodCount(atMs);
      options.onDone?.({
        elapsedMs: atMs - nowMs,
        savedAlive: results.reduce((sum, one) => sum + one.savedAlive, 0),
        usedRouters: results.some((one) => one.usedRouters),
        nodes,
        queries: results.reduce((sum, one) => sum + one.queries, 0),
      });
    };
    for (const family of this.#context.families.values()) {
      parts.push(
        new Bootstrap({
          context: this.#context,
          family,
          nodes: options.nodes ?? [],
          routers: options.routers ?? [],
          onDone: (result, atMs) => finish(result, family.family, atMs),
        }),
      );
    }
    for (const part of parts) part.start(nowMs);
    return operation;
  }

  /** A node somebody named (BEP 5 `port` message, `nodes` of a torrent): asked, and kept if it answers. */
  addNode(address: DhtAddress, nowMs: number): void {
    const family = this.#context.family(address.family);
    if (family === undefined || address.scope === 'unusable') return;
    if (family.table.slab.findAddress(address) >= 0) return;
    this.#operations.ping(address, () => {}, nowMs);
  }

  /** For simulations and tests: puts a node into the table as if it had answered just now, and before. @returns false when refused */
  insertVerified(contact: DhtContact, nowMs: number, roundTripMs = 0): boolean {
    const family = this.#context.family(contact.address.family);
    if (family === undefined) return false;
    const { table } = family;
    const id = Id160.of(contact.id);
    if (!family.isWelcome(id, contact.address, nowMs)) return false;
    if (table.offer(id, contact.address, roundTripMs, nowMs) === 'refused') return false;
    const slot = table.find(id);
    if (slot >= 0) table.slab.markAsked(slot, nowMs);
    return true;
  }

  /** For simulations, after `insertVerified`: a node that joined long ago, whose own lookups come in the course of time. */
  settle(nowMs: number): void {
    for (const maintenance of this.#maintenance.values()) maintenance.settle(nowMs);
  }

  /** Fails with `unreachable` when our own limits forbid it. */
  ping(address: DhtAddress, onDone: (result: PingResult) => void, nowMs: number): DhtOperation {
    return this.#operations.ping(address, onDone, nowMs);
  }

  /** The live nodes closest to a target. */
  findNode(target: Uint8Array, options: FindNodeOptions, nowMs: number): DhtOperation {
    return this.#operations.findNode(Id160.of(target), options, nowMs);
  }

  getPeers(infoHash: Uint8Array, options: GetPeersOptions, nowMs: number): DhtOperation {
    return this.#operations.getPeers(Id160.of(infoHash), options, nowMs);
  }

  /** get_peers, then announce_peer to the closest that gave a token. Not repeated: peers expire after 30 minutes. */
  announce(infoHash: Uint8Array, options: AnnounceOptions, nowMs: number): DhtOperation {
    return this.#operations.announce(Id160.of(infoHash), options, nowMs);
  }

  /** BEP 44: immutable by hash; mutable by target (with `salt` for the check of the key). */
  getItem(target: Uint8Array, options: GetItemOptions, nowMs: number): DhtOperation {
    return this.#operations.getItem(Id160.of(target), options, nowMs);
  }

  /** BEP 44: looks for the nodes closest to `item.target` and stores there. Make items with `immutableItem`, `signItem`. */
  putItem(item: DhtItem, options: PutItemOptions, nowMs: number): DhtOperation {
    return this.#operations.putItem(item, options, nowMs);
  }

  /** BEP 33: how many seeds and peers the swarm has, by bloom filters. */
  scrape(infoHash: Uint8Array, options: ScrapeOptions, nowMs: number): DhtOperation {
    return this.#operations.scrape(Id160.of(infoHash), options, nowMs);
  }

  /** BEP 51: info hashes that nodes around `target` store. */
  sample(target: Uint8Array, options: SampleOptions, nowMs: number): DhtOperation {
    return this.#operations.sample(Id160.of(target), options, nowMs);
  }

  snapshot(nowMs: number): DhtSnapshot {
    return snapshotOf(this.#context, this.#peers, this.#items, nowMs);
  }

  /** Good nodes first; feed `contacts` back through `bootstrap({ nodes })` and `ids[].id` through `options.nodeId`. */
  state(nowMs: number): DhtState {
    return stateOf(this.#context, nowMs);
  }

  /** Every node of the tables, for measurements: dead share, diversity. */
  contacts(): readonly TableContact[] {
    const contacts: TableContact[] = [];
    for (const { table } of this.#context.families.values()) {
      for (const slot of table.members()) {
        contacts.push({
          id: table.slab.id(slot).toBytes(),
          address: table.slab.address(slot),
          failures: table.slab.failures(slot),
          lastAnswerMs: table.slab.answeredMs(slot),
          roundTripMs: table.slab.roundTripMs(slot),
        });
      }
    }
    return contacts;
  }

  #addFamily(family: Family, ownId: Id160, nowMs: number): void {
    const { table, maintenance } = this.#context;
    const state = new FamilyState(family, ownId, table, maintenance);
    this.#context.addFamily(state);
    const keeper = new Maintenance(this.#context, state, {
      lookupSelf: (atMs) => this.#lookupSelf(state, atMs),
      rejoin: (atMs) => {
        const { nodes, routers } = this.#bootstrapOptions;
        if (this.#joining?.isDone === false) return;
        if ((nodes?.length ?? 0) + (routers?.length ?? 0) > 0) this.bootstrap(this.#bootstrapOptions, atMs);
      },
    });
    this.#maintenance.set(family, keeper);
    keeper.start(nowMs);
  }

  #lookupSelf(family: FamilyState, nowMs: number): void {
    const options = { families: [family.family], policy: { disjointPaths: 1 } };
    this.#operations.findNode(family.ownId, options, nowMs);
  }

  #handleQuery(from: DhtAddress, family: FamilyState, nowMs: number): void {
    const { counters, readOnly } = this.#context;
    counters.queriesIn++;
    const { hostKey } = from;
    if (this.#incoming.isBanned(hostKey, nowMs) || !this.#incoming.admit(hostKey, nowMs)) {
      counters.dropped++;
      return;
    }
    this.#context.markHeard(nowMs);
    if (!readOnly && !this.#responder.handleQuery(message, from, family, nowMs)) {
      counters.malformed++;
      return;
    }
    family.handleQuery(message, from, nowMs);
    if (family.quarantine.length > 0) this.#maintenance.get(from.family)?.releaseQuarantine(nowMs);
  }

  /** BEP 32: a reply over one family may name nodes of the other; taken up only while that table is nearly empty. */
  #learnOtherFamily(from: DhtAddress, nowMs: number): void {
    for (const family of this.#context.families.values()) {
      if (family.family === from.family || family.table.size >= MAX_LEAKED) continue;
      if (!this.#context.transactions.has(message, from)) continue;
      const nodes = family.namedNodes(message, from);
      this.#maintenance.get(family.family)?.verify(nodes, MAX_LEAKED, nowMs);
    }
  }

  #handleNewAddress(family: FamilyState, nowMs: number): void {
    const { address } = family.external;
    if (address === undefined || !this.#followAddress || isValidId(family.ownId, address)) return;
    family.changeId(idForAddress(address, this.#context.rng), nowMs);
    this.#maintenance.get(family.family)?.wake(nowMs);
  }
}

/** What we send stays a little under what we would accept: jitter may bring our datagrams together on the way. */
function politer(limits: LimitPolicy): LimitPolicy {
  let polite = politeLimits.get(limits);
  if (polite === undefined) {
    polite = {
      ...limits,
      perAddressPerSecond: limits.perAddressPerSecond * POLITENESS,
      perAddressBurst: limits.perAddressBurst * POLITENESS,
      banAfter: Number.POSITIVE_INFINITY,
    };
    politeLimits.set(limits, polite);
  }
  return polite;
}
const politeLimits = new WeakMap<LimitPolicy, LimitPolicy>();
