// Which plots a report has, made from the figures of one run or of several side by side. Pure.
import { shareEstimate } from '../crawl/estimates.ts';
import type { BarValue, Series } from './chart.ts';
import { cumulative, histogramOf, type RunFigures, summaryOf, type Tally } from './figures.ts';
import { bars, lines, noteOf, type Plot, plot, SHARE, seriesName, shares, tallies } from './plot-parts.ts';

function growth(runs: readonly RunFigures[]): Plot {
  const title = 'Discovery over time';
  const series = runs.flatMap((run): Series[] => {
    const of = (what: string, value: (point: RunFigures['growth'][number]) => number): Series => ({
      name: seriesName(runs, run, what),
      style: 'line',
      points: run.growth.map((point) => [point.seconds, value(point)]),
    });
    const answered = of('answered', (point) => point.answered);
    return runs.length === 1 ? [of('heard of', (point) => point.listed), answered] : [answered];
  });
  return plot({
    name: 'growth',
    title,
    about:
      'Endpoints of the zone heard of, and those that answered, since the start of the run (first pass).',
    missing: 'no visit of the zone is in the dataset',
    chart: lines(
      title,
      noteOf(runs, 'endpoints', (run) => run.growth.at(-1)?.listed ?? 0),
      { label: 'time since the start', unit: 'time', from: 0 },
      { label: 'endpoints', unit: 'count', from: 0 },
      series,
    ),
  });
}

function estimates(runs: readonly RunFigures[]): Plot {
  const title = 'Size of the network, by estimator';
  const note = noteOf(runs, 'verified nodes', (run) =>
    run.summary.some(({ metric }) => metric === 'nodes') ? (summaryOf(run, 'verified')?.value ?? 0) : 0,
  );
  return plot({
    name: 'estimates',
    title,
    about:
      'Estimates of all reachable nodes with 95 % intervals; they make different assumptions, and should overlap.',
    missing: 'no estimate is in the summary (too few nodes, or no second look)',
    chart: bars(title, note, { label: 'nodes', unit: 'count' }, runs, ({ summary }) =>
      summary
        .filter(({ metric, value }) => metric === 'nodes' && value !== null)
        .map(({ item, value, low, high }) => ({
          label: item,
          bar: { value: Math.round(value as number), low, high },
          weight: 1,
        })),
    ),
  });
}

function roundTrips(runs: readonly RunFigures[]): Plot {
  const title = 'Round trips';
  const series = runs.map(
    (run): Series => ({
      name: seriesName(runs, run, ''),
      style: 'step',
      points: cumulative(run.roundTrips).map(([us, share]) => [Math.max(us, 1) / 1000, share]),
    }),
  );
  return plot({
    name: 'round-trips',
    title,
    about: 'Cumulative distribution over all answers, from the try that was answered to its answer.',
    missing: 'nobody answered',
    chart: lines(
      title,
      noteOf(runs, 'answers', (run) => run.roundTrips.reduce((sum, [, count]) => sum + count, 0)),
      { label: 'round trip, ms', unit: 'number', scale: 'log' },
      { ...SHARE, label: 'share of answers' },
      series,
    ),
  });
}

function clients(runs: readonly RunFigures[]): Plot {
  const title = 'Clients';
  const of = ({ summary }: RunFigures): Tally[] =>
    summary
      .filter(({ metric, value }) => metric === 'clients' && value !== null)
      .map(({ item, value }) => ({ label: item, count: value as number }));
  return plot({
    name: 'clients',
    title,
    about: 'Answering nodes of the zone by the client that their `v` names; `unsigned` sent none.',
    missing: 'no answering node of the zone is in the summary',
    chart: tallies(title, 'answering nodes', runs, of),
  });
}

function geography(runs: readonly RunFigures[]): Plot[] {
  const missing =
    'no enrichment: `tt dht crawl --mmdb FILE` adds it as it goes, `tt dht enrich` afterwards where addresses are not hashed';
  const databases = [...new Set(runs.map(({ run }) => run.geo_database).filter((name) => name !== null))];
  const source = databases.length === 0 ? '' : ` Says ${databases.join(', ')}.`;
  const all = [
    ['countries', 'Countries', 'country', (run: RunFigures) => run.countries],
    ['systems', 'Autonomous systems', 'autonomous system', (run: RunFigures) => run.systems],
  ] as const;
  return all.map(([name, title, what, of]) =>
    plot({
      name,
      title,
      about: `Answering nodes of the zone by the ${what} of their address.${source}`,
      missing: databases.length === 0 ? missing : `the database knows no ${what} of these addresses`,
      chart: tallies(title, 'answering nodes', runs, of),
    }),
  );
}

function depth(runs: readonly RunFigures[]): Plot {
  const title = 'Depth of routing tables';
  return plot({
    name: 'table-depth',
    title,
    about:
      'Mean number of entries that a table showed at each depth (bits shared with its owner). A full bucket of Kademlia holds 8 at every depth up to log2 of the size of the network.',
    missing: 'tables are drained in topology mode only: `tt dht crawl --mode topology`',
    chart: lines(
      title,
      noteOf(runs, 'tables', (run) => run.tables),
      { label: 'leading bits shared with the owner', unit: 'count', from: 0 },
      { label: 'entries per table', unit: 'number', from: 0, to: 8 },
      runs.map((run) => ({ name: seriesName(runs, run, ''), style: 'line', points: run.depth })),
    ),
  });
}

function uniform(runs: readonly RunFigures[]): Plot {
  const title = 'Are ids spread evenly?';
  const series = runs.flatMap((run): Series[] => {
    const total = run.idBins.reduce((sum, bin) => sum + bin, 0);
    if (run.idBins.length < 2 || total === 0) return [];
    const mean = total / run.idBins.length;
    return [
      {
        name: seriesName(runs, run, 'verified ids'),
        style: 'step',
        points: [...run.idBins, run.idBins.at(-1) as number].map((count, i) => [
          i / run.idBins.length,
          count / mean,
        ]),
      },
    ];
  });
  const [only] = runs;
  const expected: Series[] = [];
  if (runs.length === 1 && only !== undefined && series.length === 1) {
    const mean = only.idBins.reduce((sum, bin) => sum + bin, 0) / only.idBins.length;
    const half = 1.96 / Math.sqrt(mean);
    const band = [1 - half, 1 + half] as const;
    expected.push({
      name: 'even, with its 95 % band',
      style: 'line',
      points: [
        [0, 1],
        [1, 1],
      ],
      band: [band, band],
    });
  }
  const p = only === undefined ? undefined : summaryOf(only, 'id_uniformity', 'p_value')?.value;
  const test = runs.length === 1 && typeof p === 'number' ? ` Chi-square test: p = ${p.toFixed(3)}.` : '';
  return plot({
    name: 'id-uniformity',
    title,
    about: `Verified ids in equal parts of the zone, against the mean; one part in twenty is expected outside of the band.${test}`,
    missing:
      'too few verified ids in the zone (16 are needed), or the run was cut before it had looked everywhere',
    chart: lines(
      title,
      noteOf(runs, 'verified ids', (run) => run.idBins.reduce((sum, bin) => sum + bin, 0)),
      { label: 'place in the zone', unit: 'share', from: 0, to: 1 },
      { label: 'nodes against the mean', unit: 'number', from: 0, to: 2 },
      [...series, ...expected],
    ),
  });
}

function addressRules(runs: readonly RunFigures[]): Plot {
  const title = 'Ids that fit their address (BEP 42)';
  return plot({
    name: 'bep42',
    title,
    about: 'Among answering nodes with global addresses, by client, with 95 % intervals.',
    missing: 'no client has five answering nodes with global addresses: BEP 42 exempts local networks',
    chart: shares(title, 'share with a valid id', 'nodes with a global address', runs, (run) => run.bep42),
  });
}

function listedOutcomes(runs: readonly RunFigures[]): Plot {
  const title = 'What became of the listed endpoints';
  const all = runs
    .map((run) => summaryOf(run, 'dead_share')?.value)
    .filter((value) => typeof value === 'number');
  const total =
    runs.length === 1 && all[0] !== undefined
      ? ` Dead, that is without an answer: ${(all[0] * 100).toFixed(1)} %.`
      : '';
  const of = (run: RunFigures): RunFigures['outcomes'] => run.outcomes;
  const counted = (run: RunFigures): number => of(run)[0]?.of ?? 0;
  return plot({
    name: 'dead-share',
    title,
    about: `Endpoints listed in the zone and asked, by the outcome of their visit, with 95 % intervals; docs/dataset.md has the list of outcomes.${total}`,
    missing: 'no listed endpoint of the zone was asked',
    chart: bars(
      title,
      noteOf(runs, 'endpoints listed and asked', counted),
      { label: 'share of the endpoints', unit: 'share', from: 0, to: 1 },
      runs,
      (run) =>
        of(run).map(({ label, hits, of: whole }) => ({
          label,
          bar: shareEstimate({ hits, of: whole }) as BarValue,
          weight: hits / whole,
        })),
    ),
  });
}

function survival(runs: readonly RunFigures[]): Plot {
  const title = 'How long sessions last';
  const series = runs
    .filter(({ sessionsFollowed }) => sessionsFollowed > 0)
    .map((run): Series => {
      const steps = run.survival;
      const end = (run.run.elapsed_us ?? 0) / 2e6;
      const last = steps.at(-1);
      const points = steps.map(({ lengthMs, survival: share }) => [lengthMs / 1000, share] as const);
      const bandOf = steps.map(({ low, high }) => [low, high] as const);
      return {
        name: seriesName(runs, run, 'Kaplan-Meier with 95 % interval'),
        style: 'step',
        points: [[0, 1], ...points, [Math.max(end, points.at(-1)?.[0] ?? 0), last?.survival ?? 1]],
        band: [[1, 1], ...bandOf, last === undefined ? [1, 1] : [last.low, last.high]],
      };
    });
  return plot({
    name: 'session-survival',
    title,
    about:
      'Sessions seen to begin in the first half of the run, each followed for half of it (create-based, Stutzbach and Rejaie 2006; Kaplan-Meier with Greenwood intervals). Those still there are censored, not counted as short.',
    missing: 'no session was seen to begin in the first half of a run: `tt dht monitor` records sessions',
    chart: lines(
      title,
      noteOf(runs, 'sessions seen to begin', (run) => run.sessionsFollowed),
      { label: 'length of the session', unit: 'time', from: 0 },
      { ...SHARE, label: 'share that lasts longer' },
      series,
    ),
  });
}

function availability(runs: readonly RunFigures[]): Plot {
  const title = 'Availability of nodes';
  const series = runs.map(
    (run): Series => ({
      name: seriesName(runs, run, ''),
      style: 'step',
      points: cumulative(histogramOf(run.availability)),
    }),
  );
  return plot({
    name: 'availability',
    title,
    about:
      'Cumulative distribution over nodes (id and endpoint): share of the time from when a node was first there until the end of the run for which it was there.',
    missing: 'no session is in the dataset: `tt dht monitor` records them',
    chart: lines(
      title,
      noteOf(runs, 'nodes', (run) => run.availability.length),
      { label: 'share of the time that a node was there', unit: 'share', from: 0, to: 1 },
      { ...SHARE, label: 'share of nodes' },
      series,
    ),
  });
}

/** All plots of one run, or of several on the same axes. */
export function plotsOf(runs: readonly RunFigures[]): Plot[] {
  return [
    growth(runs),
    estimates(runs),
    roundTrips(runs),
    clients(runs),
    ...geography(runs),
    depth(runs),
    uniform(runs),
    addressRules(runs),
    listedOutcomes(runs),
    survival(runs),
    availability(runs),
  ];
}
