// One experiment of `tt lab dht` in a thread of its own: it computes for long, without a pause for signals.
import { parentPort, workerData } from 'node:worker_threads';
import { DHT_SCENARIOS } from '../../dht/sim/scenarios.ts';
import type { LabResult, LabTask } from './lab-task.ts';

const task = workerData as LabTask;
const scenario = DHT_SCENARIOS.find(({ name }) => name === task.scenario);
if (scenario === undefined) throw new Error(`no experiment ${task.scenario}`);
const startedMs = performance.now();
const tables = scenario.run({
  seed: task.seed,
  nodes: task.nodes,
  effort: task.effort,
  wallMs: () => performance.now(),
  memoryBytes: () => process.memoryUsage.rss(),
});
parentPort?.postMessage({ tables, elapsedMs: performance.now() - startedMs } satisfies LabResult);
