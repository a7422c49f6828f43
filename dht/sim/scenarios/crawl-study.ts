// What the classical mistakes cost, in worlds whose truth is known: a snapshot that takes long, a zone of the wrong size, counting by
// address. docs/study.md is written from these tables.

import { Id160 } from '../../base/node-id.ts';
import { Zone } from '../../crawl/zone.ts';
import { mean, stream } from '../chance.ts';
import { runTrial } from '../crawl-trial.ts';
import type { Row, SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';
import { bias, lastingFor, lossy, MINUTE_MS, percent, worldOf } from './crawl-parts.ts';

/** A crawl of everything that takes long, while nodes come and go. */
function durationTable(options: ScenarioOptions): SimTable {
  const nodes = options.nodes ?? 20_000;
  const rows = [1, 10, 60, 360].map((minutes): Row => {
    const horizonMs = minutes * 4 * MINUTE_MS;
    const world = worldOf(options.seed, nodes, { medianSessionMin: 200, horizonMs, ...lossy(0.01) });
    const policy = lastingFor(minutes, nodes);
    const {
      first,
      nodes: truth,
      p,
      nodesAtEnd: there,
      bernoulli,
    } = runTrial(world, { seed: options.seed, zone: Zone.everything, policy });
    const atEnd = world.stillThere(first.hosts, first.endMs);
    return {
      'crawl, min': Math.round((first.endMs - first.startMs) / MINUTE_MS),
      'queries/s': Math.round(policy.total.perSecond),
      'true nodes at once': truth,
      verified: first.verified.size,
      'of the true number': p,
      'gone at the end': percent(1 - atEnd / first.verified.size),
      'there at the end, not seen': percent(1 - atEnd / world.reachable(first.endMs)),
      'there at the end': there,
      'estimate by two looks': `${Math.round(bernoulli?.value ?? 0)} (${Math.round(bernoulli?.low ?? 0)} to ${Math.round(bernoulli?.high ?? 0)})`,
    };
  });
  return {
    title: `What a crawl of everything misses while nodes come and go (median session 200 min, ${nodes} nodes)`,
    rows,
  };
}

/** What a smaller zone saves and costs. */
function zoneTable(options: ScenarioOptions): SimTable {
  const nodes = options.nodes ?? 100_000;
  const world = worldOf(options.seed, nodes, lossy(0.01));
  const count = trials(options, 20);
  const rows = [4, 6, 8, 10].map((bits): Row => {
    const errors: number[] = [];
    const widths: number[] = [];
    const sent: number[] = [];
    for (let i = 0; i < count; i++) {
      const zone = new Zone(Id160.random(stream(options.seed + i, 'ids', 6)), bits);
      const { chapman, nodes: truth, first, second } = runTrial(world, { seed: options.seed + i, zone });
      if (chapman === undefined) continue;
      errors.push((chapman.value / truth - 1) ** 2);
      widths.push((chapman.high - chapman.low) / 2 / truth);
      sent.push(first.machine.prober.sent + (second?.machine.prober.sent ?? 0));
    }
    return {
      zone: `/${bits}`,
      'nodes in it': Math.round(nodes / 2 ** bits),
      queries: Math.round(mean(sent)),
      'seconds at 500/s': Math.round(mean(sent) / 500),
      'error (rms)': percent(Math.sqrt(mean(errors))),
      'half of the interval': percent(mean(widths)),
    };
  });
  return { title: `Size of the zone against error (${nodes} nodes, two looks each, ${count} zones)`, rows };
}

/** One address is not one node, and who does not answer is not nobody. */
function addressTable(options: ScenarioOptions): SimTable {
  const nodes = options.nodes ?? 10_000;
  const rows = [0, 0.1, 0.3, 0.6].map((sharedShare): Row => {
    const world = worldOf(options.seed, nodes, { sharedShare });
    const { first, nodes: truth } = runTrial(world, {
      seed: options.seed,
      zone: Zone.everything,
      repeats: false,
    });
    return {
      'addresses shared by four': percent(sharedShare),
      'true nodes': truth,
      'nodes verified': first.verified.size,
      'distinct addresses': first.addresses,
      'counting by address': bias(first.addresses / truth),
      'counting what is listed': bias(first.machine.counts.listed / truth),
    };
  });
  return {
    title: `Counting by address behind translators, and counting what tables list (${nodes} nodes)`,
    rows,
  };
}

export function runCrawlStudy(options: ScenarioOptions): SimTable[] {
  return [durationTable(options), zoneTable(options), addressTable(options)];
}
