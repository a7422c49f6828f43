// `tt dht crawl`: measures the DHT: visits every node of a zone once, politely, and says how many there are and how sure it is.

import type { Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { addressBook, crawlConfig, optOutFile, runDirectory } from '../crawl/crawl-arguments.ts';
import { resumedRun } from '../crawl/crawl-resume.ts';
import { runCrawl } from '../crawl/crawl-session.ts';
import { runJson, summaryText } from '../crawl/crawl-text.ts';
import { checkFleetFlags, checkFleetResume, engineUrl, runFleet, runWorker } from '../crawl/fleet-session.ts';

const HOME_ROUTER_RATE = 100;

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags, output } = context;
  checkFleetFlags(flags);
  const engine = engineUrl(flags);
  if (flags.isOn('worker')) return runWorker(context);
  const resumed = flags.text('resume');
  const optOut = optOutFile(context);
  const book = addressBook(context);
  let task: Parameters<typeof runCrawl>[1];
  if (resumed === undefined) {
    const config = crawlConfig(context);
    task = { directory: runDirectory(context, config.mode), config, optOut, book };
    if (config.policy.total.perSecond > HOME_ROUTER_RATE && config.bootstrap.length === 0) {
      output.warn(
        'every node asked takes a place in the table of your router: home routers have a few thousand, and stop to work when it is full. Crawl from a server, or use --rate 50.',
      );
    }
  } else {
    const { directory } = resumedRun(context, resumed, 'crawl', optOut, book);
    task = { directory, config: undefined, optOut, book };
    checkFleetResume(flags, resumed, directory);
  }
  const result = engine === undefined ? await runCrawl(context, task) : await runFleet(context, task, engine);
  const isPartial = result.run.state === 'partial';
  if (isPartial && !output.isForPrograms)
    output.notice(
      'partial',
      `tt: partial: go on with \`tt dht crawl --resume ${task.directory}${engine === undefined ? '' : ` --engine ${engine}`}\``,
      {},
    );
  return {
    reason: isPartial ? 'unfinished' : 'done',
    text: flags.text('jsonl') === '-' ? '' : summaryText(result),
    data: { directory: task.directory, ...runJson(result.run, result.summary) },
  };
}
