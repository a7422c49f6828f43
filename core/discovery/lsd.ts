// Local service discovery (BEP 14) as a peer source: multicast on the LAN, both families, never for private torrents.
import dgram from 'node:dgram';
import { toHex } from '../base/bytes.ts';
import type { Clock, Rng } from '../base/clock.ts';
import { randomInt } from '../base/clock.ts';
import { normalizeHost } from '../base/endpoint.ts';
import type {
  PeerSearch,
  PeerSource,
  PeerSourceEvents,
  PeerSourceStatus,
  SoughtTorrent,
} from '../base/peer-source.ts';
import { decodeLsd, encodeLsd, LSD_GROUP_V4, LSD_GROUP_V6, LSD_PORT } from './lsd-codec.ts';

/** BEP 14: five minutes between announces of a torrent. */
const ANNOUNCE_INTERVAL_MS = 5 * 60_000;
/** BEP 14: at most one announce a minute, so a storm of questions makes no storm of answers. */
const MIN_INTERVAL_MS = 60_000;
/** A LAN has a handful of peers; anything that names more in a minute floods. */
const MAX_DATAGRAMS_PER_SEC = 20;

export interface LsdOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Addresses of the interfaces to use; default what the system chooses. */
  readonly interfaceV4?: string;
  readonly interfaceV6?: string;
  /** Only tests move it. */
  readonly port?: number;
}

interface Search {
  readonly torrent: SoughtTorrent;
  readonly events: PeerSourceEvents;
  lastAnnouncedAtMs: number;
  peersReceived: number;
}

export class LsdSource implements PeerSource {
  readonly kind = 'lsd';
  readonly #options: LsdOptions;
  readonly #cookie: string;
  readonly #searches = new Map<string, Search>();
  #sockets: { socket: dgram.Socket; group: string; isReady: boolean }[] | undefined;
  #timer: NodeJS.Timeout | undefined;
  #error: string | undefined;
  #windowStartMs = 0;
  #windowCount = 0;

  constructor(options: LsdOptions) {
    this.#options = options;
    this.#cookie = randomInt(options.rng, 0x7fffffff).toString(16);
  }

  open(torrent: SoughtTorrent, events: PeerSourceEvents): PeerSearch | undefined {
    if (torrent.isPrivate) return undefined;
    const key = toHex(torrent.infoHash);
    const search: Search = { torrent, events, lastAnnouncedAtMs: Number.NEGATIVE_INFINITY, peersReceived: 0 };
    this.#searches.set(key, search);
    this.#start();
    this.#announce(search);
    return {
      completed: () => {},
      refresh: () => this.#announce(search),
      status: () => [this.#status(search)],
      stop: async () => {
        this.#searches.delete(key);
        if (this.#searches.size === 0) await this.close();
      },
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const { socket } of this.#sockets ?? []) socket.close();
    this.#sockets = undefined;
  }

  #start(): void {
    if (this.#sockets !== undefined) return;
    this.#sockets = [];
    if (this.#options.ipv4) this.#bind('udp4', LSD_GROUP_V4, this.#options.interfaceV4);
    if (this.#options.ipv6) this.#bind('udp6', LSD_GROUP_V6, this.#options.interfaceV6);
    this.#timer = setInterval(() => {
      for (const search of this.#searches.values()) this.#announce(search);
    }, ANNOUNCE_INTERVAL_MS);
    this.#timer.unref();
  }

  #bind(type: 'udp4' | 'udp6', group: string, from: string | undefined): void {
    const socket = dgram.createSocket({ type, reuseAddr: true, ipv6Only: type === 'udp6' });
    const entry = { socket, group, isReady: false };
    this.#sockets?.push(entry);
    // A machine without a LAN, or without multicast, is normal: discovery is off there, nothing else changes.
    socket.on('error', (error) => {
      this.#error = error.message;
      this.#sockets = this.#sockets?.filter((other) => other !== entry);
      socket.removeAllListeners('message');
      try {
        socket.close();
      } catch {}
    });
    socket.on('message', (datagram, remote) => this.#handle(datagram, remote.address));
    socket.bind(this.#options.port ?? LSD_PORT, () => {
      try {
        if (from !== undefined) socket.setMulticastInterface(from);
        socket.addMembership(group, from);
        socket.setMulticastLoopback(true);
        socket.setMulticastTTL(1);
        entry.isReady = true;
        for (const search of this.#searches.values()) this.#send(search, socket, group);
      } catch (error) {
        socket.emit('error', error as Error);
      }
    });
    socket.unref();
  }

  #announce(search: Search): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - search.lastAnnouncedAtMs < MIN_INTERVAL_MS || portOf(search.torrent) === 0) return;
    search.lastAnnouncedAtMs = nowMs;
    for (const { socket, group } of this.#ready) this.#send(search, socket, group);
  }

  get #ready(): { socket: dgram.Socket; group: string }[] {
    return (this.#sockets ?? []).filter(({ isReady }) => isReady);
  }

  #send(search: Search, socket: dgram.Socket, group: string): void {
    const port = portOf(search.torrent);
    if (port === 0) return;
    search.lastAnnouncedAtMs = this.#options.clock.nowMs();
    const message = encodeLsd({ port, infoHashes: [search.torrent.infoHash], cookie: this.#cookie }, group);
    socket.send(message, this.#options.port ?? LSD_PORT, group, (error) => {
      if (error !== null) this.#error = error.message;
    });
  }

  #handle(datagram: Uint8Array, address: string): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#windowStartMs >= 1000) {
      this.#windowStartMs = nowMs;
      this.#windowCount = 0;
    }
    if (++this.#windowCount > MAX_DATAGRAMS_PER_SEC) return;
    const host = normalizeHost(address);
    const announce = decodeLsd(datagram);
    if (announce === undefined || host === undefined || announce.cookie === this.#cookie) return;
    for (const infoHash of announce.infoHashes) {
      const search = this.#searches.get(toHex(infoHash));
      if (search === undefined) continue;
      search.peersReceived++;
      search.events.onPeers([{ host, port: announce.port }], 'lsd');
      // Answer a newcomer, so that it need not wait for our next round.
      this.#announce(search);
    }
  }

  #status(search: Search): PeerSourceStatus {
    const isUp = this.#ready.length > 0;
    return {
      kind: 'lsd',
      name: 'local discovery',
      tier: 0,
      state: isUp ? 'ok' : this.#error === undefined ? 'idle' : 'error',
      message: isUp ? undefined : this.#error,
      peersReceived: search.peersReceived,
      seeds: undefined,
      leechers: undefined,
      nextAnnounceAtMs: isUp ? search.lastAnnouncedAtMs + ANNOUNCE_INTERVAL_MS : undefined,
    };
  }
}

/** Neighbours come without the gateway. */
function portOf(torrent: SoughtTorrent): number {
  return torrent.localPort?.() ?? torrent.listenPort();
}
