// How much network one process holds and how fast its time runs: with churn, all clients ours, plain Kademlia tables.
import { REAL_NETWORK } from '../latency.ts';
import { somePresent, tableHealth } from '../measure.ts';
import { ONLY_OURS } from '../profiles.ts';
import type { SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';
import { MAINLINE_CHURN } from '../sessions.ts';
import { World } from '../world.ts';

const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;
const USUAL_NODES = 10_000;
const USUAL_MINUTES = 20;
/** Buckets of k all the way: wide ones would quadruple upkeep and measure nothing else. */
const NARROW = { table: { topBuckets: [] } };

export interface ScaleOutcome {
  readonly buildSeconds: number;
  readonly runSeconds: number;
  readonly virtualMinutes: number;
  readonly events: number;
  readonly datagrams: number;
  readonly bytesPerNode: number;
  readonly deadShare: number;
  readonly contacts: number;
  readonly trace: string;
}

function measureScale(options: ScenarioOptions, virtualMinutes: number): ScaleOutcome {
  const nodes = options.nodes ?? USUAL_NODES;
  const bytesBefore = options.memoryBytes();
  const startedMs = options.wallMs();
  const world = new World({
    seed: options.seed,
    nodes,
    network: REAL_NETWORK,
    clients: ONLY_OURS,
    churn: MAINLINE_CHURN,
    override: NARROW,
  });
  const builtMs = options.wallMs();
  world.run(world.nowMs + virtualMinutes * MINUTE_MS);
  const ranMs = options.wallMs();
  const bytesPerNode = (options.memoryBytes() - bytesBefore) / nodes;
  return {
    ...tableHealth(world, somePresent(world, 500)),
    buildSeconds: (builtMs - startedMs) / 1000,
    runSeconds: (ranMs - builtMs) / 1000,
    virtualMinutes,
    events: world.events,
    datagrams: world.datagrams,
    bytesPerNode,
    trace: world.trace.toString(),
  };
}

export function runScale(options: ScenarioOptions): SimTable[] {
  const measured = measureScale(options, trials(options, USUAL_MINUTES));
  const { runSeconds, virtualMinutes } = measured;
  const rows = [
    { what: 'virtual minutes', value: virtualMinutes },
    { what: 'seconds to build', value: measured.buildSeconds },
    { what: 'seconds to run', value: runSeconds },
    { what: 'seconds for a virtual hour', value: (runSeconds / virtualMinutes) * HOUR_MINUTES },
    { what: 'events a second', value: Math.round(measured.events / runSeconds) },
    { what: 'datagrams sent', value: measured.datagrams },
    { what: 'bytes per node', value: Math.round(measured.bytesPerNode) },
    { what: 'contacts in a table', value: Math.round(measured.contacts) },
    { what: 'dead in tables', value: `${(measured.deadShare * 100).toFixed(2)} %` },
    { what: 'trace', value: measured.trace },
  ];
  return [{ title: `One process, ${options.nodes ?? USUAL_NODES} nodes with churn`, rows }];
}
