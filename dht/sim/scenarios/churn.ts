// Churn against dead entries: how clean tables stay and what upkeep costs, by client and by the length of sessions.

import { Id160 } from '../../base/node-id.ts';
import { mean, quantile, stream } from '../chance.ts';
import { REAL_NETWORK } from '../latency.ts';
import { bytesSent, lookupSeconds, runLookups, somePresent, tableHealth } from '../measure.ts';
import type { ProfileName } from '../profiles.ts';
import type { Row, SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';
import { MAINLINE_CHURN } from '../sessions.ts';
import { WORLD_START_MS, World } from '../world.ts';

const MINUTE_MS = 60_000;
const USUAL_NODES = 300;
const MEDIAN_SESSIONS_MIN = [15, 60, 200, 1440];
const CLIENTS: readonly ProfileName[] = ['ours', 'libtorrent', 'jech', 'k-rpc', 'one-minute'];
/** Tables begin clean; by then their share of dead entries has settled. */
const SETTLE_MIN = 25;
/** Samples of the tables, and the time between. */
const SAMPLES = 4;
const SAMPLE_MIN = 5;
const LOOKUPS = 60;

export interface ChurnOutcome {
  readonly contacts: number;
  readonly deadShare: number;
  readonly worstDeadShare: number;
  /** Sent per node and second, lookups of users not included. */
  readonly bytesPerSecond: number;
  readonly p50Seconds: number;
  readonly recall: number;
  readonly trace: string;
}

export function measureChurn(
  seed: number,
  nodes: number,
  profile: ProfileName,
  medianSessionMin: number,
  lookups: number,
): ChurnOutcome {
  const world = new World({
    seed,
    nodes,
    network: REAL_NETWORK,
    clients: [{ profile, share: 1 }],
    churn: { ...MAINLINE_CHURN, medianSessionMin },
  });
  world.run(WORLD_START_MS + SETTLE_MIN * MINUTE_MS);
  const sampled = somePresent(world, 100);
  const sentBefore = bytesSent(world, sampled);
  const samples = Array.from({ length: SAMPLES }, () => {
    world.run(world.nowMs + SAMPLE_MIN * MINUTE_MS);
    return tableHealth(world, [...world.present()]);
  });
  const stayed = sampled.filter((host) => world.machine(host) !== undefined);
  const sent = bytesSent(world, stayed) - (sentBefore * stayed.length) / sampled.length;
  const targets = stream(seed, 'workload', 3);
  const measured = runLookups(
    world,
    somePresent(world, lookups).map((host) => ({ host, target: Id160.random(targets) })),
  );
  return {
    contacts: mean(samples.map(({ contacts }) => contacts)),
    deadShare: mean(samples.map(({ deadShare }) => deadShare)),
    worstDeadShare: Math.max(...samples.map(({ deadShare }) => deadShare)),
    bytesPerSecond: sent / stayed.length / ((SAMPLES * SAMPLE_MIN * MINUTE_MS) / 1000),
    p50Seconds: quantile(lookupSeconds(measured), 0.5),
    recall: mean(measured.map(({ recall }) => recall)),
    trace: world.trace.toString(),
  };
}

export function runChurn(options: ScenarioOptions): SimTable[] {
  const nodes = options.nodes ?? USUAL_NODES;
  const rows = CLIENTS.flatMap((profile) =>
    MEDIAN_SESSIONS_MIN.map((median): Row => {
      const measured = measureChurn(options.seed, nodes, profile, median, trials(options, LOOKUPS));
      return {
        'all clients are': profile,
        'median session, min': median,
        contacts: Math.round(measured.contacts),
        'dead in tables': `${(measured.deadShare * 100).toFixed(2)} %`,
        'upkeep, bytes/s': Math.round(measured.bytesPerSecond),
        'lookup p50, s': measured.p50Seconds,
        'recall of 8': measured.recall,
        trace: measured.trace,
      };
    }),
  );
  return [{ title: `Churn, ${nodes} nodes, after ${SETTLE_MIN} minutes`, rows }];
}
