// Shell scripts that turn an empty network namespace into a host, a gateway, a carrier or the core. Pure text.
import type { SiteSpec } from './kinds.ts';
import { hereDocument } from './netns.ts';
import type { HostPlan, SitePlan } from './plan.ts';
import { coreRules, gatewayRules, lossRules } from './rules.ts';

/** Our own networks need no duplicate address detection, and tests do not wait for it. */
const V6 = (address: string): string => `${address}/64`;

function setting(path: string, value: string): string {
  // Some only exist with the kernel module that they are about.
  return `if [ -e /proc/sys/net/${path} ]; then echo ${value} > /proc/sys/net/${path}; fi`;
}

function families(ipv6: boolean): string[] {
  return [
    setting('ipv6/conf/all/disable_ipv6', ipv6 ? '0' : '1'),
    setting('ipv6/conf/default/disable_ipv6', ipv6 ? '0' : '1'),
  ];
}

function routing(ipv6: boolean): string[] {
  return [
    setting('ipv4/ip_forward', '1'),
    setting('ipv4/conf/all/rp_filter', '0'),
    'for each in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $each; done',
    ...(ipv6 ? [setting('ipv6/conf/all/forwarding', '1')] : []),
    // With these on, frames between two hosts of one bridge pass the address translation as well, and hairpinning is bypassed.
    setting('bridge/bridge-nf-call-iptables', '0'),
  ];
}

/** After the rules: the connection table is there only when somebody uses it. */
function tracking({ udpTimeoutSec, tcpTimeoutSec }: SiteSpec): string[] {
  const table = 'netfilter/nf_conntrack';
  return [
    // A gateway that restarted does not take up connections in their middle.
    setting(`${table}_tcp_loose`, '0'),
    ...(udpTimeoutSec === undefined
      ? []
      : [
          setting(`${table}_udp_timeout`, `${udpTimeoutSec}`),
          setting(`${table}_udp_timeout_stream`, `${udpTimeoutSec}`),
        ]),
    ...(tcpTimeoutSec === undefined ? [] : [setting(`${table}_tcp_timeout_established`, `${tcpTimeoutSec}`)]),
  ];
}

function ip(lines: readonly string[]): string {
  return hereDocument('ip -batch -', lines.join('\n'));
}

function shape(interfaceName: string, rate: string | undefined): string[] {
  return rate === undefined
    ? []
    : [`tc qdisc add dev ${interfaceName} root tbf rate ${rate} burst 32kbit latency 200ms`];
}

export function coreScript(sites: readonly SitePlan[], ipv6: boolean): string {
  return [
    ...families(ipv6),
    hereDocument('nft -f -', coreRules()),
    ip([
      'link set lo up',
      ...sites.flatMap((site) => [
        `addr add ${site.coreAddress}/24 dev ${site.coreInterface}`,
        ...(ipv6 ? [`addr add ${V6(site.coreAddressV6)} dev ${site.coreInterface} nodad`] : []),
        `link set ${site.coreInterface} up`,
        ...(site.spec.kind === 'firewall'
          ? [`route add ${network(site.lanAddress)} via ${site.wanAddress}`]
          : []),
        ...(ipv6 && site.gateway !== undefined
          ? [`route add ${networkV6(site.lanAddressV6)} via ${site.wanAddressV6}`]
          : []),
      ]),
    ]),
    ...routing(ipv6),
    ...sites.flatMap(({ coreInterface, spec }) => [
      ...shape(coreInterface, spec.rate),
      ...(spec.lossPercent === undefined
        ? []
        : [hereDocument('nft -f -', lossRules(coreInterface, spec.lossPercent))]),
    ]),
  ].join('\n');
}

/** The side of the access link that is not the core's. */
function accessLink(site: SitePlan, ipv6: boolean): string[] {
  return [
    'link set lo up',
    ...site.wanAddresses.map((address) => `addr add ${address}/24 dev wan`),
    ...(ipv6 ? [`addr add ${V6(site.wanAddressV6)} dev wan nodad`] : []),
    'link set wan up',
    ...defaultRoutes(site, ipv6),
  ];
}

/** Also after the link was down, which takes the routes with it. */
export function defaultRoutes(site: SitePlan, ipv6: boolean): string[] {
  return [
    `route replace default via ${site.coreAddress}`,
    ...(ipv6 ? [`route replace default via ${site.coreAddressV6}`] : []),
  ];
}

export function publicScript(site: SitePlan, ipv6: boolean): string {
  return [...families(ipv6), ip(accessLink(site, ipv6)), ...shape('wan', site.spec.rate)].join('\n');
}

export function carrierScript(site: SitePlan): string {
  const { carrierAddress } = site.carrierLan as NonNullable<SitePlan['carrierLan']>;
  return [
    ...families(false),
    hereDocument(
      'nft -f -',
      gatewayRules({
        kind: site.spec.kind === 'cgnat-symmetric' ? 'symmetric' : 'shift',
        input: site.spec.input ?? 'drop',
        hairpin: false,
      }),
    ),
    ...tracking(site.spec),
    ip([
      ...accessLink(site, false),
      'link add br0 type bridge mcast_snooping 0',
      `addr add ${carrierAddress}/24 dev br0`,
      'link set br0 up',
      'link set sub1 master br0',
      'link set sub1 up',
    ]),
    ...routing(false),
    ...shape('wan', site.spec.rate),
  ].join('\n');
}

export function gatewayScript(site: SitePlan, ipv6: boolean): string {
  const { spec, carrierLan } = site;
  const kind =
    spec.kind === 'cgnat' || spec.kind === 'cgnat-symmetric'
      ? 'port-restricted'
      : (spec.kind as Exclude<typeof spec.kind, 'public' | 'cgnat' | 'cgnat-symmetric'>);
  const isV6 = ipv6 && carrierLan === undefined;
  return [
    ...families(isV6),
    hereDocument(
      'nft -f -',
      gatewayRules({ kind, input: spec.input ?? 'drop', hairpin: spec.hairpin ?? false }),
    ),
    ...tracking(spec),
    ip([
      ...(carrierLan === undefined
        ? accessLink(site, isV6)
        : [
            'link set lo up',
            `addr add ${carrierLan.gatewayAddress}/24 dev wan`,
            'link set wan up',
            `route replace default via ${carrierLan.carrierAddress}`,
          ]),
      'link add br0 type bridge mcast_snooping 0',
      `addr add ${site.lanAddress}/24 dev br0`,
      ...(isV6 ? [`addr add ${V6(site.lanAddressV6)} dev br0 nodad`] : []),
      'link set br0 up',
      ...site.hosts.flatMap((_, i) => [`link set lan${i + 1} master br0`, `link set lan${i + 1} up`]),
      // Where the gateway's own announcements (SSDP) go.
      'route replace 239.0.0.0/8 dev br0',
    ]),
    ...routing(isV6),
    ...(carrierLan === undefined ? shape('wan', spec.rate) : []),
  ].join('\n');
}

export function hostScript(site: SitePlan, host: HostPlan, ipv6: boolean): string {
  const isV6 = ipv6 && site.carrier === undefined;
  return [
    ...families(isV6),
    ip([
      'link set lo up',
      `addr add ${host.address}/24 dev eth0`,
      ...(isV6 ? [`addr add ${V6(host.addressV6)} dev eth0 nodad`] : []),
      'link set eth0 up',
      `route replace default via ${site.lanAddress}`,
      ...(isV6 ? [`route replace default via ${site.lanAddressV6}`] : []),
    ]),
  ].join('\n');
}

function network(address: string): string {
  return `${address.slice(0, address.lastIndexOf('.'))}.0/24`;
}

function networkV6(address: string): string {
  return `${address.slice(0, address.lastIndexOf('::'))}::/64`;
}
