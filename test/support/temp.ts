// Temporary folders of tests: made below one root, removed when their owner is done, when the process exits, and at the latest with the
// folder of the whole run (temp-run.ts).
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atExit } from './at-exit.ts';

const openDirs = new Set<string>();
let hasExitHook = false;

export const ROOT_VARIABLE = 'TT_TEST_TMP';

/** Where test data goes: `TT_TEST_TMP` (a tmpfs, say), else the system's folder for temporary files. */
function tempRoot(): string {
  const root = process.env[ROOT_VARIABLE] ?? tmpdir();
  mkdirSync(root, { recursive: true });
  return root;
}

export interface TempDir extends Disposable {
  readonly path: string;
  remove(): void;
}

/** @param parent another folder than tempRoot(), for tests that compare file systems */
export function makeTempDir(prefix = 'tt-test-', parent = tempRoot()): TempDir {
  if (!hasExitHook) {
    hasExitHook = true;
    atExit(() => {
      for (const path of openDirs) rmSync(path, { recursive: true, force: true });
    });
  }
  const path = mkdtempSync(join(parent, prefix));
  openDirs.add(path);
  const remove = (): void => {
    openDirs.delete(path);
    rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  };
  return { path, remove, [Symbol.dispose]: remove };
}
