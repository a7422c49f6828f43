// How trackers, the DHT and local discovery reach a session without the session knowing any of them (wired in cli/transfer/compose.ts).
import type { Endpoint } from './endpoint.ts';
import type { InfoHash, PeerId } from './ids.ts';

export type PeerOrigin = 'tracker' | 'dht' | 'pex' | 'lsd' | 'manual' | 'incoming' | 'resume';

/** What a source may know about the torrent it finds peers for. */
export interface SoughtTorrent {
  readonly infoHash: InfoHash;
  readonly peerId: PeerId;
  /** BEP 27: a source other than a tracker must refuse to open such a torrent. */
  readonly isPrivate: boolean;
  /** BEP 12 tiers, in the torrent's order, as found: the source shuffles within a tier. */
  readonly trackerTiers: readonly (readonly string[])[];
  /** BEP 5 `nodes`. */
  readonly dhtNodes: readonly { readonly host: string; readonly port: number }[];
  /** The TCP port that strangers reach us at; 0 when nothing listens. */
  listenPort(): number;
  /** The same on our own network: differs where the gateway forwards another port. Default `listenPort`. */
  localPort?(): number;
  transfer(): TransferTotals;
  /** How many more peers are wanted now; 0 while seeding with enough. */
  wanted(): number;
}

/** Bytes of payload since the torrent was started (BEP 3 announce fields). */
export interface TransferTotals {
  readonly downloaded: number;
  readonly uploaded: number;
  /** Bytes still to get; undefined while the metadata is unknown. */
  readonly left: number | undefined;
  readonly corrupt: number;
}

export interface PeerSourceEvents {
  /** May come in any number, any order, with repeats; the session de-duplicates. */
  onPeers(peers: readonly Endpoint[], origin: PeerOrigin): void;
  /** BEP 24: what address the remote saw us with. */
  onExternalAddress?(host: string, from: string): void;
}

/** One line in the `trackers / DHT` panel. Times are Clock milliseconds. */
export interface PeerSourceStatus {
  /** `web-seed` (BEP 19): it finds no peers, it is one. */
  readonly kind: PeerOrigin | 'web-seed';
  /** Tracker URL, or a short name. */
  readonly name: string;
  readonly tier: number;
  readonly state: 'idle' | 'working' | 'ok' | 'error' | 'disabled';
  /** Last failure or warning in one line. */
  readonly message: string | undefined;
  readonly peersReceived: number;
  readonly seeds: number | undefined;
  readonly leechers: number | undefined;
  readonly nextAnnounceAtMs: number | undefined;
}

/** One torrent's use of one source. */
export interface PeerSearch {
  /** The torrent was completed just now (BEP 3 `completed`, BEP 21). */
  completed(): void;
  /** Ask again as soon as the source's manners allow. */
  refresh(): void;
  status(): readonly PeerSourceStatus[];
  /** Says goodbye and stops; resolves within `timeoutMs` whatever the network does. */
  stop(timeoutMs: number): Promise<void>;
}

/** The DHT node beside a session (BEP 5): peers tell each other where theirs listen. */
export interface DhtNeighbour {
  /** UDP port of our node; 0 while there is none. */
  port(): number;
  /** A peer's node, not yet verified. */
  addNode(endpoint: Endpoint): void;
  /** Asks some nodes in different networks as whom they see us (BEP 42). Never rejects. */
  reflect?(family: 4 | 6): Promise<{
    readonly asked: number;
    readonly answered: number;
    readonly seen: readonly { readonly by: string; readonly as: Endpoint }[];
  }>;
  /** undefined while there is none. */
  picture?(): DhtPicture | undefined;
}

/** Our node in numbers, for views. Counts are since it started. */
export interface DhtPicture {
  readonly families: readonly DhtFamilyPicture[];
  readonly lookups: number;
  readonly queriesOut: number;
  readonly queriesIn: number;
  /** Of `queriesOut`: never answered. */
  readonly timeouts: number;
  /** Queries in flight. */
  readonly outstanding: number;
  /** A tenth and nine tenths of the answers come within these; undefined before there are enough. */
  readonly roundTripP10Ms: number | undefined;
  readonly roundTripP90Ms: number | undefined;
  readonly isOffline: boolean;
}

export interface DhtFamilyPicture {
  readonly family: 4 | 6;
  readonly port: number;
  /** Answered within 15 minutes. */
  readonly good: number;
  readonly nodes: number;
  /** Leading bits that the nodes of the deepest bucket share with our id. */
  readonly depth: number;
}

export interface PeerSource {
  readonly kind: PeerOrigin;
  /** @returns undefined when this source has nothing for the torrent (no trackers; private) */
  open(torrent: SoughtTorrent, events: PeerSourceEvents): PeerSearch | undefined;
  close(): Promise<void>;
}
