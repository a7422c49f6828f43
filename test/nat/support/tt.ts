// The program under test on a host of a lab, as its user starts it.
import { TT } from '../../interop/support/tt.ts';
import type { RunningProcess, RunResult, StartOptions } from '../../support/process.ts';
import { makeTempDir, type TempDir } from '../../support/temp.ts';
import type { LabHost } from '../lab/host.ts';

/** Of the test runner, not of a user. */
const CLEAN_ENVIRONMENT = {
  NODE_OPTIONS: undefined,
  NODE_ENV: undefined,
  VITEST: undefined,
  VITEST_WORKER_ID: undefined,
  VITEST_POOL_ID: undefined,
  TEST: undefined,
  FORCE_COLOR: undefined,
};

const homes = new Map<LabHost, TempDir>();

/** One user a host. */
export function homeOf(host: LabHost): string {
  const home = homes.get(host) ?? makeTempDir('tt-nat-home-');
  homes.set(host, home);
  return home.path;
}

export function spawnTt(host: LabHost, args: readonly string[], options: StartOptions = {}): RunningProcess {
  return host.spawnNode(TT, args, {
    name: `tt ${args.slice(0, 2).join(' ')} in ${host.namespace}`,
    ...options,
    env: { ...CLEAN_ENVIRONMENT, TT_HOME: homeOf(host), ...options.env },
  });
}

export function runTt(
  host: LabHost,
  args: readonly string[],
  options: StartOptions & { readonly timeoutMs?: number } = {},
): Promise<RunResult> {
  return spawnTt(host, args, options).waitForExit(options.timeoutMs ?? 60_000);
}

/** Runs with --json. @throws Error when it printed no object */
export async function ttJson<T>(host: LabHost, args: readonly string[]): Promise<T> {
  const { stdout, stderr, code } = await runTt(host, [...args, '--json']);
  const line = stdout.split('\n').findLast((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`tt ${args.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(line) as T;
}
