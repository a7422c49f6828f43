// What the connections of one torrent ask of it and tell it: handshakes, admission, buffers, extensions, the end.
import { InvariantError } from '../../base/result.ts';
import type { Swarm } from '../../swarm/swarm.ts';
import type { SwarmPeer } from '../../swarm/swarm-peer.ts';
import type { StreamEnd } from '../../transport/secure-stream.ts';
import { clientName } from '../../wire/client-name.ts';
import type { ExtendedHandshake } from '../../wire/extended-handshake.ts';
import type { OwnHandshake } from '../../wire/wire-handler.ts';
import type { SessionShared } from '../shared.ts';
import type { TorrentAccount } from '../torrent-account.ts';
import type { TorrentData } from '../torrent-data.ts';
import type { PeersOwner, TorrentPeers } from '../torrent-peers.ts';
import type { PeerConnection } from './peer-connection.ts';
import type { PeerExtensions } from './peer-extensions.ts';
import { UploadPump } from './upload-pump.ts';

/** The torrent, as its host sees it. */
export interface HostedTorrent {
  readonly infoHash: string;
  readonly data: TorrentData | undefined;
  readonly isComplete: boolean;
  readonly isActive: boolean;
  readonly peers: TorrentPeers;
  readonly extensions: PeerExtensions;
  readonly account: TorrentAccount;
  onInput(): void;
}

export class PeerHost implements PeersOwner {
  readonly #shared: SessionShared;
  readonly #torrent: HostedTorrent;

  constructor(shared: SessionShared, torrent: HostedTorrent) {
    this.#shared = shared;
    this.#torrent = torrent;
  }

  get swarm(): Swarm | undefined {
    return this.#torrent.data?.swarm;
  }
  get isComplete(): boolean {
    return this.#torrent.isComplete;
  }
  get isActive(): boolean {
    return this.#torrent.isActive;
  }

  ownHandshake(connection: PeerConnection): OwnHandshake {
    return this.#torrent.extensions.ownHandshake(connection);
  }
  admit(connection: PeerConnection): string | undefined {
    // Until now there was one peer less to wait for.
    this.#torrent.account.sample(this.#shared.clock.nowMs());
    const refusal = this.#torrent.peers.admit(connection);
    if (refusal === undefined) {
      connection.traced?.connected();
      const client = clientName(connection.handshake?.peerId);
      const { address, reached, stream } = connection;
      if (reached !== undefined) this.#shared.nat.stats.handleConnected(reached.rung);
      const how = { transport: stream.transport, ...(reached === undefined ? {} : { reached }) };
      this.#shared.emit(this.#torrent.infoHash, { kind: 'peer-connected', address, client, ...how });
    }
    return refusal;
  }
  makePump(connection: PeerConnection, peer: SwarmPeer): UploadPump {
    const { data } = this.#torrent;
    if (data?.swarm === undefined) throw new InvariantError('upload before the swarm');
    const { swarm, storage } = data;
    const line = connection.traced?.line(connection) ?? connection;
    return new UploadPump({ swarm, peer, storage, limiter: this.#shared.upLimiter, line });
  }
  slotView(slot: number): Uint8Array {
    return (this.#torrent.data as TorrentData).slots.view(slot);
  }
  onExtendedHandshake(connection: PeerConnection, handshake: ExtendedHandshake): void {
    if (handshake.yourIp !== undefined) {
      this.#shared.voteExternalAddress(handshake.yourIp, connection.stream.remote.host);
    }
    this.#torrent.extensions.onHandshake(connection, handshake);
  }
  onExtended(connection: PeerConnection, name: string, payload: Uint8Array): void {
    this.#torrent.extensions.onMessage(connection, name, payload);
  }
  onDhtPort(connection: PeerConnection, port: number): void {
    this.#torrent.extensions.onDhtPort(connection, port);
  }
  onInput(): void {
    this.#torrent.onInput();
  }
  onClosed(connection: PeerConnection, end: StreamEnd): void {
    const nowMs = this.#shared.clock.nowMs();
    this.#torrent.account.handleClosed(connection);
    const { isAdmitted, reached, payloadBytes } = connection;
    if (isAdmitted && reached !== undefined) this.#shared.nat.stats.handleEnded(reached.rung, payloadBytes);
    if (connection.swarmPeer !== undefined) this.swarm?.removePeer(connection.swarmPeer, nowMs);
    this.#torrent.extensions.onClosed(connection);
    this.#torrent.peers.closed(connection, end);
    if (connection.isAdmitted) {
      connection.traced?.disconnected(end.text);
      const { address } = connection;
      this.#shared.emit(this.#torrent.infoHash, { kind: 'peer-disconnected', address, reason: end.text });
    }
    this.onInput();
  }
}
