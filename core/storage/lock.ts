// Keeps two processes off the same torrent. A lock is a small file that names its owner by pid, start time and boot;
// one left behind by a killed process is recognised and taken over. Links make the taking atomic: a lock file is never
// seen half written.
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { OperationError } from '../base/result.ts';
import { diskOperationError, errnoOf } from './disk-error.ts';
import { makeFolder } from './make-folder.ts';

/** Taking over a stale lock can be raced by others who do the same; each round somebody wins. */
const MAX_ATTEMPTS = 5;

/** What file systems without hard links say (exFAT, some FUSE). */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

export interface Lock {
  release(): Promise<void>;
}

/** Identifies one run of the machine; constant where the system has none. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}

/** Locks for folders that are not in the state directory: two state directories may still share a target. */
export function targetLockPath(target: string): string {
  const folder = join(tmpdir(), `tt-locks-${userInfo().uid}`);
  return join(folder, `${createHash('sha256').update(target).digest('hex').slice(0, 40)}.lock`);
}

/** @param what completes "another tt (pid 7) is already using ..." @throws OperationError `refused`, `disk` */
export async function takeLock(path: string, what: string): Promise<Lock> {
  const text = `${process.pid} ${startTimeOf(process.pid) ?? '-'} ${bootId()} ${randomUUID()}\n`;
  const own = `${path}.${process.pid}.${randomUUID()}`;
  try {
    makeFolder(join(path, '..'), { mode: 0o700 });
    try {
      await writeFile(own, text, { flag: 'wx', mode: 0o600 });
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        if (await tryTake(own, path, text)) return { release: () => releaseLock(path, text) };
        const held = await readIfThere(path);
        if (held === undefined) continue;
        const owner = ownerOf(held);
        if (owner !== undefined) throw heldError(what, owner);
        await removeStale(path, held);
      }
    } finally {
      await unlink(own).catch(() => {}); // a full disk makes it and writes nothing: it says so itself
    }
  } catch (error) {
    throw diskOperationError(error, 'lock', path, hintOf(error));
  }
  throw heldError(what, undefined);
}

/** A read-only home is no reason not to download: the lock lies in the state folder, not where the data goes. */
function hintOf(error: unknown): string | undefined {
  const isFolderAtFault = ['EROFS', 'EACCES', 'EPERM', 'ENOTDIR', 'EEXIST'].includes(errnoOf(error) ?? '');
  return isFolderAtFault ? 'resume state is kept there; --state-dir names another folder for it' : undefined;
}

/** Whether a living process holds it. */
export async function isLocked(path: string): Promise<boolean> {
  const held = await readIfThere(path);
  return held !== undefined && ownerOf(held) !== undefined;
}

function heldError(what: string, owner: number | undefined): OperationError {
  const who =
    owner === process.pid ? 'this process' : owner === undefined ? 'another tt' : `another tt (pid ${owner})`;
  return new OperationError('refused', `${who} is already using ${what}`, {
    hint: 'wait until it is done, or stop it first',
  });
}

/** @returns the pid of the living owner; undefined when the lock is stale or unreadable */
function ownerOf(text: string): number | undefined {
  const [pidText, start, boot] = text.trim().split(' ');
  const pid = Number(pidText);
  if (!Number.isSafeInteger(pid) || pid <= 0 || boot !== bootId()) return undefined;
  const now = startTimeOf(pid);
  if (now !== undefined || start !== '-') return now === start ? pid : undefined;
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    return errnoOf(error) === 'EPERM' ? pid : undefined;
  }
}

/** Field 22 of /proc/PID/stat: a pid alone may have been given to somebody else since. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name is in parentheses and may hold anything; the fields after it start with the third.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

async function tryTake(own: string, path: string, text: string): Promise<boolean> {
  try {
    return await tryLink(own, path);
  } catch (error) {
    if (!NO_LINKS.has(errnoOf(error) ?? '')) throw error;
  }
  try {
    await writeFile(path, text, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Moves the lock aside and looks again: somebody else may have put a living one in its place meanwhile. */
async function removeStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  if ((await readIfThere(aside)) !== stale) await tryLink(aside, path);
  await unlink(aside);
}

async function releaseLock(path: string, text: string): Promise<void> {
  if ((await readIfThere(path)) === text) await unlink(path).catch(() => {});
}
