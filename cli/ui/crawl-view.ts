// A crawl as a full screen: discovery curve, queue, answers, round trips, clients, the estimate as it tightens, time left. Pure:
// what is drawn follows from the progress and what came before it.

import { shareEstimate } from '../../dht/crawl/estimates.ts';
import type { CrawlProgress } from '../../dht/crawl/io/crawl-run.ts';
import { answerShare, bigNumber, timeLeftMs } from '../dht/crawl-text.ts';
import { safeText } from '../output/text.ts';
import { formatDuration, formatShare } from '../output/units.ts';
import { brailleArea, shareBar, VALUES_PER_CELL } from './charts.ts';
import { BLANK, bar, cell, edges, type Line, span } from './styled.ts';

export interface CrawlView {
  readonly progress: CrawlProgress;
  /** `a3f/12`. */
  readonly zone: string;
  /** Verified nodes at every picture so far, oldest first. */
  readonly verified: readonly number[];
  /** Queries a second at every picture. */
  readonly rates: readonly number[];
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
const VALUE_COLUMNS = 12;
const MOST_CLIENTS = 8;
const LEAST_CURVE_ROWS = 2;
/** A row each: title, bar, blank, five of numbers, blank, keys. */
const FIXED_ROWS = 11;

function field(label: string, value: Line): Line {
  return [span('dim', cell(label, LABEL_COLUMNS)), ...value];
}

/** The whole curve in so many values: every point stays where it was in time, only coarser. */
export function squeezed(values: readonly number[], count: number): number[] {
  if (values.length <= count) return [...values];
  return Array.from(
    { length: count },
    (_, i) => values[Math.floor(((i + 1) * values.length) / count) - 1] ?? 0,
  );
}

/** About how many there are if who was not asked yet answers like those who were: tightens as the queue gets shorter. */
export function estimateText({ counts, verified, zoneBits, queueLeft, inFlight }: CrawlProgress): string {
  const share = shareEstimate({ hits: counts.askedAndAnswered, of: counts.asked + inFlight });
  if (share === undefined || verified === 0) return 'nobody yet';
  const total = (rest: number): string => bigNumber((verified + rest) * 2 ** zoneBits);
  const rest = queueLeft + inFlight;
  return `about ${total(queueLeft * share.value)} nodes in the network (${total(queueLeft * share.low)} to ${total(rest * share.high)}) of what is listed so far; p comes with the second look`;
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

function clientLines({ progress }: CrawlView, columns: number, most: number): Line[] {
  const clients = [...progress.counts.clients].sort((x, y) => y[1] - x[1] || (x[0] < y[0] ? -1 : 1));
  const total = clients.reduce((sum, [, count]) => sum + count, 0);
  const width = Math.max(4, columns - LABEL_COLUMNS - VALUE_COLUMNS - 10);
  return clients
    .slice(0, Math.max(0, most))
    .map(([name, count]) => [
      cell(safeText(name), LABEL_COLUMNS),
      span('up', shareBar(count / total, width)),
      cell(bigNumber(count), VALUE_COLUMNS, 'right'),
      cell(formatShare(count, total), 8, 'right'),
    ]);
}

/** The rows of the terminal, top first. */
export function crawlLines(view: CrawlView, columns: number, rows: number): Line[] {
  const { progress, zone, verified, rates, notes } = view;
  const { counts, queueLeft, inFlight, phase, elapsedMs } = progress;
  const left = timeLeftMs(progress);
  const total = counts.visits + queueLeft + inFlight;
  const title = edges(
    [` tt dht crawl ${zone}  ${PHASES[phase]}`],
    [`${formatDuration(elapsedMs)}${left === undefined ? '' : `, ${formatDuration(left)} left`} `],
    columns,
  );
  const spare = Math.max(0, rows - FIXED_ROWS);
  const clients = clientLines(view, columns, Math.min(MOST_CLIENTS, Math.floor(spare / 2)));
  const curveRows = Math.max(LEAST_CURVE_ROWS, Math.floor((spare - clients.length) * 0.6));
  const rateRows = Math.max(1, spare - clients.length - curveRows - Math.min(notes.length, 2));
  const width = Math.max(1, columns - LABEL_COLUMNS - VALUE_COLUMNS - 1);
  const curve = squeezed(verified, width * VALUES_PER_CELL);
  const area = (
    label: string,
    values: readonly number[],
    height: number,
    top: number,
    mark: string,
  ): Line[] =>
    brailleArea(values, width, height, top).map((text, row) => [
      span('dim', cell(row === 0 ? label : '', LABEL_COLUMNS)),
      span('down', text),
      cell(row === 0 ? mark : '', VALUE_COLUMNS, 'right'),
    ]);
  const lines: Line[] = [
    bar(title, columns, 'inverse'),
    [span('good', shareBar(total === 0 ? 0 : counts.visits / total, columns))],
    BLANK,
    ...numbers(view),
    BLANK,
    ...area('discovered', curve, curveRows, Math.max(1, ...curve), bigNumber(verified.at(-1) ?? 0)),
    ...area('queries/s', rates, rateRows, Math.max(1, ...rates), bigNumber(rates.at(-1) ?? 0)),
    ...clients,
    ...notes.slice(-2).map((note): Line => [span('dim', note)]),
  ];
  const room = Math.max(0, rows - 1);
  while (lines.length < room) lines.push(BLANK);
  return [...lines.slice(0, room), [span('key', 'q'), ' stop: a partial run, --resume goes on']].slice(
    0,
    rows,
  ) as Line[];
}
