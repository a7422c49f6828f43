// Hops to the closest node by network size and table width, one path, ideal tables.
import { Id160 } from '../../base/node-id.ts';
import { LOOKUP_PRESETS } from '../../base/options.ts';
import { mean, stream } from '../chance.ts';
import { IdealNetwork } from '../ideal-network.ts';
import { CALIBRATION_NETWORK } from '../latency.ts';
import type { TableShape } from '../population.ts';
import { deviation, type Row, type SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';

interface TableWidth {
  readonly name: string;
  readonly shape: TableShape;
  /** By network size, from the model of the design. */
  readonly expected: Readonly<Record<number, number>>;
}

export const TABLE_WIDTHS: readonly TableWidth[] = [
  {
    name: 'k=1, w=1',
    shape: { k: 1, digitBits: 1, topBuckets: [] },
    expected: { 1000: 4.64, 10000: 6.33, 100000: 7.95, 1000000: 9.64 },
  },
  {
    name: 'k=8, w=1',
    shape: { k: 8, digitBits: 1, topBuckets: [] },
    expected: { 1000: 2.36, 10000: 3.12, 100000: 3.86, 1000000: 4.61 },
  },
  {
    name: 'k=8, top 128/64/32/16',
    shape: { k: 8, digitBits: 1, topBuckets: [128, 64, 32, 16] },
    expected: { 1000: 1.73, 10000: 2.44, 100000: 3.2, 1000000: 3.97 },
  },
  {
    name: 'k=8, w=2',
    shape: { k: 8, digitBits: 2, topBuckets: [] },
    expected: { 1000: 2.09, 10000: 2.73, 100000: 3.39, 1000000: 4.09 },
  },
];

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const USUAL_NODES = 100_000;
const LOOKUPS = 1_000;

/** @returns mean hops, and the share of lookups that found the closest node */
export function measureHops(
  seed: number,
  nodes: number,
  shape: TableShape,
  lookups: number,
): { readonly hops: number; readonly found: number } {
  const network = { ...CALIBRATION_NETWORK, sigma: 0 };
  const ideal = new IdealNetwork({ seed, nodes, shape, network, deadShare: 0 });
  const targets = stream(seed, 'workload');
  const policy = { ...LOOKUP_PRESETS['fixed-2s'], alpha: 1, closest: 1 };
  const outcomes = Array.from({ length: lookups }, () =>
    ideal.client(policy).getPeers(Id160.random(targets)),
  );
  return {
    hops: mean(outcomes.map(({ report }) => report.hopsToClosest)),
    found: mean(outcomes.map(({ hasNearest }) => (hasNearest ? 1 : 0))),
  };
}

export function runHops(options: ScenarioOptions): SimTable[] {
  const most = options.nodes ?? USUAL_NODES;
  const sizes = SIZES.filter((size) => size <= most);
  // A size of its own has no expected value, but is what was asked for.
  if (!sizes.includes(most)) sizes.push(most);
  const lookups = trials(options, LOOKUPS);
  const rows = TABLE_WIDTHS.flatMap(({ name, shape, expected }): Row[] =>
    sizes.map((nodes) => {
      const { hops, found } = measureHops(options.seed, nodes, shape, lookups);
      const wanted = expected[nodes];
      return {
        table: name,
        nodes,
        hops,
        expected: wanted ?? '',
        deviation: wanted === undefined ? '' : deviation(hops, wanted),
        'closest found': found,
      };
    }),
  );
  return [{ title: 'Hops to the closest node, one path, ideal tables', rows }];
}
