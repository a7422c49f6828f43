// How often intervals cover the truth when a crawl lasts while nodes come and go: two looks at a population that is not closed.

import { Id160 } from '../../base/node-id.ts';
import type { Estimate } from '../../crawl/estimates.ts';
import { Zone } from '../../crawl/zone.ts';
import { mean, stream } from '../chance.ts';
import { runTrial, type TrialOutcome } from '../crawl-trial.ts';
import type { Row, SimTable } from '../report.ts';
import { type ScenarioOptions, trials } from '../scenario.ts';
import { bias, lastingFor, lossy, MINUTE_MS, worldOf } from './crawl-parts.ts';

const NODES = 4_000;
const ZONE_BITS = 3;
const TRIALS = 100;
const MINUTES = [1, 10, 60, 180];
const MEDIAN_SESSION_MIN = 200;

function covers(
  pairs: readonly { readonly estimate: Estimate | undefined; readonly truth: number }[],
): string {
  const held = pairs.filter(
    ({ estimate, truth }) => estimate !== undefined && estimate.low <= truth && truth <= estimate.high,
  );
  return `${held.length} of ${pairs.length}`;
}

type Figures = Pick<TrialOutcome, 'nodesAtEnd' | 'p' | 'bernoulli' | 'chapman' | 'uncorrected'> & {
  readonly lookMs: number;
};

/** Figures only: the tables of a hundred crawlers would be gigabytes. @param minutes of one look */
export function churnTrial(
  options: Pick<ScenarioOptions, 'seed' | 'nodes'>,
  minutes: number,
  trial: number,
): Figures {
  const seed = options.seed * 1_000 + trial;
  // A world for each trial: one that lasts for all of them would have more members gone than there.
  const nodes = options.nodes ?? NODES;
  const world = worldOf(seed, nodes, {
    ...lossy(0.01),
    medianSessionMin: MEDIAN_SESSION_MIN,
    horizonMs: minutes * 6 * MINUTE_MS,
  });
  const { first, nodesAtEnd, p, bernoulli, chapman, uncorrected } = runTrial(world, {
    seed,
    zone: new Zone(Id160.random(stream(seed, 'ids', 7)), ZONE_BITS),
    policy: lastingFor(minutes, nodes / 2 ** ZONE_BITS),
  });
  return { nodesAtEnd, p, bernoulli, chapman, uncorrected, lookMs: first.endMs - first.startMs };
}

function churnCoverageTable(options: ScenarioOptions): SimTable {
  const count = trials(options, TRIALS);
  const rows = MINUTES.map((minutes): Row => {
    const outcomes = Array.from({ length: count }, (_, trial) => churnTrial(options, minutes, trial));
    const pairs = (pick: (outcome: Figures) => Estimate | undefined) =>
      outcomes.map((outcome) => ({ estimate: pick(outcome), truth: outcome.nodesAtEnd }));
    const ratios = (pick: (outcome: Figures) => Estimate | undefined): number[] =>
      pairs(pick).flatMap(({ estimate, truth }) => (estimate === undefined ? [] : [estimate.value / truth]));
    return {
      'one look, min': Math.round(mean(outcomes.map(({ lookMs }) => lookMs / MINUTE_MS))),
      'true nodes': Math.round(mean(outcomes.map(({ nodesAtEnd }) => nodesAtEnd))),
      p: mean(outcomes.map(({ p }) => p)),
      Bernoulli: bias(mean(ratios(({ bernoulli }) => bernoulli))),
      ' covers': covers(pairs(({ bernoulli }) => bernoulli)),
      Chapman: bias(mean(ratios(({ chapman }) => chapman))),
      '  covers': covers(pairs(({ chapman }) => chapman)),
      uncorrected: bias(mean(ratios(({ uncorrected }) => uncorrected))),
      '   covers': covers(pairs(({ uncorrected }) => uncorrected)),
    };
  });
  return {
    title: `The same while nodes come and go, by how long one look lasts (median session ${MEDIAN_SESSION_MIN} min, ${options.nodes ?? NODES} nodes, zones /${ZONE_BITS}, 1 % loss)`,
    rows,
    notes: [
      'Truth: nodes that are there when the first look is over. After five minutes and more some of them are asked again then, and a part of the zone is looked at once more. Uncorrected: Bernoulli without what that says.',
    ],
  };
}

export function runCrawlChurn(options: ScenarioOptions): SimTable[] {
  return [churnCoverageTable(options)];
}
