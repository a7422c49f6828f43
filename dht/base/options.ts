// Every knob of the node, each with its reason, and the lookup policies of other clients, so that the simulator runs theirs
// and ours with the same code.
import type { Rng } from '../../core/base/clock.ts';
import type { Log } from '../../core/base/log.ts';
import type { Family } from './address.ts';

/** When a query's slot is given to the next candidate. */
export type StallPolicy =
  /** From a decaying histogram of round trips: max(p90, p10 + 100 ms), 1.5 x the node's own mean when smaller. */
  | { readonly kind: 'adaptive'; readonly initialMs: number; readonly minSamples: number }
  | { readonly kind: 'fixed'; readonly ms: number }
  /** The slot is held until the hard timeout: the one-minute client. */
  | { readonly kind: 'never' };

export interface LookupPolicy {
  /** Queries in flight that have not stalled. */
  readonly alpha: number;
  /** How many live nodes make a result (BEP 5: k = 8). */
  readonly closest: number;
  /**
   * Live nodes asked for beyond those: tables thinned by dead entries hide some of the closest, and their neighbours know
   * them. With 30 % dead entries two more queries raise the recall of the true 8 from 0.94 to 0.96.
   */
  readonly margin: number;
  readonly stall: StallPolicy;
  /** After this a query is lost and its node has failed; until then late replies count. */
  readonly timeoutMs: number;
  /** How often one candidate is asked before it counts as dead. 1 for everybody but jech/dht. */
  readonly tries: number;
  /** False: a dead node keeps its slot among the closest (k-rpc): recall falls. */
  readonly pruneDead: boolean;
  /** Refill slowly when fewer than a third of the queries are answered, so that a dead link makes no storm. */
  readonly damping: boolean;
  /**
   * Where nearly everybody answers, who stalls is slow and not dead: wait a moment more for those among the closest. Without
   * it a lookup in a healthy network misses 7 % of the closest 8.
   */
  readonly awaitSlow: boolean;
  /** Set aside candidates whose only sources gave three useless contacts. */
  readonly sourceScoring: boolean;
  /** At most one query to an IP address per lookup, one /24 or /64 once among the closest. */
  readonly restrictAddresses: boolean;
  /** Count only responders whose id fits their address (BEP 42; local networks are exempt). */
  readonly requireValidIds: boolean;
  /** Start from recent responders near recent targets, beside the table. */
  readonly useCache: boolean;
  /** Independent paths that share no node; 1 is a plain lookup. */
  readonly disjointPaths: number;
  /** Ask further out when the closest are too dense for the size of the network (eclipse). */
  readonly widenWhenDense: boolean;
}

export interface TablePolicy {
  /** Bucket size (BEP 5). */
  readonly k: number;
  /** Bits a hop resolves: 1 is Kademlia's own; 2 is the lecture's digit table. */
  readonly digitBits: 1 | 2 | 3 | 4;
  /** Capacity of the buckets at the first levels; `k` after them. `[]` for plain Kademlia. */
  readonly topBuckets: readonly number[];
  /** Only nodes that answered our query from the expected endpoint with the expected id get in. */
  readonly verify: boolean;
  /** Give out only nodes that answered within 15 minutes and have under 2 failures. */
  readonly handOutGoodOnly: boolean;
  /** Verified spares per bucket, swapped in at the first failure; 0 for none. */
  readonly spares: number;
  /** Failures in a row after which a node goes even without a spare. */
  readonly maxFailures: number;
  /** One node per IP address in the table, one per /24 or /64 in a bucket. */
  readonly restrictAddresses: boolean;
  /** Only ids that fit their address (BEP 42; local networks are exempt): nobody picks a place next to us. */
  readonly requireValidIds: boolean;
}

export interface MaintenancePolicy {
  readonly enabled: boolean;
  /** A node of the table not heard from for this long is asked something. Under 15 min, so that we can hand it out. */
  readonly checkMs: number;
  /** The same for the nodes nearest to ourselves. */
  readonly neighbourCheckMs: number;
  /** How often our own id is looked up; the checks of our neighbours ask for others around us as well. */
  readonly selfLookupMs: number;
  /** A bucket that has room and did not change for this long is asked for more (BEP 5: 15 min). */
  readonly bucketRefreshMs: number;
  /** Inbound-only nodes wait this long before they are pinged, so that NAT mappings lapse (mldht). */
  readonly quarantineMs: number;
}

export interface LimitPolicy {
  /** Answered queries per address and second, and their burst (mldht). Infinity lifts it. */
  readonly perAddressPerSecond: number;
  readonly perAddressBurst: number;
  /** More than this many datagrams in 10 s from an address: ignored for `banMs` (libtorrent). */
  readonly banAfter: number;
  readonly banMs: number;
  /** Distinct addresses remembered; older ones are forgotten first. */
  readonly maxAddresses: number;
  /** Queries in flight of the whole node. */
  readonly maxOutstanding: number;
}

export interface StorePolicy {
  readonly maxHashes: number;
  readonly maxPeersPerHash: number;
  /** BEP 5 says nothing; everybody announces every 15 to 30 minutes. */
  readonly peerLifetimeMs: number;
  readonly maxItems: number;
  /** BEP 44: two hours without a refresh. */
  readonly itemLifetimeMs: number;
  /** BEP 51: how long one set of samples is given out. */
  readonly sampleIntervalMs: number;
}

export interface DhtOptions {
  /** Secrets (tokens, transaction ids) come from it: a cryptographic one outside of simulations. */
  readonly rng: Rng;
  /** Which DHTs to take part in. Default `[4]`. */
  readonly families?: readonly Family[];
  /** 20 bytes, for every family. Default: random; once the external address is known, one that fits it (BEP 42). */
  readonly nodeId?: Uint8Array;
  /** Per family, before `nodeId`: what `state().ids` gave. */
  readonly nodeIds?: readonly { readonly family: Family; readonly id: Uint8Array }[];
  /** Change the id when it does not fit the voted external address. Default true unless `nodeId` is given. */
  readonly followAddress?: boolean;
  /** BEP 43: ask, never answer. */
  readonly readOnly?: boolean;
  /** The four bytes of `v`; empty for none. */
  readonly clientVersion?: Uint8Array;
  readonly lookup?: Partial<LookupPolicy>;
  readonly table?: Partial<TablePolicy>;
  readonly maintenance?: Partial<MaintenancePolicy>;
  readonly limits?: Partial<LimitPolicy>;
  readonly stores?: Partial<StorePolicy>;
  readonly log?: Log;
}

/**
 * The defaults with changes on top: one object for all nodes that are given the same changes, since a simulated network would
 * otherwise hold as many copies as nodes.
 */
export function withDefaults<T extends object>(defaults: T, changes: Partial<T> | undefined): T {
  if (changes === undefined) return defaults;
  let made = merged.get(changes);
  if (made?.defaults !== defaults) {
    made = { defaults, policy: { ...defaults, ...changes } };
    merged.set(changes, made);
  }
  return made.policy as T;
}
const merged = new WeakMap<object, { readonly defaults: object; readonly policy: object }>();

export const K = 8;
const MINUTE_MS = 60_000;
/** Our mark in `v`: BEP 20 letters, then the version. */
export const CLIENT_VERSION: Uint8Array = Uint8Array.of(0x74, 0x74, 0x00, 0x01);

export const OUR_LOOKUP: LookupPolicy = {
  alpha: 8,
  closest: K,
  margin: 1,
  stall: { kind: 'adaptive', initialMs: 600, minSamples: 64 },
  timeoutMs: 10_000,
  tries: 1,
  pruneDead: true,
  damping: true,
  awaitSlow: true,
  sourceScoring: true,
  restrictAddresses: true,
  requireValidIds: true,
  useCache: true,
  disjointPaths: 1,
  widenWhenDense: true,
};

/** What a lookup without any of our own ideas is; the presets below change one thing each. */
const PLAIN_LOOKUP: LookupPolicy = {
  ...OUR_LOOKUP,
  alpha: 3,
  margin: 0,
  damping: false,
  awaitSlow: false,
  sourceScoring: false,
  restrictAddresses: false,
  requireValidIds: false,
  useCache: false,
  widenWhenDense: false,
};

/** The clients whose lookups were measured, and ours (`../design`: dht.md, table of latencies). */
export const LOOKUP_PRESETS: Readonly<Record<LookupPresetName, LookupPolicy>> = {
  ours: OUR_LOOKUP,
  /** Crosby and Wallach's client: three slots, each held by a dead node for 20 s. */
  'one-minute': { ...PLAIN_LOOKUP, stall: { kind: 'never' }, timeoutMs: 20_000 },
  /** anacrolix: a dead node costs 2 s and is forgotten. */
  'fixed-2s': { ...PLAIN_LOOKUP, stall: { kind: 'never' }, timeoutMs: 2_000 },
  libtorrent: { ...PLAIN_LOOKUP, alpha: 5, stall: { kind: 'fixed', ms: 1_000 }, timeoutMs: 15_000 },
  /** The last row of the latency table: ours with a stall time fixed at what the histogram settles on. */
  'stall-350': { ...PLAIN_LOOKUP, alpha: 8, stall: { kind: 'fixed', ms: 350 }, timeoutMs: 10_000 },
  /** npm's bittorrent-dht: dead nodes keep their place among the 20 closest. */
  'k-rpc': {
    ...PLAIN_LOOKUP,
    alpha: 16,
    closest: 20,
    stall: { kind: 'never' },
    timeoutMs: 2_000,
    pruneDead: false,
  },
  /** Transmission: three sends ten seconds apart before a node is dead. */
  jech: { ...PLAIN_LOOKUP, alpha: 4, stall: { kind: 'never' }, timeoutMs: 10_000, tries: 3 },
};

export type LookupPresetName =
  | 'ours'
  | 'one-minute'
  | 'fixed-2s'
  | 'libtorrent'
  | 'stall-350'
  | 'k-rpc'
  | 'jech';

export const OUR_TABLE: TablePolicy = {
  k: K,
  digitBits: 1,
  topBuckets: [128, 64, 32, 16],
  verify: true,
  handOutGoodOnly: true,
  spares: 8,
  maxFailures: 2,
  restrictAddresses: true,
  requireValidIds: true,
};

/** Inserts whoever it sees, keeps them long, hands them all out: where dead entries come from. */
export const TRUSTING_TABLE: TablePolicy = {
  ...OUR_TABLE,
  topBuckets: [],
  verify: false,
  handOutGoodOnly: false,
  spares: 0,
  maxFailures: 4,
  restrictAddresses: false,
  requireValidIds: false,
};

export const OUR_MAINTENANCE: MaintenancePolicy = {
  enabled: true,
  checkMs: 14 * MINUTE_MS,
  neighbourCheckMs: 9 * MINUTE_MS,
  selfLookupMs: 60 * MINUTE_MS,
  bucketRefreshMs: 15 * MINUTE_MS,
  quarantineMs: 3 * MINUTE_MS,
};

export const OUR_LIMITS: LimitPolicy = {
  perAddressPerSecond: 2,
  perAddressBurst: 10,
  banAfter: 50,
  banMs: 5 * MINUTE_MS,
  maxAddresses: 4096,
  maxOutstanding: 1024,
};

/** For benchmarks and for nets where all nodes share one address. */
export const NO_LIMITS: Partial<LimitPolicy> = {
  perAddressPerSecond: Number.POSITIVE_INFINITY,
  perAddressBurst: Number.POSITIVE_INFINITY,
  banAfter: Number.POSITIVE_INFINITY,
};

export const OUR_STORES: StorePolicy = {
  maxHashes: 2_000,
  maxPeersPerHash: 500,
  peerLifetimeMs: 30 * MINUTE_MS,
  maxItems: 700,
  itemLifetimeMs: 120 * MINUTE_MS,
  sampleIntervalMs: 15 * MINUTE_MS,
};
