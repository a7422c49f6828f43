// Makes the immutable picture of a whole session from its live parts: its torrents', their sums, how the world sees us, how peers are reached.
import type { NatSnapshot } from '../nat/nat-snapshot.ts';
import { mappingCounts, type ReachSnapshot } from './reach/reach-stats.ts';
import type { RelaySession } from './reach/relay-session.ts';
import type { SessionShared } from './shared.ts';
import {
  type ListenSnapshot,
  type SessionSnapshot,
  SNAPSHOT_VERSION,
  type TorrentSnapshot,
} from './snapshot.ts';
import type { Torrent } from './torrent.ts';
import { snapshotTorrent } from './torrent-snapshot.ts';

/** What a session is made of, as a view sees it. */
export interface SessionParts {
  readonly shared: SessionShared;
  readonly torrents: readonly Torrent[];
  readonly listen: readonly ListenSnapshot[];
  /** Most voted first. */
  readonly externalAddresses: readonly string[];
  readonly nat: NatSnapshot | undefined;
  readonly relays: RelaySession | undefined;
}

export function snapshotSession(parts: SessionParts, nowMs: number): SessionSnapshot {
  const { shared, listen, externalAddresses, nat, relays } = parts;
  const torrents = parts.torrents.map((torrent) => snapshotTorrent(torrent, nowMs));
  const sum = (pick: (torrent: TorrentSnapshot) => number): number =>
    torrents.reduce((total, torrent) => total + pick(torrent), 0);
  const dht = shared.dht?.picture?.();
  return {
    version: SNAPSHOT_VERSION,
    atMs: nowMs,
    torrents,
    listen,
    downRateBytesPerSec: sum((torrent) => torrent.downRateBytesPerSec),
    upRateBytesPerSec: sum((torrent) => torrent.upRateBytesPerSec),
    peerCount: sum((torrent) => torrent.peers.length),
    downLimitBytesPerSec: shared.downLimiter.bytesPerSec,
    upLimitBytesPerSec: shared.upLimiter.bytesPerSec,
    externalAddresses,
    ...(nat === undefined ? {} : { nat }),
    reach: snapshotReach(parts),
    ...(relays === undefined ? {} : { relays: relays.status() }),
    ...(dht === undefined ? {} : { dht }),
  };
}

function snapshotReach({ shared, torrents, nat, relays }: SessionParts): ReachSnapshot {
  const peers = torrents.map((torrent) => torrent.peers);
  const connections = peers.flatMap((each) => [...each.connections].filter(({ isAdmitted }) => isAdmitted));
  const { stats } = shared.nat;
  return {
    knownPeers: connections.length + peers.reduce((sum, { pool }) => sum + pool.idleCount, 0),
    connectedPeers: connections.length,
    connections: { ...stats.connections },
    bytes: stats.bytes(
      connections.map(({ reached, payloadBytes }) => ({
        rung: reached?.rung ?? 'direct',
        bytes: payloadBytes,
      })),
    ),
    punches: { ...stats.punches },
    introductions: { ...stats.introductions },
    mappings: mappingCounts(nat),
    ...relays?.reach(),
  };
}
