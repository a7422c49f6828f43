// `tt dht lookup --trace`: every query in one line, and a picture of the path to the closest node. Pure.
import { endpointKey } from '../../core/base/endpoint.ts';
import type { QueryTrace } from '../../dht/base/results.ts';
import { formatTable } from '../terminal/table.ts';
import { padEnd, padStart } from '../terminal/text.ts';
import { formatCount } from '../terminal/units.ts';
import { clientText, formatMs } from './describe.ts';

const ID_BITS = 160;
/** Columns of the picture's longest bar: fits 80 columns beside an IPv4 address. */
const BAR_COLUMNS = 32;

function why({ source, namedBy, rank }: QueryTrace): string {
  const place = rank === 0 ? 'the closest known' : `${rank} closer known`;
  switch (source.kind) {
    case 'table':
      return `own table, ${place}`;
    case 'cache':
      return `earlier lookup, ${place}`;
    case 'given':
      return 'bootstrap node';
    case 'reply': {
      const more = namedBy > 1 ? ` and ${namedBy - 1} more` : '';
      return `named by #${source.query}${more}, ${place}`;
    }
  }
}

function fate(trace: QueryTrace): string {
  const { sentAtMs, stalledAtMs, answeredAtMs, failedAtMs, failure } = trace;
  const stall = stalledAtMs === undefined ? '' : `stalled after ${formatMs(stalledAtMs - sentAtMs)}, `;
  if (answeredAtMs !== undefined && failure === undefined) {
    const given = [
      formatCount(trace.nodesGiven, 'node'),
      ...(trace.valuesGiven > 0 ? [formatCount(trace.valuesGiven, 'value')] : []),
      clientText(trace.clientVersion),
    ].filter((each) => each !== '');
    return `${stall}answered in ${formatMs(trace.roundTripMs ?? answeredAtMs - sentAtMs)}: ${given.join(', ')}`;
  }
  if (failedAtMs !== undefined) {
    return `${stall}${failure ?? 'failed'}, given up after ${formatMs(failedAtMs - sentAtMs)}`;
  }
  return stall === '' ? 'not waited for: the lookup was over' : `${stall}not waited for any longer`;
}

export function traceTable(trace: readonly QueryTrace[]): string[] {
  const startMs = trace[0]?.sentAtMs ?? 0;
  return formatTable(
    [
      { title: '#', align: 'right' },
      { title: 'AT', align: 'right' },
      { title: 'ASKED' },
      { title: 'BITS', align: 'right' },
      { title: 'HOP', align: 'right' },
      { title: 'WHY' },
      { title: 'WHAT CAME OF IT' },
    ],
    trace.map((query, index) => [
      String(index),
      formatMs(query.sentAtMs - startMs),
      endpointKey(query.address),
      String(query.sharedBits),
      String(query.hop),
      why(query),
      fate(query),
    ]),
  );
}

/** The chain of sources that led to the answered query nearest to the target, from its beginning. */
function pathToClosest(trace: readonly QueryTrace[]): readonly number[] {
  let best: number | undefined;
  trace.forEach((query, index) => {
    if (query.answeredAtMs === undefined || query.failure !== undefined) return;
    if (best === undefined || query.sharedBits > (trace[best] as QueryTrace).sharedBits) best = index;
  });
  const path: number[] = [];
  for (let at = best; at !== undefined; ) {
    path.unshift(at);
    const source: QueryTrace['source'] | undefined = trace[at]?.source;
    // Sources are always earlier queries, so that this ends.
    at = source?.kind === 'reply' && source.query < at ? source.query : undefined;
  }
  return path;
}

/** A bar a hop: how many leading bits each node on the way shares with the target. */
export function pathPicture(trace: readonly QueryTrace[]): string[] {
  const path = pathToClosest(trace).map((index) => ({ index, query: trace[index] as QueryTrace }));
  const last = path.at(-1)?.query;
  if (last === undefined) return [];
  const scale = Math.max(1, Math.min(ID_BITS, last.sharedBits));
  const wide = Math.max(...path.map(({ query }) => endpointKey(query.address).length));
  return [
    'The path to the closest node; bars are leading bits shared with the target:',
    ...path.map(({ index, query }) => {
      const columns = Math.round((Math.min(query.sharedBits, scale) / scale) * BAR_COLUMNS);
      const bar = `${'─'.repeat(columns)}●`;
      const trip = padStart(query.roundTripMs === undefined ? '' : formatMs(query.roundTripMs), 7);
      return `  ${padStart(`#${index}`, 4)}  ${padEnd(endpointKey(query.address), wide)}  ${trip}  ├${padEnd(bar, BAR_COLUMNS + 1)} ${query.sharedBits}`;
    }),
  ];
}
