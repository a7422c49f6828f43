// `tt lab nat`: swarms whose peers sit behind NATs, on virtual time: which share of all pairs our own ladder connects, and by which rung.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { UsageError } from '../../core/base/result.ts';
import { NAT_SHARES, type NatRows, natRows, PEERS_PER_SWARM, tablesOf } from '../../core/nat/sim/tables.ts';
import { formatText } from '../../dht/sim/report.ts';
import { done, type Outcome } from '../base/outcome.ts';
import { optionalFlagValue, parseCount, parseNumber } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';
import { formatElapsed } from '../terminal/units.ts';

const DEFAULT_SEED = 1;
const DEFAULT_SWARMS = 100;
/** Some ten minutes. */
const MOST_SWARMS = 10_000;

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags, output, interrupts } = context;
  const seed = optionalFlagValue('--seed', flags.text('seed'), parseCount) ?? DEFAULT_SEED;
  const swarms = optionalFlagValue('--swarms', flags.text('swarms'), parseCount) ?? DEFAULT_SWARMS;
  if (swarms === 0 || swarms > MOST_SWARMS) throw new UsageError(`--swarms: from 1 to ${MOST_SWARMS}`);
  const share = optionalFlagValue('--nat-share', flags.text('natShare'), parseNumber);
  if (share !== undefined && share > 1) throw new UsageError('--nat-share: from 0 to 1');
  const startedAtMs = performance.now();
  const rows: NatRows[] = [];
  for (const each of share === undefined ? NAT_SHARES : [share]) {
    // A signal is heard between two rows.
    await nextTurn();
    if (interrupts.signal.aborted) break;
    rows.push(natRows(seed, swarms, each));
  }
  const tables = tablesOf(rows);
  const facts = { seed, peers: swarms * PEERS_PER_SWARM, swarms, tables };
  if (interrupts.signal.aborted) return { reason: 'unfinished', text: '', data: facts };
  const elapsedMs = performance.now() - startedAtMs;
  output.notice('experiment', `tt: nat with seed ${seed} took ${formatElapsed(elapsedMs)}`, {
    experiment: 'nat',
    elapsedMs: Math.round(elapsedMs),
  });
  return done(`${tables.map(formatText).join('\n\n')}\n`, facts);
}
