// Announce, wait, ask: are the peers of an announce still found by others while it is valid, with nodes coming and going?
// Peers expire after 30 minutes, so that the last age must find nothing.
import { Id160 } from '../../base/node-id.ts';
import { mean, stream } from '../chance.ts';
import { REAL_NETWORK } from '../latency.ts';
import { runLookups, somePresent } from '../measure.ts';
import { type ClientMix, MIXED_CLIENTS, ONLY_OURS } from '../profiles.ts';
import type { Row, SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';
import { MAINLINE_CHURN } from '../sessions.ts';
import { WORLD_START_MS, World } from '../world.ts';

const MINUTE_MS = 60_000;
const USUAL_NODES = 500;
const ANNOUNCES = 60;
const AGES_MIN = [0, 5, 10, 15, 20, 25, 29, 31];
/** Between the announces: together they take well under a minute. */
const SPACING_MS = 200;
/** Until the slowest announce is through. */
const SETTLE_MS = 30_000;
const ANNOUNCED_PORT = 51_413;

export interface RecallAtAge {
  readonly ageMin: number;
  /** Announces that a random other node finds. */
  readonly found: number;
  /** Of the 8 closest now, how many the lookup found. */
  readonly recall: number;
}

export function measureRecall(
  seed: number,
  nodes: number,
  clients: ClientMix,
  medianSessionMin: number,
  announces: number,
): { readonly ages: readonly RecallAtAge[]; readonly accepted: number; readonly trace: string } {
  const churn = { ...MAINLINE_CHURN, medianSessionMin };
  const world = new World({ seed, nodes, network: REAL_NETWORK, clients, churn });
  const hashes = stream(seed, 'workload', 4);
  const started = world.nowMs;
  const accepted: number[] = [];
  const targets = somePresent(world, announces).map((host, i) => {
    const target = Id160.random(hashes);
    world.at(started + i * SPACING_MS, () => {
      world.command(host, (machine, nowMs) =>
        machine.announce(
          target.toBytes(),
          { port: ANNOUNCED_PORT, onAnnounced: (result) => accepted.push(result.accepted.length) },
          nowMs,
        ),
      );
    });
    return target;
  });
  world.run(started + targets.length * SPACING_MS + SETTLE_MS);
  const ages = AGES_MIN.map((ageMin): RecallAtAge => {
    world.run(Math.max(world.nowMs, WORLD_START_MS + ageMin * MINUTE_MS));
    const askers = somePresent(world, targets.length);
    // Another one each time: nobody answers out of the memory of an earlier lookup.
    const shift = Math.floor(askers.length / 2) + ageMin;
    const lookups = runLookups(
      world,
      targets.map((target, i) => ({ host: askers[(i + shift) % askers.length] as number, target })),
    );
    return {
      ageMin,
      found: mean(lookups.map(({ result }) => (result.peers.length > 0 ? 1 : 0))),
      recall: mean(lookups.map(({ recall }) => recall)),
    };
  });
  return { ages, accepted: mean(accepted), trace: world.trace.toString() };
}

export function runRecall(options: ScenarioOptions): SimTable[] {
  const nodes = options.nodes ?? USUAL_NODES;
  const cases = [
    { name: 'ours', clients: ONLY_OURS, median: 200 },
    { name: 'ours, sessions of 20 min', clients: ONLY_OURS, median: 20 },
    { name: 'mixed clients', clients: MIXED_CLIENTS, median: 200 },
  ];
  const notes: string[] = [];
  const rows = cases.map(({ name, clients, median }): Row => {
    const announces = trials(options, ANNOUNCES);
    const { ages, accepted, trace } = measureRecall(options.seed, nodes, clients, median, announces);
    notes.push(`${name}: ${accepted.toFixed(1)} nodes took an announce, trace ${trace}`);
    return {
      network: name,
      ...Object.fromEntries(ages.map(({ ageMin, found }) => [`${ageMin} min`, found])),
      'recall of 8': mean(ages.map(({ recall }) => recall)),
    };
  });
  return [
    {
      title: `Share of announces found by age, ${nodes} nodes, median session 200 min unless said otherwise`,
      rows,
      notes,
    },
  ];
}
