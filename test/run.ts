// Everything that `npm test` stands for, stage by stage. A stage that fails does not keep the later ones from being run: one run tells all
// there is to know.
//   node test/run.ts
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FAILURES_VARIABLE, readFailures } from './support/failures.ts';
import { makeTempDir } from './support/temp.ts';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));
const NODE = process.execPath;

const STAGES: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: 'check', command: ['npm', 'run', 'check'] },
  { name: 'unit and integration', command: [NODE, 'node_modules/vitest/vitest.mjs', 'run'] },
  { name: 'interop', command: [NODE, 'test/interop/run.ts'] },
  { name: 'nat', command: [NODE, 'test/nat/run.ts'] },
];

const folder = makeTempDir('tt-test-');

const outcomes = STAGES.map(({ name, command: [program = '', ...args] }) => {
  const startedMs = performance.now();
  const failures = join(folder.path, name);
  const { status } = spawnSync(program, args, {
    cwd: PROJECT,
    stdio: 'inherit',
    env: { ...process.env, [FAILURES_VARIABLE]: failures },
  });
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  return { name, passed: status === 0, seconds, failures: readFailures(failures) };
});
process.stdout.write('\n');
for (const { name, passed, seconds, failures } of outcomes)
  process.stdout.write(`${passed ? 'passed' : 'FAILED'}  ${name} (${seconds} s)\n${failures}`);
process.exitCode = outcomes.every(({ passed }) => passed) ? 0 : 1;
