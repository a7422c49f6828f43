// A torrent's picture as one line. Pure. Numbers keep their columns, so that the line stands still while it counts.
import type { SessionSnapshot, TorrentSnapshot } from '../../core/session/snapshot.ts';
import { padStart, safeText } from '../terminal/text.ts';
import { formatBytes, formatCount, formatDuration, formatRate, formatShare } from '../terminal/units.ts';

const SHARE_COLUMNS = 6;
const RATE_COLUMNS = 10;
const PEER_COLUMNS = 9;
const GAP = '  ';

function rates(downRate: number, upRate: number): string {
  return `↓ ${padStart(formatRate(downRate), RATE_COLUMNS)}${GAP}↑ ${padStart(formatRate(upRate), RATE_COLUMNS)}`;
}

function peers(count: number): string {
  return padStart(formatCount(count, 'peer'), PEER_COLUMNS);
}

function share(part: number, whole: number): string {
  return padStart(formatShare(part, whole), SHARE_COLUMNS);
}

function join(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(GAP);
}

export function torrentLine(torrent: TorrentSnapshot): string {
  const name = safeText(torrent.name === '' ? torrent.infoHash : torrent.name);
  const moving = rates(torrent.downRateBytesPerSec, torrent.upRateBytesPerSec);
  const connected = peers(torrent.peers.length);
  switch (torrent.state) {
    case 'metadata':
      return join([padStart('meta', SHARE_COLUMNS), connected, 'asking peers for the metadata', name]);
    case 'checking':
      return join([share(torrent.checkedBytes, torrent.totalBytes), 'checking what is on disk', name]);
    case 'downloading':
      return join([
        share(torrent.verifiedBytes, torrent.wantedBytes),
        moving,
        connected,
        padStart(torrent.etaMs === undefined ? '' : `${formatDuration(torrent.etaMs)} left`, 11),
        name,
      ]);
    case 'seeding':
      return join([
        padStart('seed', SHARE_COLUMNS),
        moving,
        connected,
        `${formatBytes(torrent.uploadedBytes)} sent`,
        `ratio ${torrent.ratio.toFixed(2)}`,
        name,
      ]);
    case 'paused':
    case 'stopped':
      return join([share(torrent.verifiedBytes, torrent.wantedBytes), torrent.state, name]);
    case 'error':
      return join([
        share(torrent.verifiedBytes, torrent.wantedBytes),
        `error: ${safeText(torrent.error ?? '')}`,
        name,
      ]);
  }
}

function totalLine(snapshot: SessionSnapshot): string {
  const wanted = snapshot.torrents.reduce((sum, torrent) => sum + torrent.wantedBytes, 0);
  const verified = snapshot.torrents.reduce((sum, torrent) => sum + torrent.verifiedBytes, 0);
  const rest = snapshot.downRateBytesPerSec > 0 ? (wanted - verified) / snapshot.downRateBytesPerSec : 0;
  return join([
    wanted === 0 ? padStart('-', SHARE_COLUMNS) : share(verified, wanted),
    rates(snapshot.downRateBytesPerSec, snapshot.upRateBytesPerSec),
    peers(snapshot.peerCount),
    padStart(rest > 0 ? `${formatDuration(rest * 1000)} left` : '', 11),
    `total of ${formatCount(snapshot.torrents.length, 'torrent')}`,
  ]);
}

/** One line a torrent, and a total where there are several; what does not fit is counted. */
export function progressLines(snapshot: SessionSnapshot, mostLines: number): readonly string[] {
  const { torrents } = snapshot;
  if (torrents.length <= 1) return torrents.map(torrentLine);
  const room = Math.max(1, mostLines - 1);
  if (torrents.length <= room) return [...torrents.map(torrentLine), totalLine(snapshot)];
  const shown = torrents.slice(0, room - 1).map(torrentLine);
  return [...shown, `        and ${torrents.length - shown.length} more`, totalLine(snapshot)];
}
