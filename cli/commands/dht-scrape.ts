// `tt dht scrape HASH`: how many seeds and peers a torrent has, by the bloom filters of the DHT (BEP 33).
import { toHex } from '../../core/base/bytes.ts';
import { OperationError } from '../../core/base/result.ts';
import type { ScrapeResult, SwarmEstimate } from '../../dht/base/results.ts';
import { failureOf } from '../base/failure.ts';
import { done, type Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { infoHashArgument } from '../dht/arguments.ts';
import { demandAnswers, lookupJson, reportLines } from '../dht/describe.ts';
import { DhtCommand } from '../dht/dht-command.ts';
import { formatCount } from '../terminal/units.ts';

function estimateText({ count, error, saturated }: SwarmEstimate, one: string): string {
  const counted = formatCount(Math.round(count), one);
  return `${saturated ? 'at least ' : ''}${counted} (± ${error < 10 ? error.toFixed(1) : Math.round(error)})`;
}

export async function run(context: CommandContext): Promise<Outcome> {
  const infoHash = await infoHashArgument(context);
  return DhtCommand.run(context, {}, async (command) => {
    await command.join();
    const result = await command.operate<ScrapeResult>((machine, nowMs, finish) =>
      machine.scrape(infoHash, { onDone: finish }, nowMs),
    );
    if (result === undefined) throw command.timeout('the scrape');
    demandAnswers(result);
    const { seeds, peers, filters, lists } = result;
    const data = { infoHash: toHex(infoHash), seeds, peers, filters, lists, ...lookupJson(result) };
    if (filters + lists === 0) {
      const problem = new OperationError('timeout', `the DHT knows nothing of ${toHex(infoHash)}`);
      return { reason: 'timeout', text: '', data, failure: failureOf(problem) };
    }
    const basis = [
      filters > 0 ? `the filters of ${formatCount(filters, 'node')}` : '',
      lists > 0 ? `the peer lists of ${formatCount(lists, 'node')}` : '',
    ].filter((each) => each !== '');
    return done(
      [
        `About ${estimateText(seeds, 'seed')} and ${estimateText(peers, 'peer')} that still download or do not say.`,
        `From ${basis.join(' and ')}; ± is the standard error.`,
        ...reportLines(result),
      ].join('\n'),
      data,
    );
  });
}
