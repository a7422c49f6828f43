// The crawler as a guest of a network of real machines: their own tables and limits, several clients, translators, churn and sybils
// instead of ideal tables. Small, because every node is a whole one; a check on what the light world assumes.

import { Id160 } from '../../base/node-id.ts';
import { CLIENT_VERSION } from '../../base/options.ts';
import { CrawlMachine } from '../../crawl/crawl-machine.ts';
import { bernoulli, chapman } from '../../crawl/estimates.ts';
import { OptOut } from '../../crawl/opt-out.ts';
import { POLITE } from '../../crawl/prober.ts';
import { Zone } from '../../crawl/zone.ts';
import { addSybils, knock } from '../attackers.ts';
import { stream } from '../chance.ts';
import { attackerAddress } from '../hosts.ts';
import { REAL_NETWORK } from '../latency.ts';
import { somePresent } from '../measure.ts';
import { MIXED_CLIENTS } from '../profiles.ts';
import type { Row, SimTable } from '../report.ts';
import type { ScenarioOptions } from '../scenario.ts';
import { MAINLINE_CHURN } from '../sessions.ts';
import { WORLD_START_MS, World } from '../world.ts';

const USUAL_NODES = 300;
const MINUTE_MS = 60_000;
const SETTLE_MIN = 10;
const STEP_MS = 20;
/** A subnet number far from those of attackers. */
const GUEST_SUBNET = 0xf000;
const NAT = { kind: 'restricted', lifetimeMs: 60_000 } as const;

interface Look {
  readonly verified: ReadonlySet<string>;
  readonly listed: number;
  readonly mismatches: number;
}

function look(world: World, seed: number, pass: number): Look {
  const address = attackerAddress(GUEST_SUBNET + pass, 1);
  const verified = new Set<string>();
  const machine = new CrawlMachine(
    {
      family: 4,
      zone: Zone.everything,
      isTopology: false,
      method: 'find_node',
      seed: seed * 31 + pass,
      rng: stream(seed, 'protocol', 1_000_000 + pass),
      ownId: Id160.random(stream(seed, 'ids', 1_000_000 + pass)),
      version: CLIENT_VERSION,
      readOnly: true,
      wantsBoth: false,
      policy: POLITE,
      optOut: OptOut.none,
      startMs: world.nowMs,
    },
    {
      send: (datagram, to) => world.sendAsGuest(address, datagram, to),
      onListed: () => {},
      onSent: () => {},
      onVisit: ({ outcome, idObserved, address: at }) => {
        if (outcome === 'ok' || outcome === 'stalled_late')
          verified.add(`${idObserved?.key} ${at.w0} ${at.port}`);
      },
    },
  );
  world.addGuest(address, {
    handleDatagram: (datagram, from) => void machine.handleDatagram(datagram, from, world.nowMs),
  });
  // Hosts 0 to 7 are the routers that everybody knows.
  for (let host = 0; host < 8; host++) machine.addBootstrap(world.contact(host).address, world.nowMs);
  machine.start(world.nowMs);
  while (!machine.isDone) {
    world.run(world.nowMs + STEP_MS);
    machine.handleTimeout(world.nowMs);
  }
  return {
    verified,
    listed: machine.counts.listed,
    mismatches: machine.counts.outcomes.get('id_mismatch') ?? 0,
  };
}

function machinesTable(options: ScenarioOptions): SimTable {
  const nodes = options.nodes ?? USUAL_NODES;
  const rows: Row[] = [];
  for (const [natShare, sybils] of [
    [0, 0],
    [0.3, 0],
    [0.3, 0.05],
  ] as const) {
    const { seed } = options;
    const world = new World({
      seed,
      nodes,
      network: REAL_NETWORK,
      clients: MIXED_CLIENTS,
      churn: MAINLINE_CHURN,
      nats: natShare === 0 ? [] : [{ ...NAT, share: natShare }],
    });
    const rng = stream(seed, 'workload', 77);
    const ring = addSybils(world, Math.round(nodes * sybils), rng);
    knock(world, ring, somePresent(world, 60), Id160.random(rng));
    world.run(WORLD_START_MS + SETTLE_MIN * MINUTE_MS);
    const truth = [...world.present()].filter((host) => !world.hasNat(host)).length;
    const first = look(world, seed, 1);
    const second = look(world, seed, 2);
    let both = 0;
    for (const node of second.verified) if (first.verified.has(node)) both++;
    const estimate = chapman(first.verified.size, second.verified.size, both, 1);
    const corrected = bernoulli(first.verified.size, { hits: both, of: second.verified.size }, 1);
    rows.push({
      'behind translators': `${natShare * 100} %`,
      sybils: `${sybils * 100} %`,
      'true nodes': truth,
      listed: first.listed,
      verified: first.verified.size,
      'wrong ids': first.mismatches,
      Chapman: `${Math.round(estimate?.value ?? 0)} (${Math.round(estimate?.low ?? 0)} to ${Math.round(estimate?.high ?? 0)})`,
      Bernoulli: `${Math.round(corrected?.value ?? 0)} (${Math.round(corrected?.low ?? 0)} to ${Math.round(corrected?.high ?? 0)})`,
    });
  }
  return {
    title: `Real machines instead of ideal tables: mixed clients, churn, loss (${nodes} nodes)`,
    rows,
    notes: [
      'Nodes behind translators that let some in are no true nodes here, and answer a few all the same.',
    ],
  };
}

export function runCrawlMachines(options: ScenarioOptions): SimTable[] {
  return [machinesTable(options)];
}
