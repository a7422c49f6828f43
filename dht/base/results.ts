// What callers of the node ask with and get back: plain data, and one handle per operation.
import type { DhtAddress, Family } from './address.ts';
import type { LookupPolicy } from './options.ts';

/** A node as others know it. */
export interface DhtContact {
  /** 20 bytes. */
  readonly id: Uint8Array;
  readonly address: DhtAddress;
}

/** A running operation. Callbacks fire inside `handleDatagram` and `handleTimeout` of the machine. */
export interface DhtOperation {
  readonly isDone: boolean;
  /** No callback fires after it; answers on the way still feed the table. */
  cancel(): void;
  /** Every query so far, in the order sent: also while the operation runs. */
  trace(): readonly QueryTrace[];
}

/** Why a node was asked. */
export type QuerySource =
  | { readonly kind: 'table' }
  | { readonly kind: 'cache' }
  /** Given by the caller: a bootstrap node. */
  | { readonly kind: 'given' }
  /** Named in the reply to query number `query` (index into the trace). */
  | { readonly kind: 'reply'; readonly query: number };

export type QueryFailure =
  /** Nothing came until the hard timeout. */
  | 'timeout'
  /** The system said that nobody is there. */
  | 'unreachable'
  /** It answered with another id than it was known by. */
  | 'id-mismatch'
  /** Its id does not fit its address (BEP 42) and the policy asks for that. */
  | 'invalid-id'
  /** A KRPC error, or a reply without what was asked. */
  | 'error';

/** One query of a lookup: what `--trace` prints. Times are the machine's nowMs. */
export interface QueryTrace {
  /** Which of the two DHTs. */
  readonly family: Family;
  /** Undefined for a bootstrap address whose id nobody told us, until it answers. */
  readonly id: Uint8Array | undefined;
  readonly address: DhtAddress;
  readonly source: QuerySource;
  /** How many sources named it before it was asked. */
  readonly namedBy: number;
  /** 1 for what we knew ourselves, one more than its source's otherwise. */
  readonly hop: number;
  /** Leading bits that its id has in common with the target. */
  readonly sharedBits: number;
  /** Its rank among all candidates when it was asked, 0 for the closest. */
  readonly rank: number;
  /** Which disjoint path; 0 when there is one. */
  readonly path: number;
  /** How often it was asked: again when a lost datagram was likelier than a dead node. */
  readonly tries: number;
  readonly sentAtMs: number;
  /** The slot was given to another while this one was kept waiting. */
  readonly stalledAtMs: number | undefined;
  readonly answeredAtMs: number | undefined;
  readonly roundTripMs: number | undefined;
  readonly failedAtMs: number | undefined;
  readonly failure: QueryFailure | undefined;
  /** Contacts it named, and peers, items or samples it gave. */
  readonly nodesGiven: number;
  readonly valuesGiven: number;
  readonly hasToken: boolean;
  readonly clientVersion: Uint8Array | undefined;
}

export interface LookupOptions {
  /** Which DHTs to ask. Default: all the node takes part in. */
  readonly families?: readonly Family[];
  /** Changes to the node's own policy. */
  readonly policy?: Partial<LookupPolicy>;
  /** Start from these instead of the table and the cache. */
  readonly startFrom?: readonly DhtContact[];
  /** Called at every send, stall, answer and failure with the index into `trace()`. */
  readonly onQuery?: (index: number, trace: QueryTrace) => void;
}

export type LookupEnd =
  /** The closest live nodes are known: nothing nearer is left to ask. */
  | 'converged'
  /** Fewer than asked for answered and nobody is left. */
  | 'exhausted'
  /** First-peers mode had enough. */
  | 'satisfied'
  | 'cancelled';

/** A node that answered, nearest first in results. */
export interface Responder extends DhtContact {
  readonly token: Uint8Array | undefined;
  readonly roundTripMs: number;
  readonly hop: number;
}

/** One family's half of a lookup. */
export interface LookupReport {
  readonly family: Family;
  readonly end: LookupEnd;
  readonly closest: readonly Responder[];
  readonly elapsedMs: number;
  /** From the start to the first reply of any node. */
  readonly firstReplyMs: number | undefined;
  /** From the start to the first peers, item or samples. */
  readonly firstValueMs: number | undefined;
  readonly queries: number;
  readonly replies: number;
  readonly lateReplies: number;
  readonly stalls: number;
  readonly timeouts: number;
  /** Longest chain of sources to a node that answered. */
  readonly hops: number;
  /** Chain to the closest node that answered: compare with the table of expected hops. */
  readonly hopsToClosest: number;
  /** The closest nodes are far denser than the network: an eclipse is likely, so more were asked. */
  readonly suspicious: boolean;
}

export interface LookupResult {
  readonly target: Uint8Array;
  readonly reports: readonly LookupReport[];
  /** Of all families, nearest first. */
  readonly closest: readonly Responder[];
}

export interface FindNodeOptions extends LookupOptions {
  readonly onDone?: (result: LookupResult) => void;
}

export interface GetPeersOptions extends LookupOptions {
  /** Streams peers as found; a peer comes once. */
  readonly onPeers?: (peers: readonly DhtAddress[], from: DhtContact) => void;
  /** BEP 33: ask for those who still download. */
  readonly noSeeds?: boolean;
  /** End as soon as this many peers are known, instead of at the closest nodes. */
  readonly enoughPeers?: number;
  readonly onDone?: (result: GetPeersResult) => void;
}

export interface GetPeersResult extends LookupResult {
  readonly peers: readonly DhtAddress[];
}

export interface AnnounceOptions extends GetPeersOptions {
  /** TCP port to announce. With `impliedPort` the nodes take the UDP port they see instead. */
  readonly port: number;
  readonly impliedPort?: boolean;
  /** BEP 33. */
  readonly isSeed?: boolean;
  readonly onAnnounced?: (result: AnnounceResult) => void;
}

export interface AnnounceResult extends GetPeersResult {
  /** Nodes that confirmed. */
  readonly accepted: readonly DhtContact[];
  /** Nodes asked, without the withheld tokens. */
  readonly attempted: number;
}

/** BEP 44. `v` is bencode. */
export type DhtItem =
  | { readonly kind: 'immutable'; readonly target: Uint8Array; readonly v: Uint8Array }
  | {
      readonly kind: 'mutable';
      readonly target: Uint8Array;
      readonly v: Uint8Array;
      /** 32 bytes, ed25519. */
      readonly publicKey: Uint8Array;
      readonly salt: Uint8Array;
      readonly seq: bigint;
      readonly signature: Uint8Array;
    };

export interface GetItemOptions extends LookupOptions {
  /** Mutable items: appended to the key before hashing. */
  readonly salt?: Uint8Array;
  /** Every verified version as it comes, newer ones only. */
  readonly onItem?: (item: DhtItem, from: DhtContact) => void;
  readonly onDone?: (result: GetItemResult) => void;
}

export interface GetItemResult extends LookupResult {
  /** The immutable item, or the mutable one with the highest sequence number. */
  readonly item: DhtItem | undefined;
  /** Values that failed the hash or the signature. */
  readonly forged: number;
}

export interface PutItemOptions extends LookupOptions {
  /** BEP 44 compare-and-swap: only over this sequence number. */
  readonly cas?: bigint;
  readonly onDone?: (result: PutItemResult) => void;
}

export interface PutItemResult extends LookupResult {
  readonly accepted: readonly DhtContact[];
  readonly attempted: number;
  /** KRPC errors by code: 301 cas mismatch, 302 sequence number too low, ... */
  readonly errors: ReadonlyMap<number, number>;
}

/** BEP 33. */
export interface ScrapeResult extends LookupResult {
  readonly seeds: SwarmEstimate;
  readonly peers: SwarmEstimate;
  /** Nodes that gave filters, and nodes whose plain peer lists were taken instead. */
  readonly filters: number;
  readonly lists: number;
}

export interface SwarmEstimate {
  readonly count: number;
  /** Standard error of `count`: bloom filters are read with a known one. */
  readonly error: number;
  /** The filter is so full that the count is a lower bound. */
  readonly saturated: boolean;
}

export interface ScrapeOptions extends LookupOptions {
  readonly onDone?: (result: ScrapeResult) => void;
}

/** BEP 51. */
export interface SampleReply {
  readonly from: DhtContact;
  readonly samples: readonly Uint8Array[];
  /** Info hashes the node stores in all. */
  readonly total: number;
  /** Not to be asked again before. */
  readonly intervalSeconds: number;
}

export interface SampleResult extends LookupResult {
  readonly replies: readonly SampleReply[];
}

export interface SampleOptions extends LookupOptions {
  readonly onSamples?: (reply: SampleReply) => void;
  readonly onDone?: (result: SampleResult) => void;
}

export interface PingResult {
  readonly id: Uint8Array | undefined;
  readonly roundTripMs: number | undefined;
  readonly clientVersion: Uint8Array | undefined;
  /** Our own address as the other side sees it (`ip`). */
  readonly seenAs: DhtAddress | undefined;
  readonly failure: QueryFailure | undefined;
  /** One line when it answered with an error. */
  readonly message: string | undefined;
}

export interface BootstrapOptions {
  /** Saved nodes: pinged 32 at a time. */
  readonly nodes?: readonly DhtContact[];
  /** Well-known addresses without a known id: asked only when fewer than 10 saved nodes answered in 500 ms. */
  readonly routers?: readonly DhtAddress[];
  readonly onDone?: (result: BootstrapResult) => void;
}

export interface BootstrapResult {
  readonly elapsedMs: number;
  /** Saved nodes that answered. */
  readonly savedAlive: number;
  readonly usedRouters: boolean;
  /** Good nodes in all tables now. */
  readonly nodes: number;
  readonly queries: number;
}

export interface FamilySnapshot {
  readonly family: Family;
  readonly id: Uint8Array;
  /** Good nodes: answered within 15 minutes, under 2 failures. */
  readonly good: number;
  readonly nodes: number;
  readonly spares: number;
  readonly buckets: readonly BucketSnapshot[];
  readonly externalAddress: DhtAddress | undefined;
  /** Nodes in the network, from the distances lookups ended at; undefined before the first. */
  readonly networkSize: number | undefined;
  /** Nodes that asked us and wait to be verified. */
  readonly quarantined: number;
}

export interface BucketSnapshot {
  /** Leading bits shared with our own id. */
  readonly depth: number;
  readonly nodes: number;
  readonly capacity: number;
  readonly spares: number;
}

export interface DhtStatistics {
  readonly datagramsIn: number;
  readonly datagramsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly queriesIn: number;
  readonly queriesOut: number;
  readonly repliesIn: number;
  readonly repliesOut: number;
  readonly errorsIn: number;
  readonly errorsOut: number;
  /** Not KRPC, or KRPC that means nothing. */
  readonly malformed: number;
  /** Over the limits, or banned. */
  readonly dropped: number;
  /** Replies that matched no transaction, endpoint or id. */
  readonly strays: number;
  readonly timeouts: number;
  readonly lateReplies: number;
  readonly lookups: number;
  /** Answered queries by name. */
  readonly answered: Readonly<Record<QueryName, number>>;
}

export type QueryName =
  | 'ping'
  | 'find_node'
  | 'get_peers'
  | 'announce_peer'
  | 'get'
  | 'put'
  | 'sample_infohashes';

export interface DhtSnapshot {
  readonly families: readonly FamilySnapshot[];
  readonly statistics: DhtStatistics;
  /** Queries in flight. */
  readonly outstanding: number;
  readonly offline: boolean;
  readonly readOnly: boolean;
  readonly storedHashes: number;
  readonly storedPeers: number;
  readonly storedItems: number;
  /** Current stall time and the quantiles it comes from. */
  readonly stallMs: number;
  readonly roundTripP10Ms: number | undefined;
  readonly roundTripP90Ms: number | undefined;
}

/** What survives a restart; see `state.ts` for its bytes. */
export interface DhtState {
  readonly ids: readonly { readonly family: Family; readonly id: Uint8Array }[];
  readonly contacts: readonly DhtContact[];
}
