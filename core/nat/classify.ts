// What lies between us and everybody else: how our UDP endpoint is mapped, who may come in, whether anybody does. Worked out from what
// strangers say they saw, what the gateway granted, and who came through when asked to. Facts in, one judgement out. Pure.
import { type Endpoint, endpointKey, isIPv6 } from '../base/endpoint.ts';
import { isLocalAddress } from '../base/local-address.ts';
import { operatorPrefix } from '../relay/addresses.ts';
import type { DialBackResult } from './dial-back.ts';
import type { Reach, Verdict } from './ladder-reach.ts';
import type { MappingSnapshot } from './port-mapper.ts';

/**
 * open: no translation, strangers get through. mapped: through a port that the gateway forwards. eim-open: a cone, open for UDP.
 * eim: one public port for all remotes, strangers are filtered. apdm: another port for each remote ("symmetric").
 * tcp-only: datagrams do not come back. unknown: nobody has told enough.
 */
export type NatState = 'open' | 'mapped' | 'eim-open' | 'eim' | 'apdm' | 'tcp-only' | 'unknown';

export interface Evidence {
  readonly about: 'address' | 'mapping' | 'filtering' | 'reachability' | 'gateway';
  /** One clause for a person. */
  readonly says: string;
}

export interface NatClass {
  readonly family: 4 | 6;
  readonly state: NatState;
  /** The same for whoever decides how two peers meet. */
  readonly reach: Reach;
  /** Our UDP endpoint as most see it; the port only where it is the same for all. */
  readonly external: { readonly host: string; readonly port: number | undefined } | undefined;
  /** Somebody rewrites our address or port; undefined while nobody has said. */
  readonly isTranslated: boolean | undefined;
  readonly evidence: readonly Evidence[];
}

/** Fewer may be one person, or chance. */
const LEAST_VOTERS = 3;
/** 3 of 4 agree: one of four may lie, or have seen the endpoint of before. */
const AGREEING_SHARE = 3 / 4;
/** The latest count; one network has one voice. */
const MAX_VOTERS = 32;
/** So many questions without any answer, and datagrams do not come back here. */
const LEAST_UNANSWERED = 4;
const MAX_NAMED_VOTERS = 4;

export interface LocalFacts {
  /** All addresses of this machine. */
  readonly addresses: readonly string[];
  /** UDP port that was asked from. */
  readonly udpPort: number;
}

interface Vote {
  readonly by: string;
  readonly seen: Endpoint;
}

export class NatClassifier {
  readonly #family: 4 | 6;
  /** By the voter's network. */
  readonly #votes = new Map<string, Vote>();
  #local: LocalFacts = { addresses: [], udpPort: 0 };
  #mappings: readonly MappingSnapshot[] = [];
  #dialBack: DialBackResult | undefined;
  #visitor: string | undefined;
  #unanswered = 0;
  #hasTcp = false;

  constructor(family: 4 | 6) {
    this.#family = family;
  }

  setLocal(local: LocalFacts): void {
    this.#local = local;
  }

  setMappings(mappings: readonly MappingSnapshot[]): void {
    this.#mappings = mappings;
  }

  /** Somebody whom our UDP socket asked says as whom he saw us. */
  handleSeen(seen: Endpoint, by: string): void {
    if (isIPv6(seen.host) !== (this.#family === 6) || isIPv6(by) !== (this.#family === 6)) return;
    // What a neighbour on our own network sees says nothing about the gateway.
    if (isLocalAddress(by)) return;
    const voter = operatorPrefix(by);
    this.#votes.delete(voter);
    this.#votes.set(voter, { by, seen });
    if (this.#votes.size > MAX_VOTERS) this.#votes.delete(this.#votes.keys().next().value as string);
    this.#unanswered = 0;
  }

  /** Questions by UDP that nobody answered, in one round. */
  handleSilence(asked: number): void {
    if (this.#votes.size === 0) this.#unanswered += asked;
  }

  /** A TCP connection to the world works, so that we are not merely offline. */
  handleTcpWorks(): void {
    this.#hasTcp = true;
  }

  /** @param result `tcp` undefined where the port that was tried is one that the gateway forwards: that proves the mapping only */
  handleDialBack(result: DialBackResult): void {
    const before = this.#dialBack;
    // TCP and UDP are tried apart; what was not tried this time stays as it was.
    this.#dialBack = {
      ...result,
      tcp: result.tcp ?? before?.tcp,
      udp: result.udp ?? before?.udp,
      udpOtherPort: result.udp === undefined ? before?.udpOtherPort : result.udpOtherPort,
    };
  }

  /** A connection came in that nobody had asked for. @returns true when it proves something: it is the first from outside */
  handleVisitor(host: string): boolean {
    if (isIPv6(host) !== (this.#family === 6) || isLocalAddress(host) || this.#visitor !== undefined)
      return false;
    this.#visitor = host;
    return true;
  }

  /** Another network, another gateway: nothing that was known holds. */
  reset(): void {
    this.#votes.clear();
    this.#dialBack = undefined;
    this.#visitor = undefined;
    this.#unanswered = 0;
    this.#mappings = [];
  }

  get voters(): number {
    return this.#votes.size;
  }

  result(): NatClass {
    const evidence: Evidence[] = [];
    const seen = this.#seen(evidence);
    const filtering = this.#filtering(evidence);
    const mapped = this.#mapped(evidence);
    const stranger = this.#stranger(evidence);
    const udp: Verdict = this.#votes.size > 0 ? 'yes' : this.#isUdpDead(evidence) ? 'no' : 'unknown';
    const state = stateOf({ seen, filtering, mapped, stranger, udp });
    const isOpen: Verdict =
      state === 'open' || state === 'mapped' || state === 'eim-open'
        ? 'yes'
        : filtering === 'unknown'
          ? 'unknown'
          : 'no';
    return {
      family: this.#family,
      state,
      reach: { isOpen, mapping: seen.mapping, filtering: isOpen === 'yes' ? 'open' : filtering, udp },
      external: seen.host === undefined ? undefined : { host: seen.host, port: seen.port },
      isTranslated: seen.isTranslated,
      evidence,
    };
  }

  #seen(evidence: Evidence[]): Seen {
    const votes = [...this.#votes.values()];
    const host = mostVoted(votes.map((vote) => vote.seen.host));
    if (host === undefined || votes.length < LEAST_VOTERS) {
      if (votes.length > 0)
        evidence.push({
          about: 'mapping',
          says: `only ${votes.length} outside ${votes.length === 1 ? 'has' : 'have'} said how they see us`,
        });
      return { host: host?.value, port: undefined, mapping: 'unknown', isTranslated: undefined };
    }
    const names = votes
      .slice(-MAX_NAMED_VOTERS)
      .map(({ by, seen }) => `${by} sees ${endpointKey(seen)}`)
      .join(', ');
    const endpoint = mostVoted(votes.map((vote) => endpointKey(vote.seen))) as Counted<string>;
    const isSame = endpoint.votes >= votes.length * AGREEING_SHARE;
    const port = isSame
      ? votes.find((vote) => endpointKey(vote.seen) === endpoint.value)?.seen.port
      : undefined;
    const isOwn = this.#local.addresses.includes(host.value);
    const isTranslated = !(isOwn && isSame && port === this.#local.udpPort);
    evidence.push({
      about: 'mapping',
      says: isSame
        ? `${endpoint.votes} of ${votes.length} networks see ${endpoint.value}${isTranslated ? '' : ', which is our own'}: ${names}`
        : `${votes.length} networks see ${new Set(votes.map(({ seen }) => endpointKey(seen))).size} different endpoints: ${names}`,
    });
    return { host: host.value, port, mapping: isSame ? 'endpoint' : 'per-remote', isTranslated };
  }

  #filtering(evidence: Evidence[]): Reach['filtering'] {
    const test = this.#dialBack;
    if (test?.udp === undefined) return 'unknown';
    const say = (says: string): void => void evidence.push({ about: 'filtering', says });
    if (test.udp) {
      say(`a datagram of ${test.by}, whom we had never written to, came in`);
      return 'open';
    }
    if (test.udpOtherPort === true) {
      say(`${test.by} got in from another port, but not from an address that we had never written to`);
      return 'address';
    }
    say(`no datagram of ${test.by} got in that we had not asked that very port for`);
    return test.udpOtherPort === false ? 'port' : 'unknown';
  }

  #mapped(evidence: Evidence[]): boolean {
    for (const mapping of this.#mappings) {
      const { transport, internalPort, state, protocol, externalHost, externalPort } = mapping;
      const where = `${externalHost ?? 'the gateway'} port ${externalPort} to ${transport.toUpperCase()} ${internalPort} (${protocol})`;
      if (state === 'verified') {
        evidence.push({ about: 'gateway', says: `forwards ${where}; somebody came in that way` });
      } else if (state === 'claimed') {
        evidence.push({ about: 'gateway', says: `says it forwards ${where}; nobody outside has tried` });
      } else if (state === 'refuted') {
        evidence.push({
          about: 'gateway',
          says: `said it forwards ${transport.toUpperCase()} ${internalPort}, but nobody outside gets through`,
        });
      } else if (state === 'none') {
        const answers = Object.entries(mapping.answers).map(([name, what]) => `${name}: ${what}`);
        evidence.push({
          about: 'gateway',
          says: `forwards nothing to ${transport.toUpperCase()} ${internalPort}${answers.length === 0 ? '' : ` (${answers.join('; ')})`}`,
        });
      }
    }
    return this.#mappings.some(({ state }) => state === 'verified');
  }

  /** Whether a stranger reached a port of ours without the gateway's forwarding. */
  #stranger(evidence: Evidence[]): Verdict {
    const test = this.#dialBack;
    if (test?.tcp !== undefined) {
      const says = test.tcp ? `${test.by} could connect to us` : `${test.by} could not connect to us`;
      evidence.push({ about: 'reachability', says });
    }
    if (this.#visitor !== undefined && this.#visitor !== test?.by)
      evidence.push({ about: 'reachability', says: `${this.#visitor} connected to us` });
    if (test?.tcp === true || this.#visitor !== undefined) return 'yes';
    return test?.tcp === false ? 'no' : 'unknown';
  }

  #isUdpDead(evidence: Evidence[]): boolean {
    if (this.#unanswered < LEAST_UNANSWERED) return false;
    evidence.push({
      about: 'mapping',
      says: `nobody answered ${this.#unanswered} questions by UDP${this.#hasTcp ? ', while TCP works' : ''}`,
    });
    return this.#hasTcp;
  }
}

interface Seen {
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly mapping: Reach['mapping'];
  readonly isTranslated: boolean | undefined;
}

function stateOf(facts: {
  readonly seen: Seen;
  readonly filtering: Reach['filtering'];
  readonly mapped: boolean;
  readonly stranger: Verdict;
  readonly udp: Verdict;
}): NatState {
  const { seen, filtering, mapped, stranger, udp } = facts;
  if (mapped) return 'mapped';
  if (udp === 'no') return 'tcp-only';
  if (seen.mapping === 'unknown') return stranger === 'yes' ? 'open' : 'unknown';
  if (stranger === 'yes' && seen.isTranslated === false) return 'open';
  if (seen.mapping === 'per-remote') return 'apdm';
  // Somebody reached a port that is translated, and that this program forwarded nowhere: by hand at the gateway, or a cone.
  if (stranger === 'yes') return 'mapped';
  if (filtering === 'open') return seen.isTranslated === false ? 'open' : 'eim-open';
  // Untranslated and never tried: open or behind a firewall, nobody knows.
  if (seen.isTranslated === false && stranger === 'unknown' && filtering === 'unknown') return 'unknown';
  return 'eim';
}

interface Counted<T> {
  readonly value: T;
  readonly votes: number;
}

function mostVoted<T>(values: readonly T[]): Counted<T> | undefined {
  const counts = new Map<T, number>();
  let best: Counted<T> | undefined;
  for (const value of values) {
    const votes = (counts.get(value) ?? 0) + 1;
    counts.set(value, votes);
    if (best === undefined || votes > best.votes) best = { value, votes };
  }
  return best;
}
