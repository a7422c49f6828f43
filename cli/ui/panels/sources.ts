// Where peers come from: trackers, DHT, local network; and how we ourselves can be reached.
import type { PeerSourceStatus } from '../../../core/base/peer-source.ts';
import type { SessionSnapshot, TorrentSnapshot } from '../../../core/session/snapshot.ts';
import { safeText } from '../../output/text.ts';
import { formatCount, formatDuration } from '../../output/units.ts';
import type { RoundTripHistory } from '../history.ts';
import { type Line, labelled, span } from '../styled.ts';
import { type Column, tableLines } from '../table.ts';
import { dhtLines } from './dht-lines.ts';
import { natLines } from './nat-lines.ts';

const count = (value: number | undefined): string => (value === undefined ? '' : String(value));

function columns(nowMs: number): readonly Column<PeerSourceStatus>[] {
  return [
    { title: 'Kind', width: 8, text: (source) => source.kind },
    {
      title: 'State',
      width: 8,
      text: (source) => source.state,
      tone: (source) => (source.state === 'error' ? 'bad' : source.state === 'ok' ? 'good' : undefined),
    },
    {
      title: 'Next in',
      width: 8,
      align: 'right',
      text: ({ nextAnnounceAtMs }) =>
        nextAnnounceAtMs === undefined ? '' : formatDuration(Math.max(0, nextAnnounceAtMs - nowMs)),
    },
    { title: 'Peers', width: 6, align: 'right', text: (source) => String(source.peersReceived) },
    { title: 'Seeds', width: 6, align: 'right', text: (source) => count(source.seeds) },
    { title: 'Leech', width: 6, align: 'right', text: (source) => count(source.leechers) },
    {
      title: 'Name',
      width: 0,
      text: ({ name, message }) =>
        safeText(message === undefined || message === '' ? name : `${name}  ${message}`),
    },
  ];
}

/** Listening ports and addresses: whether the world can come to us. */
function reachability({ listen, externalAddresses }: SessionSnapshot): Line[] {
  const incoming = listen.reduce((sum, each) => sum + each.incomingCount, 0);
  const ports = listen.map((each) => `${each.transport} ${safeText(each.host)} port ${each.port}`);
  return [
    labelled('listening', ports.length === 0 ? 'nowhere' : ports.join(', ')),
    labelled(
      'reachable',
      incoming === 0
        ? span('warn', 'nobody came in so far')
        : span('good', `yes: ${formatCount(incoming, 'connection')} came in`),
    ),
    labelled(
      'our address',
      externalAddresses.length === 0 ? 'not known' : externalAddresses.map(safeText).join(', '),
    ),
  ];
}

/** On the smallest screens the first source stays, what is below goes. */
const LEAST_TABLE_ROWS = 2;

export interface SourcesInput {
  readonly snapshot: SessionSnapshot;
  readonly torrent: TorrentSnapshot;
  readonly roundTrips: RoundTripHistory;
  readonly width: number;
  readonly height: number;
  readonly cursor: number;
}

export function sourceLines(input: SourcesInput): Line[] {
  const { snapshot, torrent, width, height, cursor } = input;
  const below = [
    ...reachability(snapshot),
    ...natLines(snapshot),
    ...dhtLines(snapshot.dht, input.roundTrips, width, height),
  ];
  const table = tableLines({
    columns: columns(snapshot.atMs),
    rows: torrent.sources,
    cursor,
    width,
    height: Math.max(LEAST_TABLE_ROWS, height - below.length - 1),
    empty: torrent.isPrivate
      ? 'a private torrent without trackers'
      : 'no trackers; peers come by hand or from the local network',
  });
  return [...table, [], ...below];
}
