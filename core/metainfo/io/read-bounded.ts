// Reads all of a stream, file, or response body, and gives up at a limit instead of filling memory.
import { constants, openSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { concatBytes } from '../../base/bytes.ts';
import { OperationError } from '../../base/result.ts';

const READ_BYTES = 64 * 1024;

/** @throws OperationError bad-torrent when more than `maxBytes` come */
export async function readAll(
  source: AsyncIterable<Uint8Array | string>,
  maxBytes: number,
  what: string,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of source) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    length += bytes.length;
    if (length > maxBytes) throw tooLarge(what, maxBytes);
    parts.push(bytes);
  }
  return concatBytes(parts);
}

/**
 * A file, pipe or device: sizes are not believed.
 * @throws OperationError disk (with errno) or bad-torrent; the signal's reason on abort, which only pipes wait long enough for
 */
export async function readFileBounded(
  path: string,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const shown = JSON.stringify(path);
  try {
    if ((await stat(path)).isFIFO()) return await readPipe(path, maxBytes, shown, signal);
    const handle = await open(path, 'r');
    try {
      if ((await handle.stat()).isDirectory())
        throw new OperationError('bad-torrent', `${shown} is a folder, not a .torrent file`, {
          hint: 'tt create makes a torrent of a folder, tt seed shares one',
        });
      const parts: Uint8Array[] = [];
      for (let length = 0; ; ) {
        const buffer = new Uint8Array(READ_BYTES);
        const { bytesRead } = await handle.read(buffer, 0, READ_BYTES, null);
        if (bytesRead === 0) return concatBytes(parts);
        length += bytesRead;
        if (length > maxBytes) throw tooLarge(shown, maxBytes);
        parts.push(buffer.subarray(0, bytesRead));
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    throw error instanceof OperationError ? error : diskError(`cannot read ${shown}`, error, SOURCE_HINT);
  }
}

/**
 * Opening a pipe waits for whoever writes to it, in a thread that nothing ends: neither a signal nor exit() got past it.
 * As a stream it is waited for by the event loop.
 */
async function readPipe(
  path: string,
  maxBytes: number,
  shown: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  signal?.throwIfAborted();
  const { Socket } = await import('node:net');
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const pipe = new Socket({ fd, readable: true, writable: false });
  const stop = (): void => void pipe.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const bytes = await readAll(pipe, maxBytes, shown);
    signal?.throwIfAborted();
    return bytes;
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : error;
  } finally {
    signal?.removeEventListener('abort', stop);
    pipe.destroy();
  }
}

function tooLarge(what: string, maxBytes: number): OperationError {
  return new OperationError(
    'bad-torrent',
    `${what} is larger than ${maxBytes} bytes, too large for a torrent`,
  );
}

const SOURCE_HINT = 'give a .torrent file, a magnet link, an info hash, a URL, or - for standard input';

/**
 * An errno in words, with what to do where that is known.
 * @param absentHint what to do where there is no such file
 */
export function diskError(message: string, cause: unknown, absentHint?: string): OperationError {
  const code = (cause as { code?: unknown } | undefined)?.code;
  const reasons: Record<string, [reason: string, hint?: string | undefined]> = {
    ENOENT: ['there is no such file', absentHint],
    EACCES: ['permission denied'],
    EPERM: ['permission denied'],
    ENOTDIR: ['a part of the path is not a folder'],
    ENAMETOOLONG: ['the name is too long'],
    EMFILE: ['too many open files'],
    ELOOP: ['too many symbolic links'],
  };
  const [reason, hint] = (typeof code === 'string' ? reasons[code] : undefined) ?? [
    cause instanceof Error ? cause.message : String(cause),
  ];
  return new OperationError('disk', `${message}: ${reason}`, {
    cause,
    ...(typeof code === 'string' ? { code } : {}),
    ...(hint === undefined ? {} : { hint }),
  });
}
