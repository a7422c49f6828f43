// Where the data of a torrent lies when a person names a path: the folder around it, the folder itself, or the file.
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { OperationError } from '../../core/base/result.ts';
import type { Metainfo } from '../../core/metainfo/metainfo.ts';

export interface ContentPlace {
  readonly directory: string;
  /** When what lies there is called otherwise than the torrent. */
  readonly rename: string | undefined;
}

async function kindOf(file: string): Promise<'file' | 'directory' | 'absent'> {
  try {
    const stats = await stat(file);
    return stats.isDirectory() ? 'directory' : 'file';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'absent';
    throw error;
  }
}

/** @param given absolute. @throws OperationError `disk` when nothing is there */
export async function locateContent(metainfo: Metainfo, given: string): Promise<ContentPlace> {
  const kind = await kindOf(given);
  if (kind === 'absent') {
    throw new OperationError('disk', `there is nothing at ${given}`, {
      code: 'ENOENT',
      hint: 'Give the folder that holds the files of the torrent.',
    });
  }
  const itself: ContentPlace = {
    directory: path.dirname(given),
    rename: path.basename(given) === metainfo.name ? undefined : path.basename(given),
  };
  if (kind === 'file' && metainfo.isMultiFile) {
    throw new OperationError('disk', `${given} is one file, and the torrent is a folder of them`, {
      code: 'ENOTDIR',
      hint: 'Give the folder that holds the files of the torrent.',
    });
  }
  if (kind === 'file') return itself;
  const inside: ContentPlace = { directory: given, rename: undefined };
  if (!metainfo.isMultiFile || (await kindOf(path.join(given, metainfo.name))) !== 'absent') return inside;
  // A folder that is the content: it has the torrent's name, or its files.
  if (itself.rename === undefined) return itself;
  for (const file of metainfo.files) {
    if (file.isPadding) continue;
    if ((await kindOf(path.join(given, ...file.path.slice(1)))) === 'file') return itself;
  }
  return inside;
}
