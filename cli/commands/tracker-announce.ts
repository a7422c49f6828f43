// `tt tracker announce`: one announce to each tracker over every address family, with what came back.
import { randomBytes } from 'node:crypto';
import { peerIdOf } from '../../core/base/ids.ts';
import { type AnnounceOnceResult, announceOnce } from '../../tracker/io/once.ts';
import { failureOf } from '../base/failure.ts';
import type { Outcome } from '../base/outcome.ts';
import { optionalFlagValue, parseBytes, parseCount, parseDurationMs, parsePort } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';
import { safeText } from '../terminal/text.ts';
import { formatCount, formatDuration } from '../terminal/units.ts';
import { noAnswer, questionOf } from '../torrent/tracker-questions.ts';
import { trackerClientOptions } from '../transfer/compose.ts';

const PEER_ID_PREFIX = '-tt0100-';
const PEER_ID_TAIL_BYTES = 6;

function probePeerId(): Uint8Array {
  return new TextEncoder().encode(PEER_ID_PREFIX + randomBytes(PEER_ID_TAIL_BYTES).toString('hex'));
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags, interrupts, settings } = context;
  const timeoutMs = optionalFlagValue('--timeout', flags.text('timeout'), parseDurationMs);
  const portText = flags.text('port');
  const port =
    portText === undefined || portText === '0' ? 0 : optionalFlagValue('--port', portText, parsePort);
  const left = optionalFlagValue('--left', flags.text('left'), parseBytes);
  const numwant = optionalFlagValue('--numwant', flags.text('numwant'), parseCount);
  const { urls, torrents } = await questionOf(context);
  const peerId = peerIdOf(probePeerId());
  const answers = await Promise.all(
    urls.flatMap((url) =>
      torrents.map(({ infoHash }) =>
        announceOnce({
          ...trackerClientOptions(settings),
          url,
          infoHash,
          peerId,
          signal: interrupts.signal,
          ...(port === undefined ? {} : { port }),
          ...(left === undefined ? {} : { left }),
          ...(numwant === undefined ? {} : { numwant }),
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
        }),
      ),
    ),
  );
  const data = { answers };
  const text = answers.map(answerText).join('\n');
  if (answers.some((answer) => answer.ok)) return { reason: 'done', text, data };
  const error = noAnswer(
    answers.flatMap((answer) => answer.families.map((family) => family.error)),
    urls,
  );
  return { reason: error.slug, text: '', data, failure: failureOf(error) };
}

function answerText(answer: AnnounceOnceResult): string {
  const lines = [`${safeText(answer.url)}  ${answer.infoHash}`];
  for (const each of answer.families) {
    const family = each.family === undefined ? 'proxy' : `IPv${each.family}`;
    if (each.error !== undefined) {
      lines.push(`  ${family}: ${safeText(each.error)}`);
      continue;
    }
    const facts = [
      each.seeds === undefined ? undefined : formatCount(each.seeds, 'seed'),
      each.leechers === undefined ? undefined : formatCount(each.leechers, 'leecher'),
      formatCount(each.peers.length, 'address', 'addresses'),
      each.intervalMs === undefined ? undefined : `again in ${formatDuration(each.intervalMs)}`,
      each.externalHost === undefined ? undefined : `sees us as ${each.externalHost}`,
      `${Math.round(each.tookMs)} ms`,
    ].filter((fact) => fact !== undefined);
    lines.push(`  ${family}: ${facts.join(', ')}`);
    if (each.warning !== undefined) lines.push(`    warning: ${safeText(each.warning)}`);
    for (const peer of each.peers) lines.push(`    ${safeText(peer)}`);
  }
  return lines.join('\n');
}
