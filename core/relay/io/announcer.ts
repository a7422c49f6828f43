// What a relay tells the world: itself under its shard's key, itself under R(ih) of the torrents it holds reservations for, and the
// proxied torrents under their own info hashes with their proxy ports. All through peer sources, whoever those are.
import { fromHex, toHex } from '../../base/bytes.ts';
import { type InfoHash, infoHashOf, type PeerId } from '../../base/ids.ts';
import type { PeerSearch, PeerSource, SoughtTorrent } from '../../base/peer-source.ts';
import { relayIdOf, shardKey, shardOf, torrentRelayKey } from '../keys.ts';

export interface AnnouncerOptions {
  readonly peerId: PeerId;
  /** For keys of relays: the DHT. */
  readonly keySources: readonly PeerSource[];
  /** For torrents of proxied seeds: the DHT and the trackers that the operator named. */
  readonly torrentSources: readonly PeerSource[];
  /** Announced to besides the DHT; never an address out of a message. */
  readonly trackers: readonly string[];
  readonly port: () => number;
}

const STOP_MS = 2_000;

interface Running {
  readonly searches: readonly PeerSearch[];
}

export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #running = new Map<string, Running>();
  readonly #stopping = new Set<Promise<void>>();
  #host: string | undefined;
  #isClosed = false;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#running.size;
  }

  /**
   * Starts what is new, withdraws what is over.
   * @param host our address as the world sees it; undefined as long as nobody knows
   */
  update(
    host: string | undefined,
    torrents: readonly string[],
    proxied: readonly { readonly infoHash: string; readonly port: number }[],
  ): void {
    if (this.#isClosed) return;
    this.#host = host ?? this.#host;
    const wanted = new Map<string, () => Running>();
    const id = this.#host === undefined ? undefined : relayIdOf(this.#host);
    const { keySources, torrentSources, port } = this.#options;
    const open = (sources: readonly PeerSource[], infoHash: InfoHash, number: () => number): Running =>
      this.#open(sources, infoHash, number);
    if (id !== undefined) {
      const key = shardKey(shardOf(id));
      wanted.set(`relay ${toHex(key)}`, () => open(keySources, key, port));
    }
    for (const text of torrents) {
      const infoHash = fromHex(text);
      if (infoHash !== undefined)
        wanted.set(`torrent ${text}`, () => open(keySources, torrentRelayKey(infoHash), port));
    }
    for (const { infoHash: text, port: number } of proxied) {
      const infoHash = fromHex(text);
      if (infoHash !== undefined)
        wanted.set(`proxy ${text} ${number}`, () => open(torrentSources, infoHashOf(infoHash), () => number));
    }
    for (const [name, running] of this.#running) if (!wanted.has(name)) this.#stop(name, running);
    for (const [name, start] of wanted) if (!this.#running.has(name)) this.#running.set(name, start());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const [name, running] of this.#running) this.#stop(name, running);
    await Promise.all(this.#stopping);
  }

  #open(sources: readonly PeerSource[], infoHash: InfoHash, port: () => number): Running {
    const { peerId, trackers } = this.#options;
    const torrent: SoughtTorrent = {
      infoHash,
      peerId,
      isPrivate: false,
      trackerTiers: trackers.map((url) => [url]),
      dhtNodes: [],
      listenPort: port,
      transfer: () => ({ downloaded: 0, uploaded: 0, left: 0, corrupt: 0 }),
      wanted: () => 0,
    };
    const events = { onPeers: () => {} };
    const searches = sources.map((source) => source.open(torrent, events));
    return { searches: searches.filter((search) => search !== undefined) };
  }

  #stop(name: string, { searches }: Running): void {
    this.#running.delete(name);
    for (const search of searches) {
      const stopping = search.stop(STOP_MS).catch(() => {});
      this.#stopping.add(stopping);
      void stopping.then(() => this.#stopping.delete(stopping));
    }
  }
}
