// The crawler against worlds whose truth is known: true values beside its estimates, how often its 95 % intervals cover them, and
// what the classical mistakes would have cost.
import type { Estimate } from '../../crawl/estimates.ts';
import { Zone } from '../../crawl/zone.ts';
import { Id160 } from '../../node-id.ts';
import { mean, stream } from '../chance.ts';
import { runTrial, type TrialOutcome } from '../crawl-trial.ts';
import { CrawlWorld, type CrawlWorldOptions } from '../crawl-world.ts';
import { CALIBRATION_NETWORK } from '../latency.ts';
import type { Cell, Row, SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';
import { churnCoverageTable } from './crawl-churn.ts';
import { machinesTable } from './crawl-machines.ts';

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const LOSSES = [0, 0.05, 0.2];
/** Nodes of a zone in the trials of coverage. */
const ZONE_NODES = 500;
const TRIALS = 100;
const LOOKUPS = 32;
const MINUTE_MS = 60_000;
/** Mainline as far as studies show it: a quarter of what tables list is gone, some more is behind translators. */
const MEMBERS = { deadShare: 0.25, natShare: 0.15 };

function worldOf(seed: number, nodes: number, changes: Partial<CrawlWorldOptions> = {}): CrawlWorld {
  return new CrawlWorld({
    seed,
    nodes,
    ...MEMBERS,
    network: CALIBRATION_NETWORK,
    horizonMs: MINUTE_MS,
    ...changes,
  });
}

function lossy(lossShare: number): Pick<CrawlWorldOptions, 'network'> {
  return { network: { ...CALIBRATION_NETWORK, lossShare } };
}

/** A random zone of about `ZONE_NODES` nodes. */
function zoneFor(nodes: number, seed: number): Zone {
  const bits = Math.max(0, Math.round(Math.log2(nodes / ZONE_NODES)));
  return new Zone(Id160.random(stream(seed, 'ids', 5)), bits);
}

export interface CoverageCell {
  readonly trials: number;
  /** Mean of estimate / truth. */
  readonly ratio: number;
  /** Trials whose interval holds the truth. */
  readonly covered: number;
}

export interface CoverageOutcome {
  readonly bernoulli: CoverageCell;
  readonly chapman: CoverageCell;
  readonly distances: CoverageCell;
  /** Mean share of the true nodes of the zone that one look verifies. */
  readonly p: number;
  /** Mean of naive count x 2^bits / truth. */
  readonly naive: number;
  readonly bits: number;
}

/** Many crawls of zones of one world, each with its own chance of loss. */
export function measureCoverage(
  world: CrawlWorld,
  nodes: number,
  seed: number,
  count: number,
): CoverageOutcome {
  const outcomes: TrialOutcome[] = [];
  let bits = 0;
  for (let i = 0; i < count; i++) {
    const zone = zoneFor(nodes, seed * 1_000 + i);
    bits = zone.bits;
    outcomes.push(runTrial(world, { seed: seed * 1_000 + i, zone, lookups: LOOKUPS }));
  }
  const cell = (pick: (outcome: TrialOutcome) => Estimate | undefined): CoverageCell => {
    const pairs = outcomes.map((outcome) => ({ estimate: pick(outcome), truth: outcome.nodes }));
    const known = pairs.filter(
      (pair): pair is { estimate: Estimate; truth: number } => pair.estimate !== undefined,
    );
    return {
      trials: known.length,
      ratio: mean(known.map(({ estimate, truth }) => estimate.value / truth)),
      covered: known.filter(({ estimate, truth }) => estimate.low <= truth && truth <= estimate.high).length,
    };
  };
  return {
    bernoulli: cell((outcome) => outcome.bernoulli),
    chapman: cell((outcome) => outcome.chapman),
    distances: cell((outcome) => outcome.distances),
    p: mean(outcomes.map((outcome) => outcome.p)),
    naive: mean(outcomes.map((outcome) => (outcome.first.trueNodes * 2 ** bits) / outcome.nodes)),
    bits,
  };
}

function bias(ratio: number): string {
  return `${ratio >= 1 ? '+' : ''}${((ratio - 1) * 100).toFixed(1)} %`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function coverageTable(options: ScenarioOptions): SimTable {
  const count = trials(options, TRIALS);
  const rows: Row[] = [];
  for (const nodes of options.nodes === undefined ? SIZES : [options.nodes]) {
    for (const lossShare of LOSSES) {
      // Tables hold 2^21 members at most.
      const world = worldOf(options.seed, nodes, lossy(lossShare));
      const measured = measureCoverage(world, nodes, options.seed, count);
      const covered = (cell: CoverageCell): Cell => `${cell.covered} of ${cell.trials}`;
      rows.push({
        nodes,
        'loss each way': percent(lossShare),
        zone: `/${measured.bits}`,
        p: measured.p,
        'naive count': bias(measured.naive),
        Bernoulli: bias(measured.bernoulli.ratio),
        ' covers': covered(measured.bernoulli),
        Chapman: bias(measured.chapman.ratio),
        '  covers': covered(measured.chapman),
        distances: bias(measured.distances.ratio),
        '   covers': covered(measured.distances),
      });
    }
  }
  return {
    title: `Estimates of the whole network against the truth: bias, and how often the 95 % interval covers it (zones of about ${ZONE_NODES} nodes)`,
    rows,
    notes: [
      'p: share of the true nodes of the zone that one look finds and verifies. Naive: verified nodes x 2^bits, without p.',
    ],
  };
}

/** A crawl of everything that takes long, while nodes come and go. */
function durationTable(options: ScenarioOptions): SimTable {
  const nodes = options.nodes ?? 20_000;
  const rows = [1, 10, 60, 360].map((minutes): Row => {
    const horizonMs = minutes * 4 * MINUTE_MS;
    const world = worldOf(options.seed, nodes, { medianSessionMin: 200, horizonMs, ...lossy(0.01) });
    // Listed, a good half of it asked twice.
    const queries = (nodes / 0.6) * 1.4;
    const perSecond = queries / (minutes * 60);
    const policy = {
      total: { perSecond, burst: Math.max(1, Math.ceil(perSecond / 10)) },
      // Only the pace in all shall decide how long it takes.
      perHost: { perSecond: 1_000, burst: 1_000 },
      perSubnet: { perSecond: 1_000, burst: 1_000 },
    };
    const {
      first,
      nodes: truth,
      p,
    } = runTrial(world, { seed: options.seed, zone: Zone.everything, policy, repeats: false });
    const atEnd = world.stillThere(first.hosts, first.endMs);
    return {
      'crawl, min': Math.round((first.endMs - first.startMs) / MINUTE_MS),
      'queries/s': Math.round(perSecond),
      'true nodes at once': truth,
      verified: first.verified.size,
      'of the true number': p,
      'gone at the end': percent(1 - atEnd / first.verified.size),
      'there at the end, not seen': percent(1 - atEnd / world.reachable(first.endMs)),
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

export function runCrawlTruth(options: ScenarioOptions): SimTable[] {
  return [
    coverageTable(options),
    churnCoverageTable(options),
    machinesTable(options),
    durationTable(options),
    zoneTable(options),
    addressTable(options),
  ];
}
