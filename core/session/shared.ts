// What all torrents of a session have in common: clock, chance, limits, memory, bans, the way out.
import type { Clock, Rng } from '../base/clock.ts';
import type { DatagramPort } from '../base/datagram-port.ts';
import type { Endpoint } from '../base/endpoint.ts';
import type { PeerId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { DhtNeighbour, PeerSource } from '../base/peer-source.ts';
import type { DiskWorkers } from '../storage/disk-workers.ts';
import type { SlotMemory } from '../storage/slots.ts';
import type { ReadMemory } from '../storage/torrent-storage.ts';
import type { Trace } from '../trace/trace.ts';
import type { ByteStream } from '../transport/byte-stream.ts';
import type { EncryptionPolicy } from '../transport/mse.ts';
import type { RateLimiter } from '../transport/rate-limiter.ts';
import type { WebConnection } from '../webseed/io/web-dial.ts';
import type { WebUrl } from '../webseed/web-url.ts';
import type { Accounts } from './accounts.ts';
import type { DialScheduler } from './dial-scheduler.ts';
import type { NatHub } from './reach/nat-hub.ts';
import type { RelaySession } from './reach/relay-session.ts';
import type { SessionEvent } from './session-api.ts';

/** Distributes over the members of SessionEvent, so that each keeps its own fields. */
type WithoutStamp<Event> = Event extends unknown ? Omit<Event, 'atMs' | 'torrent'> : never;
export type TorrentEvent = WithoutStamp<SessionEvent>;

/**
 * How a control connection is made: `tcp`, so that the relay stays a stranger to our UDP port; `utp`, so that it sees the endpoint to punch; `any`:
 * by uTP where that passes, by TCP where not.
 */
export type RelayTransport = 'tcp' | 'utp' | 'any';

export interface SessionShared {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly policy: EncryptionPolicy;
  readonly peerId: PeerId;
  readonly stateDir: string;
  readonly userAgent: string;
  readonly pex: boolean;
  readonly downLimiter: RateLimiter;
  readonly upLimiter: RateLimiter;
  readonly slotMemory: SlotMemory;
  readonly readMemory: ReadMemory;
  readonly workers: DiskWorkers;
  readonly dials: DialScheduler;
  readonly accounts: Accounts;
  readonly sources: readonly PeerSource[];
  readonly dht: DhtNeighbour | undefined;
  readonly trace: Trace | undefined;
  readonly maxPeersPerTorrent: number;
  /** The session has as many connections as it may, counting attempts under way or not. */
  isFull(counting: 'connected' | 'with-dials'): boolean;
  /** In a full session: somebody of a crowd goes, whichever torrent it is at, so that one from `host` may come. */
  makePlace(host: string): boolean;
  /** How many places could be had so. */
  crowdedPlaces(): number;
  connect(endpoint: Endpoint, timeoutMs?: number): Promise<ByteStream>;
  /** Never uTP, unless there is no TCP: our UDP port stays unknown to the peer. */
  connectByTcp(endpoint: Endpoint): Promise<ByteStream>;
  /** A web seed's server, through the proxy where there is one. @throws OperationError as `dialWeb` */
  connectToWeb(url: WebUrl, mayBeLocal: boolean, signal: AbortSignal): Promise<WebConnection>;
  /** A control connection of tt_relay. */
  connectToRelay(relay: Endpoint, via: RelayTransport): Promise<ByteStream>;
  /** Our use of relays; undefined before it is loaded, and where it is switched off. */
  relays(): RelaySession | undefined;
  /** Somebody told us that this peer speaks uTP (BEP 11). */
  noteUtp(endpoint: Endpoint): void;
  /** The UDP port that everybody shares; undefined before the session started, without UDP, or behind a proxy. */
  datagrams(): DatagramPort | undefined;
  /** A stream that somebody opened towards us, by whatever way: listens for a handshake. */
  accept(stream: ByteStream): void;
  /** The ways around NATs. */
  readonly nat: NatHub;
  /** Whether host names may be looked up here; not behind a proxy, which would show what it hides. */
  readonly resolvesNames: boolean;
  /** Where we listen; 0: nowhere. */
  listenPort(): number;
  /** Where strangers reach us: the gateway may forward another port. */
  announcedPort(): number;
  isSelf(endpoint: Endpoint): boolean;
  /** By `banKeyOf`. */
  isBanned(key: string): boolean;
  ban(key: string): void;
  /** Somebody told us how he sees us. */
  voteExternalAddress(host: string, voter: string): void;
  /** Our address as most peers see it; undefined before anybody said. */
  externalAddress(family: 4 | 6): string | undefined;
  emit(infoHash: string, event: TorrentEvent): void;
}
