// Settings and flags turned into the options of a DHT node: which families, which addresses, where to enter, where to remember.
import { createHash } from 'node:crypto';
import path from 'node:path';
import { isIPv6 } from '../../core/base/endpoint.ts';
import type { Log } from '../../core/base/log.ts';
import type { DhtNodeOptions } from '../../dht/io/dht-node.ts';
import type { Flags } from '../base/flag-values.ts';
import { flagValue, type HostPort, parseHostPort } from '../base/parse.ts';
import type { Settings } from '../settings/settings.ts';

const STATE_NAME_DIGITS = 8;

export interface NodeSetup {
  readonly settings: Settings;
  readonly flags: Flags;
  /** Of --interface; undefined for all. */
  readonly bindAddresses: readonly string[] | undefined;
  readonly log: Log;
}

/** @throws UsageError on a malformed --bootstrap */
export function bootstrapOf(flags: Flags): readonly HostPort[] {
  return flags.list('bootstrap').map((text) => flagValue('--bootstrap', text, parseHostPort));
}

/** A network entered through nodes of one's own is another network: its nodes are kept apart from those of the public one. */
export function statePath(cacheDir: string, bootstrap: readonly HostPort[]): string {
  if (bootstrap.length === 0) return path.join(cacheDir, 'dht.dat');
  const names = bootstrap.map(({ host, port }) => `${host} ${port}`).sort();
  const digest = createHash('sha1').update(names.join('\n')).digest('hex');
  return path.join(cacheDir, `dht-${digest.slice(0, STATE_NAME_DIGITS)}.dat`);
}

/** Without a port: that is the caller's. */
export function nodeOptions({ settings, flags, bindAddresses, log }: NodeSetup): DhtNodeOptions {
  const bootstrap = bootstrapOf(flags);
  const bindV4 = bindAddresses?.find((address) => !isIPv6(address));
  const bindV6 = bindAddresses?.find(isIPv6);
  const only = flags.isOn('ipv4') !== flags.isOn('ipv6');
  const isBound = bindAddresses !== undefined;
  return {
    ipv4: !(only && flags.isOn('ipv6')) && (!isBound || bindV4 !== undefined),
    ipv6: !(only && flags.isOn('ipv4')) && (!isBound || bindV6 !== undefined),
    readOnly: flags.isOn('readOnly'),
    statePath: statePath(settings.cacheDir, bootstrap),
    log,
    ...(bindV4 === undefined ? {} : { bindV4 }),
    ...(bindV6 === undefined ? {} : { bindV6 }),
    ...(bootstrap.length === 0 ? {} : { bootstrap }),
  };
}
