// What a Session takes and gives: options, commands, events. The cli and library users program against this.
import type { Clock, Rng } from '../base/clock.ts';
import type { OpenDatagramPort } from '../base/datagram-port.ts';
import type { Log } from '../base/log.ts';
import type { DhtNeighbour, PeerSource } from '../base/peer-source.ts';
import type { OperationError } from '../base/result.ts';
import type { HashedLook } from '../metainfo/io/walk-content.ts';
import type { Magnet, Metainfo } from '../metainfo/metainfo.ts';
import type { PeerFacts } from '../relay/messages.ts';
import type { Trace } from '../trace/trace.ts';
import type { EncryptionPolicy } from '../transport/mse.ts';
import type { FilePriority, PeerSnapshot, ReachedSnapshot } from './snapshot.ts';

export interface SessionOptions {
  /** First free port of this inclusive range is taken; [0, 0] lets the system choose. */
  readonly portRange: readonly [first: number, last: number];
  /** Local addresses to listen on and dial from; default every one (`0.0.0.0` and `::`). */
  readonly bindAddresses?: readonly string[];
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  readonly encryption?: EncryptionPolicy;
  readonly pex?: boolean;
  readonly lsd?: boolean;
  readonly tcp?: boolean;
  /** Default: where there is an `openDatagramPort` and no proxy. */
  readonly utp?: boolean;
  /** Ask the gateway to forward our port. Default false. */
  readonly portMap?: boolean;
  /** Relays for peers behind NATs (docs/relay.md). Default false: we neither use them nor are one. */
  readonly relays?: RelayUse | false;
  /** What is known beforehand of our place behind NATs; what is found out is not asked then. */
  readonly ownPlace?: () => PeerFacts;
  /** The UDP port, shared with the DHT; bound to the same addresses as the listeners. */
  readonly openDatagramPort?: OpenDatagramPort;
  /** BEP 10, 9, 5, ...: trackers and the DHT come in here. */
  readonly peerSources?: readonly PeerSource[];
  /** Offered to peers that have one too. */
  readonly dht?: DhtNeighbour;
  /** Bytes per second; 0 = none. */
  readonly downLimit?: number;
  readonly upLimit?: number;
  readonly maxPeers?: number;
  readonly maxPeersPerTorrent?: number;
  /** socks5://[user:pass@]host:port; all peer traffic goes through it or nowhere. */
  readonly proxy?: string;
  /** Resume journals live here. */
  readonly stateDir: string;
  /** What web servers are told we are. Default `tt`. */
  readonly userAgent?: string;
  readonly log?: Log;
  /** Everything peers say to us and we to them goes there as well. */
  readonly trace?: Trace;
  readonly clock?: Clock;
  readonly rng?: Rng;
}

export interface RelayUse {
  /** Besides those that the DHT knows. */
  readonly given: readonly { readonly host: string; readonly port: number }[];
  /** Pairs of peers of our own swarms whose bytes we pass on at a time, while we are in the open; default 0. */
  readonly splices?: number;
}

export interface AddTorrentOptions {
  readonly source: { readonly metainfo: Metainfo } | { readonly magnet: Magnet };
  /** Files go below here. */
  readonly directory: string;
  /** For a file or folder on disk whose name differs from the torrent's (`tt seed --torrent`). */
  readonly rename?: string;
  /** Extra trackers, one tier each. */
  readonly trackers?: readonly string[];
  readonly useSources?: boolean;
  /** Web seeds besides the torrent's own (BEP 19); these may be on this machine or network. */
  readonly webSeeds?: readonly string[];
  /** Whether those that the torrent or magnet names are used. Default true. */
  readonly useWebSeeds?: boolean;
  /** Dialled first, before any source answers. */
  readonly peers?: readonly { readonly host: string; readonly port: number }[];
  /** By file index, decided once the metadata is known; default all 4. */
  readonly filePriorities?: (metainfo: Metainfo) => readonly FilePriority[];
  readonly sequential?: boolean;
  /** Of what the files want, only these pieces: a part of one file. Decided once the metadata is known. */
  readonly pieceRange?: (metainfo: Metainfo) => PieceRange;
  readonly preallocate?: 'none' | 'full';
  /** Trust nothing: hash everything that lies there first. */
  readonly recheck?: boolean;
  /** Files of somebody else that lie in the way are written over; else that is refused before anything is written. */
  readonly overwrite?: boolean;
  /** Stop after the metadata: `tt metadata`, `tt info MAGNET`. */
  readonly metadataOnly?: boolean;
  /** Seed what lies there; never write. A missing piece is an error. */
  readonly seedOnly?: boolean;
  /** From `createTorrent`: nothing is hashed again but what changed since. */
  readonly hashed?: readonly HashedLook[];
}

/** Piece numbers. */
export interface PieceRange {
  readonly first: number;
  /** The first behind it. */
  readonly end: number;
}

/** Everything a view may ask of a running session. `torrent` is the 40-digit hex info hash. */
export type Command =
  | { readonly kind: 'pause'; readonly torrent: string }
  | { readonly kind: 'resume'; readonly torrent: string }
  | { readonly kind: 'remove'; readonly torrent: string }
  | { readonly kind: 'recheck'; readonly torrent: string }
  | { readonly kind: 'announce'; readonly torrent: string }
  | {
      readonly kind: 'set-file-priority';
      readonly torrent: string;
      readonly file: number;
      readonly priority: FilePriority;
    }
  | { readonly kind: 'set-sequential'; readonly torrent: string; readonly on: boolean }
  /** Off: nothing new is asked for, connections and interest stay. A reader that is slower than the swarm says so. */
  | { readonly kind: 'set-fetching'; readonly torrent: string; readonly on: boolean }
  | { readonly kind: 'set-limits'; readonly down: number | undefined; readonly up: number | undefined }
  | { readonly kind: 'add-peer'; readonly torrent: string; readonly host: string; readonly port: number };

/** Facts as they happen; rates and progress are in the Snapshot instead. `atMs` is the Clock's. */
export type SessionEvent = { readonly atMs: number; readonly torrent: string } & (
  | { readonly kind: 'added'; readonly name: string }
  | { readonly kind: 'metadata'; readonly metainfo: Metainfo }
  | { readonly kind: 'checking'; readonly bytes: number }
  | { readonly kind: 'checked'; readonly verifiedPieces: number; readonly pieceCount: number }
  | { readonly kind: 'started' }
  | { readonly kind: 'first-byte' }
  | { readonly kind: 'piece'; readonly piece: number }
  | { readonly kind: 'piece-failed'; readonly piece: number }
  | { readonly kind: 'file-complete'; readonly file: number; readonly path: string }
  | { readonly kind: 'completed' }
  | {
      readonly kind: 'peer-connected';
      readonly address: string;
      readonly client: string;
      readonly transport: PeerSnapshot['transport'];
      readonly reached?: ReachedSnapshot;
    }
  | { readonly kind: 'peer-disconnected'; readonly address: string; readonly reason: string }
  | { readonly kind: 'peer-banned'; readonly host: string; readonly reason: string }
  | { readonly kind: 'source-error'; readonly source: string; readonly message: string }
  | { readonly kind: 'paused' }
  | { readonly kind: 'resumed' }
  | { readonly kind: 'error'; readonly error: OperationError }
  | { readonly kind: 'stopped' }
);

export interface TorrentHandle {
  /** 40 hex digits. */
  readonly infoHash: string;
  /** Known at once for a .torrent; for a magnet after the `metadata` event. */
  readonly metainfo: Metainfo | undefined;
}

export interface SessionApi {
  /** Binds the listeners. @throws OperationError `network` when no port of the range is free */
  start(): Promise<void>;
  /** @throws OperationError `refused` when the torrent is there already or files of somebody else are in the way, `bad-torrent` for v2-only, `disk` */
  add(options: AddTorrentOptions): Promise<TorrentHandle>;
  command(command: Command): Promise<void>;
  snapshot(): import('./snapshot.ts').SessionSnapshot;
  /** @returns a function that unsubscribes */
  subscribe(listener: (event: SessionEvent) => void): () => void;
  /** Tells the sources, flushes and closes; resolves within `timeoutMs` or so. */
  close(timeoutMs?: number): Promise<void>;
}
