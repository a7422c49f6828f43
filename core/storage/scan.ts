// How the files of a torrent look on disk now: one stat each, in batches so that a hundred thousand of them do not
// hold the thread.
import { type BigIntStats, lstatSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { diskOperationError, errnoOf } from './disk-error.ts';
import type { StoreConfig } from './store-config.ts';
import type { FileLook } from './trust.ts';

/** About 2 ms. */
const BATCH = 512;

/** Names that cannot exist there read as "not there". */
const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP']);

/**
 * @param followLinks whether a link to a file counts as that file
 * @returns by file index, the part file last; undefined where no ordinary file lies. @throws OperationError `disk`
 */
export async function scanFiles(config: StoreConfig, followLinks: boolean): Promise<FileLook[]> {
  const looks: FileLook[] = [];
  // Files of one folder stand together: where that is not there, as before most downloads, one look is enough for all.
  let folder: string | undefined;
  let isThere = true;
  for (const [index, file] of config.files.entries()) {
    if (index % BATCH === BATCH - 1) await setImmediate();
    const path = join(config.directory, file.path);
    if (dirname(path) !== folder) {
      folder = dirname(path);
      isThere = isFolderThere(folder);
    }
    looks.push(isThere && file.kind === 'file' ? look(path, followLinks) : undefined);
  }
  looks.push(look(config.partPath, false));
  return looks;
}

function isFolderThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (ABSENT.has(errnoOf(error) ?? '')) return false;
    throw diskOperationError(error, 'look at', path);
  }
}

function look(path: string, followLinks: boolean): FileLook {
  try {
    // Without an exception for what is not there: they cost more than the look.
    const stat = (followLinks ? statSync : lstatSync)(path, { bigint: true, throwIfNoEntry: false });
    if (stat?.isFile() !== true) return undefined;
    return lookOf(stat);
  } catch (error) {
    if (ABSENT.has(errnoOf(error) ?? '')) return undefined;
    throw diskOperationError(error, 'look at', path);
  }
}

export function lookOf({ size, mtimeNs, ino }: BigIntStats): Exclude<FileLook, undefined> {
  return { size: Number(size), mtimeNs, inode: ino };
}
