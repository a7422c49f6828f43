// Keeps the node's state between runs: written beside and renamed, so that a crash leaves the old one.
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DhtState } from '../base/results.ts';
import { decodeState, encodeState } from '../storage/state.ts';

/** 2000 IPv6 nodes are 76 KB. */
const MAX_FILE_BYTES = 1 << 20;

/** @returns undefined when there is none or it is no good: the node then starts from its routers */
export async function loadState(path: string): Promise<DhtState | undefined> {
  try {
    if ((await stat(path)).size > MAX_FILE_BYTES) return undefined;
    const decoded = decodeState(await readFile(path));
    return decoded.ok ? decoded.value : undefined;
  } catch {
    return undefined;
  }
}

/** @throws the file system's error */
export async function saveState(path: string, state: DhtState): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.part`;
  try {
    await writeFile(beside, encodeState(state));
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
