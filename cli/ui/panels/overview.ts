// The panel people look at for hours: how far, how fast, how long; speed over time; pieces; the peers that move most.
import type { TimeCause } from '../../../core/account/causes.ts';
import type { SessionSnapshot, TorrentSnapshot } from '../../../core/session/snapshot.ts';
import { brailleArea, shareBar, VALUES_PER_CELL } from '../../terminal/charts.ts';
import { safeText } from '../../terminal/text.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatElapsed,
  formatRate,
  formatShare,
} from '../../terminal/units.ts';
import { unfinishedWords } from '../account-text.ts';
import type { RateHistory } from '../history.ts';
import { BLANK, cell, edges, type Line, span, type Tone } from '../styled.ts';
import { busiestPeers } from './peers.ts';
import { mapLines } from './piece-lines.ts';

const LABEL_COLUMNS = 11;
const RATE_COLUMNS = 16;
/** Below this a graph says nothing that the numbers do not. */
const LEAST_GRAPH_ROWS = 2;
const MOST_GRAPH_ROWS = 12;
const LEAST_PEER_ROWS = 3;
/** What a download waits for from others. */
const WAITS_FOR: ReadonlySet<TimeCause> = new Set<TimeCause>(['peers', 'metadata', 'pieces', 'unchoke']);

function field(name: string, ...value: Line): Line {
  return [span('dim', cell(name, LABEL_COLUMNS)), ...value];
}

function progressShare(torrent: TorrentSnapshot): readonly [part: number, whole: number] {
  return torrent.state === 'checking'
    ? [torrent.checkedBytes, torrent.totalBytes]
    : [torrent.verifiedBytes, torrent.wantedBytes];
}

/** Why nothing comes, when nothing comes; by the account of the download (docs/explain.md). */
function waitingWords({ account, downRateBytesPerSec }: TorrentSnapshot): string | undefined {
  if (account === undefined || downRateBytesPerSec >= 1) return undefined;
  return WAITS_FOR.has(account.lastCause) ? unfinishedWords(account) : undefined;
}

/** One line on what is going on. */
function stateText(torrent: TorrentSnapshot): Line {
  const order = torrent.isSequential === true && torrent.state === 'downloading' ? ', pieces in order' : '';
  switch (torrent.state) {
    case 'metadata':
      return [span('warn', 'metadata'), `: ${waitingWords(torrent) ?? 'asking peers for it'}`];
    case 'checking':
      return [span('warn', 'checking what is on disk')];
    case 'downloading': {
      const waiting = waitingWords(torrent);
      return waiting === undefined
        ? [span('good', 'downloading'), order]
        : [span('warn', 'waiting'), `: ${waiting}${order}`];
    }
    case 'seeding':
      return [span('good', 'complete, seeding')];
    case 'paused':
      return [span('warn', 'paused'), '; p resumes'];
    case 'error':
      return [span('bad', 'error'), `; p tries again: ${safeText(torrent.error ?? '')}`];
    case 'stopped':
      return [span('dim', 'stopped')];
  }
}

function progressLines(torrent: TorrentSnapshot, width: number): Line[] {
  const [part, whole] = progressShare(torrent);
  const share = whole === 0 ? '' : formatShare(part, whole);
  const barWidth = Math.max(10, width - 8);
  const size = whole === 0 ? 'size not known yet' : `${formatBytes(part)} of ${formatBytes(whole)}`;
  const eta = torrent.etaMs === undefined ? '' : `${formatDuration(torrent.etaMs)} left`;
  return [
    [
      span('bold', cell(share, 7, 'right')),
      ' ',
      span('good', shareBar(whole === 0 ? 0 : part / whole, barWidth)),
    ],
    edges([cell('', 8), size], [span('bold', eta)], width),
  ];
}

/** Where it lies, how long it took, how fast, what was given back, what was for nothing. */
function completionLines(torrent: TorrentSnapshot): Line[] {
  const { completedAtMs, startedAtMs, downloadedBytes } = torrent;
  if (torrent.state !== 'seeding') return [];
  const tookMs = Math.max(1, (completedAtMs ?? startedAtMs) - startedAtMs);
  const took =
    downloadedBytes === 0 || completedAtMs === undefined
      ? 'it was there already'
      : `${formatElapsed(tookMs)} at ${formatRate((downloadedBytes / tookMs) * 1000)} on average`;
  return [field('lies in', safeText(torrent.directory)), field('took', took)];
}

function wasteText(torrent: TorrentSnapshot): string {
  const { duplicate, failedHash, unrequested } = torrent.wastedBytes;
  const kinds = [
    [duplicate, 'twice'],
    [failedHash, 'failed the hash'],
    [unrequested, 'never asked for'],
  ] as const;
  const told = kinds.filter(([bytes]) => bytes > 0).map(([bytes, kind]) => `${formatBytes(bytes)} ${kind}`);
  return told.length === 0 ? 'nothing' : told.join(', ');
}

function factLines(snapshot: SessionSnapshot, torrent: TorrentSnapshot): Line[] {
  const limits = [
    ...(snapshot.downLimitBytesPerSec > 0 ? [`down ${formatRate(snapshot.downLimitBytesPerSec)}`] : []),
    ...(snapshot.upLimitBytesPerSec > 0 ? [`up ${formatRate(snapshot.upLimitBytesPerSec)}`] : []),
  ];
  const copies =
    torrent.availability === undefined || torrent.state === 'seeding'
      ? ''
      : `, ${torrent.availability.toFixed(2)} copies`;
  return [
    field('state', ...stateText(torrent)),
    ...completionLines(torrent),
    field('peers', `${torrent.peers.length} connected, ${torrent.candidateCount} more known${copies}`),
    field(
      'given back',
      `${formatBytes(torrent.uploadedBytes)}, ratio ${torrent.ratio.toFixed(2)}`,
      span('dim', '   wasted '),
      wasteText(torrent),
    ),
    ...(limits.length === 0 ? [] : [field('limits', limits.join(', '))]),
  ];
}

interface Graph {
  readonly name: string;
  readonly tone: Tone;
  readonly values: readonly number[];
  readonly now: number;
}

function graphLines(graph: Graph, width: number, rows: number): Line[] {
  const columns = width - LABEL_COLUMNS - RATE_COLUMNS;
  const top = graph.values
    .slice(-columns * VALUES_PER_CELL)
    .reduce((most, value) => Math.max(most, value), 0);
  return brailleArea(graph.values, columns, rows, top).map((drawn, i) => [
    span('dim', cell(i === 0 ? graph.name : '', LABEL_COLUMNS)),
    span(graph.tone, drawn),
    i === 0
      ? span('bold', cell(formatRate(graph.now), RATE_COLUMNS, 'right'))
      : span('dim', cell(i === rows - 1 && top > 0 ? `top ${formatRate(top)}` : '', RATE_COLUMNS, 'right')),
  ]);
}

/** The direction that matters gets the larger graph; one without anything in it a single row. */
function graphRows(
  { down, up }: RateHistory,
  isDownloading: boolean,
  room: number,
): readonly [down: number, up: number] {
  const isEmpty = (values: readonly number[]): boolean => !values.some((value) => value > 0);
  const isDownMain = isEmpty(down) === isEmpty(up) ? isDownloading : isEmpty(up);
  const isOtherEmpty = isEmpty(isDownMain ? up : down);
  const wanted = isOtherEmpty ? room - 1 : Math.ceil(room * 0.6);
  const main = Math.max(LEAST_GRAPH_ROWS, Math.min(MOST_GRAPH_ROWS, wanted));
  const other = isOtherEmpty ? 1 : Math.max(1, Math.min(MOST_GRAPH_ROWS, room - main));
  return isDownMain ? [main, other] : [other, main];
}

export interface OverviewInput {
  readonly snapshot: SessionSnapshot;
  readonly torrent: TorrentSnapshot;
  readonly history: RateHistory;
  readonly width: number;
  readonly height: number;
}

/** @returns at most `height` lines of at most `width` columns */
export function overviewLines({ snapshot, torrent, history, width, height }: OverviewInput): Line[] {
  const head = [...progressLines(torrent, width), BLANK, ...factLines(snapshot, torrent), BLANK];
  const room = Math.max(0, height - head.length);
  const peerRows = Math.max(LEAST_PEER_ROWS, Math.min(torrent.peers.length + 1, Math.floor(room / 3)));
  const mapRows = torrent.pieceCount === 0 ? 0 : Math.max(1, Math.floor(room / 8));
  const graphRoom = room - peerRows - mapRows - (mapRows > 0 ? 2 : 1);
  const isDownloading = torrent.state !== 'seeding';
  const [downRows, upRows] = graphRows(history, isDownloading, graphRoom);
  const down: Graph = {
    name: '↓ down',
    tone: 'down',
    values: history.down,
    now: torrent.downRateBytesPerSec,
  };
  const up: Graph = { name: '↑ up', tone: 'up', values: history.up, now: torrent.upRateBytesPerSec };
  const map = mapLines(torrent, width - LABEL_COLUMNS, mapRows).map(
    (line, i): Line => [span('dim', cell(i === 0 ? 'pieces' : '', LABEL_COLUMNS)), ...line],
  );
  const lines = [
    ...head,
    ...graphLines(down, width, downRows),
    ...graphLines(up, width, upRows),
    BLANK,
    ...map,
    ...(map.length > 0 ? [BLANK] : []),
  ];
  return [...lines, ...busiestPeers(torrent, width, Math.max(2, height - lines.length))].slice(0, height);
}

/** For the log and for the last words after the screen. */
export function completionText(torrent: TorrentSnapshot): string {
  const name = safeText(torrent.name === '' ? torrent.infoHash : torrent.name);
  return `${name}: ${formatBytes(torrent.uploadedBytes)} given back, ratio ${torrent.ratio.toFixed(2)}, wasted: ${wasteText(torrent)}, ${formatCount(torrent.peers.length, 'peer')}`;
}
