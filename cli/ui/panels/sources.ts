// Where peers come from: trackers, DHT, local network; and how we ourselves can be reached.
import { isLoopbackAddress } from '../../../core/base/local-address.ts';
import type { PeerSourceStatus } from '../../../core/base/peer-source.ts';
import type { NatState } from '../../../core/nat/classify.ts';
import type { SessionSnapshot, TorrentSnapshot } from '../../../core/session/snapshot.ts';
import { safeText } from '../../terminal/text.ts';
import { formatCount, formatDuration } from '../../terminal/units.ts';
import type { RoundTripHistory } from '../history.ts';
import { type Line, labelled, type Span, span } from '../styled.ts';
import { type Column, tableLines } from '../table.ts';
import { dhtLines } from './dht-lines.ts';
import { natLines } from './nat-lines.ts';

/** A stranger who dials us at our own port finds nobody. */
const CLOSED_STATES: ReadonlySet<NatState> = new Set<NatState>(['eim', 'apdm', 'tcp-only']);

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

/** `port 6891: tcp and utp on 0.0.0.0 and ::`; one by one where not everything is on everything. */
function listeningText(listen: SessionSnapshot['listen']): string {
  const and = (words: Iterable<string>): string => [...words].join(' and ');
  const ports = [...new Set(listen.map(({ port }) => port))];
  return ports
    .map((port) => {
      const here = listen.filter((each) => each.port === port);
      const transports = new Set(here.map(({ transport }) => transport));
      const hosts = new Set(here.map(({ host }) => safeText(host)));
      const isAll = here.length === transports.size * hosts.size;
      const each = here.map(({ transport, host }) => `${transport} on ${safeText(host)}`);
      return `port ${port}: ${isAll ? `${and(transports)} on ${and(hosts)}` : each.join(', ')}`;
    })
    .join('; ');
}

/** Nobody came in: a worry only where something is known that keeps people out. */
function nobodyCameIn({ listen, nat, relays }: SessionSnapshot): Span {
  if (listen.length === 0) return span('dim', 'no: nothing listens');
  if (listen.every(({ host }) => isLoopbackAddress(host)))
    return span('dim', 'from this machine only: we listen on loopback');
  const states = (nat?.families ?? []).map(({ state }) => state).filter((state) => state !== 'unknown');
  const isShut = states.length > 0 && states.every((state) => CLOSED_STATES.has(state));
  const isCalled = relays?.some(({ state }) => state === 'reserved') === true;
  if (isShut && isCalled) return span('dim', 'by relay; nobody came in on a direct way so far');
  if (isShut) return span('warn', 'nobody came in so far, and strangers cannot: see NAT below');
  return span('dim', 'nobody came in so far');
}

/** Listening ports and addresses: whether the world can come to us. */
function reachability(snapshot: SessionSnapshot): Line[] {
  const { listen, externalAddresses } = snapshot;
  const incoming = listen.reduce((sum, each) => sum + each.incomingCount, 0);
  return [
    labelled('listening', listen.length === 0 ? 'nowhere' : listeningText(listen)),
    labelled(
      'reachable',
      incoming === 0
        ? nobodyCameIn(snapshot)
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
      : 'no trackers, no DHT, no local search: a adds a peer, or one comes by itself',
  });
  return [...table, [], ...below];
}
