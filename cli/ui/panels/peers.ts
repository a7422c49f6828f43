// The peers: who, how, how fast, and why each is unchoked.
import type { PeerSnapshot, TorrentSnapshot } from '../../../core/session/snapshot.ts';
import { safeText } from '../../terminal/text.ts';
import { formatBytes, formatRate, formatShare } from '../../terminal/units.ts';
import { type Line, span } from '../styled.ts';
import { type Column, tableLines } from '../table.ts';

/** As rtorrent and libtorrent users know them: capitals are what the peer does to us. */
function peerFlags(peer: PeerSnapshot): string {
  return [
    peer.amInterested ? (peer.peerChoking ? 'd' : 'D') : '-',
    peer.peerInterested ? (peer.amChoking ? 'u' : 'U') : '-',
    peer.isSnubbed ? 'S' : '-',
    peer.isIncoming ? 'I' : '-',
    peer.isEncrypted ? 'E' : '-',
  ].join('');
}

/** What carries it, or the way around a NAT that led to it. */
function peerWay({ transport, reached }: PeerSnapshot): string {
  return reached === undefined || reached.rung === 'direct' ? transport : reached.rung;
}

/** ` over utp, punch in 420 ms`. */
function howReached({ transport, reached }: PeerSnapshot): string {
  return reached === undefined ? '' : ` over ${transport}, ${reached.rung} in ${Math.round(reached.ms)} ms`;
}

/** `relayed by 203.0.113.9:7001; we are eim, it is apdm; tried direct, punch, splice`; empty where there is nothing to tell. */
function wayText({ reached }: PeerSnapshot): string {
  if (reached === undefined) return '';
  const { relay, own, peer, tried, rung } = reached;
  const states = [own === undefined ? '' : `we are ${own}`, peer === undefined ? '' : `it is ${peer}`];
  return [
    relay === undefined ? '' : `${rung === 'splice' ? 'relayed' : 'introduced'} by ${safeText(relay)}`,
    states.filter((text) => text !== '').join(', '),
    tried === undefined || tried.length < 2 ? '' : `tried ${tried.join(', ')}`,
  ]
    .filter((text) => text !== '')
    .join('; ');
}

/** `punch 420 ms`. */
function reachedText({ reached }: PeerSnapshot): string {
  return reached === undefined ? '' : `${reached.rung} ${Math.round(reached.ms)} ms`;
}

/** From here on an IPv6 address with its port has room. */
const WIDE_ADDRESS_FROM_COLUMNS = 180;
/** From here on the way has a column of its own. */
const REACHED_FROM_COLUMNS = 120;

const rate = (bytesPerSec: number): string => (bytesPerSec < 1 ? '' : formatRate(bytesPerSec));

function columns(torrent: TorrentSnapshot, width: number): readonly Column<PeerSnapshot>[] {
  return [
    { title: 'Flags', width: 5, text: peerFlags },
    {
      title: 'Via',
      width: width < REACHED_FROM_COLUMNS ? 9 : 7,
      text: width < REACHED_FROM_COLUMNS ? peerWay : (peer) => peer.transport,
    },
    { title: 'Reached', width: 17, fromColumns: REACHED_FROM_COLUMNS, text: reachedText },
    { title: 'From', width: 8, fromColumns: 130, text: (peer) => peer.origin },
    {
      title: 'Has',
      width: 6,
      align: 'right',
      text: (peer) => (torrent.pieceCount === 0 ? '' : formatShare(peer.pieceCount, torrent.pieceCount)),
    },
    {
      title: 'Down',
      width: 10,
      align: 'right',
      text: (peer) => rate(peer.downRateBytesPerSec),
      tone: () => 'down',
    },
    {
      title: 'Up',
      width: 10,
      align: 'right',
      text: (peer) => rate(peer.upRateBytesPerSec),
      tone: () => 'up',
    },
    {
      title: 'Got',
      width: 9,
      align: 'right',
      fromColumns: 150,
      text: (peer) => formatBytes(peer.downloadedBytes),
    },
    {
      title: 'Sent',
      width: 9,
      align: 'right',
      fromColumns: 150,
      text: (peer) => formatBytes(peer.uploadedBytes),
    },
    {
      title: 'Asked',
      width: 9,
      align: 'right',
      fromColumns: 170,
      text: (peer) => `${peer.requestsOut}/${peer.requestsIn}`,
    },
    { title: 'Unchoked', width: 12, fromColumns: 78, text: (peer) => peer.unchokeReason ?? '' },
    {
      title: 'Address',
      width: width < WIDE_ADDRESS_FROM_COLUMNS ? 21 : 40,
      fromColumns: 110,
      text: (peer) => safeText(peer.address),
    },
    {
      title: 'Client',
      width: 0,
      // On a narrow screen the address stands here, as the only name that tells peers apart.
      text: (peer) => safeText(peer.client === '' ? peer.address : peer.client),
    },
  ];
}

const LEGEND = 'D we get, d wait  U it gets, u waits  S snubbed  I came in  E encrypted';

/** Those that move most come first. */
function sortedPeers(torrent: TorrentSnapshot): readonly PeerSnapshot[] {
  const moving = (peer: PeerSnapshot): number => peer.downRateBytesPerSec + peer.upRateBytesPerSec;
  return [...torrent.peers].sort((a, b) => moving(b) - moving(a));
}

/** Those that move most, as many as there is room for. */
export function busiestPeers(torrent: TorrentSnapshot, width: number, height: number): Line[] {
  const shown = sortedPeers(torrent).slice(0, height - 1);
  return peerTable({ ...torrent, peers: shown }, width, height);
}

function peerTable(torrent: TorrentSnapshot, width: number, height: number, cursor?: number): Line[] {
  return tableLines({
    columns: columns(torrent, width),
    rows: sortedPeers(torrent),
    cursor,
    width,
    height,
    empty: `no peer is connected, ${torrent.candidateCount} known`,
  });
}

export function peerLines(torrent: TorrentSnapshot, width: number, height: number, cursor: number): Line[] {
  const chosen = sortedPeers(torrent)[Math.max(0, Math.min(cursor, torrent.peers.length - 1))];
  const known = span('dim', `${torrent.peers.length} connected, ${torrent.candidateCount} more known`);
  // What the columns have no room for first: the table tells the client.
  const about: Line =
    chosen === undefined
      ? []
      : [
          span('dim', 'chosen: '),
          `${safeText(chosen.address)} by ${chosen.origin}${howReached(chosen)}  ${safeText(chosen.client)}`,
        ];
  const way = chosen === undefined ? '' : wayText(chosen);
  const below: Line[] = [about, ...(way === '' ? [] : [['        ', way]]), [known], [span('dim', LEGEND)]];
  return [...peerTable(torrent, width, height - below.length, cursor), ...below];
}
