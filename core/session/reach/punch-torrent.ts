// BEP 55 in one torrent, all three roles: neighbours introduce us, we introduce neighbours, others have us introduced.
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import { UT_HOLEPUNCH } from '../../wire/extensions.ts';
import { decodeHolepunch } from '../../wire/ut-holepunch.ts';
import type { PexPeer } from '../../wire/ut-pex.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';
import type { SessionShared } from '../shared.ts';
import type { TorrentPeers } from '../torrent-peers.ts';
import { PunchAsk } from './punch-ask.ts';
import { Introducers } from './punch-introducers.ts';
import { isConnectedTo, PunchRelay } from './punch-relay.ts';

/** More cannot be under way: introductions are followed 30 times a minute at most. */
const MAX_INTRODUCED = 64;

export interface PunchOwner {
  readonly isPrivate: boolean;
  readonly peers: TorrentPeers;
}

export class PunchTorrent {
  readonly #shared: SessionShared;
  readonly #owner: PunchOwner;
  readonly #onWanted: (endpoint: Endpoint) => void;
  readonly #introducers = new Introducers();
  readonly #relay: PunchRelay;
  /** Introductions that we asked for, by endpoint. */
  readonly #asks = new Map<string, PunchAsk>();
  /** Who introduced us to whom lately. */
  readonly #introducedBy = new Map<string, Endpoint>();

  /** @param onWanted somebody had himself introduced to us: punch, now */
  constructor(shared: SessionShared, owner: PunchOwner, onWanted: (endpoint: Endpoint) => void) {
    this.#shared = shared;
    this.#owner = owner;
    this.#onWanted = onWanted;
    this.#relay = new PunchRelay((endpoint) => shared.isSelf(endpoint));
  }

  /** Whether our handshake offers the extension: without uTP we could be neither target nor initiator. */
  get isOffered(): boolean {
    return !this.#owner.isPrivate && this.#shared.nat.hasUtp;
  }

  /** Somebody told of it and never dialled it: it takes the extension, and may be behind a NAT. */
  isHidden(endpoint: Endpoint): boolean {
    const told = this.#introducers.toldOf(endpoint);
    return told?.isHidden === true && told.supportsHolepunch;
  }

  /** Nobody is asked for an introduction that would not be followed: the other side's packets alone close the door. */
  canAsk(endpoint: Endpoint): boolean {
    if (!this.isOffered || !this.#shared.nat.canFollow(endpoint)) return false;
    return this.#introducers.for(endpoint, this.#owner.peers.connections).length > 0;
  }

  /** Asks one neighbour after the other to introduce us; the hole opens when one does. */
  ask(endpoint: Endpoint, signal: AbortSignal): Promise<ByteStream> {
    const neighbours = this.#introducers.for(endpoint, this.#owner.peers.connections);
    const dial = (target: Endpoint): Promise<ByteStream> => this.#shared.nat.punch(target, signal);
    this.#shared.nat.openDoor(endpoint);
    const ask = new PunchAsk(endpoint, neighbours, dial, signal);
    this.#asks.set(endpointKey(endpoint), ask);
    return ask.result;
  }

  introducerOf(endpoint: Endpoint): Endpoint | undefined {
    return this.#introducedBy.get(endpointKey(endpoint));
  }

  forget(endpoint: Endpoint): void {
    this.#asks.delete(endpointKey(endpoint));
    this.#introducedBy.delete(endpointKey(endpoint));
  }

  // --- neighbours

  handleTold(teller: PeerConnection, peer: PexPeer): void {
    if (!this.#owner.isPrivate) this.#introducers.handleTold(teller, peer);
  }

  leave(connection: PeerConnection): void {
    this.#introducers.leave(connection);
    for (const ask of this.#asks.values()) ask.handleGone(connection);
  }

  /** @returns a reason to end the connection, if the peer gave one */
  handleMessage(connection: PeerConnection, payload: Uint8Array): string | undefined {
    if (!this.isOffered) return undefined;
    const message = decodeHolepunch(payload);
    if (!message.ok) return message.reason.what;
    const nowMs = this.#shared.clock.nowMs();
    switch (message.value.kind) {
      case 'rendezvous': {
        const { connections } = this.#owner.peers;
        this.#relay.handleRendezvous(connection, message.value.endpoint, payload, connections, nowMs);
        break;
      }
      case 'connect':
        this.#handleConnect(connection, message.value.endpoint, nowMs);
        break;
      case 'error':
        this.#asks.get(endpointKey(message.value.endpoint))?.handleRefused(connection, message.value.code);
        break;
      case 'unknown':
    }
    return undefined;
  }

  #handleConnect(relay: PeerConnection, endpoint: Endpoint, nowMs: number): void {
    // BEP 55: a neighbour that never took the extension has no say; one we are connected to already is let be.
    if (!relay.wire.peerTakes(UT_HOLEPUNCH.name) || isConnectedTo(this.#owner.peers.connections, endpoint))
      return;
    if (this.#shared.isBanned(endpoint.host)) return;
    const refusal = this.#shared.nat.whyNotFollow(endpoint, relay.stream.remote.host, nowMs);
    if (refusal !== undefined) {
      this.#shared.log('debug', `introduction to ${endpointKey(endpoint)} is not followed: ${refusal}`);
      return;
    }
    const ask = this.#asks.get(endpointKey(endpoint)) ?? this.#askOf(relay, endpoint.host);
    this.#noteIntroducer(ask?.endpoint ?? endpoint, relay.stream.remote);
    if (ask !== undefined) ask.handleConnect(relay, endpoint);
    else this.#onWanted(endpoint);
  }

  #noteIntroducer(endpoint: Endpoint, relay: Endpoint): void {
    if (this.#introducedBy.size >= MAX_INTRODUCED)
      this.#introducedBy.delete(this.#introducedBy.keys().next().value as string);
    this.#introducedBy.set(endpointKey(endpoint), relay);
  }

  /** The relay knows the peer by another port than we do. */
  #askOf(relay: PeerConnection, host: string): PunchAsk | undefined {
    return [...this.#asks.values()].find((ask) => ask.hasAsked(relay) && ask.endpoint.host === host);
  }
}
