// Runs the tests behind NATs (or any command after `--`) with namespaces of its own for network, mounts and processes, so that the labs
// inside touch nothing of this machine, and nothing of them is left however this program ends.
//   node test/nat/run.ts [--all] [vitest arguments]
//   node test/nat/run.ts matrix [--docs] [...]     every pair of NATs as a table, see matrix/main.ts
//   node test/nat/run.ts rows [--docs] [...]       everything, and a table of what each row of the matrix came to, see rows/main.ts
//   node test/nat/run.ts -- command [arguments]
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isRequired } from '../interop/support/requirements.ts';
import { makeRunFolder, runEnvironment } from '../support/temp-run.ts';
import { ALL_VARIABLE, missingForLabs, RUNNER_VARIABLE } from './requirements.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const CONFIG = 'vitest.nat.config.ts';

/** Names of network namespaces are mounts below /run: ours are on a file system that only we see. */
const PREPARE = [
  'mount -t tmpfs tmpfs /run',
  'mkdir /run/netns /run/lock',
  'ip link set lo up',
  // What the labs are made of.
  'ip netns add attempt',
  'ip netns exec attempt nft add table inet attempt',
  'ip netns del attempt',
].join('\n');

const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];

function shellQuote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** What stops this run from happening, or the arguments of `unshare` that work here. */
function ways(): { readonly missing: string } | { readonly unshare: readonly string[] } {
  const missing = missingForLabs();
  if (missing !== undefined) return { missing };
  let reason = '';
  for (const candidate of [NAMESPACES, ['--user', '--map-root-user', ...NAMESPACES]]) {
    const trial = spawnSync('unshare', [...candidate, 'sh', '-ec', PREPARE], { encoding: 'utf8' });
    if (trial.status === 0) return { unshare: candidate };
    reason = (trial.error?.message ?? trial.stderr ?? '').trim().split('\n').at(-1) ?? '';
  }
  return { missing: `the right to make networks with nftables (root, or user namespaces): ${reason}` };
}

const given = process.argv.slice(2);
const isAll = given[0] === '--all' || given[0] === 'rows';
if (given[0] === '--all') given.shift();
/** Programs of this folder, in place of vitest. */
const PROGRAMS: readonly string[] = ['matrix', 'rows'];
const inner =
  given[0] === '--'
    ? given.slice(1)
    : PROGRAMS.includes(given[0] ?? '')
      ? [process.execPath, `test/nat/${given[0]}/main.ts`, ...given.slice(1)]
      : [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', '--config', CONFIG, ...given];

const way = ways();
if ('missing' in way) {
  process.stderr.write(`\nnat: NOT RUN. It needs ${way.missing}\n\n`);
  process.exit(isRequired() ? 1 : 0);
}

// Dies with us even if we are killed; and everything inside dies with it.
const child = spawn(
  'setpriv',
  [
    '--pdeathsig',
    'KILL',
    'unshare',
    ...way.unshare,
    'sh',
    '-ec',
    `${PREPARE}\nexec ${inner.map(shellQuote).join(' ')}`,
  ],
  {
    cwd: PROJECT,
    stdio: 'inherit',
    env: {
      ...process.env,
      // What is inside is killed when we are interrupted, and removes nothing.
      ...runEnvironment(makeRunFolder()),
      [RUNNER_VARIABLE]: '1',
      ...(isAll ? { [ALL_VARIABLE]: '1' } : {}),
    },
  },
);
// `unshare` takes no notice of these while its child runs; with it goes all that is in the namespaces.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => child.kill('SIGKILL'));
child.once('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
