// A relay on real sockets: listens, sorts what comes in into control connections and splices, gives the machine its time.

import { toHex } from '../../base/bytes.ts';
import type { Clock, Rng } from '../../base/clock.ts';
import { randomBytes } from '../../base/clock.ts';
import { DueTimer } from '../../base/io/due-timer.ts';
import type { Log } from '../../base/log.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import type { EncryptionPolicy } from '../../transport/mse.ts';
import { skeyHash } from '../../transport/mse.ts';
import type { ExtendedHandshake } from '../../wire/extended-handshake.ts';
import { ROLE } from '../client-port.ts';
import type { RelayFrame } from '../frame.ts';
import { allShardKeys } from '../keys.ts';
import { PlaceCounts, type RelayLimits } from '../limits.ts';
import { PROTOCOL_VERSION } from '../messages.ts';
import { RelayServer } from '../server.ts';
import type { LinkId } from '../server-links.ts';
import type { RelayServerPort, TestOrder } from '../server-port.ts';
import type { Splice } from '../splices.ts';
import { ControlLink, type KnownKeys } from './control-link.ts';
import { dialBack } from './dial-back.ts';
import { FathomDesk } from './fathom-desk.ts';
import { sortIncoming } from './first-frame.ts';
import { Mirror } from './mirror.ts';
import { SpliceDesk } from './splice-desk.ts';

export interface RelayNodeOptions {
  readonly clock: Clock;
  /** Unpredictable. */
  readonly rng: Rng;
  readonly log: Log;
  readonly limits: RelayLimits;
  readonly policy: EncryptionPolicy;
  /** Name and version, BEP 10 `v`. */
  readonly client: string;
  readonly ownHosts: () => readonly string[];
  readonly wallMs: (nowMs: number) => number;
  /** Ports that listen for unmodified clients. */
  readonly proxyPorts: () => readonly number[];
  /** Whether it can send datagrams. */
  readonly hasUdp: () => boolean;
  /** Reservations changed: other keys are to be announced. */
  readonly onChanged: () => void;
}

/** Connections that have not said yet what they are. */
const MAX_PENDING = 256;
/** Of those, one host's and one network's: whoever says nothing shall not keep others out. */
const MAX_PENDING_PER_HOST = 32;
const MAX_PENDING_PER_NETWORK = 64;
/** For the handshakes, or the 68 bytes of a frame. */
const FIRST_WORDS_MS = 10_000;
const PEER_ID_PREFIX = '-tt0100-';

export class RelayNode implements RelayServerPort {
  readonly server: RelayServer;
  readonly #options: RelayNodeOptions;
  readonly #peerId: Uint8Array;
  readonly #keys: KnownKeys;
  readonly #links = new Map<LinkId, ControlLink>();
  readonly #ids = new Map<ControlLink, LinkId>();
  readonly #splices: SpliceDesk;
  readonly #mirror = new Mirror();
  readonly #fathoms = new FathomDesk();
  /** Streams that are waited for, and what ends the wait. */
  readonly #pending = new Map<ByteStream, () => void>();
  readonly #pendingPlaces = new PlaceCounts();
  readonly #timer: DueTimer;
  #lastId = 0;
  #isClosed = false;

  constructor(options: RelayNodeOptions) {
    this.#options = options;
    const { clock, rng, limits, ownHosts, wallMs, proxyPorts, hasUdp } = options;
    this.#peerId = new TextEncoder().encode(PEER_ID_PREFIX + toHex(randomBytes(rng, 6)));
    this.#keys = shardKeys();
    this.#timer = new DueTimer(clock, () => this.#handleDue());
    const server = { limits, rng, ownHosts, wallMs, proxyPorts, hasUdp };
    this.server = new RelayServer(server, this, clock.nowMs());
    this.#splices = new SpliceDesk(this.server, clock);
    this.#arm();
  }

  /** Of control connections. */
  get linkCount(): number {
    return this.#links.size;
  }
  get roles(): number {
    const { limits, proxyPorts } = this.#options;
    return (
      (limits.reservations > 0 ? ROLE.signal | ROLE.queue : 0) |
      (limits.splices > 0 ? ROLE.splice : 0) |
      (proxyPorts().length > 0 && limits.splices > 0 ? ROLE.proxy : 0) |
      ROLE.test |
      ROLE.mirror |
      ROLE.fathom
    );
  }

  /** A connection came in, over TCP or uTP. */
  accept(stream: ByteStream): void {
    const hasRoom =
      this.#pending.size < MAX_PENDING &&
      this.#pendingPlaces.hasRoom(stream.remote.host, MAX_PENDING_PER_HOST, MAX_PENDING_PER_NETWORK);
    if (this.#isClosed || !hasRoom) {
      stream.destroy();
      return;
    }
    const giveUp = sortIncoming(stream, {
      onFrame: (_stream, frame, rest) => this.#handleFrame(stream, frame, rest),
      onOther: () => this.#handleOther(stream),
      onGone: () => this.#settle(stream),
    });
    this.#wait(stream, giveUp);
  }

  /** An unmodified client came to a proxy port. */
  acceptProxied(stream: ByteStream, port: number): void {
    if (this.#isClosed) stream.destroy();
    else this.#splices.handleProxied(stream, port);
    this.#arm();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer.clear();
    for (const giveUp of [...this.#pending.values()]) giveUp();
    this.#pending.clear();
    for (const link of [...this.#links.values()]) link.close('the relay stops');
    this.#splices.close();
    this.#mirror.close();
    this.#fathoms.close();
  }

  // --- RelayServerPort

  send(link: LinkId, payload: Uint8Array): void {
    this.#links.get(link)?.send(payload);
  }
  drop(link: LinkId, reason: string): void {
    this.#options.log('debug', `relay: a peer is dropped: ${reason}`, {
      remote: this.#links.get(link)?.remote.host,
    });
    this.#links.get(link)?.close(reason);
  }
  test(order: TestOrder): void {
    void dialBack(order).then((reached) => {
      if (!this.#isClosed) this.server.handleTested(order, reached);
    });
  }
  endSplice(splice: Splice): void {
    this.#splices.handleEnd(splice);
  }
  onChanged(): void {
    this.#options.onChanged();
  }

  // --- inside

  #wait(stream: ByteStream, giveUp: () => void): void {
    const timer = setTimeout(() => this.#pending.get(stream)?.(), FIRST_WORDS_MS);
    const { host } = stream.remote;
    this.#pendingPlaces.add(host);
    this.#pending.set(stream, () => {
      clearTimeout(timer);
      this.#pendingPlaces.remove(host);
      this.#pending.delete(stream);
      giveUp();
    });
  }

  /** It has said what it is. */
  #settle(stream: ByteStream): void {
    const done = this.#pending.get(stream);
    if (done === undefined) return;
    this.#pending.delete(stream);
    // Clears the timer; a settled stream is not touched by it.
    done();
  }

  #handleFrame(stream: ByteStream, frame: RelayFrame, rest: Uint8Array): void {
    this.#settle(stream);
    if (frame.kind === 'splice') this.#splices.handleTicket(stream, frame.token, rest);
    else if (frame.kind === 'mirror') this.#mirror.handleFrame(stream, frame.token);
    else if (frame.kind === 'fathom') this.#fathoms.handleFrame(stream, frame.token);
    else stream.destroy();
    this.#arm();
  }

  #handleOther(stream: ByteStream): void {
    this.#settle(stream);
    const { rng, policy, client, clock, limits } = this.#options;
    const challenge = this.server.newChallenge();
    const free = Math.max(0, limits.reservations - this.server.links.slotCount);
    const offer = { version: PROTOCOL_VERSION, roles: this.roles, free, challenge };
    const options = { stream, rng, policy, client, offer, peerId: this.#peerId };
    const link = ControlLink.incoming(options, this.#keys, {
      onReady: (_link, extended) => this.#handleReady(link, challenge, extended),
      onMessage: (_link, payload) => {
        const id = this.#ids.get(link);
        if (id !== undefined) this.server.handleMessage(id, payload, clock.nowMs());
        this.#arm();
      },
      onClose: () => {
        this.#settle(stream);
        this.#handleClose(link);
      },
    });
    this.#wait(stream, () => {
      if (!link.isReady) link.close('handshake timed out');
    });
  }

  #handleReady(link: ControlLink, challenge: Uint8Array, extended: ExtendedHandshake): void {
    this.#settle(link.stream);
    const id = ++this.#lastId;
    const { remote, transport } = link.stream;
    const { listenPort } = extended;
    const info = { remote, isUtp: transport === 'utp', ...(listenPort === undefined ? {} : { listenPort }) };
    if (!this.server.addLink(id, info, challenge, this.#options.clock.nowMs())) {
      link.close('no room');
      return;
    }
    this.#links.set(id, link);
    this.#ids.set(link, id);
  }

  #handleClose(link: ControlLink): void {
    const id = this.#ids.get(link);
    if (id === undefined) return;
    this.#ids.delete(link);
    this.#links.delete(id);
    if (!this.#isClosed) this.server.removeLink(id, this.#options.clock.nowMs());
  }

  #handleDue(): void {
    this.server.handleTimeout(this.#options.clock.nowMs());
    this.#arm();
  }

  #arm(): void {
    if (!this.#isClosed) this.#timer.arm(this.server.nextTimeoutMs());
  }
}

/** All sixteen: a peer may think us in another shard than we do. */
function shardKeys(): KnownKeys {
  const keys = allShardKeys();
  const names = new Set(keys.map(toHex));
  const bySkey = new Map(keys.map((key) => [skeyHash(key), key]));
  return {
    has: (infoHash) => names.has(toHex(infoHash)),
    findBySkey: (hash) => bySkey.get(hash),
  };
}
