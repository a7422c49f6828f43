// The Snapshot for programs: the same facts the screen shows, as plain JSON. Times count from now, because nobody else has our clock.
// docs/json.md names the records; fields are only ever added.
import type { PeerSourceStatus } from '../../core/base/peer-source.ts';
import type {
  FileSnapshot,
  PeerSnapshot,
  ReachedSnapshot,
  SessionSnapshot,
  TorrentSnapshot,
} from '../../core/session/snapshot.ts';

export type JsonRecord = Readonly<Record<string, unknown>>;

/** The numbers of one torrent: a progress record, and the head of its entry in the result. */
export function torrentNumbers(torrent: TorrentSnapshot): JsonRecord {
  return {
    name: torrent.name,
    state: torrent.state,
    totalBytes: torrent.totalBytes,
    wantedBytes: torrent.wantedBytes,
    verifiedBytes: torrent.verifiedBytes,
    ...(torrent.state === 'checking' ? { checkedBytes: torrent.checkedBytes } : {}),
    downloadedBytes: torrent.downloadedBytes,
    uploadedBytes: torrent.uploadedBytes,
    wastedBytes: torrent.wastedBytes,
    downRateBytesPerSec: Math.round(torrent.downRateBytesPerSec),
    upRateBytesPerSec: Math.round(torrent.upRateBytesPerSec),
    etaMs: torrent.etaMs === undefined ? undefined : Math.round(torrent.etaMs),
    ratio: Number(torrent.ratio.toFixed(4)),
    peerCount: torrent.peers.length,
    candidateCount: torrent.candidateCount,
    pieceCount: torrent.pieceCount,
    pieceLength: torrent.pieceLength,
    verifiedPieces: torrent.verifiedPieces,
    openPieces: torrent.openPieces.length,
    availability: torrent.availability === undefined ? undefined : Number(torrent.availability.toFixed(3)),
    sequential: torrent.isSequential === true,
    ...(torrent.error === undefined ? {} : { error: torrent.error }),
  };
}

/** Everything the Snapshot knows of a peer, by the same names. */
export function peerRecord(peer: PeerSnapshot): JsonRecord {
  const { downRateBytesPerSec, upRateBytesPerSec, reached } = peer;
  return {
    ...peer,
    downRateBytesPerSec: Math.round(downRateBytesPerSec),
    upRateBytesPerSec: Math.round(upRateBytesPerSec),
    ...(reached === undefined ? {} : { reached: reachedRecord(reached) }),
  };
}

export function reachedRecord({ ms, firstByteMs, ...reached }: ReachedSnapshot): JsonRecord {
  const first = firstByteMs === undefined ? {} : { firstByteMs: Math.round(firstByteMs) };
  return { ...reached, ms: Math.round(ms), ...first };
}

/** Files are counted from 1 wherever people and scripts see them, as in `tt info`. */
export function fileRecord({ index, path, length, verifiedBytes, priority }: FileSnapshot): JsonRecord {
  return { file: index + 1, path, length, verifiedBytes, priority };
}

/** @param nowMs of the Snapshot */
export function sourceRecord({ nextAnnounceAtMs, ...source }: PeerSourceStatus, nowMs: number): JsonRecord {
  return {
    ...source,
    nextAnnounceInMs:
      nextAnnounceAtMs === undefined ? undefined : Math.max(0, Math.round(nextAnnounceAtMs - nowMs)),
  };
}

/** Peers, files and sources of one torrent, for the result. */
export function torrentDetails(torrent: TorrentSnapshot, nowMs: number): JsonRecord {
  return {
    files: torrent.files.map(fileRecord),
    sources: torrent.sources.map((source) => sourceRecord(source, nowMs)),
    peers: torrent.peers.map(peerRecord),
  };
}

/** What is not of one torrent: ports, addresses, limits, our place behind NATs, relays, the DHT; by the names of the Snapshot. */
export function sessionRecord(snapshot: SessionSnapshot): JsonRecord {
  const { version: _version, atMs: _atMs, torrents: _torrents, ...session } = snapshot;
  return {
    ...session,
    downRateBytesPerSec: Math.round(session.downRateBytesPerSec),
    upRateBytesPerSec: Math.round(session.upRateBytesPerSec),
  };
}
