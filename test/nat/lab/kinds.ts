// What a site of the lab can be, and the options of a site. Words as in RFC 4787: mapping endpoint-independent (EIM) or per remote
// address and port (APDM); filtering endpoint-independent (EIF), by address (ADF), by address and port (APDF).

/** The kinds that translate or filter, in the order of the tables. `cgnat` is a home gateway behind a carrier's. */
export const NAT_KINDS = [
  'full-cone',
  'addr-restricted',
  'port-restricted',
  'full-cone-shift',
  'shift',
  'symmetric',
  'symmetric-full',
  'firewall',
  'cgnat',
  'cgnat-symmetric',
] as const;

export type NatKind = (typeof NAT_KINDS)[number];

/** `udp-blocked`: TCP only. `web-only`: nothing leaves but TCP to ports 80 and 443. */
export type SiteKind = NatKind | 'public' | 'udp-blocked' | 'web-only';

/** What a gateway does with a packet from outside that nobody asked for. */
export type Unsolicited = 'drop' | 'reject' | 'accept';

export type Mapping = 'EIM' | 'APDM' | 'blocked';
export type Filtering = 'EIF' | 'ADF' | 'APDF' | 'blocked';

export interface SiteSpec {
  readonly kind: SiteKind;
  /** Machines behind the gateway; default 1. A public site has one. */
  readonly hosts?: number;
  /** Public sites only: how many addresses the host has; default 1. */
  readonly addresses?: number;
  readonly input?: Unsolicited;
  /** The private /24 by its first three numbers; every site has the same one by default, on purpose. */
  readonly lan?: string;
  /** Packets from inside to the gateway's own public address come back in. */
  readonly hairpin?: boolean;
  /** A miniupnpd on the gateway: UPnP-IGD, NAT-PMP, PCP. */
  readonly igd?: boolean | IgdOptions;
  /** One way, in both directions. Adds to the other side's. */
  readonly delayMs?: number;
  /** Up to so much more, order kept. */
  readonly jitterMs?: number;
  /** What the hosts in the open (`publics`) send here takes so much longer: words about a peer come late, its packets do not. */
  readonly lateMs?: number;
  /** Random loss on the access link, each way. */
  readonly lossPercent?: number;
  /** As `tc` writes it: `10mbit`. */
  readonly rate?: string;
  /** How long an idle UDP mapping lives. */
  readonly udpTimeoutSec?: number;
  readonly tcpTimeoutSec?: number;
}

export interface IgdOptions {
  /** miniupnpd raises shorter PCP lifetimes to this; its own default is 120. */
  readonly minLifetimeSec?: number;
  readonly protocols?: readonly ('pcp' | 'upnp')[];
  /** Lines of miniupnpd's configuration, after ours. */
  readonly extra?: readonly string[];
}

/** How each kind behaves, by construction; `NatLab` tests hold it against the probe. */
export const EXPECTED: Readonly<Record<NatKind, readonly [Mapping, Filtering]>> = {
  'full-cone': ['EIM', 'EIF'],
  'addr-restricted': ['EIM', 'ADF'],
  'port-restricted': ['EIM', 'APDF'],
  'full-cone-shift': ['EIM', 'EIF'],
  shift: ['EIM', 'APDF'],
  symmetric: ['APDM', 'APDF'],
  'symmetric-full': ['APDM', 'APDF'],
  firewall: ['EIM', 'APDF'],
  cgnat: ['EIM', 'APDF'],
  'cgnat-symmetric': ['APDM', 'APDF'],
};
