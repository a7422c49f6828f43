// The web seeds of one torrent (BEP 19): which there are, which of them serve now, and which wait or are given up.
import { shuffle } from '../../base/clock.ts';
import type { PeerSourceStatus } from '../../base/peer-source.ts';
import type { Metainfo } from '../../metainfo/metainfo.ts';
import { webPathsOf } from '../../metainfo/web-paths.ts';
import type { Swarm } from '../../swarm/swarm.ts';
import { parseWebUrl } from '../../webseed/web-url.ts';
import type { AddTorrentOptions } from '../session-api.ts';
import type { SessionShared } from '../shared.ts';
import type { PeerSnapshot, TorrentState } from '../snapshot.ts';
import { WebSource } from './web-source.ts';

/** The torrent, as the choice of its web seeds sees it. */
export interface WebSeedsTorrent {
  readonly infoHash: string;
  readonly options: AddTorrentOptions;
  readonly state: TorrentState;
  readonly metainfo: Metainfo | undefined;
  readonly swarm: Swarm | undefined;
  slotView(slot: number): Uint8Array;
  onInput(): void;
}

/** At a time: libtorrent uses three. The others wait until one of these is of no use. */
const MAX_JOINED = 4;
/** Blocks asked of all of them together: 32 MiB, half of the buffers. */
const SHARED_DEPTH = 2048;
/** A torrent that names more is played with. */
const MAX_SEEDS = 100;

export class WebSeeds {
  readonly #shared: SessionShared;
  readonly #torrent: WebSeedsTorrent;
  #sources: readonly WebSource[] | undefined;
  /** URLs that cannot be web seeds here. */
  #refused: readonly PeerSourceStatus[] = [];

  constructor(shared: SessionShared, torrent: WebSeedsTorrent) {
    this.#shared = shared;
    this.#torrent = torrent;
  }

  /** Whenever something may have changed, and every second: those that may serve do, the others do not. */
  update(nowMs: number): void {
    const { state, swarm, metainfo } = this.#torrent;
    if (state !== 'downloading' || swarm === undefined || swarm.isComplete || metainfo === undefined) return;
    this.#sources ??= this.#make(metainfo);
    const sources = this.#sources;
    let joined = sources.filter((source) => source.isJoined).length;
    let hasChanged = false;
    for (const source of sources) {
      if (joined >= MAX_JOINED) break;
      if (!source.mayJoin(nowMs)) continue;
      source.join(swarm);
      hasChanged = true;
      if (source.isJoined) joined++;
    }
    if (!hasChanged) return;
    for (const source of sources) source.setDepth(Math.floor(SHARED_DEPTH / Math.max(1, joined)));
    this.#torrent.onInput();
  }

  /** Paused, stopped, checked anew: to be called before the swarm is dropped. */
  closeAll(reason: string): void {
    for (const source of this.#sources ?? []) source.leave(reason);
  }

  /** @returns whether this key of a ban is a web seed of ours: others of the session may go on using the server */
  has(key: string): boolean {
    return this.#sources?.some(({ address }) => address === key) === true;
  }

  status(): readonly PeerSourceStatus[] {
    return [...(this.#sources ?? []).map((source) => source.status()), ...this.#refused];
  }

  /** Those that serve, as lines among the peers. */
  peers(nowMs: number): PeerSnapshot[] {
    return (this.#sources ?? []).flatMap((source) => source.snapshot(nowMs) ?? []);
  }

  get joinedCount(): number {
    return (this.#sources ?? []).filter((source) => source.isJoined).length;
  }

  /** Some of them was paused by the download limit since then. */
  isHeldSince(fromMs: number): boolean {
    return this.#sources?.some(({ heldUntilMs }) => heldUntilMs >= fromMs) === true;
  }

  get protocolBytes(): { readonly received: number; readonly sent: number } {
    let [received, sent] = [0, 0];
    for (const { protocolBytes } of this.#sources ?? []) {
      received += protocolBytes.received;
      sent += protocolBytes.sent;
    }
    return { received, sent };
  }

  #make(metainfo: Metainfo): readonly WebSource[] {
    const { webSeeds: given = [], useWebSeeds = true } = this.#torrent.options;
    // Mirrors share the crowd when everybody begins with another.
    const named = useWebSeeds ? shuffle(this.#shared.rng, [...metainfo.webSeeds]) : [];
    if (given.length + named.length === 0) return [];
    const paths = webPathsOf(metainfo);
    const sources = new Map<string, WebSource>();
    const refused: PeerSourceStatus[] = [];
    for (const [i, text] of [...given, ...named].slice(0, MAX_SEEDS).entries()) {
      const parsed = parseWebUrl(text);
      if (!parsed.ok) {
        refused.push(refusal(text, parsed.reason.what));
        continue;
      }
      const url = parsed.value;
      if (sources.has(url.href)) continue;
      const options = { shared: this.#shared, torrent: this.#torrent, metainfo, paths, url };
      sources.set(url.href, new WebSource({ ...options, mayBeLocal: i < given.length }));
    }
    this.#refused = refused;
    return [...sources.values()];
  }
}

function refusal(name: string, message: string): PeerSourceStatus {
  return {
    kind: 'web-seed',
    name,
    tier: 0,
    state: 'disabled',
    message,
    peersReceived: 0,
    seeds: undefined,
    leechers: undefined,
    nextAnnounceAtMs: undefined,
  };
}
