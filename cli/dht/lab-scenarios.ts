// The experiments of `tt lab dht`, by name. Each is loaded where it runs: in a worker, so that Ctrl-C ends it.
import type { SimTable } from '../../dht/sim/report.ts';
import type { ScenarioOptions } from '../../dht/sim/scenario.ts';

export interface LabScenario {
  readonly name: string;
  readonly load: () => Promise<(options: ScenarioOptions) => SimTable[]>;
}

export const LAB_SCENARIOS: readonly LabScenario[] = [
  { name: 'hops', load: async () => (await import('../../dht/sim/scenarios/hops.ts')).runHops },
  { name: 'dead', load: async () => (await import('../../dht/sim/scenarios/dead.ts')).runDead },
  { name: 'latency', load: async () => (await import('../../dht/sim/scenarios/latency.ts')).runLatency },
  { name: 'churn', load: async () => (await import('../../dht/sim/scenarios/churn.ts')).runChurn },
  { name: 'recall', load: async () => (await import('../../dht/sim/scenarios/recall.ts')).runRecall },
  {
    name: 'bootstrap',
    load: async () => (await import('../../dht/sim/scenarios/bootstrap.ts')).runBootstrap,
  },
  { name: 'sybil', load: async () => (await import('../../dht/sim/scenarios/sybil.ts')).runSybils },
  { name: 'eclipse', load: async () => (await import('../../dht/sim/scenarios/eclipse.ts')).runEclipse },
  { name: 'scale', load: async () => (await import('../../dht/sim/scenarios/scale.ts')).runScale },
  { name: 'nat', load: async () => (await import('../../dht/sim/scenarios/nat.ts')).runNats },
];

export interface LabTask {
  readonly scenario: string;
  readonly seed: number;
  readonly nodes: number | undefined;
  readonly effort: number;
}

export interface LabResult {
  readonly tables: readonly SimTable[];
  readonly elapsedMs: number;
}
