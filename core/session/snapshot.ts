// The one picture of a running session that every view is made from: screen, progress line, JSON, NDJSON.
// Immutable, made afresh on demand (10 Hz and more is cheap), no reference into the engine. Additive changes only.
import type { TransferAccount } from '../account/transfer-account.ts';
import type { DhtPicture, PeerSourceStatus } from '../base/peer-source.ts';
import type { NatSnapshot } from '../nat/nat-snapshot.ts';
import type { Priority } from '../pieces/policy.ts';
import type { RelayStatus } from '../relay/client-links.ts';
import type { UnchokeReason, WastedBytes } from '../swarm/swarm-types.ts';
import type { ReachedBy, ReachSnapshot } from './reach/reach-stats.ts';

export const SNAPSHOT_VERSION = 1;

export type TorrentState =
  | 'metadata' // a magnet: fetching the info dictionary
  | 'checking' // hashing what lies on disk
  | 'downloading'
  | 'seeding' // everything wanted is there
  | 'paused'
  | 'error'
  | 'stopped';

export interface SessionSnapshot {
  readonly version: typeof SNAPSHOT_VERSION;
  /** Monotonic; differences only. */
  readonly atMs: number;
  readonly torrents: readonly TorrentSnapshot[];
  readonly listen: readonly ListenSnapshot[];
  readonly downRateBytesPerSec: number;
  readonly upRateBytesPerSec: number;
  readonly peerCount: number;
  readonly downLimitBytesPerSec: number;
  readonly upLimitBytesPerSec: number;
  /** Seen from outside (BEP 10 yourip, BEP 24, DHT votes), most voted first. */
  readonly externalAddresses: readonly string[];
  /** Our place behind NATs; absent before anything is known, and where nobody asks. */
  readonly nat?: NatSnapshot;
  /** Relays that we are connected to; absent where none are used. */
  readonly relays?: readonly RelayStatus[];
  /** How peers are reached, in numbers. */
  readonly reach?: ReachSnapshot;
  /** Absent without a DHT node. */
  readonly dht?: DhtPicture;
}

export interface ListenSnapshot {
  readonly transport: 'tcp' | 'utp';
  readonly host: string;
  readonly port: number;
  /** Whether anybody from outside ever came in. */
  readonly incomingCount: number;
}

export interface TorrentSnapshot {
  /** 40 hex digits: the key for commands. */
  readonly infoHash: string;
  readonly name: string;
  readonly state: TorrentState;
  /** One line, when `state` is `error`. */
  readonly error: string | undefined;
  readonly directory: string;
  readonly isPrivate: boolean;
  readonly totalBytes: number;
  /** Bytes of the pieces that the wanted files touch. */
  readonly wantedBytes: number;
  /** Of `wantedBytes`: verified. */
  readonly verifiedBytes: number;
  /** Checking: bytes hashed so far; 0 otherwise. */
  readonly checkedBytes: number;
  readonly pieceCount: number;
  readonly pieceLength: number;
  readonly verifiedPieces: number;
  /** Payload, this run. */
  readonly downloadedBytes: number;
  readonly uploadedBytes: number;
  readonly wastedBytes: WastedBytes;
  readonly downRateBytesPerSec: number;
  readonly upRateBytesPerSec: number;
  /** undefined when nothing moves. */
  readonly etaMs: number | undefined;
  readonly ratio: number;
  /** Monotonic. */
  readonly startedAtMs: number;
  readonly completedAtMs: number | undefined;
  readonly peers: readonly PeerSnapshot[];
  /** Known endpoints not connected to. */
  readonly candidateCount: number;
  readonly sources: readonly PeerSourceStatus[];
  readonly files: readonly FileSnapshot[];
  /** BEP 3 wire order, 1 = verified. A copy. */
  readonly pieces: Uint8Array;
  /** Pieces being fetched now. */
  readonly openPieces: readonly number[];
  /** Full copies seen among the peers plus the share of the next one; undefined before metadata. */
  readonly availability: number | undefined;
  /** Connected peers that have each piece, 255 for more; absent before metadata. A copy. */
  readonly pieceAvailability?: Uint8Array;
  /** Pieces are fetched in order. */
  readonly isSequential?: boolean;
  /** Where the time went and what it cost, earlier runs included; absent for seeds. */
  readonly account?: TransferAccount;
}

export interface FileSnapshot {
  readonly index: number;
  /** Joined with `/`, below `directory`; may hold any Unicode but no control characters. */
  readonly path: string;
  readonly length: number;
  readonly verifiedBytes: number;
  readonly priority: FilePriority;
}

/** 0 is "do not fetch"; 4 is normal; 7 is first. */
export type FilePriority = Priority;

export interface ReachedSnapshot extends ReachedBy {
  /** From the first step to the first byte of payload, either way; absent before that. */
  readonly firstByteMs?: number;
}

export interface PeerSnapshot {
  readonly address: string;
  /** From BEP 10 `v`, else from the peer id; control characters removed. */
  readonly client: string;
  readonly transport: 'tcp' | 'utp' | 'reverse' | 'punched' | 'relayed' | 'web';
  /** Which way led to it, and how long that took: from the first step (or from its coming in) to a stream. */
  readonly reached?: ReachedSnapshot;
  readonly isIncoming: boolean;
  readonly isEncrypted: boolean;
  readonly origin: string;
  readonly amChoking: boolean;
  readonly amInterested: boolean;
  readonly peerChoking: boolean;
  readonly peerInterested: boolean;
  readonly isSnubbed: boolean;
  /** Why it is unchoked by us; undefined while choked. */
  readonly unchokeReason: UnchokeReason | undefined;
  readonly downRateBytesPerSec: number;
  readonly upRateBytesPerSec: number;
  readonly downloadedBytes: number;
  readonly uploadedBytes: number;
  readonly pieceCount: number;
  readonly requestsOut: number;
  readonly requestsIn: number;
}
