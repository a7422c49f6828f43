// `tt dht crawl --engine nats://...`: this process gathers what workers find. `--worker`: this process is one of them.
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { UsageError } from '../../core/base/result.ts';
import type { CrawlConfig } from '../../dht/crawl/config.ts';
import { GONE_MS } from '../../dht/crawl/fleet/roster.ts';
import type { FleetProgress } from '../../dht/crawl/io/fleet-run.ts';
import { FLEET_FILE } from '../../dht/crawl/io/run-parts.ts';
import { readHeader } from '../../dht/dataset/io/header-file.ts';
import type { Flags } from '../base/flag-values.ts';
import { done, type Outcome } from '../base/outcome.ts';
import { optionalFlagValue, parseCount } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';
import { commandNodeOptions } from '../dht/dht-command.ts';
import { formatCount } from '../terminal/units.ts';
import type { ModelScreen } from '../ui/model-screen.ts';
import { optOutFile, timeLimitMs } from './crawl-arguments.ts';
import {
  type CrawlTask,
  crawlKey,
  entriesOf,
  openScreen,
  screenTitle,
  toolIdentity,
} from './crawl-session.ts';
import { bigNumber } from './crawl-text.ts';
import type { ModelOptions } from './curves-model.ts';
import type { FleetModel } from './fleet-screen.ts';

const USUAL_PARTS = 16;
const MOST_PARTS = 4096;
const MOST_VANTAGES = 16;
const USUAL_VANTAGE = 'default';
const SHOW_MS = 500;
/** Part of a subject: no dots, no wildcards. */
const NAME = /^[A-Za-z0-9_-]{1,32}$/;

/** @returns undefined for the engine within this process. @throws UsageError */
export function engineUrl(flags: Flags): string | undefined {
  const text = flags.text('engine');
  if (text === undefined || text === 'local') return undefined;
  const url = URL.parse(text);
  if (url?.protocol !== 'nats:' && url?.protocol !== 'tls:')
    throw new UsageError(`--engine: "${text}" is neither local nor a nats://HOST:PORT`);
  return text;
}

/** @throws UsageError on flags of a fleet without one */
export function checkFleetFlags(flags: Flags): void {
  const isFleet = engineUrl(flags) !== undefined;
  if (flags.isOn('worker') && !isFleet)
    throw new UsageError('--worker needs --engine nats://HOST:PORT, where the orders are');
  if (!isFleet && (flags.text('vantages') !== undefined || flags.text('parts') !== undefined))
    throw new UsageError('--vantages and --parts need --engine nats://HOST:PORT');
  if (flags.text('vantage') !== undefined && !flags.isOn('worker'))
    throw new UsageError('--vantage says where a --worker stands; a coordinator names all with --vantages');
  if (
    flags.isOn('worker') &&
    (flags.text('resume') ?? flags.text('out') ?? flags.text('jsonl')) !== undefined
  )
    throw new UsageError('--worker keeps no dataset: leave out --resume, --out and --jsonl');
  if (isFleet && flags.list('mmdb').length > 0)
    throw new UsageError(
      '--mmdb and --engine exclude each other: places are looked up where the nodes are asked',
      'Crawl with --ip-privacy prefix, then `tt dht enrich RUN --mmdb FILE`.',
    );
  if (isFleet && !flags.isOn('worker') && flags.text('jsonl') !== undefined)
    throw new UsageError('--jsonl and --engine exclude each other: rows come in the order of their parts');
}

/** A run of several machines goes on as one, and no other does. @param name as typed @throws UsageError */
export function checkFleetResume(flags: Flags, name: string, directory: string): void {
  const isFleet = engineUrl(flags) !== undefined;
  const wasFleet = existsSync(path.join(directory, FLEET_FILE));
  if (wasFleet && !isFleet)
    throw new UsageError(`the run in ${name} is one of several machines: add --engine nats://HOST:PORT`);
  if (isFleet && !wasFleet)
    throw new UsageError(`the run in ${name} is one of a single machine: leave out --engine`);
}

function nameOf(flag: string, text: string): string {
  if (!NAME.test(text)) throw new UsageError(`${flag}: "${text}" is not a name of letters, digits, - and _`);
  return text;
}

export async function runWorker(context: CommandContext): Promise<Outcome> {
  const { flags, output, interrupts } = context;
  const vantage = nameOf('--vantage', flags.text('vantage') ?? USUAL_VANTAGE);
  const optOut = optOutFile(context);
  const idleMs = timeLimitMs(flags);
  const node = commandNodeOptions(context);
  const name = `${os.hostname()}:${process.pid}`;
  const { JetStreamEngine } = await import('../../dht/crawl/io/jetstream.ts');
  const { work } = await import('../../dht/crawl/io/fleet-worker.ts');
  const engine = await JetStreamEngine.open(engineUrl(flags) as string);
  try {
    output.notice('worker', `tt: worker ${name} waits for orders of vantage point ${vantage}`, {
      name,
      vantage,
    });
    const orders = await work({
      engine,
      name,
      vantage,
      optOut: optOut.optOut,
      bind: (family) => (family === 6 ? node.bindV6 : node.bindV4),
      entries: (config) => entriesOf(context, config),
      signal: interrupts.signal,
      idleMs,
      onOrder: ({ zone, runId, order }) =>
        output.notice('order', `tt: crawling ${zone} of run ${runId}`, { run: runId, order, zone }),
      onDone: ({ zone, runId, order }, rows) =>
        output.notice('order-done', `tt: ${zone} done, ${formatCount(rows, 'row')}`, {
          run: runId,
          order,
          zone,
          rows,
        }),
      onTrouble: (why) => output.warn(`an order was given back: ${why}`),
    });
    return done(`${formatCount(orders, 'order')} done`, { orders });
  } finally {
    await engine.close();
  }
}

export async function runFleet(
  context: CommandContext,
  task: CrawlTask,
  url: string,
): Promise<Awaited<ReturnType<typeof import('../../dht/crawl/io/fleet-run.ts').FleetRun.run>>> {
  const { flags, output, settings, interrupts } = context;
  const parts = optionalFlagValue('--parts', flags.text('parts'), parseCount) ?? USUAL_PARTS;
  if (parts < 1 || parts > MOST_PARTS) throw new UsageError(`--parts: from 1 to ${MOST_PARTS}`);
  const vantages = (flags.text('vantages') ?? USUAL_VANTAGE)
    .split(',')
    .map((each) => nameOf('--vantages', each.trim()));
  if (new Set(vantages).size !== vantages.length || vantages.length > MOST_VANTAGES)
    throw new UsageError(`--vantages: up to ${MOST_VANTAGES} different names`);
  const { JetStreamEngine } = await import('../../dht/crawl/io/jetstream.ts');
  const { FleetRun } = await import('../../dht/crawl/io/fleet-run.ts');
  const engine = await JetStreamEngine.open(url);
  const { console } = output;
  let shownMs = 0;
  let last = -1;
  let hasEnded = false;
  let screen: ModelScreen<FleetModel> | undefined;
  const show = (progress: FleetProgress): void => {
    const nowMs = performance.now();
    if (nowMs - shownMs < SHOW_MS && progress.done < progress.orders) return;
    shownMs = nowMs;
    if (screen?.isOpen === true) screen.model.update(progress);
    else if (output.mode.isEvents) output.notice('progress', '', fleetJson(progress));
    else if (output.mode.isQuiet || output.mode.isJson) return;
    else if (console.isLive) console.live([fleetLine(progress)]);
    else if (progress.done !== last) console.err(`tt: ${fleetLine(progress)}`);
    last = progress.done;
  };
  const model = async (options: ModelOptions): Promise<FleetModel> =>
    new (await import('./fleet-screen.ts')).FleetModel(options);
  try {
    return await FleetRun.run({
      engine,
      directory: task.directory,
      tool: toolIdentity(),
      config: task.config,
      optOut: task.optOut.optOut,
      optOutHash: task.optOut.hash,
      key: crawlKey(settings.stateDir),
      vantages,
      parts,
      signal: interrupts.signal,
      timeMs: timeLimitMs(flags),
      onStart: (runId, orders) => {
        output.notice(
          'started',
          `tt: run ${runId} in ${task.directory}: ${formatCount(orders, 'order')} given to ${url}; workers: \`tt dht crawl --worker --engine ${url}${vantages[0] === USUAL_VANTAGE ? '' : ' --vantage NAME'}\``,
          {
            run: runId,
            directory: task.directory,
            orders,
          },
        );
        const title = screenTitle(task.config ?? (readHeader(task.directory).config as CrawlConfig));
        void openScreen(context, title, model).then((opened) => {
          screen = opened;
          if (hasEnded) opened?.close();
        });
      },
      onProgress: show,
    });
  } finally {
    hasEnded = true;
    screen?.close();
    console.clearLive();
    await engine.close();
  }
}

function fleetLine(progress: FleetProgress): string {
  const { done: finished, orders, rows, discarded, workers, verified, queriesPerSec, estimate } = progress;
  const alive = workers.filter(({ silentMs }) => silentMs <= GONE_MS).length;
  return [
    `${finished} of ${formatCount(orders, 'order')} done`,
    formatCount(alive, 'worker'),
    `${bigNumber(verified)} verified`,
    `${bigNumber(queriesPerSec)}/s`,
    `${bigNumber(rows)} rows`,
    ...(estimate === undefined ? [] : [`about ${bigNumber(estimate.value)} nodes`]),
    ...(discarded === 0 ? [] : [`${formatCount(discarded, 'attempt')} thrown away`]),
  ].join(' · ');
}

/** For programs: what a person is shown. */
function fleetJson({
  vantages,
  clients,
  workers,
  ...progress
}: FleetProgress): Readonly<Record<string, unknown>> {
  return {
    ...progress,
    elapsedMs: Math.round(progress.elapsedMs),
    vantages: vantages.map(({ name, orders }) => ({
      ...{ name, orders: orders.length },
      done: orders.filter((state) => state === 'done').length,
      working: orders.filter((state) => state === 'working').length,
    })),
    workers: workers.map(({ work, ...worker }) => ({
      ...worker,
      silentMs: Math.round(worker.silentMs),
      ...(work === undefined ? {} : { order: work.order, zone: work.zone, visits: work.visits }),
    })),
    clients: Object.fromEntries(clients),
  };
}
