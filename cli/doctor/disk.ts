// The folders tt writes to: may it, how much room is there, how fast, and is it a file system that takes large files.
// Writes one file of its own of at most 64 MiB, for at most a second, and takes it away again.
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { formatBytes, formatRate } from '../terminal/units.ts';
import {
  bad,
  type DoctorContext,
  type DoctorFact,
  type DoctorProbe,
  type DoctorSection,
  good,
  notChecked,
  note,
} from './section.ts';

const MIB = 1 << 20;
const CHUNK_BYTES = MIB;
const MOST_CHUNKS = 64;
const MOST_WRITE_MS = 1_000;
/** Left alone: somebody else needs the rest. */
const LEAST_FREE_BYTES = 512 * MIB;
const LITTLE_FREE_BYTES = 1024 * MIB;
/** Below this the disk, not the network, sets the pace on a common line of 100 Mbit/s. */
const SLOW_BYTES_PER_SEC = 12.5e6;
/** Flushes of a few bytes: what the resume journal does. */
const FLUSHES = 8;
const FLUSH_BYTES = 512;

/** Magic numbers of statfs(2) on Linux. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'ext4',
  2435016766: 'btrfs',
  1481003842: 'xfs',
  16914836: 'tmpfs',
  26985: 'nfs',
  19780: 'vfat',
  538032816: 'exfat',
  1936814952: 'smb',
  4283649346: 'cifs',
  1702057286: 'fuse',
  2035054128: 'overlay',
  801189825: 'zfs',
  4076150800: 'f2fs',
};
/** They keep nothing over a restart of the machine. */
const VOLATILE = new Set(['tmpfs']);
/** FAT takes files below 4 GiB only, and no names with `:` and the like. */
const SMALL_FILES_ONLY = new Set(['vfat']);

export interface FolderReport {
  /** As asked for. */
  readonly folder: string;
  /** It, or the nearest folder above it that is there. */
  readonly probed: string;
  readonly fileSystem: string | undefined;
  /** undefined where the system does not tell. */
  readonly freeBytes: number | undefined;
  /** Name of the errno that came of writing; undefined: it worked. */
  readonly writeError: string | undefined;
  /** Written and flushed; undefined when not measured. */
  readonly writeBytesPerSec: number | undefined;
  /** Median of one small write with its flush. */
  readonly flushMs: number | undefined;
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

/** The folder, or the nearest one above it: a target is made when the download begins. */
async function existingFolder(folder: string): Promise<string> {
  for (let at = folder; ; at = path.dirname(at)) {
    const stats = await stat(at).catch(() => undefined);
    if (stats !== undefined || at === path.dirname(at)) return at;
  }
}

/** Shared by the two folders and the two things that are timed in each. */
function share({ deadlineMs, nowMs }: DoctorContext): number {
  return Math.min(MOST_WRITE_MS, Math.max(0, deadlineMs - nowMs()) / 4);
}

async function timeWrites(file: FileHandle, context: DoctorContext): Promise<number> {
  const { nowMs, signal } = context;
  const mostMs = share(context);
  const chunk = randomBytes(CHUNK_BYTES);
  const startMs = nowMs();
  let written = 0;
  // Flushed as it goes: a page cache of gigabytes would otherwise be what is measured.
  for (let i = 0; i < MOST_CHUNKS && nowMs() - startMs < mostMs && !signal.aborted; i++) {
    await file.write(chunk, 0, CHUNK_BYTES, written);
    written += CHUNK_BYTES;
    await file.datasync();
  }
  return (written / Math.max(1, nowMs() - startMs)) * 1000;
}

async function timeFlushes(file: FileHandle, context: DoctorContext): Promise<number> {
  const { nowMs, signal } = context;
  const mostMs = share(context);
  const bytes = randomBytes(FLUSH_BYTES);
  const times: number[] = [];
  const startMs = nowMs();
  for (let i = 0; i < FLUSHES && nowMs() - startMs < mostMs && !signal.aborted; i++) {
    const beforeMs = nowMs();
    await file.write(bytes, 0, FLUSH_BYTES, i * FLUSH_BYTES);
    await file.datasync();
    times.push(nowMs() - beforeMs);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

async function probeFolder(folder: string, context: DoctorContext): Promise<FolderReport> {
  const probed = await existingFolder(folder);
  const stats = await statfs(probed).catch(() => undefined);
  const freeBytes = stats === undefined ? undefined : stats.bavail * stats.bsize;
  const report = {
    folder,
    probed,
    fileSystem: stats === undefined ? undefined : FILE_SYSTEMS[stats.type],
    freeBytes,
    writeError: undefined,
    writeBytesPerSec: undefined,
    flushMs: undefined,
  };
  const name = path.join(probed, `.tt-doctor-${randomBytes(6).toString('hex')}`);
  let file: FileHandle | undefined;
  try {
    file = await open(name, 'wx', 0o600);
    const flushMs = await timeFlushes(file, context);
    if (freeBytes === undefined || freeBytes < LEAST_FREE_BYTES) return { ...report, flushMs };
    return { ...report, flushMs, writeBytesPerSec: await timeWrites(file, context) };
  } catch (error) {
    return { ...report, writeError: codeOf(error) };
  } finally {
    await file?.close().catch(() => {});
    if (file !== undefined) await rm(name, { force: true }).catch(() => {});
  }
}

const ERRORS: Readonly<Record<string, string>> = {
  EACCES: 'not permitted',
  EPERM: 'not permitted',
  EROFS: 'mounted read-only',
  ENOSPC: 'full',
  EDQUOT: 'over the quota',
  ENOTDIR: 'not a folder',
};

/** What a folder's report means. Pure. @param flag what names another folder */
export function folderFacts(id: string, name: string, flag: string, report: FolderReport): DoctorFact[] {
  const { folder, probed, writeError, freeBytes, fileSystem, writeBytesPerSec, flushMs } = report;
  const where = folder === probed ? folder : `${folder} (to be made in ${probed})`;
  const kind = fileSystem === undefined ? '' : `, ${fileSystem}`;
  if (writeError !== undefined) {
    const why = ERRORS[writeError] ?? writeError;
    const advice = `Make room or rights there, or name another folder with ${flag}.`;
    return [bad(id, name, `${where}: cannot be written: ${why}`, advice, 'disk', { ...report })];
  }
  const facts: DoctorFact[] = [];
  if (fileSystem !== undefined && SMALL_FILES_ONLY.has(fileSystem)) {
    const advice = `Files of 4 GiB and more cannot lie there: name another folder with ${flag}.`;
    facts.push(note(id, name, `${where}${kind}`, advice, { ...report }));
  } else if (fileSystem !== undefined && VOLATILE.has(fileSystem)) {
    const advice = `What lies there is in memory and gone after a restart: ${flag} names another folder.`;
    facts.push(note(id, name, `${where}${kind}`, advice, { ...report }));
  } else {
    facts.push(good(id, name, `${where}${kind}: can be written`, { ...report }));
  }
  facts.push(freeFact(`${id}-free`, freeBytes, flag), speedFact(`${id}-speed`, writeBytesPerSec));
  if (flushMs !== undefined) {
    facts.push(good(`${id}-flush`, 'flush', `${flushMs.toFixed(1)} ms for a small one`, { flushMs }));
  }
  return facts;
}

function freeFact(id: string, freeBytes: number | undefined, flag: string): DoctorFact {
  if (freeBytes === undefined) return notChecked(id, 'free', 'this system does not tell');
  const data = { freeBytes };
  if (freeBytes >= LITTLE_FREE_BYTES) return good(id, 'free', formatBytes(freeBytes), data);
  return note(id, 'free', formatBytes(freeBytes), `Make room, or name another folder with ${flag}.`, data);
}

function speedFact(id: string, bytesPerSec: number | undefined): DoctorFact {
  if (bytesPerSec === undefined) return notChecked(id, 'speed', 'too little room to try');
  const value = `${formatRate(bytesPerSec)} written and flushed`;
  const data = { writeBytesPerSec: Math.round(bytesPerSec) };
  if (bytesPerSec >= SLOW_BYTES_PER_SEC) return good(id, 'speed', value, data);
  return note(id, 'speed', value, 'The disk will be what downloads wait for: use a faster one.', data);
}

export const diskProbe: DoctorProbe = {
  id: 'disk',
  title: 'Disk',
  run: async (context): Promise<readonly DoctorSection[]> => {
    const { settings } = context;
    // One after the other: they may be the same disk.
    const target = await probeFolder(settings.out, context);
    const state = await probeFolder(settings.stateDir, context);
    // Payload goes to the target only: the state folder needs no speed.
    const ofState = folderFacts('state', 'State folder', '--state-dir', state).filter(
      ({ id }) => id !== 'state-speed',
    );
    const facts = [...folderFacts('target', 'Target folder', '--out', target), ...ofState];
    return [{ id: 'disk', title: 'Disk', facts }];
  },
};
