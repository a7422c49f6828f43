// What the tests behind NATs need of the machine, and which of them this run is about.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Set by run.ts for what runs inside. */
export const RUNNER_VARIABLE = 'TT_NAT_NETWORK';
/** Set by `npm run test:nat -- --all`. */
export const ALL_VARIABLE = 'TT_NAT_ALL';

/** Everything, not only what fits into the time of each CI run: for `it.skipIf(!isAll)`. */
export const isAll = process.env[ALL_VARIABLE] === '1';

const TOOLS: readonly (readonly [file: string, argument: string, debianPackage: string])[] = [
  ['unshare', '--version', 'util-linux'],
  ['setpriv', '--version', 'util-linux'],
  ['nsenter', '--version', 'util-linux'],
  ['ip', '-V', 'iproute2'],
  ['nft', '--version', 'nftables'],
  ['conntrack', '--version', 'conntrack'],
  ['miniupnpd', '--version', 'miniupnpd-nftables'],
  ['/usr/bin/python3', '--version', 'python3'],
];

/** @returns what has to be installed first, or undefined */
export function missingForLabs(): string | undefined {
  for (const [file, argument, debianPackage] of TOOLS) {
    if (spawnSync(file, [argument], { stdio: 'ignore' }).error !== undefined)
      return `${file} (apt-get install ${debianPackage})`;
  }
  return existsSync('/proc/net/route') ? undefined : 'Linux';
}

/** Throws where a test file was started by hand. */
export function assertInside(): void {
  if (process.env[RUNNER_VARIABLE] !== '1')
    throw new Error('these tests make networks: use `npm run test:nat` (test/nat/run.ts)');
}
