// Counts what a report shows out of the tables of one run. Sums are made by SQLite: a run of millions of visits fits in memory.
import { observedSession } from '../../crawl/session-rows.ts';
import { createBased, followed, kaplanMeier, middleOf } from '../../crawl/survival.ts';
import type { DatasetStore } from '../../dataset/io/store.ts';
import { summarise } from '../../dataset/io/summarise.ts';
import { ANSWERED, idBins } from '../../dataset/io/tally.ts';
import { SESSION_TABLE, type SessionRow, SUMMARY_TABLE, type SummaryRow } from '../../dataset/more-tables.ts';
import type { RunRow } from '../../dataset/run-table.ts';
import { ANSWERED as ANSWERED_OUTCOMES, OUTCOMES, type Outcome } from '../../dataset/visit-table.ts';
import type { GrowthPoint, RunFigures, ShareRow, Tally } from '../figures.ts';

const IN_ZONE = 'FROM visit WHERE pass = 1 AND is_in_zone = 1';
const GROWTH_POINTS = 300;
/** From the best to the worst that a listed endpoint can come to. */
const OUTCOME_NAMES = [
  ...ANSWERED_OUTCOMES,
  ...(Object.keys(OUTCOMES) as Outcome[]).filter((outcome) => !ANSWERED_OUTCOMES.includes(outcome)),
];

export function readFigures(label: string, run: RunRow, store: DatasetStore): RunFigures {
  const stored = [...store.rows(SUMMARY_TABLE)];
  const summary = stored.length > 0 ? stored : unendedSummary(run, store);
  const sessions = [...store.rows(SESSION_TABLE)];
  const windowMs = windowMsOf(run, sessions);
  const lifetimes = createBased(sessions.map(observedSession), 0, windowMs);
  return {
    label,
    run,
    summary,
    growth: growthOf(store),
    roundTrips: store
      .query<{ v: number; n: number }>(
        'SELECT round_trip_us AS v, count(*) AS n FROM visit WHERE pass = 1 AND round_trip_us IS NOT NULL GROUP BY v ORDER BY v',
      )
      .map(({ v, n }) => [v, n]),
    countries: tallies(summary, 'countries'),
    systems: tallies(summary, 'systems'),
    ...depthOf(store),
    // Of a run that was cut in its first look the summary has no test: it has not looked everywhere alike.
    idBins:
      run.state === 'complete' || summary.some(({ metric }) => metric === 'id_uniformity')
        ? idBins(store, run.zone_bits)
        : [],
    bep42: store.query<ShareRow & Record<string, unknown>>(
      `SELECT coalesce(client, 'unsigned') AS label, count(DISTINCT CASE WHEN bep42 = 'valid' THEN node END) AS hits,
       count(DISTINCT node) AS 'of' ${IN_ZONE} AND ${ANSWERED} AND bep42 IN ('valid', 'invalid') GROUP BY label`,
    ),
    outcomes: outcomesOf(store),
    survival: kaplanMeier(lifetimes),
    sessionsFollowed: followed(lifetimes),
    availability: availabilityOf(sessions, windowMs),
  };
}

/** Of a run that is still written, or was killed: what its tables say so far. */
function unendedSummary(run: RunRow, store: DatasetStore): SummaryRow[] {
  return summarise(store, {
    ...{ runId: run.run_id, zoneBits: run.zone_bits, zonePrefix: run.zone_prefix },
    ...{ distances: undefined, planted: undefined, secondPort: undefined, gone: undefined },
    ...{ repeatRange: undefined, traps: [], isCut: true },
  });
}

function tallies(summary: readonly SummaryRow[], wanted: string): Tally[] {
  return summary
    .filter(({ metric }) => metric === wanted)
    .map(({ item, value }) => ({ label: item, count: value ?? 0 }))
    .sort((x, y) => y.count - x.count);
}

function windowMsOf(run: RunRow, sessions: readonly SessionRow[]): number {
  if (run.elapsed_us !== null) return run.elapsed_us / 1000;
  return sessions.reduce((last, row) => Math.max(last, row.last_success_us / 1000), 0);
}

function growthOf(store: DatasetStore): GrowthPoint[] {
  const [range] = store.query<{ last: number | null }>(
    `SELECT max(max(queued_us), max(coalesce(received_us, 0))) AS last ${IN_ZONE}`,
  );
  const last = range?.last ?? 0;
  if (last <= 0) return [];
  const width = Math.max(1, Math.ceil(last / GROWTH_POINTS));
  // A node of the topology mode is visited several times: the first time counts.
  const counted = (column: string, where: string): Map<number, number> =>
    new Map(
      store
        .query<{ b: number; n: number }>(
          `SELECT at / ${width} AS b, count(*) AS n FROM (SELECT min(${column}) AS at ${IN_ZONE} AND ${where} GROUP BY node) GROUP BY b`,
        )
        .map(({ b, n }) => [b, n]),
    );
  const listed = counted('queued_us', 'id_claimed IS NOT NULL');
  const answered = counted('received_us', `${ANSWERED} AND received_us IS NOT NULL`);
  const points: GrowthPoint[] = [{ seconds: 0, listed: 0, answered: 0 }];
  let sums = { listed: 0, answered: 0 };
  for (let bin = 0; bin <= Math.floor(last / width); bin++) {
    sums = {
      listed: sums.listed + (listed.get(bin) ?? 0),
      answered: sums.answered + (answered.get(bin) ?? 0),
    };
    points.push({ seconds: Math.min(last, (bin + 1) * width) / 1e6, ...sums });
  }
  return points;
}

function depthOf(store: DatasetStore): Pick<RunFigures, 'depth' | 'tables'> {
  // One table is drained by several probes, whose replies overlap.
  const entries = `SELECT DISTINCT v.node AS owner, e.shared_bits AS bits, e.neighbour_id, e.ip, e.port
    FROM edge AS e JOIN visit AS v ON v.run_id = e.run_id AND v.pass = e.pass AND v.number = e.visit WHERE e.pass = 1`;
  const owners = store.query<{ n: number }>(`SELECT count(DISTINCT owner) AS n FROM (${entries})`)[0]?.n ?? 0;
  const depth = store
    .query<{ bits: number; n: number }>(
      `SELECT bits, count(*) AS n FROM (${entries}) GROUP BY bits ORDER BY bits`,
    )
    .map(({ bits, n }) => [bits, n / owners] as const);
  return { depth, tables: owners };
}

/** Not by how many replies list them: that is counted until a visit ends, and who is silent is waited for the longest. */
function outcomesOf(store: DatasetStore): ShareRow[] {
  const rank = OUTCOME_NAMES.map((name, i) => `WHEN '${name}' THEN ${i}`).join(' ');
  const rows = store.query<{ r: number; n: number }>(
    `SELECT r, count(*) AS n FROM (SELECT min(CASE outcome ${rank} END) AS r ${IN_ZONE} AND id_claimed IS NOT NULL AND tries > 0 GROUP BY node)
     WHERE r IS NOT NULL GROUP BY r ORDER BY r`,
  );
  const total = rows.reduce((sum, { n }) => sum + n, 0);
  return rows.map(({ r, n }) => ({ label: OUTCOME_NAMES[r] as string, hits: n, of: total }));
}

/** Begins and ends halfway between looks; who is there when the run ends is there until its end. */
function availabilityOf(sessions: readonly SessionRow[], windowMs: number): number[] {
  const nodes = new Map<number, { present: number; since: number }>();
  for (const row of sessions) {
    const { startMs, endMs } = middleOf(observedSession(row));
    const until = row.end_reason === 'window' ? windowMs : Math.min(endMs, windowMs);
    const node = nodes.get(row.node) ?? { present: 0, since: startMs };
    node.present += Math.max(0, until - startMs);
    node.since = Math.min(node.since, startMs);
    nodes.set(row.node, node);
  }
  return [...nodes.values()]
    .filter(({ since }) => since < windowMs)
    .map(({ present, since }) => Math.min(1, present / (windowMs - since)))
    .sort((x, y) => x - y);
}
