// The accounts of downloads in the state directory: `explain/<info hash>.json`, one file for each torrent, written whole.
import { readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAccount, type TransferAccount } from '../account/transfer-account.ts';
import { makeFolder } from '../storage/make-folder.ts';

/** The oldest go first; some 2 KiB each. */
const MOST_ACCOUNTS = 500;
/** Ours are far smaller; what is larger is not ours. */
const MAX_FILE_BYTES = 64 * 1024;

function folderOf(stateDir: string): string {
  return join(stateDir, 'explain');
}

/** Makes room when there are too many. @returns what went wrong, undefined when nothing did: a download does not depend on it */
export async function saveAccount(stateDir: string, account: TransferAccount): Promise<string | undefined> {
  const folder = folderOf(stateDir);
  const path = join(folder, `${account.infoHash}.json`);
  const temporary = `${path}.${process.pid}.new`;
  try {
    makeFolder(folder, { mode: 0o700 });
    const isNew = (await stat(path).catch(() => undefined)) === undefined;
    await writeFile(temporary, `${JSON.stringify(account)}\n`, { mode: 0o600 });
    await rename(temporary, path);
    if (isNew) await prune(folder);
    return undefined;
  } catch (error) {
    await unlink(temporary).catch(() => {});
    return error instanceof Error ? error.message : String(error);
  }
}

/** undefined when there is none, or none that can be read. */
export async function loadAccount(stateDir: string, infoHash: string): Promise<TransferAccount | undefined> {
  return readAccount(join(folderOf(stateDir), `${infoHash}.json`));
}

/** The one that changed last first. What cannot be read is left out. */
export async function listAccounts(stateDir: string): Promise<readonly TransferAccount[]> {
  const folder = folderOf(stateDir);
  const names = await readdir(folder).catch((): string[] => []);
  const accounts = await Promise.all(
    names.filter(isAccountName).map((name) => readAccount(join(folder, name))),
  );
  return accounts.filter((account) => account !== undefined).sort((a, b) => b.updatedAtMs - a.updatedAtMs);
}

function isAccountName(name: string): boolean {
  return /^[0-9a-f]{40}\.json$/.test(name);
}

async function readAccount(path: string): Promise<TransferAccount | undefined> {
  try {
    if ((await stat(path)).size > MAX_FILE_BYTES) return undefined;
    return parseAccount(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}

async function prune(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter(isAccountName);
  if (names.length <= MOST_ACCOUNTS) return;
  const aged = await Promise.all(
    names.map(async (name) => ({
      path: join(folder, name),
      atMs: (await stat(join(folder, name)).catch(() => undefined))?.mtimeMs ?? 0,
    })),
  );
  aged.sort((a, b) => a.atMs - b.atMs);
  for (const { path } of aged.slice(0, names.length - MOST_ACCOUNTS)) await unlink(path).catch(() => {});
}
