// Sources as the commands take them: loaded with the environment's stdin, and a hint where a magnet looks cut short.
import { OperationError } from '../../core/base/result.ts';
import {
  DEFAULT_FETCH_TIMEOUT_MS,
  type LoadedSource,
  loadSource,
  sourceKindOf,
} from '../../core/metainfo/io/load-source.ts';
import { optionalFlagValue, parseDurationMs } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';

export type { LoadedSource };

/**
 * No site is waited for longer than `--timeout` says.
 * @throws OperationError as loadSource; paths are taken from the working directory of the environment
 */
export async function loadOne(context: CommandContext, text: string): Promise<LoadedSource> {
  if (context.settings.proxy !== '' && sourceKindOf(text) === 'url') {
    throw new OperationError('refused', `${text} would be fetched past the proxy, so it is not fetched`, {
      hint: 'Save the .torrent through the proxy by other means and give the file.',
    });
  }
  const limitMs = optionalFlagValue('--timeout', context.flags.text('timeout'), parseDurationMs);
  return loadSource(text, {
    stdin: context.environment.stdin,
    signal: context.interrupts.signal,
    ...(limitMs === undefined ? {} : { timeoutMs: Math.min(limitMs, DEFAULT_FETCH_TIMEOUT_MS) }),
  });
}
