// Which files of a torrent to fetch: `-s/--select` (indices as `tt info` prints them, ranges, paths, globs) and BEP 53 `so`.
import { UsageError } from '../base/result.ts';
import { globMatches, hasGlobCharacters } from './glob.ts';
import type { FileEntry } from './layout.ts';
import type { Magnet, Metainfo } from './metainfo.ts';

/** As in FilePriority: skipped, or normal. */
export type Selection = 0 | 4;
const SKIPPED = 0;
const NORMAL = 4;

const INDEX_PATTERN = /^\d+(-\d*)?(,\d+(-\d*)?)*$/;

/**
 * A file is selected when any pattern selects it. Patterns:
 * - `3`, `1-3,7`, `5-`: 1-based indices as printed by `tt info`, which counts like FileEntry.index + 1;
 * - a name or glob without `/`, such as `*.mkv` or `extras`: every file of that name, everything in a folder of that name;
 * - a path or glob with `/`, such as `season 1/**`: a file or folder, from the torrent's name or from below it. `./7` is the
 *   file called 7 at the top.
 * Padding files are always skipped (nobody needs to ask for them).
 * @param flag what the patterns were given with, for the mistakes; '' for an argument
 * @returns one entry for each file. @throws UsageError on a pattern that selects nothing, naming it
 */
export function selectFiles(
  metainfo: Metainfo,
  patterns: readonly string[],
  flag: '--select ' | '' = '--select ',
): Selection[] {
  const priorities = metainfo.files.map((): Selection => SKIPPED);
  for (const pattern of patterns) {
    const selects = INDEX_PATTERN.test(pattern)
      ? byIndex(pattern, metainfo, flag)
      : byPath(pattern, metainfo);
    let found = false;
    for (const file of metainfo.files) {
      if (file.isPadding || !selects(file)) continue;
      found = true;
      priorities[file.index] = NORMAL;
    }
    if (!found)
      throw new UsageError(
        `${flag}${JSON.stringify(pattern)} matches no file of ${JSON.stringify(metainfo.name)}`,
        'tt info lists the files with their numbers',
      );
  }
  return priorities;
}

/** BEP 53: 0-based inclusive ranges; those past the end select nothing. When none hits, everything is selected. */
export function selectByRanges(metainfo: Metainfo, ranges: NonNullable<Magnet['selectOnly']>): Selection[] {
  const priorities = metainfo.files.map((file): Selection => {
    const isNamed = ranges.some(([first, last]) => first <= file.index && file.index <= last);
    return isNamed && !file.isPadding ? NORMAL : SKIPPED;
  });
  return priorities.includes(NORMAL)
    ? priorities
    : metainfo.files.map((file) => (file.isPadding ? SKIPPED : NORMAL));
}

function byIndex(pattern: string, metainfo: Metainfo, flag: string): (file: FileEntry) => boolean {
  const count = metainfo.files.length;
  const ranges = pattern.split(',').map((part): [number, number] => {
    const [first, last] = part.split('-');
    const range: [number, number] = [
      Number(first),
      last === undefined ? Number(first) : last === '' ? count : Number(last),
    ];
    if (range[0] < 1 || range[1] > count || range[0] > range[1])
      throw new UsageError(
        `${flag}${part}: the files of ${JSON.stringify(metainfo.name)} are numbered 1 to ${count}`,
        'tt info lists the files with their numbers; ./NAME selects a file whose name is a number',
      );
    return range;
  });
  return (file) => ranges.some(([first, last]) => first <= file.index + 1 && file.index + 1 <= last);
}

function byPath(pattern: string, metainfo: Metainfo): (file: FileEntry) => boolean {
  const isAnchored = pattern.startsWith('./');
  const wanted = pattern.replace(/^(\.\/)+/, '').replace(/\/+$/, '');
  const isGlob = hasGlobCharacters(wanted);
  const matches = (text: string) => (isGlob ? globMatches(wanted, text) : text === wanted);
  const isNameOnly = !wanted.includes('/') && !isAnchored;
  return ({ path }) => {
    const inside = metainfo.isMultiFile ? path.slice(1) : path;
    if (isNameOnly) return inside.some(matches) || (!isGlob && path[0] === wanted);
    return withFolders(inside).some(matches) || withFolders(path).some(matches);
  };
}

/** The path itself and every folder it lies in. */
function withFolders(path: readonly string[]): string[] {
  return path.map((_, i) => path.slice(0, i + 1).join('/'));
}
