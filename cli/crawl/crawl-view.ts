// A crawl as a full screen: discovery curve, queue, answers, round trips, clients, where the nodes are, the estimate as it tightens, time
// left. Pure: what is drawn follows from the progress and what came before it.

import type { CrawlProgress } from '../../dht/crawl/io/crawl-setup.ts';
import { type BandPoint, brailleArea, brailleBand, shareBar, VALUES_PER_CELL } from '../terminal/charts.ts';
import { formatDuration, formatShare } from '../terminal/units.ts';
import { BLANK, bar, cell, edges, fitLine, type Line, lineWidth, span } from '../ui/styled.ts';
import { placeLines, tallyLines } from './crawl-places.ts';
import { answerShare, bigNumber } from './crawl-text.ts';
import { liveEstimate } from './live-estimate.ts';

export interface CrawlView {
  readonly progress: CrawlProgress;
  /** `tt dht crawl a3f/12`. */
  readonly title: string;
  /** Of this look; undefined while nobody can say. */
  readonly leftMs: number | undefined;
  /** Verified nodes at every picture so far, oldest first. */
  readonly verified: readonly number[];
  /** Queries a second at every picture. */
  readonly rates: readonly number[];
  /** Ends of the interval of the estimate at every picture. */
  readonly estimates: readonly BandPoint[];
  /** Newest lines for people. */
  readonly notes: readonly string[];
}

const PHASES = {
  crawl: 'first look',
  repeat: 'second look',
  recheck: 'asking some again',
  lookups: 'lookups',
  summary: 'summary',
} as const;
const LABEL_COLUMNS = 12;
const MOST_CLIENTS = 8;
const MOST_NOTES = 2;
/** Curves and places side by side need that much; less has the curves alone. */
const LEAST_WIDE_COLUMNS = 72;
const LEAST_WIDE_ROWS = 8;
const GAP = 3;
/** A band in fewer rows shows nothing. */
const LEAST_BAND_ROWS = 2;
/** With their headings: higher ones say no more, and are walls of colour. */
const MOST_CURVE_ROWS = 12;
const MOST_RATE_ROWS = 6;
const MOST_BAND_ROWS = 7;
const BAND_ROOM = 0.25;

function field(label: string, value: Line): Line {
  return [span('dim', cell(label, LABEL_COLUMNS)), ...value];
}

/** The whole curve in so many values: every point stays where it was in time, only coarser. */
export function squeezed<T>(values: readonly T[], count: number): T[] {
  return values.length <= count ? [...values] : fitted(values, count);
}

/** The same, stretched where there are fewer: from the first to the last over the whole width. */
export function fitted<T>(values: readonly T[], count: number): T[] {
  if (values.length === 0) return [];
  return Array.from(
    { length: count },
    (_, i) => values[Math.ceil(((i + 1) * values.length) / count) - 1] as T,
  );
}

/** The estimate so far in words. */
export function estimateText(progress: CrawlProgress): string {
  const estimate = liveEstimate(progress);
  if (estimate === undefined) return 'nobody yet';
  const { value, low, high, p } = estimate;
  const interval = `${bigNumber(value)} nodes (${bigNumber(low)} to ${bigNumber(high)})`;
  if (p !== undefined) return `${interval}, p ${formatShare(p, 1)}`;
  return progress.overlap === undefined
    ? `${interval} by what is listed so far`
    : `at least ${bigNumber(low)} nodes; p is being measured`;
}

function numbers({ progress }: CrawlView): Line[] {
  const { counts, queueLeft, inFlight, verified, traps } = progress;
  const trip = (share: number): string => {
    const ms = counts.roundTripMs(share);
    return ms === undefined ? '-' : `${Math.round(ms)} ms`;
  };
  const loss = counts.lossShare;
  return [
    field('visited', [`${bigNumber(counts.visits)}, ${bigNumber(queueLeft)} queued, ${inFlight} in flight`]),
    field('verified', [
      span('good', bigNumber(verified)),
      ` of ${bigNumber(counts.listed)} listed, ${formatShare(answerShare(progress), 1)} answer`,
      ...(traps > 0 ? [', ', span('warn', `${traps} trapped subnets`)] : []),
    ]),
    field('round trips', [`median ${trip(0.5)}, 90 %: ${trip(0.9)}, 99 %: ${trip(0.99)}`]),
    field('lost', [loss === undefined ? 'too few answers to say' : `${formatShare(loss, 1)} of round trips`]),
    field('estimate', [estimateText(progress)]),
  ];
}

/** A name and the newest value above what it belongs to. */
function heading(label: string, value: string, columns: number): Line {
  return edges([span('dim', label)], [value], columns);
}

function area(
  label: string,
  value: string,
  values: readonly number[],
  columns: number,
  rows: number,
): Line[] {
  if (rows < 2) return [];
  const top = values.reduce((most, each) => Math.max(most, each), 1);
  return [
    heading(label, value, columns),
    ...brailleArea(values, columns, rows - 1, top).map((text): Line => [span('down', text)]),
  ];
}

function band({ estimates, progress }: CrawlView, columns: number, rows: number): Line[] {
  const values = fitted(estimates, columns * VALUES_PER_CELL);
  const [last] = values.slice(-1);
  if (rows < LEAST_BAND_ROWS || last === undefined) return [];
  const low = values.reduce((least, [each]) => Math.min(least, each), last[0]);
  const high = values.reduce((most, [, each]) => Math.max(most, each), last[1]);
  // Room above and below: a band that fills its box says nothing.
  const room = (high - low) * BAND_ROOM;
  const half = (last[1] - last[0]) / Math.max(1, last[1] + last[0]);
  const what = progress.overlap === undefined ? 'estimate so far' : 'estimate by two looks';
  return [
    heading(what, `± ${(half * 100).toFixed(1)} %`, columns),
    ...brailleBand(values, columns, rows - 1, [low - room, high + room]).map(
      (text): Line => [span('rare', text)],
    ),
  ];
}

/** Clients, the curves, the estimate: at most `rows` lines. */
function chartLines(view: CrawlView, columns: number, rows: number): Line[] {
  const { progress, verified, rates } = view;
  const names = [...progress.counts.clients];
  const total = names.reduce((sum, [, count]) => sum + count, 0);
  const clients = tallyLines(names, total, columns, Math.min(MOST_CLIENTS, Math.floor(rows * 0.3)));
  const rest = rows - clients.length;
  const bandRows = rest >= 9 ? Math.min(MOST_BAND_ROWS, Math.floor(rest * 0.28)) : 0;
  const rateRows =
    rest >= 5 ? Math.min(MOST_RATE_ROWS, Math.max(2, Math.floor((rest - bandRows) * 0.38))) : 0;
  const curveRows = Math.min(MOST_CURVE_ROWS, rest - bandRows - rateRows);
  return [
    ...area(
      'discovered',
      bigNumber(verified.at(-1) ?? 0),
      fitted(verified, columns * VALUES_PER_CELL),
      columns,
      curveRows,
    ),
    ...area(
      'queries/s',
      bigNumber(rates.at(-1) ?? 0),
      rates.slice(-columns * VALUES_PER_CELL),
      columns,
      rateRows,
    ),
    ...band(view, columns, bandRows),
    ...clients,
  ];
}

/** Two columns of lines as one. */
function beside(left: readonly Line[], right: readonly Line[], leftColumns: number, rows: number): Line[] {
  return Array.from({ length: rows }, (_, row): Line => {
    const fitted = fitLine(left[row] ?? BLANK, leftColumns);
    return [...fitted, ' '.repeat(leftColumns - lineWidth(fitted) + GAP), ...(right[row] ?? BLANK)];
  });
}

function body(view: CrawlView, columns: number, rows: number): Line[] {
  const { places } = view.progress;
  if (places === undefined) return chartLines(view, columns, rows);
  if (columns >= LEAST_WIDE_COLUMNS && rows >= LEAST_WIDE_ROWS) {
    const left = Math.floor((columns - GAP) * 0.46);
    const right = columns - GAP - left;
    return beside(chartLines(view, left, rows), placeLines(places, right, rows), left, rows);
  }
  // No room for a map: the first countries below the curves.
  const below = placeLines(places, columns, Math.min(4, Math.floor(rows / 3)));
  return [...chartLines(view, columns, rows - below.length), ...below];
}

/** The rows of the terminal, top first. */
export function crawlLines(view: CrawlView, columns: number, rows: number): Line[] {
  const { progress, title, notes, leftMs } = view;
  const { counts, queueLeft, inFlight, phase, elapsedMs } = progress;
  const total = counts.visits + queueLeft + inFlight;
  const isWaiting = queueLeft === 0 && inFlight > 0;
  const head: Line[] = [
    bar(
      edges(
        [` ${title}  ${PHASES[phase]}${isWaiting ? ', waiting for late answers' : ''}`],
        [`${formatDuration(elapsedMs)}${leftMs === undefined ? '' : `, ${formatDuration(leftMs)} left`} `],
        columns,
      ),
      columns,
      'inverse',
    ),
    [span('good', shareBar(total === 0 ? 0 : counts.visits / total, columns))],
    BLANK,
    ...numbers(view),
    BLANK,
  ];
  const said = notes.slice(-MOST_NOTES).map((note): Line => [span('dim', note)]);
  const room = Math.max(0, rows - 1);
  const bodyRows = Math.max(0, room - head.length - said.length);
  const middle = bodyRows === 0 ? [] : body(view, columns, bodyRows);
  const lines = [...head, ...middle.slice(0, bodyRows)];
  while (lines.length + said.length < room) lines.push(BLANK);
  return [
    ...[...lines, ...said].slice(0, room),
    [span('key', 'q'), ' stop: a partial run, --resume goes on'] as Line,
  ].slice(0, rows);
}
