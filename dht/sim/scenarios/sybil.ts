// Sybils that claim an id next to whatever is looked for: what share of tables they get, and what lookups lose to them.
import { Id160 } from '../../base/node-id.ts';
import { addSybils, knock } from '../attackers.ts';
import { mean, stream } from '../chance.ts';
import { REAL_NETWORK } from '../latency.ts';
import { runLookups, somePresent } from '../measure.ts';
import type { ProfileName } from '../profiles.ts';
import type { Row, SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';
import { World } from '../world.ts';

const MINUTE_MS = 60_000;
const USUAL_NODES = 400;
const SYBIL_SHARES = [0.01, 0.05, 0.1];
const CLIENTS: readonly ProfileName[] = ['ours', 'k-rpc'];
const MINUTES = 20;
const LOOKUPS = 100;
/** Hosts each sybil knocks at in a minute. */
const KNOCKS = 20;

export interface SybilOutcome {
  /** Members of honest tables that are sybils. */
  readonly tableShare: number;
  /** Of the 8 closest honest nodes. */
  readonly recall: number;
  /** Places in results that sybils hold. */
  readonly resultShare: number;
}

export function measureSybils(
  seed: number,
  nodes: number,
  profile: ProfileName,
  sybilShare: number,
  lookups: number,
): SybilOutcome {
  const world = new World({ seed, nodes, network: REAL_NETWORK, clients: [{ profile, share: 1 }] });
  const rng = stream(seed, 'workload', 7);
  const sybils = addSybils(world, Math.round(nodes * sybilShare), rng);
  const isSybil = new Set(sybils.map(({ address }) => address.w0));
  for (let minute = 1; minute <= MINUTES; minute++) {
    for (const sybil of sybils) {
      const hosts = Array.from({ length: KNOCKS }, () => Math.floor(rng.next() * nodes));
      knock(world, [sybil], hosts, Id160.random(rng));
    }
    world.run(world.nowMs + MINUTE_MS);
  }
  const tables = [...world.present()].flatMap((host) => world.machine(host)?.contacts() ?? []);
  const measured = runLookups(
    world,
    somePresent(world, lookups).map((host) => ({ host, target: Id160.random(rng) })),
  );
  const places = measured.flatMap(({ result }) => result.closest);
  return {
    tableShare: tables.filter(({ address }) => isSybil.has(address.w0)).length / tables.length,
    recall: mean(measured.map(({ recall }) => recall)),
    resultShare: places.filter(({ address }) => isSybil.has(address.w0)).length / Math.max(1, places.length),
  };
}

export function runSybils(options: ScenarioOptions): SimTable[] {
  const nodes = options.nodes ?? USUAL_NODES;
  const rows = CLIENTS.flatMap((profile) =>
    SYBIL_SHARES.map((share): Row => {
      const measured = measureSybils(options.seed, nodes, profile, share, trials(options, LOOKUPS));
      return {
        'all clients are': profile,
        sybils: `${share * 100} %`,
        'sybils in tables': `${(measured.tableShare * 100).toFixed(2)} %`,
        'sybils in results': `${(measured.resultShare * 100).toFixed(2)} %`,
        'recall of 8': measured.recall,
      };
    }),
  );
  return [
    { title: `Sybils claiming ids next to the target, ${nodes} nodes, after ${MINUTES} minutes`, rows },
  ];
}
