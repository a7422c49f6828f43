// `tt lab dht [EXPERIMENT...]`: whole DHTs of our own node on virtual time, as tables beside the values they should have.
import { UsageError } from '../../core/base/result.ts';
import { formatText } from '../../dht/sim/report.ts';
import { DHT_SCENARIOS } from '../../dht/sim/scenarios.ts';
import { done, type Outcome } from '../base/outcome.ts';
import { optionalFlagValue, parseCount, parseNumber } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';
import type { LabResult, LabTask } from '../dht/lab-task.ts';
import { startLabThread } from '../dht/lab-thread.ts';
import { formatElapsed } from '../terminal/units.ts';

const DEFAULT_SEED = 1;

/** @returns undefined when a signal ended it */
async function runTask(task: LabTask, signal: AbortSignal): Promise<LabResult | undefined> {
  if (signal.aborted) return undefined;
  const worker = startLabThread(task);
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      void worker.terminate();
      resolve(undefined);
    };
    signal.addEventListener('abort', stop, { once: true });
    worker.once('message', (result: LabResult) => resolve(result));
    worker.once('error', reject);
    worker.once('exit', () => {
      signal.removeEventListener('abort', stop);
      resolve(undefined);
    });
  });
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { args, flags, output, interrupts } = context;
  const names = DHT_SCENARIOS.map(({ name }) => name);
  const unknown = args.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`there is no experiment "${unknown}"`, `There are: ${names.join(', ')}.`);
  }
  const seed = optionalFlagValue('--seed', flags.text('seed'), parseCount) ?? DEFAULT_SEED;
  const nodes = optionalFlagValue('--nodes', flags.text('nodes'), parseCount);
  const effort = optionalFlagValue('--effort', flags.text('effort'), parseNumber) ?? 1;
  const reports: Readonly<Record<string, unknown>>[] = [];
  for (const scenario of args.length > 0 ? args : names) {
    const result = await runTask({ scenario, seed, nodes, effort }, interrupts.signal);
    if (result === undefined) return { reason: 'unfinished', text: '', data: { seed, reports } };
    const report = { experiment: scenario, tables: result.tables };
    reports.push(report);
    if (!output.isForPrograms) output.console.out(`${result.tables.map(formatText).join('\n\n')}\n`);
    output.notice('experiment', `tt: ${scenario} with seed ${seed} took ${formatElapsed(result.elapsedMs)}`, {
      ...report,
      elapsedMs: Math.round(result.elapsedMs),
    });
  }
  return done('', { seed, nodes, effort, reports });
}
