// One torrent's use of the peer sources: opens them, hands on what they find, says goodbye.
import type { Endpoint } from '../base/endpoint.ts';
import type {
  PeerOrigin,
  PeerSearch,
  PeerSource,
  PeerSourceStatus,
  SoughtTorrent,
} from '../base/peer-source.ts';

export class TorrentSources {
  readonly #sources: readonly PeerSource[];
  readonly #torrent: SoughtTorrent;
  readonly #onPeers: (peers: readonly Endpoint[], origin: PeerOrigin) => void;
  readonly #onExternalAddress: (host: string, from: string) => void;
  #searches: { readonly kind: PeerOrigin; readonly search: PeerSearch }[] | undefined;

  constructor(options: {
    sources: readonly PeerSource[];
    torrent: SoughtTorrent;
    onPeers: (peers: readonly Endpoint[], origin: PeerOrigin) => void;
    onExternalAddress: (host: string, from: string) => void;
  }) {
    this.#sources = options.sources;
    this.#torrent = options.torrent;
    this.#onPeers = options.onPeers;
    this.#onExternalAddress = options.onExternalAddress;
  }

  /** Idempotent. */
  start(): void {
    if (this.#searches !== undefined) return;
    const events = { onPeers: this.#onPeers, onExternalAddress: this.#onExternalAddress };
    this.#searches = [];
    for (const source of this.#sources) {
      // BEP 27: whatever the source thinks of it, a private torrent's peers come from its trackers only.
      if (this.#torrent.isPrivate && source.kind !== 'tracker') continue;
      const search = source.open(this.#torrent, events);
      if (search !== undefined) this.#searches.push({ kind: source.kind, search });
    }
  }

  completed(): void {
    for (const { search } of this.#searches ?? []) search.completed();
  }

  refresh(): void {
    for (const { search } of this.#searches ?? []) search.refresh();
  }

  status(): PeerSourceStatus[] {
    return (this.#searches ?? []).flatMap(({ search }) => [...search.status()]);
  }

  /** The metadata of a magnet says private (BEP 27): only trackers may be asked from now on. */
  async keepOnlyTrackers(timeoutMs: number): Promise<void> {
    const leaving = (this.#searches ?? []).filter(({ kind }) => kind !== 'tracker');
    this.#searches = this.#searches?.filter(({ kind }) => kind === 'tracker');
    await Promise.all(leaving.map(({ search }) => search.stop(timeoutMs)));
  }

  /** May be started again afterwards. */
  async stop(timeoutMs: number): Promise<void> {
    const searches = this.#searches ?? [];
    this.#searches = undefined;
    await Promise.all(searches.map(({ search }) => search.stop(timeoutMs)));
  }
}
