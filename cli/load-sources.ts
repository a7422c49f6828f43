// Sources as the commands take them: loaded with the environment's stdin, and a hint where a magnet looks cut short.
import { type LoadedSource, loadSource } from '../core/metainfo/io/load-source.ts';
import type { CommandContext } from './context.ts';

export type { LoadedSource };

/** @throws OperationError as loadSource; paths are taken from the working directory of the environment */
export async function loadOne(context: CommandContext, text: string): Promise<LoadedSource> {
  return loadSource(text, { stdin: context.environment.stdin, signal: context.interrupts.signal });
}
