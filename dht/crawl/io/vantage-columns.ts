// As whom the network saw a run, and what kind of translator that tells of.
import { networkInterfaces } from 'node:os';
import type { RunRow } from '../../dataset/run-table.ts';
import type { Vantage } from './pass.ts';
import { addressText, type IpPrivacy } from './privacy.ts';

/** @param key with `hmac`. @returns no columns when nobody said as whom we are seen */
export function vantageColumns(
  { external, samePort, otherPort }: Vantage,
  privacy: IpPrivacy,
  key: Uint8Array | undefined,
): Partial<RunRow> {
  if (external === undefined) return {};
  const own = Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);
  const keepsPort = samePort > otherPort;
  const nat =
    own.includes(external.host) && keepsPort ? 'none' : keepsPort ? 'port-preserving' : 'port-changing';
  return { vantage_external: addressText(privacy, key).ip(external), vantage_nat: nat };
}
