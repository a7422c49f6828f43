// Where one torrent's peers come from: those that are named, and the peer sources, which it opens, hands on from, and says goodbye to.
import type { Endpoint } from '../base/endpoint.ts';
import type {
  PeerOrigin,
  PeerSearch,
  PeerSource,
  PeerSourceStatus,
  SoughtTorrent,
} from '../base/peer-source.ts';
import { resolveHosts, type UnresolvedHost } from './resolve-hosts.ts';

export class TorrentSources {
  readonly #sources: readonly PeerSource[];
  readonly #torrent: SoughtTorrent;
  readonly #onPeers: (peers: readonly Endpoint[], origin: PeerOrigin) => void;
  readonly #onExternalAddress: (host: string, from: string) => void;
  readonly #resolvesNames: boolean;
  readonly #onUnresolved: (unresolved: UnresolvedHost) => void;
  #searches: { readonly kind: PeerOrigin; readonly search: PeerSearch }[] | undefined;

  constructor(options: {
    sources: readonly PeerSource[];
    torrent: SoughtTorrent;
    onPeers: (peers: readonly Endpoint[], origin: PeerOrigin) => void;
    onExternalAddress: (host: string, from: string) => void;
    /** Host names of peers are looked up. */
    resolvesNames: boolean;
    onUnresolved: (unresolved: UnresolvedHost) => void;
  }) {
    this.#sources = options.sources;
    this.#torrent = options.torrent;
    this.#onPeers = options.onPeers;
    this.#onExternalAddress = options.onExternalAddress;
    this.#resolvesNames = options.resolvesNames;
    this.#onUnresolved = options.onUnresolved;
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

  /** Peers that the command line, a magnet or a command names; host names are resolved. Never rejects. */
  async addNamed(given: readonly { readonly host: string; readonly port: number }[]): Promise<void> {
    const onPeers = (peers: Endpoint[]): void => this.#onPeers(peers, 'manual');
    for (const unresolved of await resolveHosts(given, this.#resolvesNames, onPeers))
      this.#onUnresolved(unresolved);
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
