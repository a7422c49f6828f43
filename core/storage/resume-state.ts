// The state directory's `resume` folder: per torrent a journal, a .torrent, an entry for `tt list`, perhaps a part file
// and a lock, all named by the info hash. Everything but the lock is forgotten by `removeResumable`.
import { readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromHex } from '../base/bytes.ts';
import { OperationError } from '../base/result.ts';
import { diskOperationError, errnoOf } from './disk-error.ts';
import { loadJournal } from './journal.ts';
import { isLocked } from './lock.ts';

export interface ResumePaths {
  readonly folder: string;
  readonly journal: string;
  readonly torrent: string;
  readonly entry: string;
  readonly part: string;
  readonly lock: string;
}

/** @param infoHash 40 hex digits */
export function resumePaths(stateDir: string, infoHash: string): ResumePaths {
  const folder = join(stateDir, 'resume');
  const at = (ending: string): string => join(folder, `${infoHash}.${ending}`);
  return {
    folder,
    journal: at('journal'),
    torrent: at('torrent'),
    entry: at('json'),
    part: at('part'),
    lock: at('lock'),
  };
}

export interface ResumableTorrent {
  /** 40 hex digits. */
  readonly infoHash: string;
  readonly name: string;
  readonly directory: string;
  readonly rename: string | undefined;
  /** A .torrent that can be added again; undefined only when somebody removed it. */
  readonly torrentPath: string | undefined;
  readonly magnet: string | undefined;
  readonly totalLength: number;
  readonly pieceCount: number;
  readonly verifiedPieces: number;
  /** Milliseconds since 1970 of the last journal record. */
  readonly updatedAtMs: number;
  /** A running tt has it open. */
  readonly isOpen: boolean;
}

/** What is written; version 1. */
export interface ResumeEntry {
  readonly version: 1;
  readonly name: string;
  readonly directory: string;
  readonly rename?: string;
  readonly magnet?: string;
  readonly totalLength: number;
  readonly pieceCount: number;
  readonly fileCount: number;
  readonly addedAtMs: number;
}

/** Each file appears whole or not at all. @returns a function that takes the entry back, or puts the former one in its place */
export async function writeResumeEntry(
  paths: ResumePaths,
  entry: ResumeEntry,
  torrentBytes: Uint8Array,
): Promise<() => Promise<void>> {
  const former = await readFile(paths.entry).catch(() => undefined);
  await replaceFile(paths.torrent, torrentBytes);
  await replaceFile(paths.entry, `${JSON.stringify(entry, undefined, 2)}\n`);
  return async () => {
    if (former === undefined) await removeResumeFiles(paths);
    else await replaceFile(paths.entry, former);
  };
}

/** What can be resumed, newest first; entries that cannot be read are left out. @throws OperationError `disk` */
export async function listResumable(stateDir: string): Promise<readonly ResumableTorrent[]> {
  const { folder } = resumePaths(stateDir, '');
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw diskOperationError(error, 'read', folder);
  }
  const found: ResumableTorrent[] = [];
  for (const name of names) {
    const infoHash = /^([0-9a-f]{40})\.json$/.exec(name)?.[1];
    const torrent = infoHash === undefined ? undefined : await readResumable(stateDir, infoHash);
    if (torrent !== undefined) found.push(torrent);
  }
  return found.sort((a, b) => b.updatedAtMs - a.updatedAtMs);
}

/** Forgets the resume state of a torrent; its content stays. @returns false when there was none @throws OperationError */
export async function removeResumable(stateDir: string, infoHash: string): Promise<boolean> {
  const paths = resumePaths(stateDir, infoHash);
  if (await isLocked(paths.lock)) {
    throw new OperationError('refused', `another tt is using the torrent ${infoHash}`, {
      hint: 'stop it first',
    });
  }
  return removeResumeFiles(paths);
}

/** The caller holds the lock. */
export async function removeResumeFiles(paths: ResumePaths): Promise<boolean> {
  let wasThere = false;
  const { entry, torrent, journal, part } = paths;
  for (const path of [entry, torrent, journal, part, ...[entry, torrent, journal].map(draftOf)]) {
    try {
      await unlink(path);
      wasThere = true;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw diskOperationError(error, 'remove', path);
    }
  }
  return wasThere;
}

async function readResumable(stateDir: string, infoHash: string): Promise<ResumableTorrent | undefined> {
  const paths = resumePaths(stateDir, infoHash);
  try {
    const entry = parseEntry(await readFile(paths.entry, 'utf8'));
    if (entry === undefined) return undefined;
    const journal = await readFile(paths.journal).catch(() => undefined);
    const identity = {
      infoHash: fromHex(infoHash) ?? new Uint8Array(20),
      pieceCount: entry.pieceCount,
      fileCount: entry.fileCount,
    };
    const state = journal === undefined ? undefined : loadJournal(journal, identity)?.state;
    return {
      infoHash,
      name: entry.name,
      directory: entry.directory,
      rename: entry.rename,
      torrentPath: (await isThere(paths.torrent)) ? paths.torrent : undefined,
      magnet: entry.magnet,
      totalLength: entry.totalLength,
      pieceCount: entry.pieceCount,
      verifiedPieces: state?.have.count ?? 0,
      updatedAtMs: Math.max(entry.addedAtMs, state?.lastTimeMs ?? 0),
      isOpen: await isLocked(paths.lock),
    };
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined; // removed meanwhile
  }
}

/** Bounds that no torrent passes; a damaged entry must not make us allocate. */
const MAX_COUNT = 2 ** 24;

function parseEntry(text: string): ResumeEntry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const entry = value as Partial<ResumeEntry>;
  const isCount = (count: unknown): boolean => Number.isSafeInteger(count) && (count as number) >= 0;
  const isText = (field: unknown): boolean => field === undefined || typeof field === 'string';
  const isGood =
    entry.version === 1 &&
    typeof entry.name === 'string' &&
    typeof entry.directory === 'string' &&
    isText(entry.rename) &&
    isText(entry.magnet) &&
    isCount(entry.totalLength) &&
    isCount(entry.addedAtMs) &&
    [entry.pieceCount, entry.fileCount].every((count) => isCount(count) && (count as number) <= MAX_COUNT);
  return isGood ? (entry as ResumeEntry) : undefined;
}

/** Whoever holds the lock writes there, so that what a killed run left is written over and not left for good. */
function draftOf(path: string): string {
  return `${path}.new`;
}

async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  const draft = draftOf(path);
  try {
    await writeFile(draft, content, { mode: 0o600 });
    await rename(draft, path);
  } catch (error) {
    await unlink(draft).catch(() => {}); // a full disk must not be kept full by it
    throw diskOperationError(error, 'write', path);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
