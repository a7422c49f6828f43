// Writes a .torrent where the user wants it: a file that is not overwritten by accident, or stdout.
import { lstat, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { bytesEqual } from '../../core/base/bytes.ts';
import { OperationError } from '../../core/base/result.ts';
import { PARSE_LIMITS } from '../../core/metainfo/limits.ts';
import type { Metainfo } from '../../core/metainfo/metainfo.ts';
import { parseTorrent } from '../../core/metainfo/parse-torrent.ts';
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

/**
 * For a command that is given again and again with the same file: a torrent may be written over, nothing else.
 * @param metainfo the torrent to be written, once it is there: then the file must hold that one
 * @throws OperationError `disk` when something else lies there
 */
export async function refuseOther(context: CommandContext, out: string, metainfo?: Metainfo): Promise<void> {
  if (out === '-') return;
  const file = path.resolve(context.environment.cwd, out);
  const found = await stat(file).catch(() => undefined);
  // What cannot be looked at writing says why; in pipes and devices nothing is lost.
  if (found === undefined || found.isFIFO() || found.isCharacterDevice()) return;
  if (found.isFile() && found.size === 0) return;
  const isReadable = found.isFile() && found.size <= PARSE_LIMITS.maxTorrentBytes;
  const held = isReadable ? parseTorrent(await readFile(file)) : undefined;
  if (held?.ok === true && (metainfo === undefined || bytesEqual(held.value.infoHash, metainfo.infoHash)))
    return;
  throw new OperationError(
    'disk',
    `${file} exists already, and is ${held?.ok === true ? 'another' : 'no'} torrent`,
    {
      code: 'EEXIST',
      hint: 'Move it away, or give another name with --torrent-out.',
    },
  );
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
