// The peers that are connected to a relay: what each has proved and reserved, and how a caller's wish finds one of them. Pure.
import { toHex } from '../base/bytes.ts';
import type { Endpoint } from '../base/endpoint.ts';
import { hostPrefix } from './addresses.ts';
import { MinuteBucket, PlaceCounts, PrefixCounts, type RelayLimits } from './limits.ts';
import type { CallMessage, PeerFacts, PeerRecord } from './messages.ts';

export type LinkId = number;

/** Of a control connection, by whoever owns the socket. */
export interface LinkInfo {
  readonly remote: Endpoint;
  readonly isUtp: boolean;
  /** Its listening TCP port as PEX would name it, where that is known. */
  readonly listenPort?: number;
}

export interface Slot {
  readonly key: Uint8Array;
  /** The key in hex. */
  readonly name: string;
  infoHashes: readonly Uint8Array[];
  /** Of those, what unmodified clients may reach. */
  proxied: readonly Uint8Array[];
  proxyPort: number;
  expiresAtMs: number;
  lastCalledMs: number;
}

export interface Link {
  readonly id: LinkId;
  readonly info: LinkInfo;
  readonly challenge: Uint8Array;
  readonly signals: MinuteBucket;
  readonly messages: MinuteBucket;
  /** Proven by a signature. */
  key: Uint8Array | undefined;
  slot: Slot | undefined;
  facts: PeerFacts;
  rttMs: number | undefined;
  /** Number and time of the heartbeat that we sent and that is not answered. */
  beat: { readonly count: number; readonly atMs: number } | undefined;
  nextBeatMs: number;
  lastHeardMs: number;
  pendingCalls: number;
  /** Whom this caller was led to lately, so that asking again leads to somebody else. */
  readonly led: Set<string>;
}

const MAX_LED = 64;
const NO_FACTS: PeerFacts = { state: 'unknown', filter: 'unknown', tcpPort: 0, udpPort: 0 };
/** Of everything, heartbeats and queue talk included: beyond this it is a flood. */
const MESSAGES_PER_MINUTE = 300;

export class Links {
  readonly #limits: RelayLimits;
  readonly #links = new Map<LinkId, Link>();
  readonly #hosts = new PrefixCounts();
  readonly #places = new PlaceCounts();
  readonly #byKey = new Map<string, Link>();
  /** Info hash -> those who reserved for it. */
  readonly #byTorrent = new Map<string, Set<Link>>();
  #slotCount = 0;

  constructor(limits: RelayLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#links.size;
  }
  get slotCount(): number {
    return this.#slotCount;
  }
  get torrentCount(): number {
    return this.#byTorrent.size;
  }
  values(): Iterable<Link> {
    return this.#links.values();
  }
  get(id: LinkId): Link | undefined {
    return this.#links.get(id);
  }
  /** The link whose slot has this key. */
  withKey(key: Uint8Array): Link | undefined {
    return this.#byKey.get(toHex(key));
  }
  torrents(): Iterable<[infoHash: string, holders: ReadonlySet<Link>]> {
    return this.#byTorrent;
  }

  add(id: LinkId, info: LinkInfo, challenge: Uint8Array, nowMs: number): Link | undefined {
    const prefix = hostPrefix(info.remote.host);
    if (this.#links.size >= this.#limits.links || this.#hosts.of(prefix) >= this.#limits.linksPerHost)
      return undefined;
    const link: Link = {
      id,
      info,
      challenge,
      signals: new MinuteBucket(this.#limits.signalsPerMinute, nowMs),
      messages: new MinuteBucket(MESSAGES_PER_MINUTE, nowMs),
      key: undefined,
      slot: undefined,
      facts: NO_FACTS,
      rttMs: undefined,
      beat: undefined,
      nextBeatMs: nowMs,
      lastHeardMs: nowMs,
      pendingCalls: 0,
      led: new Set(),
    };
    this.#links.set(id, link);
    this.#hosts.add(prefix);
    return link;
  }

  remove(link: Link): void {
    if (!this.#links.delete(link.id)) return;
    this.release(link);
    this.#hosts.remove(hostPrefix(link.info.remote.host));
  }

  /** Takes a place for the link, or changes the one it has. @returns why not, or the slot */
  reserve(link: Link, key: Uint8Array, infoHashes: readonly Uint8Array[]): Slot | 'full' | 'quota' {
    const { host } = link.info.remote;
    const { reservations, reservationsPerHost, reservationsPerNetwork } = this.#limits;
    // The same peer on a new connection: the old one is dead and does not know it yet.
    const former = this.withKey(key);
    if (former !== undefined && former !== link) this.release(former);
    if (link.slot === undefined) {
      if (this.#slotCount >= reservations) return 'full';
      if (!this.#places.hasRoom(host, reservationsPerHost, reservationsPerNetwork)) return 'quota';
      this.#places.add(host);
      this.#slotCount++;
    } else {
      this.#unindex(link, link.slot);
    }
    const slot: Slot = {
      key,
      name: toHex(key),
      infoHashes,
      proxied: [],
      proxyPort: link.slot?.proxyPort ?? 0,
      expiresAtMs: 0,
      lastCalledMs: link.slot?.lastCalledMs ?? 0,
    };
    link.slot = slot;
    this.#byKey.set(toHex(key), link);
    for (const infoHash of infoHashes) {
      const name = toHex(infoHash);
      const holders = this.#byTorrent.get(name) ?? new Set();
      this.#byTorrent.set(name, holders.add(link));
    }
    return slot;
  }

  /** Gives the place back; the connection stays. */
  release(link: Link): void {
    if (link.slot === undefined) return;
    this.#unindex(link, link.slot);
    link.slot = undefined;
    this.#places.remove(link.info.remote.host);
    this.#slotCount--;
  }

  /** Who is meant by a call; among several who reserved for the torrent, one the caller was not led to yet. */
  find(call: CallMessage, caller: Link): Link | undefined {
    const holders = this.#byTorrent.get(toHex(call.infoHash));
    if (holders === undefined) return undefined;
    const { key, endpoint } = call;
    const isOther = (link: Link | undefined): link is Link =>
      link !== undefined && link !== caller && holders.has(link);
    if (key !== undefined) {
      const found = this.withKey(key);
      return isOther(found) ? found : undefined;
    }
    if (endpoint !== undefined) {
      for (const link of holders) if (isOther(link) && answersTo(link, endpoint)) return link;
      return undefined;
    }
    const found = this.#anybody(holders, caller);
    if (found?.slot !== undefined) {
      if (caller.led.size >= MAX_LED) caller.led.clear();
      caller.led.add(found.slot.name);
    }
    return found;
  }

  /**
   * Who was called longest ago: preferably one that the caller was not led to, and behind another address than the caller's, since neighbours
   * find each other and few gateways lead back inside. One pass: a torrent may have a thousand holders.
   */
  #anybody(holders: ReadonlySet<Link>, caller: Link): Link | undefined {
    const own = caller.slot?.name ?? (caller.key === undefined ? undefined : toHex(caller.key));
    const best: Record<'fresh' | 'near' | 'known', Link | undefined> = {
      fresh: undefined,
      near: undefined,
      known: undefined,
    };
    for (const link of holders) {
      const { slot, info } = link;
      if (slot === undefined || link === caller || slot.name === own) continue;
      const isNear = info.remote.host === caller.info.remote.host;
      const sort = caller.led.has(slot.name) ? 'known' : isNear ? 'near' : 'fresh';
      if (slot.lastCalledMs < (best[sort]?.slot?.lastCalledMs ?? Number.POSITIVE_INFINITY)) best[sort] = link;
    }
    if (best.fresh === undefined && best.near === undefined) caller.led.clear();
    return best.fresh ?? best.near ?? best.known;
  }

  #unindex(link: Link, slot: Slot): void {
    if (this.#byKey.get(slot.name) === link) this.#byKey.delete(slot.name);
    for (const infoHash of slot.infoHashes) {
      const name = toHex(infoHash);
      const holders = this.#byTorrent.get(name);
      holders?.delete(link);
      if (holders?.size === 0) this.#byTorrent.delete(name);
    }
  }
}

/** PEX names a peer by the port it listens on, or by the one it was seen with. */
function answersTo({ info, facts }: Link, { host, port }: Endpoint): boolean {
  const { remote, listenPort } = info;
  if (remote.host !== host) return false;
  return [remote.port, listenPort, facts.tcpPort, facts.udpPort].includes(port);
}

/** A link as it is presented to others: the address is what we see, whatever it says. */
export function recordOf({ info, facts, key }: Link): PeerRecord {
  const { remote, isUtp } = info;
  return {
    state: facts.state,
    filter: facts.filter,
    tcpPort: facts.tcpPort === 0 ? (info.listenPort ?? 0) : facts.tcpPort,
    udpPort: isUtp ? remote.port : facts.udpPort,
    host: remote.host,
    sourcePort: remote.port,
    isUtp,
    key,
    ...(facts.punchPort === undefined ? {} : { punchPort: facts.punchPort }),
  };
}
