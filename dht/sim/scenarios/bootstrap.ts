// From nothing to a useful table: time until the bootstrap has ended and until the table is full, by how many of the saved
// nodes are still there.

import { shuffle } from '../../../core/base/clock.ts';
import type { BootstrapResult, DhtContact } from '../../base/results.ts';
import { mean, quantile, stream } from '../chance.ts';
import { REAL_NETWORK } from '../latency.ts';
import { somePresent, tableHealth } from '../measure.ts';
import { ONLY_OURS } from '../profiles.ts';
import type { Row, SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';
import { World } from '../world.ts';

const USUAL_NODES = 1_000;
const STARTS = 60;
const SAVED = 100;
const SPACING_MS = 500;
const SETTLE_MS = 30_000;
/** Share of the saved nodes that left meanwhile; 1 for no saved nodes at all. */
const GONE_SHARES = [0, 0.3, 0.7, 0.95, 1];

export interface BootstrapOutcome {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly queries: number;
  readonly usedRouters: number;
  /** Good contacts when the bootstrap reports its end. */
  readonly goodAtEnd: number;
  /** Half a minute later, and what a table ought to hold. */
  readonly contactsLater: number;
  readonly contactsIdeal: number;
}

export function measureBootstrap(
  seed: number,
  nodes: number,
  goneShare: number,
  starts: number,
): BootstrapOutcome {
  const world = new World({ seed, nodes, network: REAL_NETWORK, clients: ONLY_OURS });
  const rng = stream(seed, 'workload', 5);
  const results: BootstrapResult[] = [];
  const ideal = tableHealth(world, somePresent(world, 50)).contacts;
  // The first hosts are routers; those who left are never started, those who start come from the far end.
  const goneFrom = Math.floor(nodes * 0.8);
  const hosts = Array.from({ length: Math.min(starts, nodes - goneFrom) }, (_, i) => nodes - 1 - i);
  for (let host = goneFrom; host < nodes; host++) world.stop(host);
  hosts.forEach((host, i) => {
    world.at(world.nowMs + i * SPACING_MS, () => {
      const saved: DhtContact[] = [];
      for (let n = 0; n < SAVED && goneShare < 1; n++) {
        const isGone = rng.next() < goneShare;
        const from = isGone ? goneFrom : 0;
        const to = isGone ? nodes - hosts.length : goneFrom;
        saved.push(world.contact(from + Math.floor(rng.next() * (to - from))));
      }
      world.start(host, shuffle(rng, saved), (result) => results.push(result));
    });
  });
  world.run(world.nowMs + hosts.length * SPACING_MS + SETTLE_MS);
  const elapsed = results.map(({ elapsedMs }) => elapsedMs);
  return {
    p50Ms: quantile(elapsed, 0.5),
    p99Ms: quantile(elapsed, 0.99),
    queries: mean(results.map(({ queries }) => queries)),
    usedRouters: mean(results.map(({ usedRouters }) => (usedRouters ? 1 : 0))),
    goodAtEnd: mean(results.map(({ nodes: good }) => good)),
    contactsLater: tableHealth(world, hosts).contacts,
    contactsIdeal: ideal,
  };
}

export function runBootstrap(options: ScenarioOptions): SimTable[] {
  const nodes = options.nodes ?? USUAL_NODES;
  const rows = GONE_SHARES.map((goneShare): Row => {
    const measured = measureBootstrap(options.seed, nodes, goneShare, trials(options, STARTS));
    return {
      'saved nodes gone': goneShare === 1 ? 'none saved' : `${goneShare * 100} %`,
      'p50, ms': Math.round(measured.p50Ms),
      'p99, ms': Math.round(measured.p99Ms),
      queries: measured.queries,
      'asked routers': measured.usedRouters,
      'good nodes then': Math.round(measured.goodAtEnd),
      '30 s later': Math.round(measured.contactsLater),
      'ideal table': Math.round(measured.contactsIdeal),
    };
  });
  return [{ title: `Bootstrap, ${nodes} nodes, ${SAVED} saved contacts`, rows }];
}
