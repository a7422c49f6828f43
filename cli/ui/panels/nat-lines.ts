// Our place behind NATs in some lines: what the world sees of us, which ports the router forwards and whether that was tried, and
// the relays through which we can be called.
import { endpointKey } from '../../../core/base/endpoint.ts';
import type { NatState } from '../../../core/nat/classify.ts';
import type { Rung } from '../../../core/nat/ladder.ts';
import type { NatFamilySnapshot } from '../../../core/nat/nat-snapshot.ts';
import type { MappingSnapshot } from '../../../core/nat/port-mapper.ts';
import type { RelayStatus } from '../../../core/relay/client-links.ts';
import type { ReachSnapshot } from '../../../core/session/reach/reach-stats.ts';
import type { SessionSnapshot } from '../../../core/session/snapshot.ts';
import { safeText } from '../../terminal/text.ts';
import { formatBytes, formatCount } from '../../terminal/units.ts';
import { type Line, labelled, plainText, type Span, span, type Tone } from '../styled.ts';

const STATES: Readonly<Record<NatState, readonly [tone: Tone | undefined, words: string]>> = {
  open: ['good', 'open: everybody reaches us'],
  mapped: ['good', 'mapped: reached by a forwarded port'],
  'eim-open': ['good', 'eim-open: reached by UDP'],
  eim: ['warn', 'eim: strangers must punch a hole'],
  apdm: ['warn', 'apdm: relays help'],
  'tcp-only': ['warn', 'tcp-only: datagrams do not come back'],
  unknown: ['dim', 'not known yet'],
};

const MAPPINGS: Readonly<Record<MappingSnapshot['state'], readonly [tone: Tone, words: string]>> = {
  asking: ['dim', 'asking the router'],
  claimed: ['warn', 'not tried from outside'],
  verified: ['good', 'verified: somebody came in'],
  refuted: ['bad', 'nobody outside gets through'],
  none: ['dim', 'not forwarded'],
};

/** States of a mapping that are an answer. */
const TRIED: ReadonlySet<MappingSnapshot['state']> = new Set<MappingSnapshot['state']>([
  'claimed',
  'verified',
  'refuted',
]);

/** From the straightest to the most roundabout. */
const RUNGS: readonly Rung[] = ['direct', 'reverse', 'punch', 'tcp-punch', 'splice'];

const PROTOCOLS = { pcp: 'PCP', 'nat-pmp': 'NAT-PMP', upnp: 'UPnP' } as const;

function toned(tone: Tone | undefined, text: string): string | Span {
  return tone === undefined ? text : span(tone, text);
}

/** `IPv4 eim: strangers must punch a hole, seen as 203.0.113.5:6891`. */
function familyLine({ family, state, external, mapping }: NatFamilySnapshot): Line {
  const [tone, words] = STATES[state];
  const seen = external === undefined ? undefined : safeText(external.host);
  const port = external?.port;
  const many = mapping === 'per-remote' ? ', many ports' : '';
  const as =
    seen === undefined
      ? ''
      : port === undefined
        ? `, seen as ${seen}${many}`
        : `, seen as ${endpointKey({ host: seen, port })}`;
  return [`IPv${family} `, toned(tone, words), as];
}

/** `IPv4 tcp 6891 is 6892 outside by UPnP, verified: somebody came in`. */
function mappingLine(family: 4 | 6, mapping: MappingSnapshot): Line {
  const { transport, internalPort, state, protocol, externalPort } = mapping;
  const [tone, words] = MAPPINGS[state];
  const outside =
    externalPort === undefined || protocol === undefined
      ? ''
      : ` is ${externalPort} outside by ${PROTOCOLS[protocol]}`;
  return [`IPv${family} ${transport} ${internalPort}${outside}, `, span(tone, words)];
}

function relayLine(relays: readonly RelayStatus[]): Line {
  const held = relays.filter(({ state }) => state === 'reserved');
  const linked = relays.filter(({ state, isNeighbour }) => state === 'connected' && !isNeighbour).length;
  const neighbours = relays.filter(({ isNeighbour }) => isNeighbour).length;
  if (relays.length === 0) return [span('dim', 'none so far')];
  const counts = [
    `${held.length} held`,
    ...(linked === 0 ? [] : [`${linked} connected`]),
    ...(neighbours === 0 ? [] : [`${neighbours} in the swarm`]),
  ].join(', ');
  const names = held.map(({ endpoint, isUtp, proxyPort }) => {
    const proxy = proxyPort === 0 ? '' : `, proxy port ${proxyPort}`;
    return `${safeText(endpointKey(endpoint))} (${isUtp ? 'utp' : 'tcp'}${proxy})`;
  });
  if (held.length === 0) return [span('dim', counts)];
  return [span('good', counts), `: ${names.join(', ')}`];
}

/** `by direct 30 (1.20 GiB), punch 6 (80.0 MiB); 6 of 9 holes opened`: connections since the start, with what they carried. */
function reachLine({ connections, bytes, punches }: ReachSnapshot): Line {
  const ways = RUNGS.flatMap((rung) => {
    const count = connections[rung] ?? 0;
    return count === 0 ? [] : [`${rung} ${count} (${formatBytes(bytes[rung] ?? 0)})`];
  });
  const holes =
    punches.tried === 0 ? '' : `; ${punches.opened} of ${formatCount(punches.tried, 'hole')} opened`;
  return [`by ${ways.join(', ')}${holes}`];
}

/** What is known by now, a sentence each, for views that say a thing once. */
export function natNews({ nat, relays }: SessionSnapshot): string[] {
  const known = (nat?.families ?? []).filter(({ state }) => state !== 'unknown');
  const tried = known.flatMap(({ family, mappings }) =>
    mappings.filter(({ state }) => TRIED.has(state)).map((mapping) => mappingLine(family, mapping)),
  );
  const held = (relays ?? []).some(({ state }) => state === 'reserved') ? [relayLine(relays ?? [])] : [];
  return [
    ...known.map((family) => `NAT: ${plainText(familyLine(family))}`),
    ...tried.map((line) => `forwarding: ${plainText(line)}`),
    ...held.map((line) => `relays: ${plainText(line)}`),
  ];
}

/** Nothing where nobody asks: on loopback, behind a proxy. */
export function natLines({ nat, relays, reach }: SessionSnapshot): Line[] {
  const lines: Line[] = [];
  const add = (name: string, values: readonly Line[]): void => {
    for (const [i, value] of values.entries()) lines.push(labelled(i === 0 ? name : '', ...value));
  };
  if (nat !== undefined) {
    add('NAT', nat.families.map(familyLine));
    const mappings = nat.families.flatMap((each) =>
      each.mappings.map((mapping) => mappingLine(each.family, mapping)),
    );
    if (nat.isMappingOn) add('forwarding', mappings);
    else add('forwarding', [[span('dim', 'off: the router is not asked')]]);
  }
  if (relays !== undefined) add('relays', [relayLine(relays)]);
  // Where everybody is reached straight that is no news.
  const isNews = reach !== undefined && RUNGS.some((rung) => rung !== 'direct' && reach.connections[rung]);
  if (isNews) add('reached', [reachLine(reach)]);
  return lines;
}
