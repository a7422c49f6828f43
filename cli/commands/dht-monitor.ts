// `tt dht monitor`: how long the nodes of a zone stay, without preferring short sessions or forgetting long ones.
import { UsageError } from '../../core/base/result.ts';
import type { CrawlConfig } from '../../dht/crawl/config.ts';
import { type MonitorProgress, MonitorRun, USUAL_WINDOW_MS } from '../../dht/crawl/io/monitor-run.ts';
import { USUAL_RESCAN_MS } from '../../dht/crawl/io/monitor-scans.ts';
import type { Outcome } from '../base/outcome.ts';
import { optionalFlagValue, parseDurationMs } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';
import { addressBook, crawlConfig, jsonlWriter, optOutFile, runDirectory } from '../crawl/crawl-arguments.ts';
import { resumedRun } from '../crawl/crawl-resume.ts';
import { crawlKey, entriesOf, toolIdentity } from '../crawl/crawl-session.ts';
import { runJson, summaryText } from '../crawl/crawl-text.ts';
import { commandNodeOptions } from '../dht/dht-command.ts';
import { formatCount, formatDuration } from '../terminal/units.ts';

const LIVE_INTERVAL_MS = 1_000;
const PLAIN_INTERVAL_MS = 30_000;
const LEAST_MS = 1_000;

function line({ watched, present, sessions, scans, elapsedMs, windowMs }: MonitorProgress): string {
  return [
    `watching ${formatCount(watched, 'node')}`,
    `${present} there`,
    `${formatCount(sessions, 'session')} ended`,
    formatCount(scans, 'scan'),
    `${formatDuration(Math.max(0, windowMs - elapsedMs))} left`,
  ].join(' · ');
}

/** @throws UsageError */
function monitorConfig(context: CommandContext): CrawlConfig {
  const { flags } = context;
  const windowMs = optionalFlagValue('--for', flags.text('for'), parseDurationMs) ?? USUAL_WINDOW_MS;
  const rescanMs = optionalFlagValue('--rescan', flags.text('rescan'), parseDurationMs) ?? USUAL_RESCAN_MS;
  if (windowMs < LEAST_MS)
    throw new UsageError('--for: at least 1s; sessions of up to half of it are seen whole');
  if (rescanMs < LEAST_MS)
    throw new UsageError('--rescan: at least 1s; every crawl asks every node of the zone');
  return {
    ...crawlConfig(context, 'monitor'),
    ...{ repeats: 0, recheckShare: 0, lookups: 0, windowMs, rescanMs },
  };
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags, output, settings, interrupts } = context;
  const { console } = output;
  const optOut = optOutFile(context);
  const book = addressBook(context);
  const resumed = flags.text('resume');
  const config = resumed === undefined ? monitorConfig(context) : undefined;
  const { directory, header } =
    resumed === undefined
      ? { directory: runDirectory(context, 'monitor') }
      : resumedRun(context, resumed, 'monitor', optOut, book);
  const family = config?.family ?? header?.family;
  const node = commandNodeOptions(context);
  const jsonlName = flags.text('jsonl');
  let timer: NodeJS.Timeout | undefined;
  try {
    const result = await MonitorRun.run({
      directory,
      tool: toolIdentity(),
      config,
      optOut: optOut.optOut,
      optOutHash: optOut.hash,
      key: crawlKey(settings.stateDir),
      bind: family === 6 ? node.bindV6 : node.bindV4,
      port: flags.text('port') === undefined ? 0 : settings.port[0],
      entries: (each) => entriesOf(context, each),
      lookups: undefined,
      book,
      jsonl: jsonlWriter(context, resumed !== undefined),
      signal: interrupts.signal,
      onStart: (run) => {
        output.notice('started', `tt: run ${run.runId} in ${directory}: zone ${run.config.zone}`, {
          run: run.runId,
          directory,
          zone: run.config.zone,
        });
        const show = (): void => {
          if (output.mode.isEvents) output.notice('progress', '', { ...run.progress() });
          else if (output.mode.isQuiet || output.mode.isJson) return;
          else if (console.isLive) console.live([line(run.progress())]);
          else console.err(`tt: ${line(run.progress())}`);
        };
        const isQuick = output.mode.isEvents || console.isLive;
        timer = setInterval(show, isQuick ? LIVE_INTERVAL_MS : PLAIN_INTERVAL_MS);
      },
    });
    const isPartial = result.run.state === 'partial';
    if (isPartial && !output.isForPrograms)
      output.notice('partial', `tt: partial: go on with \`tt dht monitor --resume ${directory}\``, {});
    return {
      reason: isPartial ? 'unfinished' : 'done',
      text: jsonlName === '-' ? '' : summaryText(result),
      data: { directory, ...runJson(result.run, result.summary) },
    };
  } finally {
    clearInterval(timer);
    console.clearLive();
  }
}
