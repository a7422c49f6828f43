// Nothing of a run of tests is left in the folder for temporary files.
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { start } from '../../support/process.ts';
import { makeTempDir, ROOT_VARIABLE } from '../../support/temp.ts';
import setup from '../../support/temp-run.ts';
import { waitFor } from '../../support/wait.ts';

const WAIT_MS = 30_000;
const SUPPORT = fileURLToPath(new URL('../../support', import.meta.url));

/** Makes a folder, starts a program that ends only by force, says both, and goes on for ever. */
const PROGRAM = `
  import { start } from '${SUPPORT}/process.ts';
  import { makeTempDir } from '${SUPPORT}/temp.ts';
  const { path } = makeTempDir('tt-ended-');
  const child = start('sh', ['-c', 'trap "" TERM HUP INT; echo up; while :; do sleep 1; done']);
  await child.waitForLine(/up/, ${WAIT_MS});
  console.log(JSON.stringify({ path, child: child.pid }));
  setInterval(() => {}, 1000);
`;

/** Nobody may be there to reap it. */
const isRunning = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe('folders of tests', () => {
  it('lie in the one folder of this run, and so does what programs make that know nothing of it', () => {
    expect(basename(tmpdir())).toMatch(/^tt-run-/);
    expect(process.env[ROOT_VARIABLE]).toBe(tmpdir());
    using dir = makeTempDir();
    expect(dirname(dir.path)).toBe(tmpdir());
  });

  it('go with the run, whoever forgot them', () => {
    const outer = tmpdir();
    const end = setup();
    const inner = tmpdir();
    expect(dirname(inner)).toBe(outer);
    const forgotten = makeTempDir().path;
    expect(dirname(forgotten)).toBe(inner);
    end();
    expect(existsSync(inner)).toBe(false);
    expect(tmpdir()).toBe(outer);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    '%s: gone with the process, and what it started',
    async (signal) => {
      const program = start(process.execPath, ['--input-type=module', '-e', PROGRAM]);
      const line = await program.waitForLine(/^\{/, WAIT_MS);
      const { path, child } = JSON.parse(line) as { path: string; child: number };
      expect(existsSync(path)).toBe(true);
      program.child.kill(signal);
      const { code } = await program.waitForExit(WAIT_MS);
      expect(code).toBeGreaterThan(128);
      expect(existsSync(path)).toBe(false);
      await waitFor(() => !isRunning(child), { what: 'its child to end', timeoutMs: WAIT_MS });
    },
  );
});
