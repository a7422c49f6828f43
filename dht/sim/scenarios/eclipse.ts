// Eclipse of one key: 8 to 64 ids around it from 1 to 64 subnets, which name only each other and swallow announces. Does an
// announce survive, that is, do others find it?
import { Id160 } from '../../base/node-id.ts';
import { addRing, knock } from '../attackers.ts';
import { mean, stream } from '../chance.ts';
import { REAL_NETWORK } from '../latency.ts';
import { runLookups, somePresent } from '../measure.ts';
import type { ProfileName } from '../profiles.ts';
import type { Row, SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';
import { World } from '../world.ts';

const MINUTE_MS = 60_000;
const USUAL_NODES = 300;
const CLIENTS: readonly ProfileName[] = ['ours', 'k-rpc'];
/** Lookups that teach a node the size of the network, before anything happens. */
const LESSONS = 8;
const ATTACK_MIN = 15;
const SETTLE_MS = 30_000;
/** Hosts around the key that the attackers knock at. */
const NEIGHBOURS = 60;
const ANNOUNCERS = 5;
const ASKERS = 40;
const ANNOUNCED_PORT = 51_413;
/** Closer to the key than the nearest honest node by this many bits. */
const CLOSER_BITS = 4;

export interface Ring {
  readonly count: number;
  readonly subnets: number;
  readonly fitting: boolean;
}

const RINGS: readonly Ring[] = [
  ...[8, 16, 64].flatMap((count) => [1, 8, 64].map((subnets) => ({ count, subnets, fitting: false }))),
  // The strongest: somebody who picked addresses until their ids were right.
  { count: 8, subnets: 64, fitting: true },
  { count: 16, subnets: 64, fitting: true },
  { count: 64, subnets: 64, fitting: true },
];

export interface EclipseOutcome {
  /** Lookups that found an honest announce. */
  readonly survival: number;
  /** Places among the closest 8 that attackers hold. */
  readonly captured: number;
  /** Lookups that noticed. */
  readonly suspicious: number;
}

export function measureEclipse(
  seed: number,
  nodes: number,
  profile: ProfileName,
  ring: Ring,
  askers: number,
): EclipseOutcome {
  const world = new World({ seed, nodes, network: REAL_NETWORK, clients: [{ profile, share: 1 }] });
  const rng = stream(seed, 'workload', 8);
  const key = Id160.random(rng);
  const near = world.closestServing(key, NEIGHBOURS);
  const users = somePresent(world, askers + ANNOUNCERS, (host) => !near.includes(host));
  for (let lesson = 0; lesson < LESSONS; lesson++)
    runLookups(
      world,
      users.map((host) => ({ host, target: Id160.random(rng) })),
    );
  const sharedBits = world.id(near[0] as number).sharedBits(key) + CLOSER_BITS;
  const attackers = addRing(world, { key, ...ring, sharedBits }, rng);
  const isAttacker = new Set(attackers.map(({ address }) => address.w0));
  for (let minute = 0; minute < ATTACK_MIN; minute++) {
    knock(world, attackers, near, key);
    world.run(world.nowMs + MINUTE_MS);
  }
  for (const host of users.slice(0, ANNOUNCERS)) {
    world.command(host, (machine, nowMs) => machine.announce(key.toBytes(), { port: ANNOUNCED_PORT }, nowMs));
  }
  world.run(world.nowMs + SETTLE_MS);
  const measured = runLookups(
    world,
    users.slice(ANNOUNCERS).map((host) => ({ host, target: key })),
  );
  const reports = measured.map(({ result }) => result.reports[0]);
  const captured = measured.map(
    ({ result }) => result.closest.slice(0, 8).filter(({ address }) => isAttacker.has(address.w0)).length / 8,
  );
  return {
    survival: mean(measured.map(({ result }) => (result.peers.length > 0 ? 1 : 0))),
    captured: mean(captured),
    suspicious: mean(reports.map((report) => (report?.suspicious ? 1 : 0))),
  };
}

export function runEclipse(options: ScenarioOptions): SimTable[] {
  const nodes = options.nodes ?? USUAL_NODES;
  return CLIENTS.map((profile) => ({
    title: `Eclipse of one key, ${nodes} nodes, all clients are ${profile}`,
    rows: RINGS.map((ring): Row => {
      const measured = measureEclipse(options.seed, nodes, profile, ring, trials(options, ASKERS));
      return {
        ids: ring.count,
        subnets: ring.fitting ? ring.count : ring.subnets,
        'ids fit their addresses': ring.fitting ? 'yes' : 'no',
        'announces found': measured.survival,
        'places captured': `${(measured.captured * 100).toFixed(0)} %`,
        'noticed by': `${(measured.suspicious * 100).toFixed(0)} %`,
      };
    }),
  }));
}
