// The folder that --out names, for what a run, a report or an export writes.
import path from 'node:path';
import { OperationError } from '../../core/base/result.ts';
import { makeFolder } from '../../core/storage/make-folder.ts';

/** Made here because Node's own `mkdir -p`, with which the dataset makes its folders, never returns below /proc. @throws OperationError `disk` */
export function outFolder(cwd: string, name: string): string {
  const folder = path.resolve(cwd, name);
  try {
    makeFolder(folder);
  } catch (error) {
    throw new OperationError('disk', `--out: cannot make ${folder}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return folder;
}
