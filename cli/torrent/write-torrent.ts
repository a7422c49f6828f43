// Writes a .torrent where the user wants it: a file that is not overwritten by accident, or stdout.
import { lstat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { OperationError } from '../../core/base/result.ts';
import type { CommandContext } from '../contract/context.ts';

export interface WriteOptions {
  readonly bytes: Uint8Array;
  /** As typed; `-` is stdout. */
  readonly out: string;
  readonly mayOverwrite: boolean;
}

/**
 * Before the work whose result goes there: hashing takes minutes. A file that comes meanwhile is safe all the same.
 * @throws OperationError `disk` when the file exists
 */
export async function refuseExisting(
  context: CommandContext,
  { out, mayOverwrite }: Omit<WriteOptions, 'bytes'>,
): Promise<void> {
  if (out === '-' || mayOverwrite) return;
  const file = path.resolve(context.environment.cwd, out);
  const found = await lstat(file).catch(() => undefined);
  if (found !== undefined) throw existsAlready(file);
}

function existsAlready(file: string, cause?: unknown): OperationError {
  return new OperationError('disk', `${file} exists already`, {
    code: 'EEXIST',
    cause,
    hint: 'Give --force to overwrite it, or another name with --out.',
  });
}

/** @returns the absolute path; undefined for stdout. @throws OperationError `disk` when the file exists */
export async function writeTorrent(
  context: CommandContext,
  options: WriteOptions,
): Promise<string | undefined> {
  if (options.out === '-') {
    await context.output.console.outBytes(options.bytes);
    return undefined;
  }
  const file = path.resolve(context.environment.cwd, options.out);
  try {
    await writeFile(file, options.bytes, { flag: options.mayOverwrite ? 'w' : 'wx' });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
    if (code !== 'EEXIST') {
      throw new OperationError('disk', `cannot write ${file}: ${String((cause as Error).message)}`, {
        cause,
        ...(code === undefined ? {} : { code }),
      });
    }
    throw existsAlready(file, cause);
  }
  return file;
}
