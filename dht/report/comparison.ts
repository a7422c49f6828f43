// Several runs side by side: their figures in a table, the time of the day at which each looked, and who of one is still there in
// another. Pure.
import { type Estimate, shareEstimate } from '../crawl/estimates.ts';
import type { Point, Series } from './chart.ts';
import { type RunFigures, summaryOf, zoneText } from './figures.ts';
import type { Plot } from './plot-parts.ts';

/** Verified nodes of an earlier run found again by a later one, within the ids that both looked at. */
export interface Retention {
  readonly from: string;
  readonly to: string;
  /** Between their starts. */
  readonly hours: number;
  /** Nodes (id, address, port) of the earlier run, and of them those of the later. */
  readonly before: number;
  readonly stayed: number;
  /** Ids of the earlier run that the later found, at whatever endpoint. */
  readonly sameId: number;
  /** Why the two cannot be compared. */
  readonly reason: string | undefined;
}

export interface ComparedRun {
  readonly label: string;
  readonly startedUtc: string;
  readonly mode: string;
  readonly zone: string;
  readonly state: string;
  readonly verified: number | null;
  readonly nodes:
    | (Pick<Estimate, 'value'> & { readonly low: number | null; readonly high: number | null })
    | null;
  readonly deadShare: number | null;
  readonly medianRoundTripMs: number | null;
}

export interface Comparison {
  readonly runs: readonly ComparedRun[];
  readonly retention: readonly Retention[];
  readonly plots: readonly Plot[];
}

/** The estimate that a comparison goes by: two looks, else one with a measured p, else distances. */
const PREFERRED = ['chapman', 'bernoulli', 'distances'];
const LEAST_FOR_A_DAY = 3;

function estimateOf(run: RunFigures): ComparedRun['nodes'] {
  for (const item of PREFERRED) {
    const row = summaryOf(run, 'nodes', item);
    if (typeof row?.value === 'number') return { value: row.value, low: row.low, high: row.high };
  }
  return null;
}

function compared(run: RunFigures): ComparedRun {
  const { run: header } = run;
  return {
    label: run.label,
    startedUtc: header.started_utc,
    mode: header.mode,
    zone: `${zoneText(header)}, IPv${header.family}`,
    state: header.state,
    verified: summaryOf(run, 'verified')?.value ?? null,
    nodes: estimateOf(run),
    deadShare: summaryOf(run, 'dead_share')?.value ?? null,
    medianRoundTripMs: summaryOf(run, 'round_trip_ms', '50 %')?.value ?? null,
  };
}

/** Hour of the day, UTC, with its fraction; of an ISO 8601 time. */
function hourOfDay(iso: string): number {
  const [hours, minutes] = iso.slice(11, 16).split(':').map(Number) as [number, number];
  return hours + minutes / 60;
}

/** A run counts at the middle of its time. */
function middleHour({ run }: RunFigures): number {
  return (hourOfDay(run.started_utc) + (run.elapsed_us ?? 0) / 7.2e9) % 24;
}

function diurnal(runs: readonly RunFigures[]): Plot {
  const points: Point[] = [];
  const band: (readonly [number, number])[] = [];
  const estimated = runs
    .map((run) => ({ hour: middleHour(run), nodes: estimateOf(run) }))
    .sort((x, y) => x.hour - y.hour);
  for (const { hour, nodes } of estimated) {
    if (nodes === null) continue;
    points.push([hour, nodes.value]);
    band.push([nodes.low ?? nodes.value, nodes.high ?? nodes.value]);
  }
  const title = 'Nodes by the time of the day';
  const isEnough = points.length >= LEAST_FOR_A_DAY;
  return {
    name: 'diurnal',
    title,
    about: 'Estimated reachable nodes of each run, with 95 % intervals, at the middle of its time (UTC).',
    missing: isEnough
      ? undefined
      : `needs ${LEAST_FOR_A_DAY} runs with an estimate, and there are ${points.length}`,
    chart: isEnough
      ? {
          kind: 'lines',
          title,
          x: { label: 'hour of the day, UTC', unit: 'hour', from: 0, to: 24 },
          y: { label: 'nodes', unit: 'count', from: 0 },
          series: [{ name: 'nodes', style: 'dots', points, band }],
        }
      : undefined,
  };
}

function stillThere(retention: readonly Retention[]): Plot {
  const usable = retention
    .filter(({ reason, before }) => reason === undefined && before > 0)
    .sort((x, y) => x.hours - y.hours);
  const of = (name: string, hits: (each: Retention) => number): Series => {
    const estimates = usable.map((each) => shareEstimate({ hits: hits(each), of: each.before }) as Estimate);
    return {
      name,
      style: 'dots',
      points: usable.map(({ hours }, i) => [hours * 3600, (estimates[i] as Estimate).value]),
      band: estimates.map(({ low, high }) => [low, high]),
    };
  };
  const title = 'Who is still there';
  return {
    name: 'churn',
    title,
    about:
      'Verified nodes of an earlier run that a later one verified too, against the time between their starts; every pair of runs, within the ids that both looked at. What a crawl misses counts as gone: see p.',
    missing: usable.length > 0 ? undefined : (retention[0]?.reason ?? 'no verified nodes to look for'),
    chart:
      usable.length === 0
        ? undefined
        : {
            kind: 'lines',
            title,
            x: { label: 'time between the starts', unit: 'time', from: 0 },
            y: { label: 'share still there', unit: 'share', from: 0, to: 1 },
            series: [
              of('same id and endpoint', ({ stayed }) => stayed),
              of('same id', ({ sameId }) => sameId),
            ],
          },
  };
}

export function compare(runs: readonly RunFigures[], retention: readonly Retention[]): Comparison {
  return { runs: runs.map(compared), retention, plots: [diurnal(runs), stillThere(retention)] };
}
