// Names and addresses of a lab, worked out from its sites: which namespaces there are and what each is called. Pure.
import type { SiteSpec } from './kinds.ts';

/**
 * An ordinary public range: miniupnpd maps nothing while its outer address is in a reserved one, test networks included. Every site
 * has a /16 of its own, because votes of one network count once.
 */
const publicNetwork = (number: number): string => `44.${FIRST_NETWORK + number}.1`;
/** Insides of firewalls: public as well, and routed. */
const routedNetwork = (number: number): string => `45.${FIRST_NETWORK + number}.1`;
const FIRST_NETWORK = 100;
const MOST_SITES = 150;
const CARRIER = '100.64';
const DEFAULT_LAN = '192.168.1';
const FIRST_HOST = 10;
const PUBLIC_V6 = '2a0c:44';

export const CORE = 'core';

export interface HostPlan {
  readonly namespace: string;
  readonly address: string;
  readonly addressV6: string;
  /** The same for `public`. */
  readonly interfaceName: 'wan' | 'eth0';
}

export interface SitePlan {
  readonly spec: SiteSpec;
  readonly number: number;
  /** The core's end of the access link. */
  readonly coreInterface: string;
  readonly coreAddress: string;
  readonly coreAddressV6: string;
  /** What the world sees (a firewall's hosts show their own). */
  readonly wanAddress: string;
  readonly wanAddressV6: string;
  /** All addresses of a public host. */
  readonly wanAddresses: readonly string[];
  /** Home gateway; undefined for `public`. */
  readonly gateway: string | undefined;
  readonly carrier: string | undefined;
  /** Between home gateway and carrier. */
  readonly carrierLan: { readonly carrierAddress: string; readonly gatewayAddress: string } | undefined;
  readonly lanAddress: string;
  readonly lanAddressV6: string;
  readonly hosts: readonly HostPlan[];
}

/** @param number from 1; decides the addresses */
export function planSite(spec: SiteSpec, number: number): SitePlan {
  if (number > MOST_SITES) throw new Error(`a lab has at most ${MOST_SITES} sites`);
  const wanAddress = `${publicNetwork(number)}.2`;
  const wanAddressV6 = `${PUBLIC_V6}:${number}::2`;
  const common = {
    spec,
    number,
    coreInterface: `s${number}`,
    coreAddress: `${publicNetwork(number)}.1`,
    coreAddressV6: `${PUBLIC_V6}:${number}::1`,
    wanAddress,
    wanAddressV6,
  };
  if (spec.kind === 'public') {
    const addresses = Array.from(
      { length: spec.addresses ?? 1 },
      (_, i) => `${publicNetwork(number)}.${i + 2}`,
    );
    return {
      ...common,
      wanAddresses: addresses,
      gateway: undefined,
      carrier: undefined,
      carrierLan: undefined,
      lanAddress: '',
      lanAddressV6: '',
      hosts: [
        {
          namespace: `p${number}`,
          address: wanAddress,
          addressV6: wanAddressV6,
          interfaceName: 'wan',
        },
      ],
    };
  }
  const isCarrier = spec.kind === 'cgnat' || spec.kind === 'cgnat-symmetric';
  const lan = spec.kind === 'firewall' ? routedNetwork(number) : (spec.lan ?? DEFAULT_LAN);
  const lanV6 = `${PUBLIC_V6}:1${number.toString().padStart(3, '0')}:`;
  return {
    ...common,
    wanAddresses: [wanAddress],
    gateway: `g${number}`,
    carrier: isCarrier ? `c${number}` : undefined,
    carrierLan: isCarrier
      ? { carrierAddress: `${CARRIER}.${number}.1`, gatewayAddress: `${CARRIER}.${number}.2` }
      : undefined,
    lanAddress: `${lan}.1`,
    lanAddressV6: `${lanV6}:1`,
    hosts: Array.from({ length: spec.hosts ?? 1 }, (_, i) => ({
      namespace: `h${number}-${i + 1}`,
      address: `${lan}.${FIRST_HOST + i}`,
      addressV6: `${lanV6}:${(FIRST_HOST + i).toString(16)}`,
      interfaceName: 'eth0',
    })),
  };
}
