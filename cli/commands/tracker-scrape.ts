// `tt tracker scrape`: how many seeds, leechers and downloads each tracker counts.
import { scrapeOnce } from '../../tracker/io/once.ts';
import { failureOf } from '../base/failure.ts';
import type { Outcome } from '../base/outcome.ts';
import { optionalFlagValue, parseDurationMs } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';
import { formatTable } from '../terminal/table.ts';
import { safeText } from '../terminal/text.ts';
import { noAnswer, questionOf } from '../torrent/tracker-questions.ts';
import { trackerClientOptions } from '../transfer/compose.ts';

export async function run(context: CommandContext): Promise<Outcome> {
  const timeoutMs = optionalFlagValue('--timeout', context.flags.text('timeout'), parseDurationMs);
  const { urls, torrents } = await questionOf(context);
  const answers = await Promise.all(
    urls.map((url) =>
      scrapeOnce({
        ...trackerClientOptions(context.settings),
        url,
        infoHashes: torrents.map((torrent) => torrent.infoHash),
        signal: context.interrupts.signal,
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      }),
    ),
  );
  const data = { answers };
  const errors = answers.flatMap((answer) => answer.families.map((family) => family.error));
  if (!answers.some((answer) => answer.ok)) {
    const error = noAnswer(errors, urls);
    return { reason: error.slug, text: '', data, failure: failureOf(error) };
  }
  const rows = answers.flatMap((answer) =>
    answer.families.flatMap((family) => {
      const where = `${safeText(answer.url)}${family.family === undefined ? '' : ` (IPv${family.family})`}`;
      if (family.error !== undefined) return [['-', '-', '-', safeText(family.error), where]];
      return family.torrents.map((torrent, i) =>
        torrent.known
          ? [
              torrent.seeds,
              torrent.leechers,
              torrent.downloads,
              safeText(torrents[i]?.name ?? ''),
              where,
            ].map(String)
          : ['-', '-', '-', `${safeText(torrents[i]?.name ?? '')} (not known)`, where],
      );
    }),
  );
  const table = formatTable(
    [
      { title: 'SEEDS', align: 'right' },
      { title: 'LEECHERS', align: 'right' },
      { title: 'DOWNLOADS', align: 'right' },
      { title: 'TORRENT' },
      { title: 'TRACKER' },
    ],
    rows,
  );
  return { reason: 'done', text: table.join('\n'), data };
}
