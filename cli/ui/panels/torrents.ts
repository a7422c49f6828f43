// Several torrents: a line each, and what they come to together.
import type { SessionSnapshot, TorrentSnapshot } from '../../../core/session/snapshot.ts';
import { shareBar, sparkline } from '../../terminal/charts.ts';
import { safeText } from '../../terminal/text.ts';
import { formatBytes, formatCount, formatDuration, formatRate, formatShare } from '../../terminal/units.ts';
import type { RateHistory } from '../history.ts';
import { edges, type Line, span } from '../styled.ts';
import { type Column, tableLines } from '../table.ts';

const BAR_COLUMNS = 12;
const SPARK_COLUMNS = 20;
const SPARK_FROM_COLUMNS = 100;

const rate = (bytesPerSec: number): string => (bytesPerSec < 1 ? '' : formatRate(bytesPerSec));

function doneShare(torrent: TorrentSnapshot): number {
  const [part, whole] =
    torrent.state === 'checking'
      ? [torrent.checkedBytes, torrent.totalBytes]
      : [torrent.verifiedBytes, torrent.wantedBytes];
  return whole === 0 ? 0 : part / whole;
}

const COLUMNS: readonly Column<TorrentSnapshot>[] = [
  {
    title: 'State',
    width: 11,
    text: (torrent) => torrent.state,
    tone: ({ state }) => (state === 'error' ? 'bad' : state === 'paused' ? 'warn' : undefined),
  },
  {
    title: 'Done',
    width: 6,
    align: 'right',
    text: (torrent) => (torrent.wantedBytes === 0 ? '' : formatShare(doneShare(torrent), 1)),
  },
  {
    title: '',
    width: BAR_COLUMNS,
    fromColumns: 110,
    text: (torrent) => shareBar(doneShare(torrent), BAR_COLUMNS),
    tone: () => 'good',
  },
  {
    title: 'Size',
    width: 9,
    align: 'right',
    fromColumns: 100,
    text: (torrent) => (torrent.wantedBytes === 0 ? '' : formatBytes(torrent.wantedBytes)),
  },
  {
    title: 'Down',
    width: 10,
    align: 'right',
    text: (torrent) => rate(torrent.downRateBytesPerSec),
    tone: () => 'down',
  },
  {
    title: 'Up',
    width: 10,
    align: 'right',
    text: (torrent) => rate(torrent.upRateBytesPerSec),
    tone: () => 'up',
  },
  { title: 'Peers', width: 5, align: 'right', text: (torrent) => String(torrent.peers.length) },
  {
    title: 'Left',
    width: 7,
    align: 'right',
    text: ({ etaMs }) => (etaMs === undefined ? '' : formatDuration(etaMs)),
  },
  { title: 'Ratio', width: 6, align: 'right', fromColumns: 120, text: (torrent) => torrent.ratio.toFixed(2) },
  {
    title: 'Name',
    width: 0,
    text: ({ name, infoHash, state, error }) =>
      safeText(`${name === '' ? infoHash : name}${state === 'error' ? `: ${error ?? ''}` : ''}`),
  },
];

function totals(snapshot: SessionSnapshot, history: RateHistory, width: number): Line {
  const { torrents } = snapshot;
  const wanted = torrents.reduce((sum, torrent) => sum + torrent.wantedBytes, 0);
  const verified = torrents.reduce((sum, torrent) => sum + torrent.verifiedBytes, 0);
  const share = wanted === 0 ? '' : `, ${formatShare(verified, wanted)} of ${formatBytes(wanted)}`;
  return edges(
    [
      span(
        'bold',
        `${formatCount(torrents.length, 'torrent')}${share}, ${formatCount(snapshot.peerCount, 'peer')}`,
      ),
    ],
    [
      span('down', width < SPARK_FROM_COLUMNS ? '' : sparkline(history.down, SPARK_COLUMNS)),
      span('bold', ` ↓ ${rate(snapshot.downRateBytesPerSec) || formatRate(0)}`),
      span('bold', `  ↑ ${rate(snapshot.upRateBytesPerSec) || formatRate(0)}`),
    ],
    width,
  );
}

export interface TorrentsInput {
  readonly snapshot: SessionSnapshot;
  readonly history: RateHistory;
  readonly width: number;
  readonly height: number;
  readonly cursor: number;
}

export function torrentLines({ snapshot, history, width, height, cursor }: TorrentsInput): Line[] {
  const table = tableLines({
    columns: COLUMNS,
    rows: snapshot.torrents,
    cursor,
    width,
    height: height - 2,
    empty: 'no torrents; paste a magnet link to add one',
  });
  return [...table, [], totals(snapshot, history, width)];
}
