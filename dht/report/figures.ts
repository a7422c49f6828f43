// What a report shows of one run, as counted from its tables: the shapes between reading and drawing. Pure.
import type { SurvivalStep } from '../crawl/survival.ts';
import type { SummaryRow } from '../dataset/more-tables.ts';
import type { RunRow } from '../dataset/run-table.ts';

/** A value and how often it occurred, values ascending. */
export type Histogram = readonly (readonly [value: number, count: number])[];

export interface Tally {
  readonly label: string;
  readonly count: number;
}

/** Hits among those counted, by kind. */
export interface ShareRow {
  readonly label: string;
  readonly hits: number;
  readonly of: number;
}

export interface GrowthPoint {
  /** Since the start of the run. */
  readonly seconds: number;
  readonly listed: number;
  readonly answered: number;
}

export interface RunFigures {
  /** How the run is called in legends. */
  readonly label: string;
  readonly run: RunRow;
  readonly summary: readonly SummaryRow[];
  readonly growth: readonly GrowthPoint[];
  /** Microseconds. */
  readonly roundTrips: Histogram;
  readonly countries: readonly Tally[];
  readonly systems: readonly Tally[];
  /** Mean number of entries that a table shows at each depth. */
  readonly depth: Histogram;
  /** Tables that this is the mean of. */
  readonly tables: number;
  readonly idBins: readonly number[];
  /** Valid ids among answering nodes with global addresses, by client. */
  readonly bep42: readonly ShareRow[];
  /** What became of the endpoints listed in the zone and asked, by outcome: of several visits the best. */
  readonly outcomes: readonly ShareRow[];
  readonly survival: readonly SurvivalStep[];
  /** Sessions that the survival rests on. */
  readonly sessionsFollowed: number;
  /** Share of the time since it was first seen for which a node was there, ascending. */
  readonly availability: readonly number[];
}

/** `a3f/12`; `0/0` for the whole id space. */
export function zoneText({ zone_prefix: prefix, zone_bits: bits }: RunRow): string {
  return `${prefix.slice(0, Math.max(1, Math.ceil(bits / 4)))}/${bits}`;
}

export function summaryOf(
  { summary }: Pick<RunFigures, 'summary'>,
  metric: string,
  item = '',
): SummaryRow | undefined {
  return summary.find((row) => row.metric === metric && row.item === item);
}

/** At most so many points of a cumulative distribution, its ends among them. */
const MOST_POINTS = 400;

/** Share of observations at or below each value. */
export function cumulative(histogram: Histogram): (readonly [value: number, share: number])[] {
  const total = histogram.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return [];
  const points: (readonly [number, number])[] = [[(histogram[0] as readonly [number, number])[0], 0]];
  let below = 0;
  let drawn = 0;
  for (const [i, [value, count]] of histogram.entries()) {
    below += count;
    const share = below / total;
    // A point is drawn when it moves the curve, so that a million values make a small picture.
    if (share - drawn < 1 / MOST_POINTS && i < histogram.length - 1) continue;
    points.push([value, share]);
    drawn = share;
  }
  return points;
}

/** Equal values together. @param values ascending */
export function histogramOf(values: readonly number[]): Histogram {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts];
}
