// One control connection as its peer sees it: what the relay offers, what is reserved there, whether it is alive. Pure.
import { toHex } from '../base/bytes.ts';
import { type Endpoint, endpointKey } from '../base/endpoint.ts';
import { isPrivateAddress } from '../base/local-address.ts';
import type { RelayOffer } from '../wire/extended-handshake.ts';
import type { ClientLinkId } from './client-port.ts';
import type { ReservedMessage } from './messages.ts';
import type { KnownRelay } from './relay-pool.ts';

/** Connected for one call or push: kept in case of another. */
export const IDLE_MS = 30_000;
const BEAT_MS = 25_000;
const MAX_MISSED_BEATS = 3;
/** An unanswered one is repeated after this: a gateway that restarted has forgotten the connection, and nobody can call us. */
const BEAT_AGAIN_MS = 2_000;
/** The same where another connection died of the same, maybe: three of these are more than any round trip. */
const DOUBTED_BEAT_AGAIN_MS = 1_000;

export interface LinkFacts {
  readonly relay: Endpoint;
  readonly offer: RelayOffer;
  readonly isUtp: boolean;
  /** Info hash of the swarm that we share; undefined for a connection that `connect` asked for. */
  readonly neighbourOf?: Uint8Array;
}

export interface ClientLink {
  readonly id: ClientLinkId;
  /** Where we met it: for splices and for what our signatures name. */
  readonly relay: Endpoint;
  readonly offer: RelayOffer;
  /** A peer of this torrent that relays on the side: reserved for this torrent only, never dropped. */
  readonly neighbourOf: Uint8Array | undefined;
  readonly known: KnownRelay | undefined;
  readonly isUtp: boolean;
  reserved: ReservedMessage | undefined;
  /** Request number of a reserve under way. */
  reserving: number | undefined;
  /** An answer that has not come by then will not come. */
  reserveEndsAtMs: number;
  /** What was asked for, to see when it has changed. */
  terms: string;
  renewAtMs: number;
  nextBeatMs: number;
  beatCount: number;
  /** Heartbeats sent since anything was heard. */
  missed: number;
  /** Somebody has reason to think that it is dead. */
  isDoubted: boolean;
  /** It gave no sign. */
  isDead: boolean;
  /** Another connection to the same relay has its reservation: this one only ends what it began. */
  isRetired: boolean;
  /** Connected for a call or a push only: until when it is kept without being used. */
  idleAtMs: number;
  lastRefusal: string | undefined;
}

export function newLink(
  id: ClientLinkId,
  facts: LinkFacts,
  known: KnownRelay | undefined,
  nowMs: number,
): ClientLink {
  const { relay, offer, isUtp, neighbourOf } = facts;
  return {
    id,
    relay,
    offer,
    neighbourOf,
    known,
    isUtp,
    reserved: undefined,
    reserving: undefined,
    reserveEndsAtMs: 0,
    terms: '',
    renewAtMs: nowMs,
    nextBeatMs: nowMs + BEAT_MS,
    beatCount: 0,
    missed: 0,
    isDoubted: false,
    isDead: false,
    isRetired: false,
    idleAtMs: nowMs + IDLE_MS,
    lastRefusal: undefined,
  };
}

/** One line of `tt nat status`. */
export interface RelayStatus {
  readonly endpoint: Endpoint;
  readonly state: 'connecting' | 'connected' | 'reserved';
  readonly isNeighbour: boolean;
  readonly isUtp: boolean;
  readonly observed: Endpoint | undefined;
  readonly proxyPort: number;
  readonly lastRefusal: string | undefined;
}

export function statusOf(link: ClientLink): RelayStatus {
  const { relay, reserved, neighbourOf, isUtp, lastRefusal } = link;
  return {
    endpoint: relay,
    state: reserved === undefined ? 'connected' : 'reserved',
    isNeighbour: neighbourOf !== undefined,
    isUtp,
    observed: reserved?.observed,
    proxyPort: reserved?.proxyPort ?? 0,
    lastRefusal,
  };
}

/** Whom a call is for: a peer that PEX or a relay named, or whoever else is there. */
export type Callee = 'somebody' | 'anybody';

/** Anything that comes is a sign of life. */
export function noteHeard(link: ClientLink, nowMs: number): void {
  if (link.missed > 0) link.nextBeatMs = nowMs + BEAT_MS;
  link.missed = 0;
  link.isDoubted = false;
}

/** A heartbeat at once; what is dead is found out sooner then. */
export function doubt(link: ClientLink, nowMs: number): void {
  link.isDoubted = true;
  if (link.missed === 0) link.nextBeatMs = nowMs;
}

/** @returns whether a heartbeat is to be sent now; `dead`: the last ones went unanswered */
export function takeBeat(link: ClientLink, nowMs: number): 'none' | 'send' | 'dead' {
  if (nowMs < link.nextBeatMs) return 'none';
  link.isDead = link.missed >= MAX_MISSED_BEATS;
  if (link.isDead) {
    link.nextBeatMs = nowMs + BEAT_MS;
    return 'dead';
  }
  link.nextBeatMs = nowMs + (link.isDoubted ? DOUBTED_BEAT_AGAIN_MS : BEAT_AGAIN_MS);
  link.missed++;
  return 'send';
}

/** What it began is ended over it, and then it is closed. */
export function retire(link: ClientLink): void {
  link.isRetired = true;
  link.nextBeatMs = Number.POSITIVE_INFINITY;
}

/** Links by number and by where they lead; neighbours are known by number only. */
export class ClientLinks {
  readonly #byId = new Map<ClientLinkId, ClientLink>();
  readonly #kept = new Map<string, ClientLink>();

  values(): IterableIterator<ClientLink> {
    return this.#byId.values();
  }
  /** Without those that others have replaced. */
  current(): ClientLink[] {
    return [...this.#byId.values()].filter(({ isRetired }) => !isRetired);
  }
  get(id: ClientLinkId): ClientLink | undefined {
    return this.#byId.get(id);
  }
  /** The last that we opened. */
  to(relay: Endpoint): ClientLink | undefined {
    return this.#kept.get(endpointKey(relay));
  }
  /** Those to the same relay that this one is to replace. */
  before(link: ClientLink): ClientLink[] {
    return this.current().filter((each) => each !== link && isSameWay(each, link));
  }
  /** No neighbours of a swarm. @param role what they offer (ROLE) */
  relaysWith(role: number): Endpoint[] {
    return [...this.#kept.values()]
      .filter(({ offer }) => (offer.roles & role) !== 0)
      .map(({ relay }) => relay);
  }
  /**
   * Those that lead to peers of a torrent: first relays that are known to know some, then neighbours, who know those whom they told us of, and
   * relays, which know those of whom nobody told; later those that owe us an answer. Last neighbours in our own private network: they would
   * introduce us by an address that means nothing outside, and inside nobody needs introducing.
   * @param role what the relay must offer (ROLE)
   * @param announced keys of the endpoints that were found under R(ih)
   */
  for(
    infoHash: Uint8Array,
    role: number,
    announced: ReadonlySet<string>,
    whom: Callee = 'somebody',
  ): ClientLinkId[] {
    const name = toHex(infoHash);
    const rank = ({ relay, neighbourOf }: ClientLink): number =>
      announced.has(endpointKey(relay)) ? 0 : (neighbourOf !== undefined) === (whom === 'somebody') ? 1 : 2;
    const isInside = ({ relay, neighbourOf }: ClientLink): number =>
      Number(neighbourOf !== undefined && isPrivateAddress(relay.host));
    const fits = ({ neighbourOf, offer }: ClientLink): boolean =>
      (offer.roles & role) !== 0 && (neighbourOf === undefined || toHex(neighbourOf) === name);
    return this.current()
      .filter(fits)
      .sort((a, b) => isInside(a) - isInside(b) || a.missed - b.missed || rank(a) - rank(b))
      .map(({ id }) => id);
  }
  add(link: ClientLink): void {
    this.#byId.set(link.id, link);
    if (link.neighbourOf === undefined) this.#kept.set(endpointKey(link.relay), link);
  }
  remove(link: ClientLink): void {
    this.#byId.delete(link.id);
    const key = endpointKey(link.relay);
    if (this.#kept.get(key) !== link) return;
    const other = this.before(link).at(-1);
    if (other === undefined) {
      this.#kept.delete(key);
      return;
    }
    // One that was to be replaced stands still. Its place may have gone over already: it asks again.
    this.#kept.set(key, other);
    other.terms = '';
  }
}

/** Neither to a neighbour, and both to one relay. */
function isSameWay(a: ClientLink, b: ClientLink): boolean {
  const isOurs = a.neighbourOf === undefined && b.neighbourOf === undefined;
  return isOurs && endpointKey(a.relay) === endpointKey(b.relay);
}
