// Translators: hosts that can ask but hardly be asked get into the tables of those who believe what they see. What share of
// tables they take, and what lookups suffer, by share of such hosts and by client.
import { Id160 } from '../../base/node-id.ts';
import { mean, quantile, stream } from '../chance.ts';
import { REAL_NETWORK } from '../latency.ts';
import { lookupSeconds, runLookups, somePresent, tableHealth } from '../measure.ts';
import type { NatOptions } from '../nat.ts';
import type { ProfileName } from '../profiles.ts';
import type { Row, SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';
import { MAINLINE_CHURN } from '../sessions.ts';
import { WORLD_START_MS, World } from '../world.ts';

const MINUTE_MS = 60_000;
const USUAL_NODES = 400;
const NAT_SHARES = [0, 0.3, 0.6, 0.8];
const CLIENTS: readonly ProfileName[] = ['ours', 'libtorrent', 'one-minute'];
const SETTLE_MIN = 30;
const LOOKUPS = 100;
/** Of those behind a translator (KTH 2009: port-restricted and symmetric ones are by far the most). */
const KINDS: readonly (NatOptions & { readonly share: number })[] = [
  { kind: 'full-cone', lifetimeMs: 120_000, share: 0.1 },
  { kind: 'restricted', lifetimeMs: 60_000, share: 0.6 },
  { kind: 'symmetric', lifetimeMs: 60_000, share: 0.3 },
];

export interface NatOutcome {
  readonly contacts: number;
  /** Share of table members that are gone or not reachable by everybody. */
  readonly deadShare: number;
  readonly p50Seconds: number;
  readonly p99Seconds: number;
  readonly recall: number;
  /** Lookups with none of the true 8. */
  readonly deadEnded: number;
}

export function measureNats(
  seed: number,
  nodes: number,
  profile: ProfileName,
  natShare: number,
  lookups: number,
): NatOutcome {
  const nats = KINDS.map((nat) => ({ ...nat, share: nat.share * natShare }));
  const clients = [{ profile, share: 1 }];
  const world = new World({ seed, nodes, network: REAL_NETWORK, clients, churn: MAINLINE_CHURN, nats });
  // Everybody uses the network now and then: queries are what carries hidden hosts into tables.
  const users = stream(seed, 'workload', 6);
  for (let minute = 1; minute <= SETTLE_MIN; minute++) {
    for (const host of somePresent(world, nodes)) {
      if (users.next() < 0.9) continue;
      const target = Id160.random(users).toBytes();
      world.command(host, (machine, nowMs) => machine.findNode(target, {}, nowMs));
    }
    world.run(WORLD_START_MS + minute * MINUTE_MS);
  }
  const health = tableHealth(world, [...world.present()]);
  const measured = runLookups(
    world,
    somePresent(world, lookups).map((host) => ({ host, target: Id160.random(users) })),
  );
  const seconds = lookupSeconds(measured);
  return {
    ...health,
    p50Seconds: quantile(seconds, 0.5),
    p99Seconds: quantile(seconds, 0.99),
    recall: mean(measured.map(({ recall }) => recall)),
    deadEnded: mean(measured.map(({ recall }) => (recall === 0 ? 1 : 0))),
  };
}

export function runNats(options: ScenarioOptions): SimTable[] {
  const nodes = options.nodes ?? USUAL_NODES;
  const rows = CLIENTS.flatMap((profile) =>
    NAT_SHARES.map((natShare): Row => {
      const measured = measureNats(options.seed, nodes, profile, natShare, trials(options, LOOKUPS));
      return {
        'all clients are': profile,
        'behind a translator': `${natShare * 100} %`,
        contacts: Math.round(measured.contacts),
        'unreachable in tables': `${(measured.deadShare * 100).toFixed(2)} %`,
        'lookup p50, s': measured.p50Seconds,
        'p99, s': measured.p99Seconds,
        'recall of the reachable 8': measured.recall,
        'none of the 8': measured.deadEnded,
      };
    }),
  );
  return [{ title: `Hosts behind translators, ${nodes} nodes, after ${SETTLE_MIN} minutes`, rows }];
}
