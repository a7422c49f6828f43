// Makes the immutable picture of one torrent from its live parts.
import { endpointKey } from '../base/endpoint.ts';
import { clientName } from '../wire/client-name.ts';
import type { PeerConnection } from './peer/peer-connection.ts';
import type { FileSnapshot, PeerSnapshot, ReachedSnapshot, TorrentSnapshot } from './snapshot.ts';
import type { Torrent } from './torrent.ts';

const NO_WASTE = { duplicate: 0, failedHash: 0, unrequested: 0 };

export function snapshotTorrent(torrent: Torrent, nowMs: number): TorrentSnapshot {
  const { metainfo, data, swarm } = torrent;
  const have = swarm?.have ?? data?.storage.have;
  const totalBytes = metainfo?.layout.totalLength ?? 0;
  const wantedBytes = swarm?.wantedBytes ?? totalBytes;
  const verifiedBytes = swarm?.verifiedWantedBytes ?? 0;
  const isMoving = torrent.state === 'downloading' || torrent.state === 'seeding';
  const downRate = isMoving ? (swarm?.downRateBytesPerSec(nowMs) ?? 0) : 0;
  const uploadedBytes = swarm?.uploadedBytes ?? 0;
  const downloadedBytes = swarm?.downloadedBytes ?? 0;
  const account = torrent.account.snapshot();
  const ratioBase = Math.max(downloadedBytes, verifiedBytes);
  return {
    infoHash: torrent.infoHash,
    name: torrent.name,
    state: torrent.state,
    error: torrent.error?.message,
    directory: torrent.options.directory,
    isPrivate: torrent.isPrivate,
    totalBytes,
    wantedBytes,
    verifiedBytes,
    checkedBytes: data?.checkedBytes ?? 0,
    pieceCount: metainfo?.layout.pieceCount ?? 0,
    pieceLength: metainfo?.layout.pieceLength ?? 0,
    verifiedPieces: have?.count ?? 0,
    downloadedBytes,
    uploadedBytes,
    wastedBytes: swarm?.wasted ?? NO_WASTE,
    downRateBytesPerSec: downRate,
    upRateBytesPerSec: isMoving ? (swarm?.upRateBytesPerSec(nowMs) ?? 0) : 0,
    etaMs:
      torrent.state === 'downloading' && downRate > 0
        ? ((wantedBytes - verifiedBytes) / downRate) * 1000
        : undefined,
    ratio: ratioBase === 0 ? 0 : uploadedBytes / ratioBase,
    startedAtMs: torrent.startedAtMs,
    completedAtMs: torrent.completedAtMs,
    peers: [
      ...[...torrent.peers.connections]
        .filter((connection) => connection.isAdmitted && !connection.isClosing)
        .map((connection) => snapshotPeer(connection, nowMs)),
      ...torrent.web.peers(nowMs),
    ],
    candidateCount: torrent.peers.pool.idleCount,
    sources: [...torrent.sources.status(), ...torrent.web.status()],
    files: snapshotFiles(torrent),
    pieces: have?.bytes.slice() ?? new Uint8Array(0),
    openPieces: swarm?.openPieces() ?? [],
    availability: swarm?.availability(),
    ...swarm?.pieceFacts(),
    ...(account === undefined ? {} : { account }),
  };
}

function snapshotFiles({ metainfo, data }: Torrent): FileSnapshot[] {
  if (metainfo === undefined || data === undefined) return [];
  const verified = data.storage.fileProgress();
  return metainfo.files
    .filter(({ isPadding }) => !isPadding)
    .map(({ index, path, length }) => ({
      index,
      path: path.join('/'),
      length,
      verifiedBytes: verified[index] ?? 0,
      priority: data.filePriorities[index] ?? 4,
    }));
}

function snapshotReached({ reached, firstPayloadAtMs, openedAtMs }: PeerConnection): {
  reached?: ReachedSnapshot;
} {
  if (reached === undefined) return {};
  if (firstPayloadAtMs === undefined) return { reached };
  // The steps ended when the stream opened, but for one that came in.
  return { reached: { ...reached, firstByteMs: reached.ms + Math.max(0, firstPayloadAtMs - openedAtMs) } };
}

function snapshotPeer(connection: PeerConnection, nowMs: number): PeerSnapshot {
  const peer = connection.swarmPeer;
  return {
    address: endpointKey(connection.stream.remote),
    client: clientName(connection.handshake?.peerId, connection.extended?.client),
    transport: connection.stream.transport,
    ...snapshotReached(connection),
    isIncoming: connection.isIncoming,
    isEncrypted: connection.isEncrypted,
    origin: connection.origin,
    amChoking: peer?.amChoking ?? true,
    amInterested: peer?.amInterested ?? false,
    peerChoking: peer?.peerChoking ?? true,
    peerInterested: peer?.peerInterested ?? false,
    isSnubbed: peer?.isSnubbed ?? false,
    unchokeReason: peer?.unchokeReason,
    downRateBytesPerSec: peer?.down.rateBytesPerSec(nowMs) ?? 0,
    upRateBytesPerSec: peer?.up.rateBytesPerSec(nowMs) ?? 0,
    downloadedBytes: peer?.down.total ?? 0,
    uploadedBytes: peer?.up.total ?? 0,
    pieceCount: peer?.pieces.count ?? 0,
    requestsOut: peer?.requestsOut ?? 0,
    requestsIn: peer?.requestsIn ?? 0,
  };
}
