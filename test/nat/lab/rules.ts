// The nftables rules of the lab as text: what makes a gateway the kind that it is, and the core between the sites. Pure.
import type { SiteKind, Unsolicited } from './kinds.ts';

/** Learnt mappings of full-cone gateways outlive silence by this, as RFC 4787 recommends. */
const LEARNT_TIMEOUT = '300s';
const SHIFTED_PORTS = '20000-29999';

type GatewayKind = Exclude<SiteKind, 'public' | 'cgnat' | 'cgnat-symmetric'>;

interface Behaviour {
  /** How a source is rewritten; undefined: not at all. */
  readonly translate?: string;
  readonly filter: 'eif' | 'adf' | 'apdf';
  /** Rules in front of all others of the forward chain. */
  readonly first?: readonly string[];
}

/**
 * Plain masquerading is endpoint-independent here because the kernel gives a source its old port again while that is free, and it
 * filters by address and port because only the connection table lets packets in. With `random` every remote gets another port.
 */
const BEHAVIOURS: Readonly<Record<GatewayKind, Behaviour>> = {
  'full-cone': { translate: 'masquerade', filter: 'eif' },
  'addr-restricted': { translate: 'masquerade', filter: 'adf' },
  'port-restricted': { translate: 'masquerade', filter: 'apdf' },
  'full-cone-shift': { translate: `masquerade to :${SHIFTED_PORTS}`, filter: 'eif' },
  shift: { translate: `masquerade to :${SHIFTED_PORTS}`, filter: 'apdf' },
  symmetric: { translate: 'masquerade random', filter: 'apdf' },
  'symmetric-full': { translate: 'masquerade fully-random', filter: 'apdf' },
  firewall: { filter: 'apdf' },
  'udp-blocked': { translate: 'masquerade', filter: 'apdf', first: ['meta l4proto udp counter drop'] },
  'web-only': {
    translate: 'masquerade',
    filter: 'apdf',
    first: [
      'iifname "br0" meta l4proto udp counter drop',
      'iifname "br0" tcp dport != { 80, 443 } counter drop',
    ],
  },
};

const VERDICTS: Readonly<Record<Unsolicited, readonly string[]>> = {
  drop: ['counter drop'],
  reject: ['meta l4proto tcp counter reject with tcp reset', 'counter reject'],
  accept: ['counter accept'],
};

/** The name of the one table of a gateway; miniupnpd is told it. */
export const GATEWAY_TABLE = 'natlab';

export interface GatewayRules {
  readonly kind: GatewayKind;
  readonly input: Unsolicited;
  readonly hairpin: boolean;
}

/** @returns what `nft -f -` takes; interfaces are `br0` (inside) and `wan`. IPv6 is filtered and never translated. */
export function gatewayRules({ kind, input, hairpin }: GatewayRules): string {
  const { translate, filter, first = [] } = BEHAVIOURS[kind];
  const verdict = VERDICTS[input];
  const protocols = ['udp', 'tcp'] as const;
  const wanV4 = 'iifname "wan" meta nfproto ipv4';
  return table('inet', GATEWAY_TABLE, [
    ...(filter === 'apdf' ? [] : learning()),
    // miniupnpd fills these.
    'chain miniupnpd { }',
    'chain prerouting_miniupnpd { }',
    'chain postrouting_miniupnpd { }',
    ...chain('prerouting', 'type nat hook prerouting priority -100; policy accept;', [
      'jump prerouting_miniupnpd',
      ...(filter === 'eif'
        ? protocols.map((p) => `${wanV4} meta l4proto ${p} dnat ip to ${p} dport map @inside_${p}`)
        : []),
      ...(filter === 'adf'
        ? protocols.map(
            (p) =>
              `${wanV4} meta l4proto ${p} meta l4proto . th dport . ip saddr @met dnat ip to ${p} dport map @inside_${p}`,
          )
        : []),
      ...(hairpin && filter === 'eif'
        ? protocols.map(
            (p) =>
              `iifname "br0" meta nfproto ipv4 fib daddr type local meta l4proto ${p} dnat ip to ${p} dport map @inside_${p}`,
          )
        : []),
    ]),
    ...chain('postrouting', 'type nat hook postrouting priority 100; policy accept;', [
      'jump postrouting_miniupnpd',
      ...(translate === undefined
        ? []
        : [
            ...protocols.map((p) => `oifname "wan" meta nfproto ipv4 meta l4proto ${p} ${translate}`),
            'oifname "wan" meta nfproto ipv4 masquerade',
            ...(hairpin ? ['iifname "br0" oifname "br0" ct status dnat masquerade'] : []),
          ]),
    ]),
    ...chain('forward', 'type filter hook forward priority 0; policy drop;', [
      ...first,
      'ct state established,related accept',
      'ct state invalid drop',
      'jump miniupnpd',
      'iifname "br0" accept',
      'ct status dnat accept',
      ...verdict,
    ]),
    ...chain('input', 'type filter hook input priority 0; policy accept;', [
      'iifname != "wan" accept',
      'ct state established,related accept',
      'meta l4proto { icmp, ipv6-icmp } accept',
      ...verdict,
    ]),
  ]);
}

/** Remembers at the way out who has which public port and, for address filtering, whom he has written to. */
function learning(): string[] {
  const inside = `type inet_service : ipv4_addr . inet_service; flags timeout; timeout ${LEARNT_TIMEOUT};`;
  const outV4 = 'oifname "wan" meta nfproto ipv4';
  return [
    `map inside_udp { ${inside} }`,
    `map inside_tcp { ${inside} }`,
    `set met { type inet_proto . inet_service . ipv4_addr; flags timeout; timeout ${LEARNT_TIMEOUT}; }`,
    ...chain('learn', 'type filter hook postrouting priority 110; policy accept;', [
      ...(['udp', 'tcp'] as const).map(
        (p) =>
          `${outV4} meta l4proto ${p} ct direction original update @inside_${p} { ${p} sport : ct original ip saddr . ct original proto-src }`,
      ),
      `${outV4} meta l4proto { tcp, udp } update @met { meta l4proto . th sport . ip daddr }`,
    ]),
  ];
}

/** What a gateway forgets in a restart, besides its connection table. */
export const LEARNT_SETS = ['map inside_udp', 'map inside_tcp', 'set met'] as const;

/** Names of the core's counters; all zero when no packet to or from an address that providers do not carry got that far. */
export const LEAK_COUNTERS = ['from_private', 'to_private', 'from_carrier', 'to_carrier'] as const;
export type LeakCounter = (typeof LEAK_COUNTERS)[number];

const PRIVATE = '{ 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, 127.0.0.0/8 }';
const CARRIER = '100.64.0.0/10';

/** The provider between all sites: it carries neither private sources nor private destinations. */
export function coreRules(): string {
  return table('inet', 'core', [
    ...LEAK_COUNTERS.map((name) => `counter ${name} { }`),
    'chain cut { }',
    'chain loss { }',
    // Before routing, which knows no way to private networks and would hide who tries.
    ...chain('arrival', 'type filter hook prerouting priority 0; policy accept;', [
      `ip saddr ${PRIVATE} counter name "from_private" drop`,
      `ip daddr ${PRIVATE} counter name "to_private" drop`,
      `ip saddr ${CARRIER} counter name "from_carrier" drop`,
      `ip daddr ${CARRIER} counter name "to_carrier" drop`,
    ]),
    ...chain('forward', 'type filter hook forward priority 0; policy accept;', ['jump cut', 'jump loss']),
  ]);
}

/** @param percent up to two decimals count */
export function lossRules(interfaceName: string, percent: number): string {
  const share = `numgen random mod 10000 < ${Math.round(percent * 100)} counter drop`;
  return ['iifname', 'oifname']
    .map((direction) => `add rule inet core loss ${direction} "${interfaceName}" ${share}\n`)
    .join('');
}

function table(family: string, name: string, lines: readonly string[]): string {
  return `table ${family} ${name} {\n${lines.map((line) => `  ${line}\n`).join('')}}\n`;
}

function chain(name: string, hook: string, rules: readonly string[]): string[] {
  return [`chain ${name} {`, `  ${hook}`, ...rules.map((rule) => `  ${rule}`), '}'];
}
