// What kind of address translation lies between us and the Internet, from what DHT nodes say they saw (`ip` of BEP 42).
// They are strangers and may lie: one opinion counts for nothing, most of them do. Pure.
import { addressKind } from './addresses.ts';
import { type DoctorFact, good, notChecked, note } from './section.ts';

/** One node's report: we asked it from our one socket and it saw us as this. */
export interface SeenAs {
  readonly host: string;
  readonly port: number;
}

export interface NatInput {
  readonly family: 4 | 6;
  /** Addresses of this machine in the family. */
  readonly localHosts: readonly string[];
  readonly localPort: number;
  /** From nodes at different addresses where there are enough of them. */
  readonly reports: readonly SeenAs[];
}

/** Fewer agree by chance, or are one person. */
const LEAST_REPORTS = 3;
/** Honest nodes outnumber liars by far; a translator's doing shows in nearly all reports. */
const MOST_SHARE = 0.7;

export type Mapping =
  /** Nobody translates: the address and port are our own. */
  | 'none'
  /** RFC 4787 endpoint-independent mapping: the same port towards everybody. Hole punching works. */
  | 'endpoint-independent'
  /** RFC 4787 address- or port-dependent mapping, once called symmetric: another port towards each. */
  | 'endpoint-dependent'
  | 'unclear';

function mostVoted<T>(values: readonly T[]): { readonly value: T; readonly votes: number } | undefined {
  const votes = new Map<T, number>();
  for (const value of values) votes.set(value, (votes.get(value) ?? 0) + 1);
  let best: { value: T; votes: number } | undefined;
  for (const [value, count] of votes)
    if (best === undefined || count > best.votes) best = { value, votes: count };
  return best;
}

export function mappingOf({ localHosts, localPort, reports }: NatInput): Mapping {
  const host = mostVoted(reports.map((report) => report.host));
  if (host === undefined || host.votes < reports.length * MOST_SHARE) return 'unclear';
  const ports = reports.filter((report) => report.host === host.value).map((report) => report.port);
  const port = mostVoted(ports);
  if (port === undefined) return 'unclear';
  if (port.votes >= ports.length * MOST_SHARE) {
    return localHosts.includes(host.value) && port.value === localPort ? 'none' : 'endpoint-independent';
  }
  return new Set(ports).size > ports.length / 2 ? 'endpoint-dependent' : 'unclear';
}

/** The facts of one family. */
export function natFacts(input: NatInput): DoctorFact[] {
  const { family, localPort, reports } = input;
  const id = `nat${family}`;
  const name = `IPv${family} translation`;
  if (reports.length < LEAST_REPORTS) {
    const told = reports.length === 0 ? 'no DHT node told' : `only ${reports.length} DHT nodes told`;
    return [notChecked(id, name, `${told} what address it sees`)];
  }
  const host = mostVoted(reports.map((report) => report.host))?.value as string;
  const port = mostVoted(reports.filter((report) => report.host === host).map((report) => report.port))
    ?.value as number;
  const mapping = mappingOf(input);
  const data = { mapping, host, port, localPort, reports: reports.length };
  const seen = `${reports.length} DHT nodes see ${family === 6 ? `[${host}]` : host}`;
  const facts: DoctorFact[] = [];
  switch (mapping) {
    case 'none':
      facts.push(good(id, name, `none: ${seen}:${port}, which is this machine`, data));
      break;
    case 'endpoint-independent': {
      const kept =
        port === localPort ? 'and the port is kept' : `and always port ${port} (ours is ${localPort})`;
      facts.push(
        good(id, name, `yes, the same towards everybody: ${seen} ${kept}; hole punching works`, data),
      );
      break;
    }
    case 'endpoint-dependent': {
      const advice =
        'Nobody behind such a translator can be met half-way: forward the port at the router, or use IPv6.';
      facts.push(note(id, name, `yes, another port towards each (symmetric): ${seen}`, advice, data));
      break;
    }
    case 'unclear': {
      const different = new Set(reports.map((report) => report.host)).size;
      facts.push(notChecked(id, name, `${reports.length} DHT nodes disagree: ${different} addresses named`));
    }
  }
  if (addressKind(host) === 'shared') {
    const advice =
      'Ask the provider for a public address, or use IPv6: no port of this one can be forwarded.';
    facts.push(note(`${id}-shared`, 'Shared address', `${host} belongs to the provider (RFC 6598)`, advice));
  }
  return facts;
}
