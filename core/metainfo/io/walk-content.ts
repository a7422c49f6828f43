// Finds the files that a new torrent describes: byte order of path components (the order BEP 52 asks for), so the same
// folder gives the same torrent on every machine. Also tells afterwards whether anything changed meanwhile.
import type { BigIntStats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { compareBytes, strictTextOf } from '../../base/bytes.ts';
import { OperationError, UsageError } from '../../base/result.ts';
import { PARSE_LIMITS } from '../limits.ts';
import { isSafeComponent, type PathRules } from '../safe-path.ts';
import { diskError } from './read-bounded.ts';

export interface ContentFile {
  /** Components below the root; empty when the root is the file. */
  readonly path: readonly string[];
  readonly diskPath: string;
  readonly length: number;
  /** What must not change while the file is hashed. */
  readonly fingerprint: string;
  readonly look: HashedLook;
}

/** How a file looked before it was hashed. */
export interface HashedLook {
  readonly size: number;
  /** Since 1970. */
  readonly mtimeNs: bigint;
  readonly inode: bigint;
}

export interface Content {
  readonly files: readonly ContentFile[];
  readonly isFolder: boolean;
  readonly skipped: readonly SkippedEntry[];
}

export interface SkippedEntry {
  /** Below the root, with `/`. */
  readonly path: string;
  readonly why: 'hidden' | 'junk' | 'symlink' | 'special' | 'excluded';
}

export interface WalkOptions {
  readonly includeHidden: boolean;
  /** Disk paths to leave out, such as the .torrent being written. */
  readonly exclude: readonly string[];
  readonly pathRules: PathRules;
  readonly signal: AbortSignal | undefined;
}

/** What file managers of other systems leave behind; `.DS_Store` and its kind are hidden anyway. */
const JUNK = new Set(['thumbs.db', 'desktop.ini', 'ehthumbs.db']);

interface Entry {
  readonly path: readonly string[];
  readonly stats: BigIntStats;
}

/** Keeps the thread pool busy without queueing a promise for every file of a huge torrent. */
const STATS_AT_ONCE = 64;

/**
 * The rule, as most creators have it: everything that is a plain file goes in, except names that begin with a dot, known
 * junk, symbolic links (a torrent must not reach outside the folder) and special files; each is reported. The root itself
 * is taken whatever its name, and followed if it is a link.
 * @throws OperationError disk, refused (a name that could not be created again); UsageError for a root of no use
 */
export async function walkContent(root: string, options: WalkOptions): Promise<Content> {
  const stats = await statOf(root, stat);
  if (stats.isFile()) return { files: [contentFile([], resolve(root), stats)], isFolder: false, skipped: [] };
  if (!stats.isDirectory()) throw new UsageError(`${JSON.stringify(root)} is neither a file nor a folder`);
  const files: ContentFile[] = [];
  const skipped: SkippedEntry[] = [];
  const excluded = new Set(options.exclude.map((path) => resolve(path)));
  // Entries still to be visited, the next one last: depth first without recursion.
  const pending: Entry[] = [{ path: [], stats }];
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    options.signal?.throwIfAborted();
    const { path, stats: found } = entry;
    const diskPath = join(resolve(root), ...path);
    const why = path.length === 0 ? undefined : whySkipped(path, diskPath, found, excluded, options);
    if (why !== undefined) {
      skipped.push({ path: path.join('/'), why });
      continue;
    }
    if (path.length > 0 && !isSafeComponent(path[path.length - 1] as string, options.pathRules))
      throw unusableName(diskPath);
    if (found.isDirectory()) {
      if (path.length >= PARSE_LIMITS.maxPathDepth)
        throw new OperationError(
          'refused',
          `${JSON.stringify(diskPath)}: more than ${PARSE_LIMITS.maxPathDepth} folders deep`,
        );
      for (const child of (await entriesOf(diskPath, path)).reverse()) pending.push(child);
    } else {
      if (files.length >= PARSE_LIMITS.maxFiles)
        throw new OperationError(
          'refused',
          `more than ${PARSE_LIMITS.maxFiles} files in ${JSON.stringify(root)}`,
        );
      files.push(contentFile(path, diskPath, found));
    }
  }
  return { files, isFolder: true, skipped };
}

/** @throws OperationError disk naming the first file that is not what walkContent saw */
export async function checkUnchanged(files: readonly ContentFile[]): Promise<void> {
  for (let i = 0; i < files.length; i += STATS_AT_ONCE) {
    await Promise.all(
      files.slice(i, i + STATS_AT_ONCE).map(async ({ diskPath, fingerprint }) => {
        if (fingerprintOf(await statOf(diskPath, stat)) !== fingerprint) throw changedError(diskPath);
      }),
    );
  }
}

export function changedError(diskPath: string): OperationError {
  return new OperationError('disk', `${JSON.stringify(diskPath)} changed while it was being hashed`, {
    hint: 'run it again when nothing writes there any more',
  });
}

function whySkipped(
  path: readonly string[],
  diskPath: string,
  found: BigIntStats,
  excluded: ReadonlySet<string>,
  options: WalkOptions,
): SkippedEntry['why'] | undefined {
  const name = path[path.length - 1] as string;
  if (excluded.has(diskPath)) return 'excluded';
  if (!options.includeHidden && name.startsWith('.')) return 'hidden';
  if (!options.includeHidden && JUNK.has(name.toLowerCase())) return 'junk';
  if (found.isSymbolicLink()) return 'symlink';
  return found.isFile() || found.isDirectory() ? undefined : 'special';
}

/** In byte order. */
async function entriesOf(folder: string, path: readonly string[]): Promise<Entry[]> {
  let raw: Buffer[];
  try {
    raw = await readdir(folder, { encoding: 'buffer' });
  } catch (error) {
    throw diskError(`cannot read ${JSON.stringify(folder)}`, error);
  }
  return Promise.all(
    raw.sort(compareBytes).map(async (bytes) => {
      const name = strictTextOf(bytes);
      if (name === undefined) throw unusableName(join(folder, bytes.toString()));
      return { path: [...path, name], stats: await statOf(join(folder, name), lstat) };
    }),
  );
}

/** For names that tt itself would have to change on download: found out before anything is hashed. */
function unusableName(diskPath: string): OperationError {
  return new OperationError(
    'refused',
    `the name of ${JSON.stringify(diskPath)} cannot be used in a torrent`,
    {
      hint: 'rename it: UTF-8, no control characters, no slashes of either kind',
    },
  );
}

function contentFile(path: readonly string[], diskPath: string, stats: BigIntStats): ContentFile {
  const { size, mtimeNs, ino } = stats;
  const look = { size: Number(size), mtimeNs, inode: ino };
  return { path, diskPath, length: look.size, fingerprint: fingerprintOf(stats), look };
}

function fingerprintOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}`;
}

async function statOf(
  path: string,
  look: (path: string, options: { bigint: true }) => Promise<BigIntStats>,
): Promise<BigIntStats> {
  try {
    return await look(path, { bigint: true });
  } catch (error) {
    throw diskError(`cannot read ${JSON.stringify(path)}`, error);
  }
}
