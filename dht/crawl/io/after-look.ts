// When the first look is over some of its nodes are asked again: from a port they never heard of, and from the old one whoever was
// silent. That says how many had gone at a moment between the looks, and who lets strangers in. Kept in the dataset at once: a run
// that is killed in its second look has it still.
import type { DatasetStore } from '../../dataset/io/store.ts';
import type { SummaryExtras } from '../../dataset/io/summarise.ts';
import { SUMMARY_TABLE } from '../../dataset/more-tables.ts';
import type { Counted } from '../estimates.ts';
import type { LookTimes } from '../look-times.ts';
import type { Recheck } from '../recheck.ts';
import { LONG_LOOK_MS, type Turnover } from '../two-looks.ts';

const MS_PER_HOUR = 3_600_000;
/** A second look so long after the first (a run that was stopped in between) is of another population. */
const MOST_RATIO = 2;

/** Of the run before; undefined when it had not come so far. */
export function storedRecheck(store: DatasetStore): Recheck | undefined {
  const values = new Map<string, number | null>();
  for (const { metric, item, value } of store.rows(SUMMARY_TABLE))
    if (metric === 'recheck') values.set(item, value);
  const asked = values.get('asked');
  const strangePort = values.get('strange_port');
  const knownPort = values.get('known_port');
  const atS = values.get('at_s');
  if (asked == null || strangePort == null || knownPort == null || atS == null) return undefined;
  return { asked, strangePort, knownPort, atMs: atS * 1000 };
}

/** @returns undefined for looks that were short, or too far apart, or when nobody was asked again */
export function turnoverOf(
  recheck: Recheck | undefined,
  first: LookTimes | undefined,
  second: LookTimes | undefined,
): Turnover | undefined {
  if (recheck === undefined || recheck.asked === 0 || first === undefined || second === undefined)
    return undefined;
  if (first.lastedMs < LONG_LOOK_MS) return undefined;
  const { asked, strangePort, knownPort, atMs } = recheck;
  const beforeMs = atMs - first.meanAnswerMs;
  const afterMs = second.meanAnswerMs - atMs;
  if (afterMs > beforeMs * MOST_RATIO) return undefined;
  return { gone: { hits: asked - strangePort - knownPort, of: asked }, beforeMs, afterMs };
}

export function recheckExtras(
  recheck: Recheck | undefined,
  first: LookTimes | undefined,
): Pick<SummaryExtras, 'secondPort' | 'gone' | 'recheck'> {
  if (recheck === undefined || first === undefined)
    return { secondPort: undefined, gone: undefined, recheck: undefined };
  const { asked, strangePort, knownPort, atMs } = recheck;
  const there = strangePort + knownPort;
  return {
    recheck,
    secondPort: { hits: strangePort, of: there },
    gone: {
      ...{ hits: asked - there, of: asked },
      meanHours: Math.max(1, atMs - first.meanAnswerMs) / MS_PER_HOUR,
    },
  };
}

/** Our own nodes in the zone: how many of them the first look found. */
export function plantedFound(store: DatasetStore, planted: readonly string[]): Counted | undefined {
  if (planted.length === 0) return undefined;
  const marks = planted.map(() => '?').join(', ');
  const [row] = store.query<{ n: number }>(
    `SELECT count(DISTINCT id_observed) AS n FROM visit WHERE pass = 1 AND id_observed IN (${marks})`,
    ...planted,
  );
  return { hits: row?.n ?? 0, of: planted.length };
}
