// The tracker server's memory: who is in which swarm. Pure and bounded: torrents, peers per torrent and entries per address
// have limits, and everything is forgotten when it is not announced again in time.
// A peer is its address and port: nobody can overwrite or remove what another address announced. The one exception is a peer
// that moved: the same peer id with the same non-zero `key` (BEP 7) replaces its older entry of that family.
import { latin1, readU16 } from '../core/base/bytes.ts';
import { type Rng, randomInt } from '../core/base/clock.ts';
import type { AnnounceEvent, ScrapeEntry } from './messages.ts';

export interface SwarmLimits {
  readonly maxTorrents: number;
  readonly maxPeersPerTorrent: number;
  /** Entries of one IPv4 address or IPv6 /64 in all torrents together. */
  readonly maxEntriesPerAddress: number;
}

/** Some 250 bytes an entry: a full store of a million entries stays near 250 MB; a LAN never comes close. */
const DEFAULT_SWARM_LIMITS: SwarmLimits = {
  maxTorrents: 20_000,
  maxPeersPerTorrent: 10_000,
  maxEntriesPerAddress: 5_000,
};
const MAX_ENTRIES = 1_000_000;
/** A walk over everything is not for each stranger's announce to a full store. */
export const EXPIRE_EVERY_MS = 60_000;
/** Draws in a row that may hit peers not to be given before a sample counts as done. */
const DRAWS_PER_WANTED = 4;

export interface Announcement {
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  /** 0: none given. */
  readonly key: number;
  /** 4 or 16 bytes. */
  readonly ip: Uint8Array;
  /** 0: it cannot be dialed and is not listed, but may ask. */
  readonly port: number;
  readonly left: number;
  readonly event: AnnounceEvent | undefined;
  readonly numwant: number;
  /** Which peers to give: UDP packets and compact strings hold one family each. */
  readonly families: readonly (4 | 6)[];
}

export interface ListedPeer {
  readonly peerId: Uint8Array;
  readonly ip: Uint8Array;
  readonly port: number;
}

export type AnnounceResult =
  | { readonly ok: true; readonly counts: ScrapeEntry; readonly peers: readonly ListedPeer[] }
  | { readonly ok: false; readonly message: string };

interface Entry extends ListedPeer {
  readonly id: string;
  readonly swarm: Swarm;
  /** Its place in swarm.entries. */
  slot: number;
  peerKey: string;
  peerId: Uint8Array;
  key: number;
  isSeed: boolean;
  seenAtMs: number;
}

interface Swarm {
  readonly infoHash: string;
  readonly byId: Map<string, Entry>;
  /** Dense, for O(1) random draws. */
  readonly entries: Entry[];
  /** A dual-stack peer is one peer in the counts: entries by peer id. */
  readonly byPeer: Map<string, Entry[]>;
  seeds: number;
  downloads: number;
  touchedAtMs: number;
}

export class SwarmStore {
  readonly #swarms = new Map<string, Swarm>();
  readonly #perAddress = new Map<string, number>();
  readonly #limits: SwarmLimits;
  readonly #rng: Rng;
  readonly #lifetimeMs: number;
  #entries = 0;
  #seeds = 0;
  #expiredAtMs = Number.NEGATIVE_INFINITY;

  /** @param options.lifetimeMs how long an entry lives without a new announce */
  constructor(options: { readonly limits?: SwarmLimits; readonly rng: Rng; readonly lifetimeMs: number }) {
    this.#limits = options.limits ?? DEFAULT_SWARM_LIMITS;
    this.#rng = options.rng;
    this.#lifetimeMs = options.lifetimeMs;
  }

  get torrents(): number {
    return this.#swarms.size;
  }

  /** Address entries: a dual-stack peer has two. */
  get entries(): number {
    return this.#entries;
  }

  get seedEntries(): number {
    return this.#seeds;
  }

  announce(nowMs: number, from: Announcement): AnnounceResult {
    const infoHash = latin1(from.infoHash);
    let swarm = this.#swarms.get(infoHash);
    if (from.event === 'stopped') {
      const entry = swarm?.byId.get(idOf(from));
      if (swarm !== undefined && entry !== undefined) this.#remove(entry);
      return { ok: true, counts: swarm === undefined ? NO_COUNTS : countsOf(swarm), peers: [] };
    }
    if (swarm === undefined) {
      if (from.port === 0) return { ok: true, counts: NO_COUNTS, peers: [] };
      if (!this.#makeRoomForTorrent(nowMs)) return { ok: false, message: 'this tracker is full' };
      swarm = newSwarm(infoHash, nowMs);
      this.#swarms.set(infoHash, swarm);
    }
    swarm.touchedAtMs = nowMs;
    if (from.port !== 0) {
      const refused = this.#list(nowMs, swarm, from);
      if (refused !== undefined) {
        if (swarm.entries.length === 0 && swarm.downloads === 0) this.#swarms.delete(infoHash);
        return { ok: false, message: refused };
      }
    }
    return { ok: true, counts: countsOf(swarm), peers: this.#sample(nowMs, swarm, from) };
  }

  scrape(infoHash: Uint8Array): ScrapeEntry | undefined {
    const swarm = this.#swarms.get(latin1(infoHash));
    return swarm === undefined ? undefined : countsOf(swarm);
  }

  /** Forgets what is too old: a walk over everything, to be made every EXPIRE_EVERY_MS. */
  expire(nowMs: number): void {
    this.#expiredAtMs = nowMs;
    for (const swarm of this.#swarms.values()) {
      for (const entry of [...swarm.entries]) if (this.#isExpired(entry, nowMs)) this.#remove(entry);
      if (swarm.entries.length === 0 && nowMs - swarm.touchedAtMs >= this.#lifetimeMs) {
        this.#swarms.delete(swarm.infoHash);
      }
    }
  }

  /** @returns why not, when it was not listed */
  #list(nowMs: number, swarm: Swarm, from: Announcement): string | undefined {
    const isSeed = from.left === 0;
    const peerKey = latin1(from.peerId);
    const known = swarm.byId.get(idOf(from));
    if (known !== undefined) {
      // A leecher that turned into a seed completed; saying so again, or over the other family, changes nothing.
      const wasSeed = (swarm.byPeer.get(known.peerKey) ?? []).some((entry) => entry.isSeed);
      if (from.event === 'completed' && isSeed && !wasSeed) swarm.downloads++;
      if (known.peerKey !== peerKey) this.#rename(known, from.peerId, peerKey);
      known.key = from.key;
      known.seenAtMs = nowMs;
      this.#setSeed(known, isSeed);
      return undefined;
    }
    if (from.key !== 0) {
      for (const other of [...(swarm.byPeer.get(peerKey) ?? [])]) {
        if (other.key === from.key && other.ip.length === from.ip.length) this.#remove(other);
      }
    }
    if (swarm.entries.length >= this.#limits.maxPeersPerTorrent || this.#entries >= MAX_ENTRIES) {
      // A full swarm still serves: the newcomer takes a random place, so no address can hold them all.
      const victim = swarm.entries[randomInt(this.#rng, swarm.entries.length)];
      if (victim === undefined) return 'this tracker is full';
      this.#remove(victim);
    }
    const address = addressKey(from.ip);
    const count = this.#perAddress.get(address) ?? 0;
    if (count >= this.#limits.maxEntriesPerAddress) return 'too many peers from your address';
    this.#perAddress.set(address, count + 1);
    const entry: Entry = {
      id: idOf(from),
      swarm,
      slot: swarm.entries.length,
      peerKey,
      peerId: from.peerId.slice(),
      key: from.key,
      ip: from.ip.slice(),
      port: from.port,
      isSeed: false,
      seenAtMs: nowMs,
    };
    swarm.entries.push(entry);
    swarm.byId.set(entry.id, entry);
    this.#entries++;
    join(swarm, entry);
    this.#setSeed(entry, isSeed);
    return undefined;
  }

  #rename(entry: Entry, peerId: Uint8Array, peerKey: string): void {
    const wasSeed = entry.isSeed;
    this.#setSeed(entry, false);
    leave(entry.swarm, entry);
    entry.peerId = peerId.slice();
    entry.peerKey = peerKey;
    join(entry.swarm, entry);
    this.#setSeed(entry, wasSeed);
  }

  /** Seeds are counted by peer id: the first entry of a peer that is a seed counts, the last one uncounts. */
  #setSeed(entry: Entry, isSeed: boolean): void {
    if (entry.isSeed === isSeed) return;
    entry.isSeed = isSeed;
    this.#seeds += isSeed ? 1 : -1;
    const others = (entry.swarm.byPeer.get(entry.peerKey) ?? []).some((e) => e !== entry && e.isSeed);
    if (!others) entry.swarm.seeds += isSeed ? 1 : -1;
  }

  #remove(entry: Entry): void {
    const { swarm } = entry;
    this.#setSeed(entry, false);
    leave(swarm, entry);
    swarm.byId.delete(entry.id);
    const last = swarm.entries.pop() as Entry;
    if (last !== entry) {
      swarm.entries[entry.slot] = last;
      last.slot = entry.slot;
    }
    this.#entries--;
    const address = addressKey(entry.ip);
    const count = (this.#perAddress.get(address) ?? 1) - 1;
    if (count === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, count);
  }

  #isExpired(entry: Entry, nowMs: number): boolean {
    return nowMs - entry.seenAtMs >= this.#lifetimeMs;
  }

  /** A full store gives up the swarm that was quiet longest, but never one that lives. */
  #makeRoomForTorrent(nowMs: number): boolean {
    if (this.#swarms.size < this.#limits.maxTorrents) return true;
    if (nowMs - this.#expiredAtMs >= EXPIRE_EVERY_MS) this.expire(nowMs);
    if (this.#swarms.size < this.#limits.maxTorrents) return true;
    for (const swarm of this.#swarms.values()) {
      if (swarm.entries.length > 0) continue;
      this.#swarms.delete(swarm.infoHash);
      return true;
    }
    return false;
  }

  #sample(nowMs: number, swarm: Swarm, from: Announcement): ListedPeer[] {
    const chosen = new Set<Entry>();
    const own = latin1(from.peerId);
    const isSeed = from.left === 0;
    const isFit = (entry: Entry): boolean =>
      entry.peerKey !== own &&
      from.families.includes(entry.ip.length === 4 ? 4 : 6) &&
      // A seed has no use for a seed.
      !(isSeed && entry.isSeed) &&
      // Nobody elsewhere can reach a peer that announced itself from this machine by its loopback address.
      (!isLoopbackIp(entry.ip) || isLoopbackIp(from.ip)) &&
      !this.#isExpired(entry, nowMs);
    const { entries } = swarm;
    if (entries.length <= from.numwant * 2) {
      // Small swarm: all of it, from a random place on.
      const start = randomInt(this.#rng, Math.max(1, entries.length));
      for (let i = 0; i < entries.length && chosen.size < from.numwant; i++) {
        const entry = entries[(start + i) % entries.length] as Entry;
        if (isFit(entry)) chosen.add(entry);
      }
    } else {
      for (let i = 0; i < from.numwant * DRAWS_PER_WANTED && chosen.size < from.numwant; i++) {
        const entry = entries[randomInt(this.#rng, entries.length)] as Entry;
        if (isFit(entry)) chosen.add(entry);
      }
    }
    return [...chosen];
  }
}

const NO_COUNTS: ScrapeEntry = { seeds: 0, leechers: 0, downloads: 0 };

function newSwarm(infoHash: string, nowMs: number): Swarm {
  return {
    infoHash,
    byId: new Map(),
    entries: [],
    byPeer: new Map(),
    seeds: 0,
    downloads: 0,
    touchedAtMs: nowMs,
  };
}

function countsOf(swarm: Swarm): ScrapeEntry {
  return { seeds: swarm.seeds, leechers: swarm.byPeer.size - swarm.seeds, downloads: swarm.downloads };
}

function join(swarm: Swarm, entry: Entry): void {
  const list = swarm.byPeer.get(entry.peerKey);
  if (list === undefined) swarm.byPeer.set(entry.peerKey, [entry]);
  else list.push(entry);
}

function leave(swarm: Swarm, entry: Entry): void {
  const list = swarm.byPeer.get(entry.peerKey);
  if (list === undefined) return;
  list.splice(list.indexOf(entry), 1);
  if (list.length === 0) swarm.byPeer.delete(entry.peerKey);
}

function idOf(peer: { readonly ip: Uint8Array; readonly port: number }): string {
  return `${latin1(peer.ip)}${String.fromCharCode(peer.port)}`;
}

/** One household: an IPv6 customer has a whole /64. */
function addressKey(ip: Uint8Array): string {
  return latin1(ip.length === 4 ? ip : ip.subarray(0, 8));
}

export function isLoopbackIp(ip: Uint8Array): boolean {
  if (ip.length === 4) return ip[0] === 127;
  return readU16(ip, 14) === 1 && ip.subarray(0, 14).every((byte) => byte === 0);
}
