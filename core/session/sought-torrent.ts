// What a torrent's peer sources may know about it: a live view, nothing is kept.
import type { SoughtTorrent } from '../base/peer-source.ts';
import type { SessionShared } from './shared.ts';
import type { Torrent } from './torrent.ts';

export function soughtTorrent(torrent: Torrent, shared: SessionShared): SoughtTorrent {
  const { source, trackers = [] } = torrent.options;
  const own = 'metainfo' in source ? source.metainfo.trackerTiers : source.magnet.trackerTiers;
  return {
    infoHash: torrent.infoHashBytes,
    peerId: shared.peerId,
    // A magnet does not know before it has the metadata.
    get isPrivate() {
      return torrent.isPrivate;
    },
    trackerTiers: [...own, ...trackers.map((url) => [url])],
    dhtNodes: 'metainfo' in source ? source.metainfo.nodes : [],
    listenPort: () => shared.announcedPort(),
    localPort: () => shared.listenPort(),
    wanted: () => torrent.peers.room,
    transfer: () => ({
      downloaded: torrent.swarm?.downloadedBytes ?? 0,
      uploaded: torrent.swarm?.uploadedBytes ?? 0,
      left: bytesLeft(torrent),
      corrupt: torrent.swarm?.wasted.failedHash ?? 0,
    }),
  };
}

/** undefined while that cannot be known; 0 only for who has everything. */
function bytesLeft({ metainfo, data }: Torrent): number | undefined {
  if (metainfo === undefined) return undefined;
  const { totalLength, pieceLength } = metainfo.layout;
  const have = data?.storage.have;
  if (have === undefined) return totalLength;
  return have.isFull ? 0 : Math.max(1, totalLength - have.count * pieceLength);
}
