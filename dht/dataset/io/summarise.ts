// The summary of a run, made from its tables alone: whoever has the dataset can make it again.
import { bernoulli, type Counted, type Estimate, shareEstimate, uniformity } from '../../crawl/estimates.ts';
import { type Recheck, recheckRows } from '../../crawl/recheck.ts';
import { fromTwoLooks, type Turnover } from '../../crawl/two-looks.ts';
import type { Metric, SummaryRow } from '../more-tables.ts';
import { SUMMARY_TABLE } from '../more-tables.ts';
import type { DatasetStore } from './store.ts';
import { ANSWERED, claimedIn, countNodes, honestIn, idBins, quantiles, VERIFIED } from './tally.ts';

/** What the tables do not hold. */
export interface SummaryExtras {
  readonly runId: string;
  readonly zoneBits: number;
  /** 40 hex digits, zeros behind the prefix. */
  readonly zonePrefix: string;
  /** From lookups to random targets; undefined for none. */
  readonly distances: Estimate | undefined;
  /** Our own nodes in the zone. */
  readonly planted: Counted | undefined;
  readonly secondPort: Counted | undefined;
  /** Of nodes asked again: who had gone, and how long after on average. */
  readonly gone: (Counted & { readonly meanHours: number }) | undefined;
  /** As it was counted, for whoever makes the summary again. */
  readonly recheck?: Recheck | undefined;
  /** Of looks that took long: what estimates are corrected by. */
  readonly turnover?: Turnover | undefined;
  /** Ids that the repeat looked at, 40 hex digits each; undefined without one. */
  readonly repeatRange: readonly [low: string, high: string] | undefined;
  readonly traps: readonly { readonly subnet: string; readonly listed: number }[];
  /** Stopped before the queue was empty: parts of the zone were not looked at, so that nothing can be said of how ids spread. */
  readonly isCut?: boolean;
}

const LEAST_HOURS = 0.05;

export function summarise(store: DatasetStore, extras: SummaryExtras): SummaryRow[] {
  const rows: SummaryRow[] = [];
  const { runId, zoneBits, zonePrefix } = extras;
  const add = (metric: Metric, item: string, value: number | null, interval?: Partial<Estimate>): void => {
    const { low = null, high = null, basis = null } = interval ?? {};
    rows.push({ run_id: runId, metric, item, value, low, high: finite(high), basis });
  };
  const addShare = (metric: Metric, item: string, hits: number, of: number): void => {
    const share = shareEstimate({ hits, of });
    if (share !== undefined) add(metric, item, share.value, share);
  };
  const number = (sql: string): number =>
    (store.query<{ n: number | null }>(`SELECT ${sql}`)[0]?.n ?? 0) as number;
  const first = 'FROM visit WHERE pass = 1';
  const inZone = `${first} AND is_in_zone = 1`;

  for (const { outcome, n } of store.query<{ outcome: string; n: number }>(
    `SELECT outcome, count(*) AS n ${first} GROUP BY outcome ORDER BY n DESC, outcome`,
  ))
    add('visits', outcome, n);
  add('sent', '', number('sum(tries) AS n FROM visit'));
  const honest = honestIn(store);
  const nodes = countNodes(store, honest, claimedIn(zonePrefix, zoneBits));
  const { listed, heard, answering } = nodes;
  const n1 = nodes.verified;
  add('listed', '', listed);
  add('responded', '', answering);
  add('verified', '', n1);
  addShare('dead_share', '', listed - heard, listed);
  const [distinct] = store.query<{ ids: number; ips: number; endpoints: number }>(
    `SELECT count(DISTINCT id_observed) AS ids, count(DISTINCT ip) AS ips,
     count(DISTINCT ip || ' ' || port) AS endpoints ${inZone} AND ${ANSWERED}`,
  );
  add('distinct_ids', '', distinct?.ids ?? 0);
  // A prefix stands for all of its addresses: how many there were cannot be said any more.
  const hasPrefixes = number("count(*) AS n FROM (SELECT 1 FROM visit WHERE instr(ip, '/') > 0 LIMIT 1)") > 0;
  add('distinct_ips', '', hasPrefixes ? null : (distinct?.ips ?? 0));
  add('distinct_endpoints', '', hasPrefixes ? null : (distinct?.endpoints ?? 0));
  addShare('ids_per_endpoint', '', nodes.otherId, nodes.named);
  for (const { client, n } of store.query<{ client: string | null; n: number }>(
    `SELECT client, count(DISTINCT node) AS n ${inZone} AND ${ANSWERED} GROUP BY client ORDER BY n DESC, client`,
  ))
    add('clients', client ?? 'unsigned', n, shareBasis(answering));
  addShare('read_only_share', '', nodes.readOnly, answering);
  addShare('bep42_valid_share', '', nodes.bep42Valid, nodes.bep42Known);

  const loss = lossOf(store);
  if (loss !== undefined) add('p', 'loss', 1 - loss.share ** 2, { basis: loss.answers });
  const share = 2 ** -zoneBits;
  const repeat = repeatCounts(store, honest, extras.repeatRange);
  if (repeat !== undefined) {
    add('verified_either', '', repeat.n1 + repeat.n2 - repeat.both);
    addShare('p', 'repeat', repeat.both, repeat.n2);
    // The repeat may look at a part of the zone: there the first pass is counted as well.
    const looks = { n1, part: repeat, share, turnover: extras.turnover };
    for (const [metric, isTotal] of [
      ['nodes_in_zone', false],
      ['nodes', true],
    ] as const) {
      const found = fromTwoLooks(looks, isTotal);
      addEstimate(metric, 'chapman', found.chapman);
      addEstimate(metric, 'bernoulli', found.bernoulli);
    }
  }
  function addEstimate(metric: Metric, item: string, estimate: Estimate | undefined): void {
    if (estimate !== undefined) add(metric, item, estimate.value, estimate);
  }
  if (extras.planted !== undefined) {
    addShare('p', 'planted', extras.planted.hits, extras.planted.of);
    addEstimate('nodes', 'planted', bernoulli(n1, extras.planted, share));
  }
  addEstimate('nodes', 'distances', extras.distances);
  if (extras.secondPort !== undefined)
    addShare('second_port', '', extras.secondPort.hits, extras.secondPort.of);
  if (extras.recheck !== undefined) rows.push(...recheckRows(runId, extras.recheck));
  // Within minutes nearly nobody goes, and a rate per hour would be noise.
  if (extras.gone !== undefined && extras.gone.of > 0 && extras.gone.meanHours >= LEAST_HOURS) {
    const gone = shareEstimate(extras.gone) as Estimate;
    const perHour = extras.gone.meanHours;
    add('turnover', '', gone.value / perHour, {
      low: gone.low / perHour,
      high: gone.high / perHour,
      basis: gone.basis,
    });
  }
  const times = `SELECT round_trip_us / 1000.0 AS v ${first} AND round_trip_us IS NOT NULL`;
  quantiles(store, times, (item, value) => add('round_trip_ms', item, value));
  const degrees = `SELECT max(referrer_count) AS v ${inZone} AND ${VERIFIED} GROUP BY node`;
  quantiles(store, degrees, (item, value) => add('in_degree', item, value));
  const bins = extras.isCut === true ? [] : idBins(store, zoneBits);
  const even = uniformity(bins);
  if (even !== undefined) {
    add('id_uniformity', 'chi2', even.chi2, { basis: bins.length });
    add('id_uniformity', 'p_value', even.pValue, { basis: bins.reduce((sum, bin) => sum + bin, 0) });
  }
  const sampled = number('count(*) AS n FROM sample WHERE position = -1 AND sample_count IS NOT NULL');
  if (sampled > 0) {
    add('samples', 'nodes', sampled);
    add('samples', 'stored', number('sum(stored) AS n FROM sample WHERE position = -1'));
    add('samples', 'info_hashes', number('count(DISTINCT info_hash) AS n FROM sample'));
  }
  rows.push(...placeRows(store, runId));
  for (const { subnet, listed: count } of extras.traps) add('trapped', subnet, count);
  return rows;
}

const PLACES = [
  ['countries', 'country', 'country'],
  ['systems', "'AS' || as_number || coalesce(' ' || as_organisation, '')", 'as_number'],
] as const satisfies readonly (readonly [Metric, string, string])[];

/** Of the enrichment table: where the answering nodes of the zone are; none without one. */
function placeRows(store: DatasetStore, runId: string): SummaryRow[] {
  return PLACES.flatMap(([metric, label, needs]) => {
    const tallies = store.query<{ label: string; n: number }>(
      `SELECT ${label} AS label, count(*) AS n
       FROM (SELECT DISTINCT node, ip FROM visit WHERE pass = 1 AND is_in_zone = 1 AND ${ANSWERED}) AS v
       JOIN enrichment AS e ON e.ip = v.ip WHERE ${needs} IS NOT NULL GROUP BY label ORDER BY n DESC, label`,
    );
    const known = tallies.reduce((sum, { n }) => sum + n, 0);
    return tallies.map(({ label: item, n }) => ({
      ...{ run_id: runId, metric, item, value: n },
      ...{ low: null, high: null, basis: known },
    }));
  });
}

/** After the enrichment table was made anew. */
export function storePlaces(store: DatasetStore, runId: string): void {
  store.execute("DELETE FROM summary WHERE metric IN ('countries', 'systems')");
  store.put(SUMMARY_TABLE, placeRows(store, runId));
}

/** Makes and stores it. */
export function storeSummary(store: DatasetStore, extras: SummaryExtras): SummaryRow[] {
  const rows = summarise(store, extras);
  store.execute('DELETE FROM summary');
  store.put(SUMMARY_TABLE, rows);
  return rows;
}

/** Loss self-test: answers that came to the second try only. */
export function lossOf(
  store: DatasetStore,
): { readonly share: number; readonly answers: number } | undefined {
  const [row] = store.query<{ first: number | null; second: number | null }>(
    `SELECT sum(answered_try = 1) AS first, sum(answered_try = 2) AS second FROM visit WHERE ${ANSWERED}`,
  );
  const first = row?.first ?? 0;
  const second = row?.second ?? 0;
  return first < 20 ? undefined : { share: second / first, answers: first + second };
}

/** Verified nodes (id and endpoint) of both passes, in the part of the zone that the repeat looked at. */
function repeatCounts(
  store: DatasetStore,
  honest: string,
  range: readonly [string, string] | undefined,
): { n1: number; n2: number; both: number } | undefined {
  if (range === undefined) return undefined;
  const sets = (pass: number): string =>
    `SELECT DISTINCT id_observed, ip, port FROM visit WHERE pass = ${pass} AND is_in_zone = 1 AND ${VERIFIED}
     AND ${honest} AND id_observed >= '${range[0]}' AND id_observed <= '${range[1]}'`;
  const count = (sql: string): number =>
    store.query<{ n: number }>(`SELECT count(*) AS n FROM (${sql})`)[0]?.n ?? 0;
  const n2 = count(sets(2));
  return n2 === 0 ? undefined : { n1: count(sets(1)), n2, both: count(`${sets(1)} INTERSECT ${sets(2)}`) };
}

function shareBasis(basis: number): Partial<Estimate> {
  return { basis };
}

/** JSON and SQL know no infinity. */
function finite(value: number | null): number | null {
  return value === null || Number.isFinite(value) ? value : null;
}
