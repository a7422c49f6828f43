// `tt dht sample --zone`: every node of a zone asked once for samples (BEP 51), as a dataset. One question each honours any interval.

import type { Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { addressBook, crawlConfig, optOutFile, runDirectory } from './crawl-arguments.ts';
import { runCrawl } from './crawl-session.ts';
import { runJson, summaryText } from './crawl-text.ts';

export async function sampleZone(context: CommandContext): Promise<Outcome> {
  const config = { ...crawlConfig(context, 'sample'), lookups: 0, recheckShare: 0 };
  const directory = runDirectory(context, 'sample');
  const result = await runCrawl(context, {
    directory,
    config,
    optOut: optOutFile(context),
    book: addressBook(context),
  });
  const isPartial = result.run.state === 'partial';
  return {
    reason: isPartial ? 'unfinished' : 'done',
    text: context.flags.text('jsonl') === '-' ? '' : summaryText(result),
    data: { directory, ...runJson(result.run, result.summary) },
  };
}
