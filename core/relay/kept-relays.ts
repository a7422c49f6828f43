// Which control connections a peer has open: to the relays nearest to its own queue key while it cannot be reached otherwise, to those
// that know peers of a torrent which seeks some or that the user named, and for a moment to whoever is needed for one call, test or push. Pure.
import { toHex } from '../base/bytes.ts';
import { type Endpoint, endpointKey } from '../base/endpoint.ts';
import { type ClientLink, type ClientLinks, IDLE_MS } from './client-links.ts';
import type { RelayClientOptions, RelayClientPort } from './client-port.ts';
import type { RelaySearch } from './client-search.ts';
import { queueKeyOf } from './keys.ts';
import type { RelayPool } from './relay-pool.ts';

/** An announce lives that long, give or take. */
const TORRENT_RELAY_MS = 30 * 60_000;
/** For one torrent. */
const MAX_TORRENT_RELAYS = 4;

export class KeptRelays {
  readonly #options: RelayClientOptions;
  readonly #port: RelayClientPort;
  readonly #pool: RelayPool;
  readonly #links: ClientLinks;
  readonly #search: RelaySearch;
  readonly #isInUse: (link: ClientLink) => boolean;
  /** Info hash -> relays found under R(ih). */
  readonly #torrentRelays = new Map<string, { readonly endpoint: Endpoint; untilMs: number }[]>();
  /** Connections asked for, and who waits for them. */
  readonly #connecting = new Map<string, ((link: ClientLink | undefined) => void)[]>();

  constructor(
    options: RelayClientOptions,
    port: RelayClientPort,
    pool: RelayPool,
    links: ClientLinks,
    search: RelaySearch,
    isInUse: (link: ClientLink) => boolean,
  ) {
    this.#options = options;
    this.#port = port;
    this.#pool = pool;
    this.#links = links;
    this.#search = search;
    this.#isInUse = isInUse;
  }

  /** @returns keys of the endpoints that were found for the torrent */
  announcedFor(infoHash: string): ReadonlySet<string> {
    return new Set(this.#torrentRelays.get(infoHash)?.map(({ endpoint }) => endpointKey(endpoint)));
  }

  handleTorrentRelays(infoHash: Uint8Array, endpoints: readonly Endpoint[], nowMs: number): void {
    const name = toHex(infoHash);
    const known = (this.#torrentRelays.get(name) ?? []).filter(({ untilMs }) => untilMs > nowMs);
    for (const endpoint of endpoints) {
      const same = known.find((each) => endpointKey(each.endpoint) === endpointKey(endpoint));
      if (same !== undefined) same.untilMs = nowMs + TORRENT_RELAY_MS;
      else if (known.length < MAX_TORRENT_RELAYS && this.#pool.add(endpoint, nowMs) !== undefined)
        known.push({ endpoint, untilMs: nowMs + TORRENT_RELAY_MS });
    }
    this.#torrentRelays.set(name, known);
  }

  /** The nearest to our own queue key: whoever looks for us looks there. */
  poll(nowMs: number): void {
    const wanted = this.#options.wantsRelays();
    const queueKey = queueKeyOf(this.#options.identity.publicKey);
    if (wanted) this.#search.poll(queueKey, nowMs);
    const sought = this.#options.sought();
    // Whoever can be reached needs none for himself; those that the user named may know somebody whom he seeks.
    const named = sought.length > 0 ? this.#pool.given(nowMs) : [];
    const chosen = wanted ? this.#pool.nearest(queueKey, nowMs) : named;
    for (const infoHash of sought) {
      for (const { endpoint, untilMs } of this.#torrentRelays.get(toHex(infoHash)) ?? []) {
        const relay = this.#pool.get(endpoint);
        if (relay !== undefined && untilMs > nowMs && relay.distrustedUntilMs <= nowMs) chosen.push(relay);
      }
    }
    const keep = new Set(chosen.map(({ endpoint }) => endpointKey(endpoint)));
    for (const relay of chosen)
      if (this.#links.to(relay.endpoint) === undefined && relay.nextTryMs <= nowMs)
        this.#connect(relay.endpoint);
    this.dropRetired();
    for (const link of this.#links.current()) {
      if (link.neighbourOf !== undefined) continue;
      if (keep.has(endpointKey(link.relay)) || this.#isInUse(link)) link.idleAtMs = nowMs + IDLE_MS;
      else if (nowMs >= link.idleAtMs) this.#port.drop(link.id, 'not needed any more');
    }
  }

  /** Those that others have replaced, when they have ended what they began. */
  dropRetired(): void {
    for (const link of [...this.#links.values()])
      if (link.isRetired && !this.#isInUse(link))
        this.#port.drop(link.id, 'another connection has its place');
  }

  #connect(relay: Endpoint): void {
    const key = endpointKey(relay);
    if (this.#connecting.has(key)) return;
    this.#connecting.set(key, []);
    this.#port.connect(relay);
  }

  withLink(relay: Endpoint, nowMs: number, then: (link: ClientLink | undefined) => void): void {
    const link = this.#links.to(relay);
    if (link !== undefined) {
      link.idleAtMs = nowMs + IDLE_MS;
      then(link);
      return;
    }
    this.#pool.add(relay, nowMs);
    this.#connect(relay);
    this.#connecting.get(endpointKey(relay))?.push(then);
  }

  settle(relay: Endpoint, link: ClientLink | undefined): void {
    const key = endpointKey(relay);
    const waiting = this.#connecting.get(key) ?? [];
    this.#connecting.delete(key);
    for (const then of waiting) then(link);
  }
}
