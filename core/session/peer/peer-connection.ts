// One peer's connection: joins stream, wire and swarm. Translation only; decisions are the swarm's and the torrent's.
// Invariant: `PeerOwner.onClosed` comes exactly once for every connection that was given an owner.
import { Bitfield } from '../../base/bitfield.ts';
import { EMPTY_BYTES } from '../../base/bytes.ts';
import type { Clock, Rng } from '../../base/clock.ts';
import { endpointKey } from '../../base/endpoint.ts';
import { isLoopbackAddress } from '../../base/local-address.ts';
import type { PeerOrigin } from '../../base/peer-source.ts';
import type { Candidate } from '../../discovery/candidates.ts';
import type { PeerPort } from '../../swarm/peer-port.ts';
import type { Swarm } from '../../swarm/swarm.ts';
import type { SwarmPeer } from '../../swarm/swarm-peer.ts';
import type { Trace } from '../../trace/trace.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import type { EncryptionPolicy } from '../../transport/mse.ts';
import type { RateLimiter } from '../../transport/rate-limiter.ts';
import { SecureStream, type StreamEnd } from '../../transport/secure-stream.ts';
import type { ExtendedHandshake } from '../../wire/extended-handshake.ts';
import { PeerWire } from '../../wire/peer-wire.ts';
import type { OwnHandshake, PeerHandshake, WireSink } from '../../wire/wire-handler.ts';
import { HAVE_DELAY_MS, MAX_UNREAD_BYTES } from '../peer-limits.ts';
import type { ReachedBy } from '../reach/reach-stats.ts';
import { SwarmPort } from './swarm-port.ts';
import { ConnectionTrace } from './traced-peer.ts';
import type { UploadLine, UploadPump } from './upload-pump.ts';
import { WireEvents } from './wire-events.ts';

/** The torrent, as its connections see it. */
export interface PeerOwner {
  /** Undefined until the metadata is there and the data is checked. */
  readonly swarm: Swarm | undefined;
  ownHandshake(connection: PeerConnection): OwnHandshake;
  /** Handshakes are done. @returns why the connection must end, or undefined */
  admit(connection: PeerConnection): string | undefined;
  makePump(connection: PeerConnection, peer: SwarmPeer): UploadPump;
  /** The buffer of a slot the swarm handed out. */
  slotView(slot: number): Uint8Array;
  onExtendedHandshake(connection: PeerConnection, handshake: ExtendedHandshake): void;
  onExtended(connection: PeerConnection, name: string, payload: Uint8Array): void;
  /** BEP 5: where the peer's DHT node listens. */
  onDhtPort(connection: PeerConnection, port: number): void;
  /** After every batch of input: requests go out, timers may have moved. */
  onInput(): void;
  onClosed(connection: PeerConnection, end: StreamEnd): void;
}

export interface ConnectionOptions {
  readonly stream: ByteStream;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly policy: EncryptionPolicy;
  readonly downLimiter: RateLimiter;
  readonly trace?: Trace | undefined;
}

interface Parties {
  readonly owner?: PeerOwner;
  readonly candidate?: Candidate;
  readonly findOwner?: (infoHash: Uint8Array) => PeerOwner | undefined;
  readonly onEnd?: (connection: PeerConnection, end: StreamEnd) => void;
}

/** Where the payload of a block goes that somebody else completed meanwhile; as large as the wire lets any block be. */
const LOST_CLAIM_BYTES = 128 * 1024;
let lostClaimTarget: Uint8Array | undefined;

/** Bans go by address; on loopback, where a whole swarm shares one, by address and port. */
export function banKeyOf(host: string, port: number): string {
  return isLoopbackAddress(host) ? `${host}:${port}` : host;
}

/** The address that a ban goes by. */
export function hostOfBanKey(key: string): string {
  return /^(127\.[0-9.]+):[0-9]+$/.exec(key)?.[1] ?? key;
}

export class PeerConnection implements WireSink, UploadLine {
  readonly stream: ByteStream;
  readonly wire: PeerWire;
  /** Whom it leads to, in the pool: known at once when we dialled. */
  candidate: Candidate | undefined;
  /** Which way led to it; known once both handshakes are done. */
  reached: ReachedBy | undefined;
  /** Clock ms of the first block, sent or received. */
  firstPayloadAtMs: number | undefined;
  /** Clock ms when it makes way for a straighter connection to the same peer. */
  leaveAtMs: number | undefined;
  /** How often the peer was dialled once more since it was heard last. */
  soughtCount = 0;
  /** How often it was doubted since then, dialled or not, and when it is next. */
  seekCount = 0;
  seekAtMs = 0;
  readonly isIncoming: boolean;
  readonly origin: PeerOrigin;
  readonly openedAtMs: number;
  readonly traced: ConnectionTrace | undefined;
  owner: PeerOwner | undefined;
  handshake: PeerHandshake | undefined;
  extended: ExtendedHandshake | undefined;
  swarmPeer: SwarmPeer | undefined;
  lastReceivedAtMs: number;
  lastSentAtMs: number;
  /** When the download limit last let it read again; Infinity while it holds it. */
  heldUntilMs = Number.NEGATIVE_INFINITY;
  /** We ended it for reasons of our own. */
  isOurWish = false;
  /** We ended it because of what the peer did. */
  isOffender = false;
  /** Both handshakes are done and the torrent took us in. */
  isAdmitted = false;
  readonly #secure: SecureStream;
  readonly #clock: Clock;
  readonly #downLimiter: RateLimiter;
  readonly #events: WireEvents;
  readonly #findOwner: Parties['findOwner'];
  readonly #onEnd: Parties['onEnd'];
  readonly #port: PeerPort;
  #pump: UploadPump | undefined;
  #haveTimer: NodeJS.Timeout | undefined;
  /** Our handshake, caught to ride along with the negotiation of the encryption. */
  #initialPayload: Uint8Array | undefined;
  #isClosing = false;
  #isClosed = false;

  private constructor(options: ConnectionOptions, parties: Parties) {
    this.stream = options.stream;
    this.#clock = options.clock;
    this.#downLimiter = options.downLimiter;
    this.owner = parties.owner;
    this.candidate = parties.candidate;
    this.isIncoming = parties.candidate === undefined;
    this.origin = parties.candidate?.origin ?? 'incoming';
    this.#findOwner = parties.findOwner;
    this.#onEnd = parties.onEnd;
    this.openedAtMs = this.nowMs();
    this.lastReceivedAtMs = this.openedAtMs;
    this.lastSentAtMs = this.openedAtMs;
    this.#events = new WireEvents(this);
    const port = new SwarmPort(this);
    this.traced = options.trace === undefined ? undefined : new ConnectionTrace(options.trace, this);
    this.wire = new PeerWire({ handler: this.traced?.handler(this.#events) ?? this.#events, sink: this });
    this.#port = this.traced?.port(port) ?? port;
    this.#secure = new SecureStream(options.stream, options.policy, {
      onBytes: (bytes) => this.#onBytes(bytes),
      onDrain: () => this.#pump?.pump(),
      onClose: (end) => this.#onClose(end),
    });
  }

  /** A stream that we dialled for `candidate`: speaks first. */
  static outgoing(
    options: ConnectionOptions & { owner: PeerOwner; candidate: Candidate; encrypt: boolean },
  ): PeerConnection {
    const connection = new PeerConnection(options, options);
    const own = options.owner.ownHandshake(connection);
    connection.#initialPayload = EMPTY_BYTES;
    connection.wire.sendHandshake(own);
    connection.wire.flush();
    const payload = connection.#initialPayload;
    connection.#initialPayload = undefined;
    const mode = { kind: 'outgoing', infoHash: own.infoHash, encrypt: options.encrypt } as const;
    connection.#secure.start(mode, payload, options.rng);
    return connection;
  }

  /** A stream that came in: listens for a handshake and answers it for the torrent it names. */
  static incoming(
    options: ConnectionOptions & {
      findTorrent: (skeyHash: string) => Uint8Array | undefined;
      findOwner: (infoHash: Uint8Array) => PeerOwner | undefined;
      onEnd?: (connection: PeerConnection, end: StreamEnd) => void;
    },
  ): PeerConnection {
    const { findOwner, onEnd } = options;
    const connection = new PeerConnection(
      options,
      onEnd === undefined ? { findOwner } : { findOwner, onEnd },
    );
    connection.#secure.start(
      { kind: 'incoming', findTorrent: options.findTorrent },
      EMPTY_BYTES,
      options.rng,
    );
    return connection;
  }

  /** The end is decided; `PeerOwner.onClosed` has come or is about to. */
  get isClosing(): boolean {
    return this.#isClosing || this.#isClosed;
  }
  get isClosed(): boolean {
    return this.#isClosed;
  }
  get isEncrypted(): boolean {
    return this.#secure.isEncrypted;
  }
  /** The encryption is not settled yet. */
  get isNegotiating(): boolean {
    return !this.#secure.isSettled;
  }
  get queuedBytes(): number {
    return this.stream.queuedBytes;
  }
  /** Payload moved, both ways, in bytes. */
  get payloadBytes(): number {
    const { swarmPeer } = this;
    return swarmPeer === undefined ? 0 : swarmPeer.downloadedBytes + swarmPeer.uploadedBytes;
  }
  get address(): string {
    return endpointKey(this.stream.remote);
  }
  get banKey(): string {
    const { host, port } = this.stream.remote;
    return banKeyOf(host, this.isIncoming ? (this.extended?.listenPort ?? port) : port);
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }
  cork(): void {
    this.stream.cork();
  }
  uncork(): void {
    this.stream.uncork();
  }
  /** @param isOurWish nothing speaks against this peer: it may be dialled again as soon as we want peers */
  close(text: string, isOurWish = false): void {
    this.isOurWish ||= isOurWish;
    this.#isClosing = true;
    this.#pump?.close();
    this.#secure.close(text);
  }

  /** The peer broke the protocol, or asks too much. */
  punish(text: string): void {
    this.isOffender = true;
    this.close(text);
  }

  /** The peer's handshake is here. Incoming: finds the torrent it names and answers. */
  handleHandshake(handshake: PeerHandshake): void {
    this.handshake = handshake;
    if (this.owner === undefined) {
      this.owner = this.#findOwner?.(handshake.infoHash);
      if (this.owner === undefined) {
        this.close('unknown torrent');
        return;
      }
      this.wire.sendHandshake(this.owner.ownHandshake(this));
      // A packet of its own: see `Outbox` in transport/utp.
      if (this.stream.transport === 'utp') this.wire.flush();
    }
    const refusal = this.owner.admit(this);
    if (refusal !== undefined) {
      this.close(refusal);
      return;
    }
    this.isAdmitted = true;
    if (this.owner.swarm !== undefined) this.join(this.owner.swarm);
    else if (this.wire.hasFast) this.#port.sendPieces(new Bitfield(1));
  }

  /** The swarm is ready, or was when the handshake came: from now on its messages flow. */
  join(swarm: Swarm): void {
    const { owner } = this;
    if (owner === undefined || !this.isAdmitted || this.isClosing || this.swarmPeer !== undefined) return;
    const nowMs = this.nowMs();
    const facts = { host: this.banKey, isIncoming: this.isIncoming, hasFast: this.wire.hasFast };
    const peer = swarm.addPeer(this.#port, facts, nowMs);
    this.swarmPeer = peer;
    this.#pump = owner.makePump(this, peer);
    if (this.extended?.requestQueue !== undefined)
      swarm.setPeerRequestLimit(peer, this.extended.requestQueue);
    if (this.extended?.uploadOnly === true) swarm.handleUploadOnly(peer, true, nowMs);
    this.wire.setPieceCount(swarm.have.size);
    this.#events.replay();
  }

  pumpUploads(): void {
    this.#pump?.pumpSoon();
  }

  // --- WireSink and UploadLine

  write(bytes: Uint8Array): void {
    if (this.#initialPayload !== undefined) {
      this.#initialPayload = bytes;
      return;
    }
    this.lastSentAtMs = this.nowMs();
    this.#secure.write(bytes);
    if (this.queuedBytes > MAX_UNREAD_BYTES) this.punish('does not read what we send');
  }

  writePayload(bytes: Uint8Array, sent?: () => void): void {
    this.lastSentAtMs = this.nowMs();
    this.#secure.writeShared(bytes, sent);
  }

  onPending(): void {
    if (this.#initialPayload === undefined) queueMicrotask(() => this.wire.flush());
  }

  onPendingLater(): void {
    this.#haveTimer ??= setTimeout(() => {
      this.#haveTimer = undefined;
      this.wire.flush();
    }, HAVE_DELAY_MS);
  }

  sendBlock(piece: number, begin: number, payload: Uint8Array, sent: () => void): void {
    this.firstPayloadAtMs ??= this.nowMs();
    this.wire.sendPiece(piece, begin, payload, sent);
  }

  // --- stream

  #onBytes(bytes: Uint8Array): void {
    if (this.isClosing) return;
    this.lastReceivedAtMs = this.nowMs();
    if (this.#events.isInLostBlock) {
      // The block came from elsewhere while we were inside it: its buffer may hold other data by now.
      lostClaimTarget ??= new Uint8Array(LOST_CLAIM_BYTES);
      this.wire.blockTarget = lostClaimTarget;
      this.wire.blockOffset = 0;
    }
    this.wire.receive(bytes);
    this.#downLimiter.spend(bytes.length);
    if (!this.#downLimiter.isOpen()) {
      this.stream.pause();
      this.heldUntilMs = Number.POSITIVE_INFINITY;
      this.#downLimiter.whenOpen(() => this.#resumeReading());
    }
    this.owner?.onInput();
  }

  #resumeReading(): void {
    if (this.#isClosed) return;
    if (this.#downLimiter.isOpen()) {
      this.heldUntilMs = this.nowMs();
      this.stream.resume();
    } else this.#downLimiter.whenOpen(() => this.#resumeReading());
  }

  #onClose(end: StreamEnd): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#haveTimer);
    this.wire.close();
    this.#pump?.close();
    this.owner?.onClosed(this, end);
    this.#onEnd?.(this, end);
  }
}
