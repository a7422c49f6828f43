// Runs a crawl for a command: where it enters, its lookups on a node of ours, its progress as a line or as events, its end.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { OperationError, UsageError } from '../../core/base/result.ts';
import { DhtAddress } from '../../dht/base/address.ts';
import { Id160 } from '../../dht/base/node-id.ts';
import type { LookupResult } from '../../dht/base/results.ts';
import type { CrawlConfig } from '../../dht/crawl/config.ts';
import { CrawlRun } from '../../dht/crawl/io/crawl-run.ts';
import type { CrawlProgress, CrawlResult } from '../../dht/crawl/io/crawl-setup.ts';
import { PolitePort } from '../../dht/crawl/io/polite-port.ts';
import { loadKey } from '../../dht/crawl/io/privacy.ts';
import type { ToolIdentity } from '../../dht/crawl/io/run-header.ts';
import type { OptOut } from '../../dht/crawl/opt-out.ts';
import type { AddressBook } from '../../dht/dataset/io/address-book.ts';
import { readHeader } from '../../dht/dataset/io/header-file.ts';
import { DhtNode } from '../../dht/io/dht-node.ts';
import { PUBLIC_ROUTERS, resolveRouters } from '../../dht/io/routers.ts';
import { loadState } from '../../dht/io/state-file.ts';
import { systemRng } from '../../dht/io/system-rng.ts';
import { UdpShell } from '../../dht/io/udp-shell.ts';
import { flagValue, parseHostPort } from '../base/parse.ts';
import { isDumb } from '../base/terminal-kind.ts';
import { ttVersion } from '../base/version.ts';
import type { CommandContext } from '../contract/context.ts';
import { commandNodeOptions } from '../dht/dht-command.ts';
import { isCi } from '../output/output.ts';
import { wantsColor } from '../terminal/style.ts';
import type { ModelScreen, NotingModel } from '../ui/model-screen.ts';
import { jsonlWriter, type OptOutFile, timeLimitMs } from './crawl-arguments.ts';
import type { CrawlModel } from './crawl-screen.ts';
import { crawlLine, progressJson } from './crawl-text.ts';
import type { ModelOptions } from './curves-model.ts';
import { Pace } from './live-estimate.ts';

const LIVE_INTERVAL_MS = 500;
const PLAIN_INTERVAL_MS = 5_000;
/** Saved nodes that are tried beside the routers. */
const MAX_SAVED = 64;
const LOOKUP_TIMEOUT_MS = 20_000;
const KEY_FILE = 'crawl.key';

export function toolIdentity(): ToolIdentity {
  return { version: ttVersion(), commit: commitOf() };
}

/** What hides addresses. @throws OperationError `disk` */
export function crawlKey(stateDir: string): Uint8Array {
  return loadKey(path.join(stateDir, KEY_FILE));
}

/** Of the checkout tt runs from; undefined elsewhere. */
function commitOf(): string | undefined {
  try {
    const cwd = path.dirname(fileURLToPath(import.meta.url));
    return execFileSync('git', ['rev-parse', 'HEAD'], {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

/** Where a crawl enters. @throws OperationError `network` when there is no way in */
export async function entriesOf(
  context: CommandContext,
  config: CrawlConfig,
): Promise<readonly DhtAddress[]> {
  const named = config.bootstrap.map((text) => flagValue('--bootstrap', text, parseHostPort));
  const addresses = await resolveRouters(named.length > 0 ? named : PUBLIC_ROUTERS);
  if (named.length === 0) {
    const statePath = commandNodeOptions(context).statePath;
    const state = statePath === undefined ? undefined : await loadState(statePath);
    for (const { address } of (state?.contacts ?? []).slice(0, MAX_SAVED)) {
      const saved = DhtAddress.of(address);
      if (saved !== undefined) addresses.push(saved);
    }
  }
  const usable = addresses.filter(({ family }) => family === config.family);
  if (usable.length === 0) {
    throw new OperationError('network', `no IPv${config.family} node to begin with`, {
      hint: 'Name one with --bootstrap HOST:PORT, or run `tt dht node` once.',
    });
  }
  return usable;
}

/** Distances of the nearest live nodes to random targets, by our own node: as polite as the crawl, and with its opt-out list. */
async function lookupDistances(
  context: CommandContext,
  config: CrawlConfig,
  optOut: OptOut,
): Promise<readonly (readonly number[])[]> {
  const options = commandNodeOptions(context);
  const { bindV4, bindV6 } = options;
  const node = await DhtNode.open({
    ...options,
    ipv4: config.family === 4,
    ipv6: config.family === 6,
    readOnly: true,
    nodeId: Id160.random(systemRng).toBytes(),
    openPort: async () =>
      new PolitePort(
        await UdpShell.open({ families: [config.family], port: 0, bindV4, bindV6 }),
        optOut,
        config.policy.total,
        () => performance.now(),
      ),
  });
  try {
    await node.ready;
    const distances: number[][] = [];
    for (let i = 0; i < config.lookups && !context.interrupts.signal.aborted; i++) {
      const target = Id160.random(systemRng);
      const result = await new Promise<LookupResult | undefined>((resolve) => {
        const timer = setTimeout(() => resolve(undefined), LOOKUP_TIMEOUT_MS);
        node.run((machine, nowMs) =>
          machine.findNode(
            target.toBytes(),
            {
              onDone: (done) => {
                clearTimeout(timer);
                resolve(done);
              },
            },
            nowMs,
          ),
        );
      });
      const found = result?.closest.map(({ id }) => Id160.of(id).distanceFraction(target)) ?? [];
      if (found.length > 1) distances.push(found);
    }
    return distances;
  } finally {
    await node.close();
  }
}

export interface CrawlTask {
  readonly directory: string;
  /** Undefined: continue what is there. */
  readonly config: CrawlConfig | undefined;
  readonly optOut: OptOutFile;
  readonly book?: AddressBook | undefined;
}

/** `tt dht crawl a3f/12`; what is no crawl of a zone says so. */
export function screenTitle({ mode, zone }: CrawlConfig): string {
  if (mode === 'sample') return `tt dht sample ${zone}`;
  return mode === 'zone' ? `tt dht crawl ${zone}` : `tt dht crawl ${zone}, ${mode}`;
}

type CrawlScreen = ModelScreen<CrawlModel>;

/** A full screen where it fits; undefined: the progress line. */
export async function openScreen<M extends NotingModel>(
  { environment, output, interrupts }: CommandContext,
  title: string,
  makeModel: (options: ModelOptions) => Promise<M>,
): Promise<ModelScreen<M> | undefined> {
  const { terminal, env } = environment;
  const { console, mode } = output;
  const isWanted = mode.screen ?? !isCi(env['CI']);
  if (terminal === undefined || output.isForPrograms || mode.isQuiet || isDumb(env) || !isWanted)
    return undefined;
  const { ModelScreen: Screen } = await import('../ui/model-screen.ts');
  const hasColor = wantsColor({ choice: console.color, env, isTty: true });
  const model = await makeModel({
    ...{ hasColor, title },
    quit: () => interrupts.stop(),
    interrupt: () => interrupts.interrupt(),
  });
  const opened = new Screen(console, model);
  return (await opened.open(terminal)) ? opened : undefined;
}

export async function runCrawl(context: CommandContext, task: CrawlTask): Promise<CrawlResult> {
  const { flags, output, settings, interrupts } = context;
  const node = commandNodeOptions(context);
  const jsonlName = flags.text('jsonl');
  const { console } = output;
  const jsonl = jsonlWriter(context, task.config === undefined);
  if (jsonlName === '-' && output.isForPrograms)
    throw new UsageError('--jsonl - and --json or --events exclude each other: both own stdout');
  let timer: NodeJS.Timeout | undefined;
  let screen: CrawlScreen | undefined;
  let hasEnded = false;
  const pace = new Pace();
  const show = (progress: CrawlProgress): void => {
    const leftMs = pace.update(progress);
    if (screen?.isOpen === true) screen.model.update(progress, leftMs);
    else if (output.mode.isEvents) output.notice('progress', '', progressJson(progress, leftMs));
    else if (output.mode.isQuiet || output.mode.isJson) return;
    else if (console.isLive) console.live([crawlLine(progress, leftMs)]);
    else console.err(`tt: ${crawlLine(progress, leftMs)}`);
  };
  try {
    return await CrawlRun.run({
      directory: task.directory,
      tool: toolIdentity(),
      config: task.config,
      optOut: task.optOut.optOut,
      optOutHash: task.optOut.hash,
      key: crawlKey(settings.stateDir),
      bind: (task.config?.family ?? readHeader(task.directory).family) === 6 ? node.bindV6 : node.bindV4,
      port: flags.text('port') === undefined ? 0 : settings.port[0],
      entries: (config) => entriesOf(context, config),
      lookups: (config) => lookupDistances(context, config, task.optOut.optOut),
      jsonl,
      book: task.book,
      signal: interrupts.signal,
      timeMs: timeLimitMs(flags),
      onStart: (run) => {
        output.notice('started', `tt: run ${run.runId} in ${task.directory}: zone ${run.config.zone}`, {
          run: run.runId,
          directory: task.directory,
          zone: run.config.zone,
          seed: run.config.seed,
        });
        const intervalMs = output.mode.isEvents || console.isLive ? LIVE_INTERVAL_MS : PLAIN_INTERVAL_MS;
        timer = setInterval(() => show(run.progress()), intervalMs);
        // The rows own the terminal.
        if (jsonlName === '-') return;
        const model = async (options: ModelOptions): Promise<CrawlModel> =>
          new (await import('./crawl-screen.ts')).CrawlModel(options);
        void openScreen(context, screenTitle(run.config), model).then((opened) => {
          screen = opened;
          if (hasEnded) opened?.close();
        });
      },
    });
  } finally {
    hasEnded = true;
    clearInterval(timer);
    screen?.close();
    console.clearLive();
  }
}
