// The crawler against worlds whose truth is known: true values beside its estimates, and how often its 95 % intervals cover them.

import { Id160 } from '../../base/node-id.ts';
import type { Estimate } from '../../crawl/estimates.ts';
import { Zone } from '../../crawl/zone.ts';
import { mean, stream } from '../chance.ts';
import { runTrial, type TrialOutcome } from '../crawl-trial.ts';
import type { CrawlWorld } from '../crawl-world.ts';
import type { Cell, Row, SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';
import { bias, lossy, percent, worldOf } from './crawl-parts.ts';

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const LOSSES = [0, 0.05, 0.2];
/** Nodes of a zone in the trials of coverage. */
const ZONE_NODES = 500;
const TRIALS = 100;
const LOOKUPS = 32;

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
function measureCoverage(world: CrawlWorld, nodes: number, seed: number, count: number): CoverageOutcome {
  // Figures only: the tables of a hundred crawlers would be gigabytes.
  const outcomes: (Omit<TrialOutcome, 'first' | 'second'> & { readonly found: number })[] = [];
  let bits = 0;
  for (let i = 0; i < count; i++) {
    const zone = zoneFor(nodes, seed * 1_000 + i);
    bits = zone.bits;
    const { first, second, ...figures } = runTrial(world, { seed: seed * 1_000 + i, zone, lookups: LOOKUPS });
    outcomes.push({ ...figures, found: first.trueNodes });
  }
  const cell = (pick: (outcome: (typeof outcomes)[number]) => Estimate | undefined): CoverageCell => {
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
    naive: mean(outcomes.map((outcome) => (outcome.found * 2 ** bits) / outcome.nodes)),
    bits,
  };
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

export function runCrawlTruth(options: ScenarioOptions): SimTable[] {
  return [coverageTable(options)];
}
