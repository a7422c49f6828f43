// Temporary folders of tests: made below one root, removed when their owner is done, and at the latest when the process exits.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const openDirs = new Set<string>();
let hasExitHook = false;

/** Where test data goes: `TT_TEST_TMP` (a tmpfs, say), else the system's folder for temporary files. */
function tempRoot(): string {
  const root = process.env['TT_TEST_TMP'] ?? tmpdir();
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
    process.on('exit', () => {
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
