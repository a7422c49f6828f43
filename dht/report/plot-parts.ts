// What plots are made of: charts of several runs on the same axes, with a note of what each rests on; and why one is missing. Pure.
import { shareEstimate } from '../crawl/estimates.ts';
import type { Axis, Bar, BarValue, Chart, Series } from './chart.ts';
import { type RunFigures, type ShareRow, type Tally, zoneText } from './figures.ts';
import { formatTick } from './ticks.ts';

export interface Plot {
  /** File name without its ending. */
  readonly name: string;
  readonly title: string;
  /** What is to be seen, and how it was counted. */
  readonly about: string;
  readonly chart: Chart | undefined;
  /** Without a chart: why there is none. */
  readonly missing: string | undefined;
}

const MOST_BARS = 15;
export const SHARE: Axis = { label: 'share', unit: 'share', from: 0, to: 1 };
/** Below that, a share of a client or a referrer count says nothing. */
const LEAST_SHOWN = 5;

interface Draft {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly missing: string;
  readonly chart: Chart | undefined;
}

export function plot({ name, title, about, missing, chart }: Draft): Plot {
  return { name, title, about, chart, missing: chart === undefined ? missing : undefined };
}

/** Of which run, when, and how many observations: a picture is shown without its page. Of several only those that have any. */
export function noteOf(
  runs: readonly RunFigures[],
  what: string,
  count: (run: RunFigures) => number,
): string {
  const used = runs.filter((run) => count(run) > 0);
  const n = `n = ${used.map((run) => formatTick(count(run), 'count', 1)).join(' / ')} ${what}`;
  const [only] = used;
  if (used.length !== 1 || only === undefined) return n;
  const { started_utc: started, family } = only.run;
  return `${only.label}: zone ${zoneText(only.run)}, IPv${family}, ${started.slice(0, 16).replace('T', ' ')} UTC; ${n}`;
}

function totalOf(rows: readonly { readonly of: number }[]): number {
  return rows.reduce((sum, row) => sum + row.of, 0);
}

/** A line chart of the series that have points; none without. */
export function lines(
  title: string,
  note: string,
  x: Axis,
  y: Axis,
  series: readonly Series[],
): Chart | undefined {
  const drawn = series.filter(({ points }) => points.length > 0);
  return drawn.length === 0 ? undefined : { kind: 'lines', title, note, x, y, series: drawn };
}

/** Bars of the labels that count most, one group for each run. */
export function bars(
  title: string,
  note: string,
  value: Axis,
  runs: readonly RunFigures[],
  rowsOf: (
    run: RunFigures,
  ) => readonly { readonly label: string; readonly bar: BarValue; readonly weight: number }[],
): Chart | undefined {
  const shown = runs.map((run) => [run.label, rowsOf(run)] as const).filter(([, rows]) => rows.length > 0);
  const all = shown.map(([, rows]) => new Map(rows.map((row) => [row.label, row])));
  const weights = new Map<string, number>();
  for (const rows of all)
    for (const { label, weight } of rows.values()) weights.set(label, (weights.get(label) ?? 0) + weight);
  const labels = [...weights.keys()]
    .sort((x, y) => (weights.get(y) as number) - (weights.get(x) as number) || (x < y ? -1 : 1))
    .slice(0, MOST_BARS);
  if (labels.length === 0) return undefined;
  const made = labels.map((label): Bar => ({ label, values: all.map((rows) => rows.get(label)?.bar) }));
  return { kind: 'bars', title, note, value, groups: shown.map(([label]) => label), bars: made };
}

/** The labels that most answering nodes of all runs together have, as many as there are bars, and the rest as one. */
function withOthers(all: readonly (readonly Tally[])[]): (readonly Tally[])[] {
  const shares = new Map<string, number>();
  for (const tallies of all) {
    const total = tallies.reduce((sum, { count }) => sum + count, 0);
    for (const { label, count } of tallies) shares.set(label, (shares.get(label) ?? 0) + count / total);
  }
  if (shares.size <= MOST_BARS) return [...all];
  const sorted = [...shares].sort((x, y) => y[1] - x[1] || (x[0] < y[0] ? -1 : 1)).map(([label]) => label);
  const kept = new Set(sorted.slice(0, MOST_BARS - 1));
  const rest = `${sorted.length - kept.size} others`;
  return all.map((tallies) => {
    const others = tallies.filter(({ label }) => !kept.has(label));
    const count = others.reduce((sum, each) => sum + each.count, 0);
    return [
      ...tallies.filter(({ label }) => kept.has(label)),
      ...(count > 0 ? [{ label: rest, count }] : []),
    ];
  });
}

/** Shares of the whole, so that runs of different sizes compare; counts for one run. */
export function tallies(
  title: string,
  what: string,
  runs: readonly RunFigures[],
  of: (run: RunFigures) => readonly Tally[],
): Chart | undefined {
  const isOne = runs.length === 1;
  const axis: Axis = isOne ? { label: what, unit: 'count' } : { label: `share of ${what}`, unit: 'share' };
  const totals = new Map(runs.map((run) => [run, of(run).reduce((sum, { count }) => sum + count, 0)]));
  const totalIn = (run: RunFigures): number => totals.get(run) ?? 0;
  const shown = withOthers(runs.map(of));
  return bars(title, noteOf(runs, what, totalIn), axis, runs, (run) => {
    const total = totalIn(run);
    return (shown[runs.indexOf(run)] ?? []).map(({ label, count }) => ({
      label,
      bar: { value: isOne ? count : count / total },
      // What is left over stands last, however much it is.
      weight: label.endsWith(' others') ? 0 : count / total,
    }));
  });
}

export function shares(
  title: string,
  what: string,
  counted: string,
  runs: readonly RunFigures[],
  of: (run: RunFigures) => readonly ShareRow[],
): Chart | undefined {
  return bars(
    title,
    noteOf(runs, counted, (run) => totalOf(of(run))),
    { label: what, unit: 'share', from: 0, to: 1 },
    runs,
    (run) =>
      of(run)
        .filter((row) => row.of >= LEAST_SHOWN)
        .map(({ label, hits, of: total }) => ({
          label,
          bar: shareEstimate({ hits, of: total }) as BarValue,
          weight: total,
        })),
  );
}

/** `zone`, or `zone: monday` when there are several runs. */
export function seriesName(runs: readonly RunFigures[], run: RunFigures, what: string): string {
  return runs.length === 1 ? what : `${run.label}${what === '' ? '' : `: ${what}`}`;
}
