// --on-done: runs a program when a torrent is complete. No shell sees the name of a torrent; it travels in the environment.
import { spawn } from 'node:child_process';
import path from 'node:path';
import type { TorrentSnapshot } from '../../core/session/snapshot.ts';
import type { CommandContext } from '../contract/context.ts';
import { wantedFileBytes } from './job.ts';

/** Runs to its end; a program that fails is a warning, the download is as good as it was. */
export async function runOnDone(
  context: CommandContext,
  command: readonly string[],
  torrent: TorrentSnapshot,
): Promise<void> {
  const [program = '', ...args] = command;
  const problem = await new Promise<string | undefined>((resolve) => {
    const child = spawn(program, args, {
      cwd: context.environment.cwd,
      env: {
        ...context.environment.env,
        TT_INFO_HASH: torrent.infoHash,
        TT_NAME: torrent.name,
        TT_DIRECTORY: torrent.directory,
        TT_PATH: path.join(torrent.directory, torrent.name),
        TT_SIZE: String(wantedFileBytes(torrent)),
      },
      // Its output is not our result: all of it goes to stderr.
      stdio: ['ignore', 2, 2],
    });
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => {
      resolve(code === 0 ? undefined : signal === null ? `exit code ${code}` : `killed by ${signal}`);
    });
    // Some of what keeps a program from being started is an event, the rest (ENOTDIR, E2BIG) is thrown.
  }).catch((error: Error) => error.message);
  if (problem !== undefined) context.output.warn(`--on-done ${program}: ${problem}`);
}
