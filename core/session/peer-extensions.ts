// The extensions of one torrent's peers (BEP 10): what we say of ourselves, metadata (BEP 9), peer exchange (BEP 11).
import type { Bitfield } from '../base/bitfield.ts';
import type { Metainfo } from '../metainfo/metainfo.ts';
import type { ExtendedHandshake } from '../wire/extended-handshake.ts';
import { LT_DONTHAVE, UPLOAD_ONLY, UT_METADATA, UT_PEX } from '../wire/extensions.ts';
import type { OwnHandshake } from '../wire/wire-handler.ts';
import type { PeerConnection } from './peer-connection.ts';
import type { SessionShared } from './shared.ts';
import type { TorrentPeers } from './torrent-peers.ts';

/** BEP 10 `v`. */
const CLIENT = 'tt 0.1.0';
/** BEP 10 `reqq`: what the upload queue of a peer holds. */
const REQUEST_QUEUE = 2000;

export interface ExtensionsOwner {
  readonly infoHashBytes: Uint8Array;
  readonly metainfo: Metainfo | undefined;
  readonly isPrivate: boolean;
  readonly isComplete: boolean;
  readonly peers: TorrentPeers;
  readonly swarm: { readonly have: Bitfield } | undefined;
  handleMetadata(metainfo: Metainfo): void;
}

export class PeerExtensions {
  readonly #shared: SessionShared;
  readonly #owner: ExtensionsOwner;

  constructor(shared: SessionShared, owner: ExtensionsOwner) {
    this.#shared = shared;
    this.#owner = owner;
  }

  ownHandshake(connection: PeerConnection): OwnHandshake {
    const names = [UT_METADATA.name, LT_DONTHAVE.name, UPLOAD_ONLY.name];
    if (this.#shared.pex && !this.#owner.isPrivate) names.push(UT_PEX.name);
    return {
      infoHash: this.#owner.infoHashBytes,
      peerId: this.#shared.peerId,
      dht: false,
      extensions: names,
      extended: this.#facts(connection),
    };
  }

  #facts(connection: PeerConnection): Omit<ExtendedHandshake, 'extensionIds'> {
    const port = this.#shared.listenPort();
    return {
      client: CLIENT,
      listenPort: port === 0 ? undefined : port,
      yourIp: connection.stream.remote.host,
      requestQueue: REQUEST_QUEUE,
      metadataSize: this.#owner.metainfo?.infoBytes.length,
      uploadOnly: this.#owner.isComplete,
    };
  }

  /** The metadata (and what we have) became known: tells those who connected before. */
  announceMetadata(): void {
    for (const connection of this.#owner.peers.connections) {
      if (connection.isAdmitted && connection.wire.hasExtended) {
        connection.wire.sendExtendedHandshake(this.#facts(connection));
      }
    }
  }

  onHandshake(_connection: PeerConnection, _handshake: ExtendedHandshake): void {}
  onMessage(_connection: PeerConnection, _name: string, _payload: Uint8Array): void {}
  onClosed(_connection: PeerConnection): void {}
  tick(_nowMs: number): void {}
}
