// The monitor against worlds whose truth is known: when sessions begin and end beside when they did, and survival beside what it is.
import { observedSession, sessionSummary } from '../../crawl/session-rows.ts';
import { middleOf } from '../../crawl/survival.ts';
import { mean } from '../chance.ts';
import { runMonitorTrial } from '../monitor-trial.ts';
import type { Row, SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';
import { survivalOfSessions } from '../sessions.ts';
import { lossy, MINUTE_MS, percent, worldOf } from './crawl-parts.ts';

const NODES = 1_000;
const TRIALS = 40;
const WINDOW_MS = 6 * 60 * MINUTE_MS;
const RESCAN_MS = 10 * MINUTE_MS;
/** Mainline as it was measured, and one that is three times as restless. */
const MEDIANS_MIN = [200, 60];
const AT_MIN = [5, 15, 30, 60, 120];
/** After the window whoever is in doubt is asked once more. */
const SPARE_MS = 10 * MINUTE_MS;

interface Trial {
  /** Milliseconds by which a session seems to begin, end, last too late or too long. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly lengths: readonly number[];
  /** Seen to begin, and there from the start in truth. */
  readonly false: number;
  readonly survival: ReadonlyMap<
    number,
    { readonly value: number; readonly low: number; readonly high: number }
  >;
}

function runTrial(options: ScenarioOptions, medianSessionMin: number, trial: number): Trial {
  const seed = options.seed * 1_000 + trial;
  const nodes = options.nodes ?? NODES;
  const world = worldOf(seed, nodes, { ...lossy(0.01), medianSessionMin, horizonMs: WINDOW_MS + SPARE_MS });
  const { rows, truth } = runMonitorTrial(world, { seed, windowMs: WINDOW_MS, rescanMs: RESCAN_MS });
  const starts: number[] = [];
  const ends: number[] = [];
  const lengths: number[] = [];
  let wrong = 0;
  rows.forEach((row, i) => {
    const { fromMs = 0, untilMs = 0 } = truth[i] ?? {};
    if (!row.is_created) return;
    if (fromMs <= 0) {
      wrong++;
      return;
    }
    const { startMs, endMs } = middleOf(observedSession(row));
    starts.push(startMs - fromMs);
    if (row.is_censored) return;
    ends.push(endMs - untilMs);
    lengths.push(endMs - startMs - (untilMs - fromMs));
  });
  const survival = new Map<number, { value: number; low: number; high: number }>();
  for (const { metric, item, value, low, high } of sessionSummary('', rows, WINDOW_MS))
    if (metric === 'session_survival')
      survival.set(Number.parseInt(item, 10), { value: value ?? 1, low: low ?? 0, high: high ?? 1 });
  return { starts, ends, lengths, false: wrong, survival };
}

/** `+1.2 s ± 0.8 s`: mean and its 95 % interval. */
function seconds(errors: readonly number[]): string {
  const middle = mean(errors);
  const variance = mean(errors.map((each) => (each - middle) ** 2));
  const half = 1.96 * Math.sqrt(variance / Math.max(1, errors.length));
  return `${middle < 0 ? '' : '+'}${(middle / 1000).toFixed(1)} s ± ${(half / 1000).toFixed(1)} s`;
}

export function runCrawlSessions(options: ScenarioOptions): SimTable[] {
  const count = trials(options, TRIALS);
  const errors: Row[] = [];
  const shares: Row[] = [];
  for (const median of MEDIANS_MIN) {
    const outcomes = Array.from({ length: count }, (_, trial) => runTrial(options, median, trial));
    const all = (pick: (trial: Trial) => readonly number[]): number[] =>
      outcomes.flatMap((each) => [...pick(each)]);
    const starts = all((each) => each.starts);
    errors.push({
      'median session, min': median,
      'seen to begin': starts.length,
      'began before the window': outcomes.reduce((sum, each) => sum + each.false, 0),
      'begins late by': seconds(starts),
      'ends late by': seconds(all((each) => each.ends)),
      'lasts too long by': seconds(all((each) => each.lengths)),
    });
    for (const minutes of AT_MIN) {
      const truth = survivalOfSessions(minutes, median);
      const found = outcomes.flatMap(({ survival }) => survival.get(minutes) ?? []);
      shares.push({
        'median session, min': median,
        'longer than, min': minutes,
        true: percent(truth),
        'Kaplan-Meier': percent(mean(found.map(({ value }) => value))),
        covers: `${found.filter(({ low, high }) => low <= truth && truth <= high).length} of ${found.length}`,
      });
    }
  }
  const nodes = options.nodes ?? NODES;
  return [
    {
      title: `Sessions as a monitor sees them beside the truth (${nodes} nodes, 6 hours, crawls every 10 min, 1 % loss, ${count} runs)`,
      rows: errors,
      notes: [
        'Begin and end taken halfway between the look before and the look after: 95 % interval of the mean error.',
      ],
    },
    { title: 'Share of sessions that last longer, as `session_survival` has it', rows: shares },
  ];
}
