// The extensions of one torrent's peers (BEP 10): what we say of ourselves, metadata (BEP 9), peer exchange (BEP 11).
import type { InfoHash } from '../../base/ids.ts';
import { isLocalAddress } from '../../base/local-address.ts';
import type { Metainfo } from '../../metainfo/metainfo.ts';
import { NAT_STATES } from '../../relay/messages.ts';
import type { Swarm } from '../../swarm/swarm.ts';
import type { ExtendedHandshake } from '../../wire/extended-handshake.ts';
import {
  LT_DONTHAVE,
  TT_RELAY,
  UPLOAD_ONLY,
  UT_HOLEPUNCH,
  UT_METADATA,
  UT_PEX,
} from '../../wire/extensions.ts';
import { MetadataFetch } from '../../wire/metadata-fetch.ts';
import { MetadataServe } from '../../wire/metadata-serve.ts';
import { decodeUploadOnly } from '../../wire/upload-only.ts';
import {
  decodeMetadataMessage as decodeUtMetadata,
  encodeMetadataReject,
  encodeMetadataRequest,
} from '../../wire/ut-metadata.ts';
import type { OwnHandshake } from '../../wire/wire-handler.ts';
import { MAX_UNREAD_FOR_METADATA_BYTES } from '../peer-limits.ts';
import { NatTorrent } from '../reach/nat-torrent.ts';
import type { RelaySession } from '../reach/relay-session.ts';
import type { SessionShared } from '../shared.ts';
import type { TorrentPeers } from '../torrent-peers.ts';
import { DhtPorts } from './dht-ports.ts';
import type { PeerConnection } from './peer-connection.ts';
import { PeerExchange } from './peer-exchange.ts';

/** BEP 10 `v`. */
const CLIENT = 'tt 0.1.0';
/** BEP 10 `reqq`: what the upload queue of a peer holds. */
const REQUEST_QUEUE = 2000;

export interface ExtensionsOwner {
  readonly infoHashBytes: InfoHash;
  readonly metainfo: Metainfo | undefined;
  readonly isPrivate: boolean;
  readonly isComplete: boolean;
  readonly peers: TorrentPeers;
  readonly swarm: Swarm | undefined;
  /** The info dictionary is here; its hash is right. */
  handleInfo(info: Uint8Array): void;
  onBan(key: string, reason: string): void;
}

export class PeerExtensions {
  readonly nat: NatTorrent;
  readonly #shared: SessionShared;
  readonly #owner: ExtensionsOwner;
  readonly #serve: MetadataServe<PeerConnection>;
  readonly #exchange: PeerExchange;
  readonly #dhtPorts: DhtPorts;
  /** While the metadata is unknown. */
  #fetch: MetadataFetch<PeerConnection> | undefined;

  constructor(shared: SessionShared, owner: ExtensionsOwner) {
    this.#shared = shared;
    this.#owner = owner;
    this.#serve = new MetadataServe(owner.metainfo?.infoBytes);
    this.nat = new NatTorrent(shared, owner);
    owner.peers.dialler = this.nat;
    this.#exchange = new PeerExchange(owner.peers, (teller, peer) => this.nat.punch.handleTold(teller, peer));
    this.#dhtPorts = new DhtPorts(shared.dht);
    if (owner.metainfo === undefined) this.#fetch = new MetadataFetch(owner.infoHashBytes);
  }

  ownHandshake(connection: PeerConnection): OwnHandshake {
    const names = [UT_METADATA.name, LT_DONTHAVE.name, UPLOAD_ONLY.name];
    if (this.#exchangesPeers) names.push(UT_PEX.name);
    if (this.nat.punch.isOffered) names.push(UT_HOLEPUNCH.name);
    const relay = this.#relays?.offerTo(connection, this.#owner.infoHashBytes);
    if (relay !== undefined) names.push(TT_RELAY.name);
    return {
      infoHash: this.#owner.infoHashBytes,
      peerId: this.#shared.peerId,
      dht: this.#dhtPorts.isOffered && !this.#owner.isPrivate,
      extensions: names,
      extended: { ...this.#facts(connection), relay },
    };
  }

  /** BEP 27: never for private torrents, and not before it is known whether one is. */
  get #relays(): RelaySession | undefined {
    const { isPrivate, metainfo } = this.#owner;
    return isPrivate || metainfo === undefined ? undefined : this.#shared.relays();
  }

  /** BEP 27: never for private torrents. */
  get #exchangesPeers(): boolean {
    return this.#shared.pex && !this.#owner.isPrivate;
  }

  #facts(connection: PeerConnection): Omit<ExtendedHandshake, 'extensionIds'> {
    // A neighbour reaches us without the gateway, by our own port.
    const isNeighbour = isLocalAddress(connection.stream.remote.host);
    const port = isNeighbour ? this.#shared.listenPort() : this.#shared.announcedPort();
    return {
      client: CLIENT,
      listenPort: port === 0 ? undefined : port,
      yourIp: connection.stream.remote.host,
      requestQueue: REQUEST_QUEUE,
      metadataSize: this.#owner.metainfo?.infoBytes.length,
      uploadOnly: this.#owner.isComplete,
      natState: this.#natState,
    };
  }

  /** For the peer's account of how we were reached: introductions of BEP 55 carry nothing of it. BEP 27 as above. */
  get #natState(): number | undefined {
    const known = NAT_STATES.indexOf(this.#shared.nat.ownFacts().state);
    const isShown = this.#owner.metainfo !== undefined && this.nat.punch.isOffered;
    return isShown && known > 0 ? known : undefined;
  }

  #notePlace(connection: PeerConnection, { natState = 0 }: ExtendedHandshake): void {
    const peer = natState === 0 ? undefined : NAT_STATES[natState];
    if (peer === undefined || connection.reached === undefined) return;
    const { peer: told = 'unknown' } = connection.reached;
    if (told === 'unknown') connection.reached = { ...connection.reached, peer };
  }

  /** The metadata (and what we have) became known: tells those who connected before. */
  announceMetadata(): void {
    const info = this.#owner.metainfo?.infoBytes;
    if (info !== undefined) this.#serve.setInfo(info);
    for (const connection of this.#owner.peers.connections) {
      if (connection.isAdmitted && connection.wire.hasExtended) {
        connection.wire.sendExtendedHandshake(this.#facts(connection));
      }
    }
  }

  onHandshake(connection: PeerConnection, handshake: ExtendedHandshake): void {
    if (this.nat.punch.isOffered) this.#notePlace(connection, handshake);
    if (this.#exchangesPeers && connection.wire.peerTakes(UT_PEX.name)) {
      this.#exchange.join(connection);
      this.#exchange.tellAtOnce(connection, this.#shared.clock.nowMs());
    }
    this.#relays?.join(connection, handshake);
    if (this.#fetch !== undefined && connection.wire.peerTakes(UT_METADATA.name)) {
      this.#fetch.addPeer(connection, handshake.metadataSize);
      this.#pollMetadata();
    }
  }

  onMessage(connection: PeerConnection, name: string, payload: Uint8Array): void {
    const nowMs = this.#shared.clock.nowMs();
    if (name === UT_METADATA.name) {
      this.#onMetadata(connection, payload);
    } else if (name === UT_PEX.name && this.#exchangesPeers) {
      const reason = this.#exchange.handleMessage(connection, payload, nowMs);
      if (reason !== undefined) connection.close(`protocol violation: ${reason}`);
    } else if (name === UT_HOLEPUNCH.name) {
      const reason = this.nat.punch.handleMessage(connection, payload);
      if (reason !== undefined) connection.close(`protocol violation: ${reason}`);
    } else if (name === TT_RELAY.name) {
      const reason = this.#relays?.handleMessage(connection, payload);
      if (reason !== undefined) connection.close(`protocol violation: ${reason}`);
    } else if (name === UPLOAD_ONLY.name && connection.swarmPeer !== undefined) {
      const flag = decodeUploadOnly(payload);
      if (flag.ok) this.#owner.swarm?.handleUploadOnly(connection.swarmPeer, flag.value, nowMs);
    }
  }

  onDhtPort(connection: PeerConnection, port: number): void {
    if (!this.#owner.isPrivate) this.#dhtPorts.handlePort(connection, port);
  }

  onClosed(connection: PeerConnection): void {
    this.#exchange.leave(connection);
    this.nat.punch.leave(connection);
    this.#shared.relays()?.leave(connection);
    this.#serve.removePeer(connection);
    this.#fetch?.removePeer(connection);
    this.#pollMetadata();
  }

  tick(nowMs: number): void {
    this.#pollMetadata();
    if (this.#exchangesPeers) this.#exchange.tick(nowMs);
    this.nat.tick(nowMs);
    if (!this.#owner.isPrivate) this.#dhtPorts.tick(this.#owner.peers.connections);
  }

  // --- metadata (BEP 9)

  #onMetadata(connection: PeerConnection, payload: Uint8Array): void {
    const message = decodeUtMetadata(payload);
    if (!message.ok) {
      connection.close(`protocol violation: ${message.reason.what}`);
      return;
    }
    const nowMs = this.#shared.clock.nowMs();
    if (message.value.kind === 'request') {
      this.#serveMetadata(connection, message.value.piece, nowMs);
      return;
    }
    const reason = this.#fetch?.handleMessage(connection, message.value, nowMs);
    if (reason !== undefined) connection.close(`protocol violation: ${reason}`);
    this.#pollMetadata();
  }

  #serveMetadata(connection: PeerConnection, piece: number, nowMs: number): void {
    // One after the other: replies are composed in this turn, and their sum is what the peer must be able to take.
    if (connection.queuedBytes + connection.wire.pendingBytes > MAX_UNREAD_FOR_METADATA_BYTES) {
      connection.wire.sendExtended(UT_METADATA.name, encodeMetadataReject(piece));
      return;
    }
    const reply = this.#serve.handleRequest(connection, piece, nowMs);
    if (reply === undefined) connection.punish('flood of metadata requests');
    else connection.wire.sendExtended(UT_METADATA.name, reply);
  }

  #pollMetadata(): void {
    const fetch = this.#fetch;
    if (fetch === undefined) return;
    for (const { peer, piece } of fetch.poll(this.#shared.clock.nowMs())) {
      peer.wire.sendExtended(UT_METADATA.name, encodeMetadataRequest(piece));
    }
    for (const liar of fetch.pollLiars()) this.#owner.onBan(liar.banKey, 'sent false metadata');
    const info = fetch.result;
    if (info === undefined) return;
    this.#fetch = undefined;
    this.#owner.handleInfo(info);
  }
}
