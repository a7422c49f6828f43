// What is known about our place behind NATs, in words and as JSON: for `tt nat status`; `tt doctor` has a line for each mapping as well. Pure.
import type { NatState } from '../../core/nat/classify.ts';
import type { NatFamilySnapshot } from '../../core/nat/nat-snapshot.ts';
import type { MappingSnapshot } from '../../core/nat/port-mapper.ts';
import { formatDuration } from '../terminal/units.ts';
import type { NatExamResult } from './exam.ts';

const STATE_WORDS: Readonly<Record<NatState, string>> = {
  open: 'OPEN: everybody reaches us',
  mapped: 'MAPPED: everybody reaches us through a port that the router forwards',
  'eim-open': 'EIM-OPEN: everybody reaches us by UDP; TCP only after we have dialled out',
  eim: 'EIM: one public port for all; strangers are kept out, holes can be punched',
  apdm: 'APDM ("symmetric"): another public port towards each; relays help',
  'tcp-only': 'TCP-ONLY: no datagrams get through',
  unknown: 'unknown',
};

const ADVICE: Readonly<Partial<Record<NatState, string>>> = {
  eim: 'Forwarding the port at the router, or switching on UPnP or PCP there, lets peers in that cannot punch.',
  apdm: 'Forward the port at the router, or switch on UPnP or PCP there; IPv6 helps as well.',
  'tcp-only': 'UDP is blocked: the DHT, uTP and hole punching are out of reach from here.',
};

const PROTOCOL_NAMES = { pcp: 'PCP', 'nat-pmp': 'NAT-PMP', upnp: 'UPnP' } as const;

const MAPPING_WORDS: Readonly<Record<MappingSnapshot['state'], string>> = {
  asking: 'asked, no answer yet',
  claimed: 'the router says so; nobody outside has tried',
  verified: 'somebody came in that way',
  refuted: 'the router said so, but nobody outside gets through',
  none: 'not forwarded',
};

/** `TCP 6891 is 203.0.113.5:6891 outside (PCP, renewed in 30 min): somebody came in that way`. */
export function mappingLine(mapping: MappingSnapshot): string {
  const { transport, internalPort, state, protocol, externalHost, externalPort, renewInMs, answers } =
    mapping;
  const port = `${transport.toUpperCase()} ${internalPort}`;
  if (protocol === undefined) {
    const said = Object.entries(answers).map(
      ([name, what]) => `${PROTOCOL_NAMES[name as keyof typeof PROTOCOL_NAMES]}: ${what}`,
    );
    return `${port}: ${MAPPING_WORDS[state]}${said.length === 0 ? '' : ` (${said.join('; ')})`}`;
  }
  const renewal = renewInMs === undefined ? '' : `, renewed in ${formatDuration(renewInMs)}`;
  const outside =
    externalHost === undefined ? `port ${externalPort}` : `${bracketed(externalHost)}:${externalPort}`;
  return `${port} is ${outside} outside (${PROTOCOL_NAMES[protocol]}${renewal}): ${MAPPING_WORDS[state]}`;
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function seenText({ external, mapping }: NatFamilySnapshot): string | undefined {
  if (external === undefined) return undefined;
  const host = bracketed(external.host);
  if (external.port !== undefined) return `seen as ${host}:${external.port}`;
  return mapping === 'per-remote' ? `seen as ${host}, with many ports` : `seen as ${host}`;
}

/** The text of `tt nat status`. */
export function natText({ nat, gateways, relaysAsked, isComplete, tcpPort, udpPort }: NatExamResult): string {
  if (gateways.length === 0)
    return 'This machine has no way out: no default route. Nothing can be found out.';
  const lines: string[] = [];
  for (const family of nat.families) {
    const gateway = gateways.find((each) => each.family === family.family);
    if (gateway === undefined) continue;
    lines.push(`IPv${family.family}    ${STATE_WORDS[family.state]}`);
    const seen = seenText(family);
    if (seen !== undefined) lines.push(`        ${seen}`);
    // What the router said comes below, mapping by mapping.
    const evidence = family.evidence.filter(({ about }) => about !== 'gateway');
    for (const { says } of evidence) lines.push(`        - ${says}`);
    lines.push(`        router ${gateway.host}, we are ${gateway.localHost}`);
    for (const mapping of family.mappings) lines.push(`        ${mappingLine(mapping)}`);
    const advice = ADVICE[family.state];
    if (advice !== undefined) lines.push(`        > ${advice}`);
  }
  if (!nat.isMappingOn) lines.push('Router  not asked to forward ports (port-map is off)');
  lines.push(
    `Ports   TCP ${tcpPort}, UDP ${udpPort}; others are told ${nat.announcedPort}`,
    relaysAsked.length === 0
      ? 'Relays  none has tried to reach us: --relay HOST:PORT names one'
      : `Relays  ${relaysAsked.join(', ')} tried to reach us`,
  );
  if (!isComplete) lines.push('Not everything was known when time was up: --timeout gives it more.');
  return lines.join('\n');
}

export function natJson(result: NatExamResult): Readonly<Record<string, unknown>> {
  const { nat, gateways, relaysAsked, isComplete, tcpPort, udpPort } = result;
  return {
    tcpPort,
    udpPort,
    announcedPort: nat.announcedPort,
    isOnline: gateways.length > 0,
    isComplete,
    isMappingOn: nat.isMappingOn,
    classifiedAfterMs: nat.classifiedAfterMs ?? null,
    families: nat.families.map(({ external, gateway: _, ...family }) => ({
      ...family,
      external: external === undefined ? null : { host: external.host, port: external.port ?? null },
      gateway: gateways.find((each) => each.family === family.family)?.host ?? null,
      localHost: gateways.find((each) => each.family === family.family)?.localHost ?? null,
    })),
    relays: relaysAsked,
  };
}
