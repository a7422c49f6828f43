// A crawl in words: the progress line, the summary, and both as JSON. Pure.
import type { CrawlProgress, CrawlResult } from '../../dht/crawl/io/crawl-setup.ts';
import type { SummaryRow } from '../../dht/dataset/more-tables.ts';
import type { RunRow } from '../../dht/dataset/run-table.ts';
import { formatFields } from '../terminal/table.ts';
import { safeText } from '../terminal/text.ts';
import { formatCount, formatDuration, formatElapsed } from '../terminal/units.ts';
import { liveEstimate } from './live-estimate.ts';

const PHASES = {
  crawl: 'crawling',
  repeat: 'second look',
  recheck: 'asking some again',
  lookups: 'lookups',
  summary: 'summary',
} as const;

/** `1 234 567`. */
export function bigNumber(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ' ');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 2 : 1)} %`;
}

/** Answers among those asked so far. */
export function answerShare({ counts }: CrawlProgress): number {
  return counts.asked === 0 ? 0 : counts.askedAndAnswered / counts.asked;
}

/** @param leftMs of this look; undefined when nobody can say */
export function crawlLine(progress: CrawlProgress, leftMs: number | undefined): string {
  const { counts, phase, queueLeft, inFlight, sent, elapsedMs, verified, traps } = progress;
  const p50 = counts.roundTripMs(0.5);
  const estimate = liveEstimate(progress);
  return [
    PHASES[phase],
    `${bigNumber(counts.visits)} visited`,
    `${bigNumber(queueLeft)} queued`,
    `${inFlight} in flight`,
    `${bigNumber(verified)} verified`,
    `${percent(answerShare(progress))} answer`,
    p50 === undefined ? undefined : `median ${Math.round(p50)} ms`,
    `${bigNumber((sent / Math.max(1, elapsedMs)) * 1000)}/s`,
    estimate === undefined ? undefined : `about ${bigNumber(estimate.value)} nodes`,
    traps > 0 ? formatCount(traps, 'trap') : undefined,
    leftMs === undefined ? undefined : `${formatDuration(leftMs)} left`,
  ]
    .filter((part) => part !== undefined)
    .join(' · ');
}

export function progressJson(
  progress: CrawlProgress,
  leftMs: number | undefined,
): Readonly<Record<string, unknown>> {
  const { counts, runId, phase, pass, elapsedMs, verified, queueLeft, inFlight, sent, traps, places } =
    progress;
  const estimate = liveEstimate(progress);
  return {
    run: runId,
    phase,
    pass,
    elapsedMs: Math.round(elapsedMs),
    visits: counts.visits,
    listed: counts.listed,
    responded: counts.responded,
    verified,
    queueLeft,
    inFlight,
    sent,
    traps,
    answerShare: answerShare(progress),
    roundTripMs: counts.roundTripMs(0.5),
    outcomes: Object.fromEntries(counts.outcomes),
    clients: Object.fromEntries(counts.clients),
    ...(estimate === undefined ? {} : { estimate }),
    ...(leftMs === undefined ? {} : { leftMs: Math.round(leftMs) }),
    ...(places === undefined
      ? {}
      : { countries: Object.fromEntries(places.countries), systems: Object.fromEntries(places.systems) }),
  };
}

function withInterval({ value, low, high }: SummaryRow, show: (value: number) => string): string {
  if (value === null) return '-';
  if (low === null) return show(value);
  return `${show(value)} (95 %: ${show(low)} to ${high === null ? 'any' : show(high)})`;
}

const MOST_PLACES = 8;

function greatestFirst(rows: readonly SummaryRow[]): SummaryRow[] {
  return [...rows].sort((x, y) => (y.value ?? 0) - (x.value ?? 0) || (x.item < y.item ? -1 : 1));
}

/** `DE 120, FR 80, 23 more`, the greatest first. */
function mostOf(rows: readonly SummaryRow[]): string {
  const sorted = greatestFirst(rows);
  const shown = sorted
    .slice(0, MOST_PLACES)
    .map(({ item, value }) => `${safeText(item)} ${bigNumber(value ?? 0)}`);
  const more = sorted.length - shown.length;
  return [...shown, ...(more > 0 ? [`${bigNumber(more)} more`] : [])].join(', ');
}

/** In the order they are shown, whatever order a dataset gives them in. */
const ESTIMATORS: Readonly<Record<string, string>> = {
  chapman: 'two looks (Chapman)',
  bernoulli: 'found / (share of ids x p)',
  distances: 'distances of lookups',
  planted: 'by planted nodes',
};

/** How sessions last; nothing where nobody looked for them. */
function sessionLines(summary: readonly SummaryRow[]): string[] {
  if (!summary.some(({ metric }) => metric === 'sessions')) return [];
  const share = (value: number | null): string => (value === null ? '-' : `${(value * 100).toFixed(1)} %`);
  const count = (item: string): string =>
    bigNumber(summary.find(({ metric, item: name }) => metric === 'sessions' && name === item)?.value ?? 0);
  const median = summary.find(({ metric }) => metric === 'session_median_s');
  return [
    `sessions: ${count('all')}, ${count('created')} seen to begin, ${count('ended')} seen to end`,
    ...summary
      .filter(({ metric }) => metric === 'session_survival')
      // A dataset gives them in the order of their names: 15 before 5.
      .sort((x, y) => Number.parseInt(x.item, 10) - Number.parseInt(y.item, 10))
      .map(
        ({ item, value, low, high }) =>
          `  longer than ${item}: ${share(value)} (95 %: ${share(low)} to ${share(high)})`,
      ),
    median === undefined
      ? '  too few of them began in the first half to say how long they last'
      : median.value === null
        ? '  half of them last longer than half of the time looked'
        : `  median: ${formatDuration(median.value * 1000)}`,
  ];
}

/** What was stored (BEP 51); nothing where nobody asked. */
function sampleLines(summary: readonly SummaryRow[]): string[] {
  const of = (item: string): number | undefined =>
    summary.find(({ metric, item: name }) => metric === 'samples' && name === item)?.value ?? undefined;
  const nodes = of('nodes');
  if (nodes === undefined) return [];
  return [
    `samples: ${formatCount(nodes, 'node')} of the zone gave some; they say they store ${formatCount(of('stored') ?? 0, 'info hash', 'info hashes')}`,
  ];
}

/** What `tt dht crawl`, its relatives and `tt dht report` print. */
export function summaryText({ run, summary }: CrawlResult): string {
  const of = (metric: string): readonly SummaryRow[] => summary.filter((row) => row.metric === metric);
  const one = (metric: string, item = ''): SummaryRow | undefined =>
    of(metric).find((row) => row.item === item);
  const fields: (readonly [string, string])[] = [
    ['run', `${run.run_id}, ${run.state}${run.state_reason === null ? '' : ` (${run.state_reason})`}`],
    [
      'begun',
      `${run.started_utc.slice(0, 19).replace('T', ' ')} UTC${run.elapsed_us === null ? '' : `, took ${formatElapsed(run.elapsed_us / 1000)}`}, ${run.mode}`,
    ],
    [
      'zone',
      `${run.zone_prefix.slice(0, Math.max(1, Math.ceil(run.zone_bits / 4)))}/${run.zone_bits}, IPv${run.family}, seed ${run.seed}`,
    ],
  ];
  const add = (name: string, row: SummaryRow | undefined, show: (value: number) => string): void => {
    if (row !== undefined) fields.push([name, withInterval(row, show)]);
  };
  fields.push([
    'visits',
    greatestFirst(of('visits'))
      .map(({ item, value }) => `${item} ${bigNumber(value ?? 0)}`)
      .join(', '),
  ]);
  add('queries sent', one('sent'), bigNumber);
  add('listed', one('listed'), bigNumber);
  add('responded', one('responded'), bigNumber);
  add('verified id', one('verified'), bigNumber);
  // A second look at a part of the zone only says nothing of the whole.
  const either = one('verified_either');
  if ((either?.value ?? 0) >= (one('verified')?.value ?? 0)) add('verified, either look', either, bigNumber);
  add('answer a strange port', one('second_port'), percent);
  add('dead entries', one('dead_share'), percent);
  add('ids', one('distinct_ids'), bigNumber);
  add('addresses', one('distinct_ips'), bigNumber);
  add('endpoints', one('distinct_endpoints'), bigNumber);
  add('BEP 42 valid', one('bep42_valid_share'), percent);
  for (const row of of('p')) add(`p (${row.item})`, row, percent);
  for (const [item, name] of Object.entries(ESTIMATORS)) add(`nodes, ${name}`, one('nodes', item), bigNumber);
  add('turnover per hour', one('turnover'), percent);
  const even = one('id_uniformity', 'p_value');
  if (even !== undefined) fields.push(['ids spread evenly', `p = ${(even.value ?? 0).toFixed(3)}`]);
  const quantile = (metric: string): string =>
    of(metric)
      .map(({ item, value }) => `${item}: ${Math.round(value ?? 0)}`)
      .join(', ');
  if (of('round_trip_ms').length > 0) fields.push(['round trips, ms', quantile('round_trip_ms')]);
  if (of('in_degree').length > 0) fields.push(['listed by', quantile('in_degree')]);
  if (of('clients').length > 0)
    fields.push([
      'clients',
      greatestFirst(of('clients'))
        .map(({ item, value }) => `${item} ${bigNumber(value ?? 0)}`)
        .join(', '),
    ]);
  for (const metric of ['countries', 'systems'])
    if (of(metric).length > 0) fields.push([metric, mostOf(of(metric))]);
  if (run.loss_share !== null)
    fields.push([
      'lost on the way',
      `${percent(run.loss_share)} of round trips (${bigNumber(run.loss_answers)} answers)`,
    ]);
  if (run.queue_left > 0) fields.push(['not visited', bigNumber(run.queue_left)]);
  return [
    ...formatFields(fields),
    ...sessionLines(summary),
    ...sampleLines(summary),
    ...(run.warnings as string[]).map((warning) => `! ${warning}`),
  ].join('\n');
}

export function runJson(run: RunRow, summary: readonly SummaryRow[]): Readonly<Record<string, unknown>> {
  return { run, summary: summary.map(({ run_id: _, ...row }) => row) };
}
