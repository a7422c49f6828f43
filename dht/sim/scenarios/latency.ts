// How long lookups take with dead entries around, by policy: the one-minute client, fixed timeouts, libtorrent's, ours; and
// ours against the bars it has to clear at 30 % dead.
import { Id160 } from '../../base/node-id.ts';
import { LOOKUP_PRESETS, type LookupPresetName, OUR_TABLE } from '../../base/options.ts';
import { mean, quantile, stream } from '../chance.ts';
import { hostAddress } from '../hosts.ts';
import { IdealNetwork, type LookupOutcome } from '../ideal-network.ts';
import { CALIBRATION_NETWORK } from '../latency.ts';
import type { TableShape } from '../population.ts';
import { deviation, type Row, type SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';

interface LatencyPolicy {
  readonly name: string;
  readonly preset: LookupPresetName;
  /** p50 and p99 in seconds by dead share; undefined: the model has none. */
  readonly expected: Readonly<Record<number, readonly [number, number]>> | undefined;
}

const LATENCY_POLICIES: readonly LatencyPolicy[] = [
  {
    name: 'alpha 3, 20 s timeout (the one-minute client)',
    preset: 'one-minute',
    expected: { 0: [0.78, 1.24], 0.2: [21, 81], 0.4: [62, 181], 0.5: [101, 221] },
  },
  {
    name: 'alpha 3, 2 s timeout',
    preset: 'fixed-2s',
    expected: { 0: [0.78, 1.24], 0.2: [3.1, 8.7], 0.4: [7.9, 18.9], 0.5: [10.7, 24.8] },
  },
  {
    name: 'alpha 5, stall 1 s, 15 s hard (libtorrent)',
    preset: 'libtorrent',
    expected: { 0: [0.65, 1.14], 0.2: [1.8, 4.5], 0.4: [3.4, 8.3], 0.5: [4.3, 11.5] },
  },
  {
    name: 'alpha 8, stall 350 ms, 10 s hard',
    preset: 'stall-350',
    expected: { 0: [0.57, 1.17], 0.2: [0.83, 1.9], 0.4: [1.3, 2.9], 0.5: [1.6, 3.9] },
  },
  { name: 'ours: alpha 8, adaptive stall, wide table', preset: 'ours', expected: undefined },
];

const DEAD_SHARES = [0, 0.2, 0.4, 0.5];
const USUAL_NODES = 100_000;
const LOOKUPS = 400;
const NARROW: TableShape = { k: 8, digitBits: 1, topBuckets: [] };
/** Lookups that fill a client's histogram of round trips before its first that counts. */
const WARM_UP = 4;
/** Lookups of one client: its table and its line are one sample each, so there are many clients. */
const PER_CLIENT = 10;
/** Share of dead entries that the bars are set at. */
/** Seeds that the bars are measured with. */
const BAR_SEEDS = 3;
export const BAR_DEAD_SHARE = 0.3;

export interface LatencyOutcome {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly queries: number;
  readonly recall: number;
  /** Milliseconds from the first answer of anybody to the first peers. */
  readonly firstPeersP50: number;
  readonly firstPeersP99: number;
  /** Lookups that ended with none of the true 8 closest live nodes. */
  readonly deadEnded: number;
  readonly nearest: number;
}

export function measureLatency(
  seed: number,
  nodes: number,
  preset: LookupPresetName,
  deadShare: number,
  lookups: number,
): LatencyOutcome {
  const ideal = new IdealNetwork({ seed, nodes, shape: NARROW, network: CALIBRATION_NETWORK, deadShare });
  const targets = stream(seed, 'workload');
  const isOurs = preset === 'ours';
  const outcomes: LookupOutcome[] = [];
  while (outcomes.length < lookups) {
    const client = ideal.client(LOOKUP_PRESETS[preset], isOurs ? OUR_TABLE : NARROW);
    if (isOurs) for (let i = 0; i < WARM_UP; i++) client.getPeers(Id160.random(targets));
    // Others learn nothing between lookups, as in the model that the expected values come from.
    for (let i = 0; i < (isOurs ? PER_CLIENT : 1); i++) {
      const target = Id160.random(targets);
      ideal.store(target, [hostAddress(1)]);
      outcomes.push(client.getPeers(target));
    }
  }
  const seconds = outcomes.map(({ report }) => report.elapsedMs / 1000);
  const firstPeers = outcomes.map(
    ({ report }) => (report.firstValueMs ?? Number.POSITIVE_INFINITY) - (report.firstReplyMs ?? 0),
  );
  return {
    p50: quantile(seconds, 0.5),
    p90: quantile(seconds, 0.9),
    p99: quantile(seconds, 0.99),
    queries: mean(outcomes.map(({ report }) => report.queries)),
    recall: mean(outcomes.map(({ recall }) => recall)),
    firstPeersP50: quantile(firstPeers, 0.5),
    firstPeersP99: quantile(firstPeers, 0.99),
    deadEnded: mean(outcomes.map(({ recall }) => (recall === 0 ? 1 : 0))),
    nearest: mean(outcomes.map(({ hasNearest }) => (hasNearest ? 1 : 0))),
  };
}

export function runLatency(options: ScenarioOptions): SimTable[] {
  const nodes = options.nodes ?? USUAL_NODES;
  const lookups = trials(options, LOOKUPS);
  const rows = LATENCY_POLICIES.flatMap(({ name, preset, expected }): Row[] =>
    DEAD_SHARES.map((share) => {
      const measured = measureLatency(options.seed, nodes, preset, share, lookups);
      const wanted = expected?.[share];
      return {
        policy: name,
        'dead share': share,
        'p50, s': measured.p50,
        'p90, s': measured.p90,
        'p99, s': measured.p99,
        'expected p50 / p99': wanted === undefined ? '' : `${wanted[0]} / ${wanted[1]}`,
        'p50 off by': wanted === undefined ? '' : deviation(measured.p50, wanted[0]),
        queries: measured.queries,
        recall: measured.recall,
      };
    }),
  );
  return [
    { title: `Time to the closest 8, ${nodes} nodes, round trips of 120 ms median`, rows },
    bars(options.seed, (seed) => measureLatency(seed, nodes, 'ours', BAR_DEAD_SHARE, lookups * 5)),
  ];
}

const BARS: readonly { readonly what: string; readonly bar: string; readonly of: keyof LatencyOutcome }[] = [
  { what: 'first peers after the first answer, p50, ms', bar: '<= 200', of: 'firstPeersP50' },
  { what: 'first peers after the first answer, p99, ms', bar: '<= 1000', of: 'firstPeersP99' },
  { what: 'closest 8, p50, s', bar: '<= 0.8', of: 'p50' },
  { what: 'closest 8, p99, s', bar: '<= 2.5', of: 'p99' },
  { what: 'recall of the true 8 live nodes', bar: '>= 0.95', of: 'recall' },
  { what: 'lookups with none of the true 8', bar: '<= 0.001', of: 'deadEnded' },
  { what: 'lookups that found the nearest live node', bar: '', of: 'nearest' },
  { what: 'queries a lookup', bar: '<= 35', of: 'queries' },
];

/** One seed may be lucky: the bars are for several. */
function bars(first: number, measure: (seed: number) => LatencyOutcome): SimTable {
  const seeds = Array.from({ length: BAR_SEEDS }, (_, i) => first + i);
  const outcomes = seeds.map((seed) => ({ seed, outcome: measure(seed) }));
  return {
    title: 'Ours with 30 % dead entries in all tables of the network',
    rows: BARS.map(({ what, bar, of }) => ({
      what,
      bar,
      ...Object.fromEntries(
        outcomes.map(({ seed, outcome }) => [`seed ${seed}`, Number(outcome[of].toFixed(3))]),
      ),
    })),
  };
}
