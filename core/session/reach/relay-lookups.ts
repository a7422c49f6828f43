// Relays looked up in the DHT: by shard for our own, by torrent for those who know its peers. Goes through the session's peer
// sources, as everything does that core wants of the DHT.
import type { Endpoint } from '../../base/endpoint.ts';
import type { InfoHash, PeerId } from '../../base/ids.ts';
import type { PeerSource, SoughtTorrent } from '../../base/peer-source.ts';

/** A lookup takes a second or two; while the node is still finding its first neighbours, longer. */
const LOOKUP_MS = 12_000;
const LOOK_EVERY_MS = 250;
const STOP_MS = 500;

export class RelayLookups {
  readonly #source: PeerSource | undefined;
  readonly #peerId: PeerId;
  readonly #running = new Set<() => void>();
  #isClosed = false;

  constructor(sources: readonly PeerSource[], peerId: PeerId) {
    this.#source = sources.find(({ kind }) => kind === 'dht');
    this.#peerId = peerId;
  }

  get isPossible(): boolean {
    return this.#source !== undefined;
  }

  /** @param onFound as they come; `isLast` exactly once */
  find(key: InfoHash, onFound: (endpoints: readonly Endpoint[], isLast: boolean) => void): void {
    if (this.#source === undefined || this.#isClosed) {
      onFound([], true);
      return;
    }
    const wish: SoughtTorrent = {
      infoHash: key,
      peerId: this.#peerId,
      isPrivate: false,
      trackerTiers: [],
      dhtNodes: [],
      // Nothing is announced under a key of relays by somebody who is none.
      listenPort: () => 0,
      transfer: () => ({ downloaded: 0, uploaded: 0, left: undefined, corrupt: 0 }),
      wanted: () => 1,
    };
    const search = this.#source.open(wish, { onPeers: (endpoints) => onFound(endpoints, false) });
    const end = (): void => {
      clearTimeout(timer);
      clearInterval(look);
      this.#running.delete(end);
      void search?.stop(STOP_MS);
      if (!this.#isClosed) onFound([], true);
    };
    const timer = setTimeout(end, LOOKUP_MS);
    timer.unref();
    // One round is a whole lookup; what comes after it are repeats.
    const look = setInterval(() => search?.status()[0]?.state === 'ok' && end(), LOOK_EVERY_MS);
    look.unref();
    this.#running.add(end);
  }

  close(): void {
    this.#isClosed = true;
    for (const end of [...this.#running]) end();
  }
}
