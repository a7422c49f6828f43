// What dead entries cost: rounds, queries, timeouts and recall, with the dead pruned from the candidates and without.
// Every answer and every timeout takes one round trip, so that elapsed time counts rounds.
import { Id160 } from '../../base/node-id.ts';
import { LOOKUP_PRESETS } from '../../base/options.ts';
import { mean, stream } from '../chance.ts';
import { IdealNetwork } from '../ideal-network.ts';
import { CALIBRATION_NETWORK } from '../latency.ts';
import { deviation, type Row, type SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';

interface Expected {
  readonly rounds: number;
  readonly queries: number;
  readonly timeouts: number;
  readonly recall: number;
}

interface DeadShare {
  readonly share: number;
  readonly pruned: Expected;
  readonly kept: Expected;
}

const NONE_DEAD = { rounds: 5.5, queries: 15.2, timeouts: 0, recall: 1 };

export const DEAD_SHARES: readonly DeadShare[] = [
  { share: 0, pruned: NONE_DEAD, kept: NONE_DEAD },
  {
    share: 0.2,
    pruned: { rounds: 6.4, queries: 17.4, timeouts: 3.4, recall: 0.94 },
    kept: { rounds: 5.7, queries: 15.9, timeouts: 3.2, recall: 0.83 },
  },
  {
    share: 0.4,
    pruned: { rounds: 8.6, queries: 22.6, timeouts: 9, recall: 0.87 },
    kept: { rounds: 6.2, queries: 17.3, timeouts: 6.7, recall: 0.68 },
  },
  {
    share: 0.5,
    pruned: { rounds: 10, queries: 26, timeouts: 12.7, recall: 0.85 },
    kept: { rounds: 6.7, queries: 18.6, timeouts: 9.2, recall: 0.57 },
  },
  {
    share: 0.7,
    pruned: { rounds: 15.3, queries: 40.6, timeouts: 28.2, recall: 0.68 },
    kept: { rounds: 7, queries: 19.7, timeouts: 13.5, recall: 0.31 },
  },
];

const USUAL_NODES = 100_000;
const LOOKUPS = 400;
/** After the answers of the same round, before those of the next. */
const TIMEOUT_MS = CALIBRATION_NETWORK.medianRoundTripMs + 0.001;

export interface DeadOutcome extends Expected {
  /** Share of lookups whose result has the nearest live node. */
  readonly nearest: number;
  /** Share of lookups whose result has none of the true 8: the dead ends that were measured in the field. */
  readonly deadEnded: number;
}

export function measureDead(
  seed: number,
  nodes: number,
  deadShare: number,
  pruneDead: boolean,
  lookups: number,
): DeadOutcome {
  const shape = { k: 8, digitBits: 1, topBuckets: [] } as const;
  const network = { ...CALIBRATION_NETWORK, sigma: 0 };
  const ideal = new IdealNetwork({ seed, nodes, shape, network, deadShare });
  const targets = stream(seed, 'workload');
  const policy = { ...LOOKUP_PRESETS['fixed-2s'], timeoutMs: TIMEOUT_MS, pruneDead };
  const outcomes = Array.from({ length: lookups }, () =>
    ideal.client(policy).getPeers(Id160.random(targets)),
  );
  return {
    rounds: mean(outcomes.map(({ report }) => report.elapsedMs / network.medianRoundTripMs)),
    queries: mean(outcomes.map(({ report }) => report.queries)),
    timeouts: mean(outcomes.map(({ report }) => report.timeouts)),
    recall: mean(outcomes.map(({ recall }) => recall)),
    nearest: mean(outcomes.map(({ hasNearest }) => (hasNearest ? 1 : 0))),
    deadEnded: mean(outcomes.map(({ recall }) => (recall === 0 ? 1 : 0))),
  };
}

export function runDead(options: ScenarioOptions): SimTable[] {
  const nodes = options.nodes ?? USUAL_NODES;
  const lookups = trials(options, LOOKUPS);
  return [true, false].map((pruneDead) => ({
    title: `Dead entries, ${nodes} nodes, k=8, alpha 3: the dead ${pruneDead ? 'are pruned' : 'keep their slot'} (measured / expected)`,
    rows: DEAD_SHARES.map(({ share, pruned, kept }): Row => {
      const measured = measureDead(options.seed, nodes, share, pruneDead, lookups);
      const expected = pruneDead ? pruned : kept;
      const both = (key: keyof Expected): string => `${measured[key].toFixed(2)} / ${expected[key]}`;
      return {
        'dead share': share,
        rounds: both('rounds'),
        queries: both('queries'),
        'queries off by': deviation(measured.queries, expected.queries),
        timeouts: both('timeouts'),
        recall: both('recall'),
        'recall off by': deviation(measured.recall, expected.recall),
        'nearest found': measured.nearest,
        'dead ends': `${(measured.deadEnded * 100).toFixed(1)} %`,
      };
    }),
  }));
}
