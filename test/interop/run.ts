// Runs the interop suite (or any command after `--`) inside a network of its own: a fresh network, mount and process namespace whose
// loopback carries extra addresses. Everything in it, stray daemons included, vanishes when this program ends.
//   node test/interop/run.ts [vitest arguments]
//   node test/interop/run.ts -- command [arguments]
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { makeRunFolder, runEnvironment } from '../support/temp-run.ts';
import { networkCommands, RUNNER_VARIABLE } from './support/network.ts';
import { isRequired } from './support/requirements.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const CONFIG = 'vitest.interop.config.ts';

/** The namespaces, with a user namespace around them when we are not root. */
function unshareArguments(): string[] | undefined {
  const asRoot = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  for (const candidate of [asRoot, ['--user', '--map-root-user', ...asRoot]]) {
    if (
      spawnSync('unshare', [...candidate, 'ip', 'link', 'set', 'lo', 'up'], { stdio: 'ignore' }).status === 0
    )
      return candidate;
  }
  return undefined;
}

function shellQuote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

const given = process.argv.slice(2);
const inner =
  given[0] === '--'
    ? given.slice(1)
    : [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', '--config', CONFIG, ...given];

const namespaces = unshareArguments();
if (namespaces === undefined) {
  const message =
    'interop: NOT RUN. It needs `unshare` (util-linux) and `ip` (iproute2), and the right to make a network namespace (root, or user namespaces).';
  process.stderr.write(`\n${message}\n\n`);
  process.exit(isRequired() ? 1 : 0);
}

const script = [...networkCommands(), `exec ${inner.map(shellQuote).join(' ')}`].join('\n');
const child = spawn('unshare', [...namespaces, 'sh', '-ec', script], {
  cwd: PROJECT,
  stdio: 'inherit',
  // What is inside is killed when we are interrupted, and removes nothing.
  env: { ...process.env, ...runEnvironment(makeRunFolder()), [RUNNER_VARIABLE]: '1' },
});
// `unshare` takes no notice of these while its child runs; with it goes all that is in the namespaces.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => child.kill('SIGKILL'));
child.once('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
