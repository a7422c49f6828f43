// A control connection: a BitTorrent connection (encrypted or plain) under a key of relays, which carries tt_relay and nothing else.
import { EMPTY_BYTES } from '../../base/bytes.ts';
import type { Rng } from '../../base/clock.ts';
import type { Endpoint } from '../../base/endpoint.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import type { EncryptionPolicy } from '../../transport/mse.ts';
import { SecureStream } from '../../transport/secure-stream.ts';
import type { ExtendedHandshake, RelayOffer } from '../../wire/extended-handshake.ts';
import { TT_RELAY } from '../../wire/extensions.ts';
import { PeerWire } from '../../wire/peer-wire.ts';
import type { OwnHandshake, PeerHandshake, WireHandler, WireSink } from '../../wire/wire-handler.ts';

/** Who does not read what we send is not kept. */
const MAX_UNREAD_BYTES = 256 * 1024;

export interface ControlLinkOptions {
  readonly stream: ByteStream;
  readonly rng: Rng;
  readonly policy: EncryptionPolicy;
  readonly peerId: Uint8Array;
  readonly client: string;
  /** Of a relay. */
  readonly offer?: RelayOffer;
  /** BEP 10 `p`. */
  readonly listenPort?: number;
}

export interface ControlLinkEvents {
  /** Both handshakes are here and the peer speaks tt_relay. */
  onReady(link: ControlLink, extended: ExtendedHandshake): void;
  onMessage(link: ControlLink, payload: Uint8Array): void;
  /** Exactly once. */
  onClose(link: ControlLink, reason: string): void;
}

/** Key of relays for which an incoming connection is taken: its info hash by plain handshake or by MSE. */
export interface KnownKeys {
  has(infoHash: Uint8Array): boolean;
  findBySkey(skeyHash: string): Uint8Array | undefined;
}

export class ControlLink implements WireSink {
  readonly stream: ByteStream;
  readonly #options: ControlLinkOptions;
  readonly #events: ControlLinkEvents;
  readonly #wire: PeerWire;
  readonly #secure: SecureStream;
  #known: KnownKeys | undefined;
  /** Caught to ride along with the negotiation of the encryption. */
  #initial: Uint8Array | undefined;
  #closeText: string | undefined;
  #isReady = false;
  #isClosed = false;

  private constructor(options: ControlLinkOptions, events: ControlLinkEvents) {
    this.#options = options;
    this.#events = events;
    this.stream = options.stream;
    this.#wire = new PeerWire({ handler: this.#handler(), sink: this });
    this.#secure = new SecureStream(options.stream, options.policy, {
      onBytes: (bytes) => {
        if (bytes.length > 0) this.#wire.receive(bytes);
      },
      onDrain: () => {},
      onClose: ({ text }) => this.#handleClose(text),
    });
  }

  /** Speaks first. @param infoHash the relay's shard key */
  static outgoing(options: ControlLinkOptions, infoHash: Uint8Array, events: ControlLinkEvents): ControlLink {
    const link = new ControlLink(options, events);
    link.#initial = EMPTY_BYTES;
    link.#wire.sendHandshake(link.#own(infoHash));
    link.#wire.flush();
    const payload = link.#initial;
    link.#initial = undefined;
    const mode = { kind: 'outgoing', infoHash, encrypt: options.policy !== 'off' } as const;
    link.#secure.start(mode, payload, options.rng);
    return link;
  }

  static incoming(options: ControlLinkOptions, known: KnownKeys, events: ControlLinkEvents): ControlLink {
    const link = new ControlLink(options, events);
    link.#known = known;
    const findTorrent = (skeyHash: string): Uint8Array | undefined => known.findBySkey(skeyHash);
    link.#secure.start({ kind: 'incoming', findTorrent }, EMPTY_BYTES, options.rng);
    return link;
  }

  get remote(): Endpoint {
    return this.stream.remote;
  }
  get isReady(): boolean {
    return this.#isReady;
  }

  send(payload: Uint8Array): void {
    if (this.#isClosed) return;
    this.#wire.sendExtended(TT_RELAY.name, payload);
    this.#wire.flush();
  }

  close(reason: string): void {
    this.#closeText ??= reason;
    this.#wire.close();
    this.#secure.close(reason);
  }

  // --- WireSink

  write(bytes: Uint8Array): void {
    if (this.#initial !== undefined) {
      this.#initial = bytes;
      return;
    }
    this.#secure.write(bytes);
    if (this.stream.queuedBytes > MAX_UNREAD_BYTES) this.close('does not read what we send');
  }
  writePayload(bytes: Uint8Array, sent?: () => void): void {
    this.#secure.writeShared(bytes, sent);
  }
  onPending(): void {
    if (this.#initial === undefined) queueMicrotask(() => this.#wire.flush());
  }

  // --- inside

  #own(infoHash: Uint8Array): OwnHandshake {
    const { peerId, client, offer, listenPort } = this.#options;
    return {
      infoHash,
      peerId,
      dht: false,
      extensions: [TT_RELAY.name],
      extended: { client, listenPort, yourIp: this.remote.host, relay: offer },
    };
  }

  #handleHandshake(handshake: PeerHandshake): void {
    if (this.#known === undefined) return;
    if (!this.#known.has(handshake.infoHash)) this.close('unknown torrent');
    else this.#wire.sendHandshake(this.#own(handshake.infoHash));
  }

  #handleExtended(extended: ExtendedHandshake): void {
    if (this.#isReady) return;
    if (!this.#wire.peerTakes(TT_RELAY.name)) {
      this.close('does not speak tt_relay');
      return;
    }
    this.#isReady = true;
    this.#events.onReady(this, extended);
  }

  #handleClose(text: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wire.close();
    this.#events.onClose(this, this.#closeText ?? text);
  }

  /** Of a torrent there is nothing here: what belongs to one is passed over. */
  #handler(): WireHandler {
    const ignore = (): void => {};
    return {
      onHandshake: (handshake) => this.#handleHandshake(handshake),
      onChoke: ignore,
      onUnchoke: ignore,
      onInterested: ignore,
      onNotInterested: ignore,
      onHave: ignore,
      onBitfield: ignore,
      onHaveAll: ignore,
      onHaveNone: ignore,
      onDontHave: ignore,
      onRequest: ignore,
      onCancel: ignore,
      onReject: ignore,
      onAllowedFast: ignore,
      onSuggest: ignore,
      onBlockStart: () => false,
      onBlockEnd: ignore,
      onBlockAborted: ignore,
      onPort: ignore,
      onExtendedHandshake: (extended) => this.#handleExtended(extended),
      onExtended: (name, payload) => {
        if (name === TT_RELAY.name) this.#events.onMessage(this, payload);
      },
      onKeepAlive: ignore,
      onViolation: (reason) => this.close(`protocol violation: ${reason}`),
    };
  }
}
