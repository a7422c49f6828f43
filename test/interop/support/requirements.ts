// Which real programs are here, and what to do when one is not: say so loudly, or fail where the suite is required.
import { spawnSync } from 'node:child_process';

/** In CI (`CI=true`) and with `TT_INTEROP=required` nothing may be skipped. */
export function isRequired(): boolean {
  const ci = process.env['CI'];
  return process.env['TT_INTEROP'] === 'required' || (ci !== undefined && ci !== '' && ci !== 'false');
}

/** Debian's own interpreter: another python3 in front of it on PATH does not see Debian's libtorrent module. */
export const PYTHON = '/usr/bin/python3';

export type PeerName =
  | 'transmission'
  | 'aria2'
  | 'libtorrent'
  | 'qbittorrent'
  | 'opentracker'
  | 'rtorrent'
  | 'nats'
  | 'nginx';

interface Requirement {
  readonly probe: readonly [file: string, ...args: string[]];
  readonly debianPackage: string;
}

const REQUIREMENTS: Readonly<Record<PeerName, Requirement>> = {
  transmission: { probe: ['transmission-daemon', '--version'], debianPackage: 'transmission-daemon' },
  aria2: { probe: ['aria2c', '--version'], debianPackage: 'aria2' },
  libtorrent: { probe: [PYTHON, '-c', 'import libtorrent'], debianPackage: 'python3-libtorrent' },
  qbittorrent: { probe: ['qbittorrent-nox', '--version'], debianPackage: 'qbittorrent-nox' },
  opentracker: { probe: ['opentracker', '-h'], debianPackage: 'opentracker' },
  rtorrent: { probe: ['rtorrent', '-h'], debianPackage: 'rtorrent' },
  nats: { probe: ['nats-server', '--version'], debianPackage: 'nats-server' },
  nginx: { probe: ['nginx', '-v'], debianPackage: 'nginx-light' },
};

const answers = new Map<PeerName, string | undefined>();

/** @returns why the program cannot be used, or undefined when it can */
export function missingReason(name: PeerName): string | undefined {
  if (!answers.has(name)) {
    const { probe, debianPackage } = REQUIREMENTS[name];
    const [file, ...args] = probe;
    const result = spawnSync(file, args, { encoding: 'utf8', timeout: 20_000 });
    // opentracker's help exits with an error code: being there is enough for it.
    const isHere = result.error === undefined && (result.status === 0 || name === 'opentracker');
    answers.set(name, isHere ? undefined : `${name} is not installed (apt-get install ${debianPackage})`);
  }
  return answers.get(name);
}

/**
 * Names of the given peers that are missing. Prints one loud line each; throws where the suite is required.
 * Use it at the top of a test file: `describe.skipIf(skipsFor('aria2'))`.
 */
export function skipsFor(...names: PeerName[]): boolean {
  const reasons = names.map(missingReason).filter((reason) => reason !== undefined);
  if (reasons.length === 0) return false;
  const text = reasons.join('; ');
  if (isRequired()) throw new Error(`interop is required here, but ${text}`);
  process.stderr.write(`\n*** INTEROP SKIPPED: ${text} ***\n\n`);
  return true;
}
