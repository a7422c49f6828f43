// A crawl by several machines as the coordinator's full screen: which parts are done from which vantage point, the workers with their
// last sign of life, what is found, the estimate as more parts are seen twice. Pure: what is drawn follows from the progress.
import { GONE_MS, SILENT_MS, type WorkerView } from '../../dht/crawl/fleet/roster.ts';
import type { FleetProgress, OrderState } from '../../dht/crawl/io/fleet-run.ts';
import { type BandPoint, brailleArea, brailleBand, shareBar, VALUES_PER_CELL } from '../terminal/charts.ts';
import { safeText } from '../terminal/text.ts';
import { formatCount, formatDuration, formatShare } from '../terminal/units.ts';
import { BLANK, bar, cell, edges, type Line, labelled, type Span, span, type Tone } from '../ui/styled.ts';
import { tallyLines } from './crawl-places.ts';
import { bigNumber } from './crawl-text.ts';
import { fitted } from './crawl-view.ts';

export interface FleetView {
  readonly progress: FleetProgress;
  readonly title: string;
  /** Verified nodes at every picture so far, oldest first. */
  readonly verified: readonly number[];
  /** Ends of the interval of the estimate at every picture. */
  readonly estimates: readonly BandPoint[];
  readonly leftMs: number | undefined;
  readonly notes: readonly string[];
}

const LABEL_COLUMNS = 12;
const MOST_NOTES = 2;
const MOST_WORKER_ROWS = 12;
const MOST_CLIENTS = 6;
const MOST_CURVE_ROWS = 10;
const MOST_BAND_ROWS = 6;
const LEAST_CHART_ROWS = 3;
const BAND_ROOM = 0.25;

const CELLS: Readonly<Record<OrderState, readonly [text: string, tone: Tone]>> = {
  done: ['█', 'good'],
  working: ['▒', 'down'],
  given: ['·', 'dim'],
};

/** One cell for each part, or for several where they are many: the least of them. */
function partsLine(orders: readonly OrderState[], columns: number): Line {
  const count = Math.min(orders.length, columns);
  const cells = Array.from({ length: count }, (_, i): OrderState => {
    const of = orders.slice(
      Math.floor((i * orders.length) / count),
      Math.max(Math.floor(((i + 1) * orders.length) / count), Math.floor((i * orders.length) / count) + 1),
    );
    if (of.every((state) => state === 'done')) return 'done';
    return of.some((state) => state !== 'given') ? 'working' : 'given';
  });
  // Neighbours of one kind in one span.
  const spans: Span[] = [];
  for (const state of cells) {
    const [text, tone] = CELLS[state];
    const last = spans.at(-1);
    if (last?.tone === tone) spans[spans.length - 1] = span(tone, last.text + text);
    else spans.push(span(tone, text));
  }
  return spans;
}

function vantageLines({ vantages }: FleetProgress, columns: number, rows: number): Line[] {
  return vantages.slice(0, rows).map(({ name, orders }) => {
    const done = orders.filter((state) => state === 'done').length;
    const share = `${done} of ${orders.length}`;
    const room = columns - LABEL_COLUMNS - share.length - 1;
    return labelled(
      safeText(name),
      ...edges(partsLine(orders, room), [span('dim', share)], columns - LABEL_COLUMNS),
    );
  });
}

/** What a worker is at, or how long it has said nothing. */
function doing({ work, silentMs, isElsewhere }: WorkerView): Line {
  const silent = `${Math.round(silentMs / 1000)} s`;
  if (silentMs > GONE_MS)
    return [
      span('bad', `no sign of life for ${silent}`),
      work === undefined ? '' : `, ${safeText(work.zone)} is left to another`,
    ];
  if (silentMs > SILENT_MS)
    return [
      span('warn', `silent for ${silent}`),
      work === undefined ? '' : `, ${safeText(work.zone)} was at ${bigNumber(work.visits)}`,
    ];
  if (isElsewhere) return [span('dim', 'crawls for another run')];
  if (work === undefined) return [span('dim', 'waits for an order')];
  return [`${safeText(work.zone)}  ${bigNumber(work.visits)} visited, ${bigNumber(work.queueLeft)} queued`];
}

function workerLines({ workers }: FleetProgress, columns: number, rows: number): Line[] {
  if (rows < 2) return [];
  const alive = workers.filter(({ silentMs }) => silentMs <= GONE_MS).length;
  const head = edges(
    [span('dim', 'workers')],
    [
      span(
        'dim',
        alive === workers.length ? `${alive} there` : `${alive} there, ${workers.length - alive} gone`,
      ),
    ],
    columns,
  );
  if (workers.length === 0)
    return [head, [span('warn', 'none yet: tt dht crawl --worker --engine nats://HOST:PORT')]];
  const nameColumns = Math.min(28, Math.max(...workers.map(({ name }) => safeText(name).length)) + 2);
  const placeColumns = Math.min(16, Math.max(...workers.map(({ vantage }) => safeText(vantage).length)) + 2);
  // Who works comes first when there is no room for all.
  const shown =
    workers.length < rows ? workers : [...workers].sort((x, y) => x.silentMs - y.silentMs).slice(0, rows - 2);
  const lines = shown.map((worker): Line => {
    const { name, vantage, done, queriesPerSec, silentMs } = worker;
    const right = silentMs > SILENT_MS ? `${done} done` : `${bigNumber(queriesPerSec)}/s, ${done} done`;
    const left: Line = [
      cell(safeText(name), nameColumns),
      span('dim', cell(safeText(vantage), placeColumns)),
      ...doing(worker),
    ];
    return edges(left, [span('dim', right)], columns);
  });
  const more = workers.length - shown.length;
  return [head, ...lines, ...(more > 0 ? [[span('dim', `and ${bigNumber(more)} more`)] as Line] : [])];
}

/** The estimate so far in words. */
export function fleetEstimate({
  estimate,
  seenTwice,
  vantages,
  verified,
  done,
  orders,
}: FleetProgress): string {
  const parts = vantages[0]?.orders.length ?? 0;
  if (vantages.length < 2) return `none: one vantage point counts, two estimate (--vantages a,b)`;
  if (estimate === undefined)
    return done === 0 || verified === 0
      ? 'nobody yet'
      : `when a part is seen from two vantage points (${done} of ${orders} orders done)`;
  const { value, low, high, p } = estimate;
  return `${bigNumber(value)} nodes (${bigNumber(low)} to ${bigNumber(high)}), p ${formatShare(p, 1)}, by ${seenTwice} of ${formatCount(parts, 'part')}`;
}

function numbers({ progress }: FleetView): Line[] {
  const { orders, done, visits, verified, sent, queriesPerSec, discarded, rows } = progress;
  const working = progress.vantages.reduce(
    (sum, { orders: states }) => sum + states.filter((state) => state === 'working').length,
    0,
  );
  return [
    labelled(
      'orders',
      `${bigNumber(done)} of ${bigNumber(orders)} done, ${bigNumber(working)} being crawled`,
      ...(discarded > 0 ? [', ', span('warn', `${formatCount(discarded, 'attempt')} thrown away`)] : []),
    ),
    labelled('verified', span('good', bigNumber(verified)), ` of ${bigNumber(visits)} visited`),
    labelled(
      'queries',
      `${bigNumber(sent)}, ${bigNumber(queriesPerSec)} a second now, ${bigNumber(rows)} rows stored`,
    ),
    labelled('estimate', fleetEstimate(progress)),
  ];
}

function charts(view: FleetView, columns: number, rows: number): Line[] {
  if (rows < LEAST_CHART_ROWS) return [];
  const { progress, verified, estimates } = view;
  const total = [...progress.clients.values()].reduce((sum, count) => sum + count, 0);
  const clients = tallyLines(
    [...progress.clients],
    total,
    columns,
    Math.min(MOST_CLIENTS, Math.floor(rows * 0.35)),
  );
  const rest = rows - clients.length;
  const values = fitted(estimates, columns * VALUES_PER_CELL);
  const last = values.at(-1);
  const bandRows = last !== undefined && rest >= 8 ? Math.min(MOST_BAND_ROWS, Math.floor(rest * 0.4)) : 0;
  const curveRows = Math.min(MOST_CURVE_ROWS, rest - bandRows);
  const top = verified.reduce((most, each) => Math.max(most, each), 1);
  const lines: Line[] = [
    edges([span('dim', 'discovered')], [bigNumber(verified.at(-1) ?? 0)], columns),
    ...brailleArea(fitted(verified, columns * VALUES_PER_CELL), columns, curveRows - 1, top).map(
      (text): Line => [span('down', text)],
    ),
  ];
  if (bandRows > 0 && last !== undefined) {
    const low = values.reduce((least, [each]) => Math.min(least, each), last[0]);
    const high = values.reduce((most, [, each]) => Math.max(most, each), last[1]);
    const room = (high - low) * BAND_ROOM;
    const half = (last[1] - last[0]) / Math.max(1, last[1] + last[0]);
    lines.push(
      edges([span('dim', 'estimate by parts seen twice')], [`± ${(half * 100).toFixed(1)} %`], columns),
      ...brailleBand(values, columns, bandRows - 1, [low - room, high + room]).map(
        (text): Line => [span('rare', text)],
      ),
    );
  }
  return [...lines, ...clients];
}

/** The rows of the terminal, top first. */
export function fleetLines(view: FleetView, columns: number, rows: number): Line[] {
  const { progress, title, leftMs, notes } = view;
  const { done, orders, elapsedMs } = progress;
  const head: Line[] = [
    bar(
      edges(
        [` ${title}  coordinator`],
        [`${formatDuration(elapsedMs)}${leftMs === undefined ? '' : `, ${formatDuration(leftMs)} left`} `],
        columns,
      ),
      columns,
      'inverse',
    ),
    [span('good', shareBar(orders === 0 ? 0 : done / orders, columns))],
    BLANK,
    ...numbers(view),
    BLANK,
  ];
  const said = notes.slice(-MOST_NOTES).map((note): Line => [span('dim', note)]);
  const room = Math.max(0, rows - 1);
  let left = Math.max(0, room - head.length - said.length);
  const places = vantageLines(progress, columns, Math.max(0, Math.min(left, 8)));
  left -= places.length;
  const workers =
    left < 3 ? [] : [BLANK, ...workerLines(progress, columns, Math.min(MOST_WORKER_ROWS, left - 1))];
  left -= workers.length;
  const below = left < LEAST_CHART_ROWS + 1 ? [] : [BLANK, ...charts(view, columns, left - 1)];
  const lines = [...head, ...places, ...workers, ...below];
  while (lines.length + said.length < room) lines.push(BLANK);
  return [
    ...[...lines, ...said].slice(0, room),
    [span('key', 'q'), ' stop: a partial run, --resume goes on'] as Line,
  ].slice(0, rows);
}
