// Peers of our own swarms that relay on the side, and we for them: tt_relay over ordinary connections. Calls and dial-backs always,
// bytes only where the user allowed it; nothing of it happens in private torrents (BEP 27).
import os from 'node:os';
import { normalizeHost } from '../../base/endpoint.ts';
import { DueTimer } from '../../base/io/due-timer.ts';
import { ROLE } from '../../relay/client-port.ts';
import type { ClientShell } from '../../relay/io/client-shell.ts';
import { dialBack } from '../../relay/io/dial-back.ts';
import { DEFAULT_RELAY_LIMITS, type RelayLimits } from '../../relay/limits.ts';
import { decodeMessage } from '../../relay/message-codec.ts';
import { PROTOCOL_VERSION, type RelayMessage } from '../../relay/messages.ts';
import { RelayServer } from '../../relay/server.ts';
import { type RelaySnapshot, snapshotRelay } from '../../relay/snapshot.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import type { ExtendedHandshake, RelayOffer } from '../../wire/extended-handshake.ts';
import { TT_RELAY } from '../../wire/extensions.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';
import type { SessionShared } from '../shared.ts';
import { RelaySplices } from './relay-splices.ts';

/** Everybody in a full swarm may be called; no queues, and as many splices as the user allows. */
const LIMITS: RelayLimits = {
  ...DEFAULT_RELAY_LIMITS,
  reservations: 256,
  reservationsPerNetwork: 64,
  splices: 0,
  queues: 0,
};
/** Of our upload limit, where there is one, for the bytes of others: a quarter. */
const SPLICED_SHARE = 1 / 4;
/** Message kinds that only a relay gets; the others are for its peers. */
const TO_RELAY: ReadonlySet<RelayMessage['type']> = new Set([
  'reserve',
  'call',
  'answer',
  'test',
  'push',
  'peek',
  'pop',
  'gone',
]);

interface Neighbour {
  readonly infoHash: Uint8Array;
  readonly challenge: Uint8Array;
  /** As whose relay we serve. */
  serverLink: number | undefined;
  /** Whose peer we are. */
  clientLink: number | undefined;
}

export class RelayNeighbours {
  readonly #shared: SessionShared;
  readonly #shell: ClientShell;
  readonly #server: RelayServer;
  readonly #timer: DueTimer;
  readonly #neighbours = new Map<PeerConnection, Neighbour>();
  readonly #links = new Map<number, PeerConnection>();
  readonly #splices: RelaySplices | undefined;
  #lastLink = 0;

  /** @param splices pairs of peers whose bytes we pass on at a time; 0: none */
  constructor(shared: SessionShared, shell: ClientShell, splices: number) {
    this.#shared = shared;
    this.#shell = shell;
    const { clock, rng } = shared;
    this.#timer = new DueTimer(clock, () => this.#handleDue());
    this.#server = new RelayServer(
      {
        limits: { ...LIMITS, splices },
        rng,
        ownHosts: () => this.#ownHosts(),
        wallMs: (nowMs) => Date.now() + nowMs - clock.nowMs(),
        maySplice: () => this.#maySplice,
        hasUdp: () => shared.datagrams() !== undefined,
      },
      {
        send: (link, payload) => this.#links.get(link)?.wire.sendExtended(TT_RELAY.name, payload),
        drop: (link, reason) => this.#links.get(link)?.close(`relay protocol: ${reason}`),
        test: (order) => {
          void dialBack(order).then((reached) => this.#server.handleTested(order, reached));
        },
        endSplice: (splice) => this.#splices?.handleEnd(splice),
        onChanged: () => {},
      },
      clock.nowMs(),
    );
    this.#splices = splices === 0 ? undefined : new RelaySplices(this.#server, clock, () => this.#arm());
  }

  /** Bytes are passed on by who can be reached by everybody, and by nobody else. */
  get #maySplice(): boolean {
    const { state } = this.#shared.nat.ownFacts();
    return this.#splices !== undefined && (state === 'open' || state === 'mapped');
  }
  get #roles(): number {
    return ROLE.signal | ROLE.test | (this.#maySplice ? ROLE.splice : 0);
  }

  /** What we do for others; undefined while that is nothing. */
  snapshot(): RelaySnapshot | undefined {
    if (this.#links.size === 0) return undefined;
    return snapshotRelay(this.#server, this.#shared.clock.nowMs());
  }

  /** A connection that came in may carry a ticket of ours. */
  sort(stream: ByteStream, onPeer: (stream: ByteStream) => void): void {
    if (this.#splices === undefined) onPeer(stream);
    else this.#splices.sort(stream, onPeer);
  }

  /** The upload limit may have changed. */
  poll(): void {
    this.#server.splices.setTotal(this.#shared.upLimiter.bytesPerSec * SPLICED_SHARE);
  }

  /** What our handshake says: that we relay, when we can be reached ourselves. */
  offerTo(connection: PeerConnection, infoHash: Uint8Array): RelayOffer | undefined {
    let neighbour = this.#neighbours.get(connection);
    if (neighbour === undefined) {
      const challenge = this.#server.newChallenge();
      neighbour = { infoHash, challenge, serverLink: undefined, clientLink: undefined };
      this.#neighbours.set(connection, neighbour);
    }
    const free = Math.max(0, LIMITS.reservations - this.#server.links.slotCount);
    return { version: PROTOCOL_VERSION, roles: this.#roles, free, challenge: neighbour.challenge };
  }

  join(connection: PeerConnection, handshake: ExtendedHandshake): void {
    const neighbour = this.#neighbours.get(connection);
    if (neighbour === undefined || neighbour.serverLink !== undefined) return;
    if (!connection.wire.peerTakes(TT_RELAY.name)) return;
    const { remote, transport } = connection.stream;
    // A splice or a proxy would name the relay's address for the peer's.
    if (transport === 'relayed') return;
    const id = ++this.#lastLink;
    const { listenPort } = handshake;
    const isUtp = transport !== 'tcp';
    const info = { remote, isUtp, ...(listenPort === undefined ? {} : { listenPort }) };
    if (this.#server.addLink(id, info, neighbour.challenge, this.#shared.clock.nowMs())) {
      neighbour.serverLink = id;
      this.#links.set(id, connection);
    }
    // Tickets are redeemed where it listens, which is not where a connection that it opened comes from.
    const relay =
      connection.isIncoming && listenPort !== undefined ? { ...remote, port: listenPort } : remote;
    neighbour.clientLink = this.#shell.addNeighbour(relay, handshake, neighbour.infoHash, isUtp, (payload) =>
      connection.wire.sendExtended(TT_RELAY.name, payload),
    );
    this.#arm();
  }

  /** @returns why the connection must end, or undefined */
  handleMessage(connection: PeerConnection, payload: Uint8Array): string | undefined {
    const neighbour = this.#neighbours.get(connection);
    if (neighbour === undefined) return undefined;
    const decoded = decodeMessage(payload);
    if (!decoded.ok) return decoded.reason.what;
    const message = decoded.value;
    const nowMs = this.#shared.clock.nowMs();
    const { serverLink, clientLink } = neighbour;
    const isBeat = message.type === 'beat';
    const isForServer = TO_RELAY.has(message.type) || isBeat;
    if (isForServer && serverLink !== undefined) this.#server.handleDecoded(serverLink, message, nowMs);
    // A heartbeat is answered once, its echo is heard by both.
    const isForClient = isBeat ? message.isEcho || serverLink === undefined : !isForServer;
    if (isForClient && clientLink !== undefined)
      this.#shell.run((client) => client.handleDecoded(clientLink, message, nowMs));
    this.#arm();
    return undefined;
  }

  leave(connection: PeerConnection): void {
    const neighbour = this.#neighbours.get(connection);
    if (neighbour === undefined) return;
    this.#neighbours.delete(connection);
    const { serverLink, clientLink } = neighbour;
    if (serverLink !== undefined) {
      this.#links.delete(serverLink);
      this.#server.removeLink(serverLink, this.#shared.clock.nowMs());
    }
    if (clientLink !== undefined) this.#shell.removeNeighbour(clientLink);
  }

  close(): void {
    this.#splices?.close();
    this.#timer.clear();
  }

  #ownHosts(): string[] {
    const own = Object.values(os.networkInterfaces()).flatMap((each) => each ?? []);
    const seen = [this.#shared.externalAddress(4), this.#shared.externalAddress(6)];
    return [...seen, ...own.map(({ address }) => normalizeHost(address))].filter(
      (host) => host !== undefined,
    );
  }

  #handleDue(): void {
    this.#server.handleTimeout(this.#shared.clock.nowMs());
    this.#arm();
  }

  /** Nothing to do as long as nobody is here. */
  #arm(): void {
    if (this.#links.size > 0 || this.#server.splices.size > 0) this.#timer.arm(this.#server.nextTimeoutMs());
  }
}
