// One web seed of one torrent (BEP 19): to the swarm a peer that has everything and never chokes, to the server a reader of ranges. Joins
// the machine of core/webseed with a connection, a timer and the torrent's buffers: what arrives is copied once, to where it belongs.
import { Bitfield } from '../../base/bitfield.ts';
import { DueTimer } from '../../base/io/due-timer.ts';
import type { PeerSourceStatus } from '../../base/peer-source.ts';
import type { FileEntry } from '../../metainfo/layout.ts';
import type { Metainfo } from '../../metainfo/metainfo.ts';
import type { WebPaths } from '../../metainfo/web-paths.ts';
import type { DisconnectReason, PeerPort } from '../../swarm/peer-port.ts';
import type { Swarm } from '../../swarm/swarm.ts';
import type { SwarmPeer } from '../../swarm/swarm-peer.ts';
import type { TracedPeer } from '../../trace/trace.ts';
import { type FilePlace, FileUrls } from '../../webseed/file-urls.ts';
import { WebFetch, type WebFetchPort } from '../../webseed/web-fetch.ts';
import { hostField, type WebUrl } from '../../webseed/web-url.ts';
import { TracedPort } from '../peer/traced-peer.ts';
import type { SessionShared } from '../shared.ts';
import type { PeerSnapshot } from '../snapshot.ts';
import { ServerConnection, type ServerEvents } from './server-connection.ts';

/** The torrent, as its web seeds see it. */
export interface WebTorrent {
  readonly infoHash: string;
  readonly swarm: Swarm | undefined;
  slotView(slot: number): Uint8Array;
  /** After every batch of input: requests go out, timers may have moved. */
  onInput(): void;
}

export interface WebSourceOptions {
  readonly shared: SessionShared;
  readonly torrent: WebTorrent;
  readonly metainfo: Metainfo;
  readonly paths: WebPaths;
  readonly url: WebUrl;
  /** The user gave it. */
  readonly mayBeLocal: boolean;
}

/** Nobody comes back at the same moment as everybody else whom a server sent away. */
const RETRY_JITTER_MS = 1_000;
const MAX_SERVER_CHARS = 40;
/** Until the swarm, which was done with it, gets it once more. */
const REJOIN_MS = 30_000;

export class WebSource implements PeerPort, WebFetchPort, ServerEvents, TracedPeer {
  readonly address: string;
  traceHead?: string;
  readonly #options: WebSourceOptions;
  readonly #shared: SessionShared;
  readonly #fetch: WebFetch;
  readonly #connection: ServerConnection;
  readonly #timer: DueTimer;
  readonly #port: PeerPort;
  #swarm: Swarm | undefined;
  #peer: SwarmPeer | undefined;
  #isClaimed = false;
  /** Blocks are timed by the read that brought them. */
  #readAtMs = 0;
  #isPumpDue = false;
  #message: string | undefined;
  #isOff = false;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #server = '';
  /** Since it joined, the server has answered with data. */
  #isServing = false;
  /** Bytes of files, asked for or not. */
  #fileBytes = 0;
  #downloadedBefore = 0;

  constructor(options: WebSourceOptions) {
    const { shared, metainfo, url, paths, mayBeLocal } = options;
    this.#options = options;
    this.#shared = shared;
    this.address = url.href;
    this.#fetch = new WebFetch({
      layout: metainfo.layout,
      files: metainfo.files,
      urls: new FileUrls(url, metainfo, paths, mayBeLocal),
      userAgent: shared.userAgent,
      dateMs: (text) => {
        const ms = Date.parse(text);
        return Number.isNaN(ms) ? undefined : ms;
      },
      port: this,
    });
    this.#connection = new ServerConnection(shared, this);
    this.#timer = new DueTimer(shared.clock, () => this.#onDue());
    this.#port = shared.trace === undefined ? this : new TracedPort(shared.trace, this, this);
  }

  get torrent(): string {
    return this.#options.torrent.infoHash;
  }
  /** It counts as a peer of the swarm now. */
  get isJoined(): boolean {
    return this.#peer !== undefined;
  }
  /** Payload, this run. */
  get downloadedBytes(): number {
    return this.#downloadedBefore + (this.#peer?.downloadedBytes ?? 0);
  }
  /** What HTTP and TLS cost beside the bytes of files. */
  get protocolBytes(): { readonly received: number; readonly sent: number } {
    const { receivedBytes, sentBytes } = this.#connection;
    return { received: Math.max(0, receivedBytes - this.#fileBytes), sent: sentBytes };
  }
  /** When the download limit last let it read again; Infinity while it holds it. */
  get heldUntilMs(): number {
    return this.#connection.heldUntilMs;
  }

  /** Not given up, and not waiting. */
  mayJoin(nowMs: number): boolean {
    return !this.#isOff && this.#peer === undefined && nowMs >= this.#retryAtMs;
  }

  join(swarm: Swarm): void {
    const pieces = this.#pieces();
    if (pieces.count === 0) {
      this.#isOff = true;
      this.#message ??= 'no URL can name these files';
      return;
    }
    const nowMs = this.#shared.clock.nowMs();
    this.#swarm = swarm;
    const facts = { host: this.address, isIncoming: false, hasFast: false, isWebSeed: true };
    const peer = swarm.addPeer(this.#port, facts, nowMs);
    this.#peer = peer;
    const isEncrypted = this.#options.url.isTls;
    this.#shared.trace?.connect(this, { dir: 'out', transport: 'web', isEncrypted, origin: 'web-seed' });
    if (!peer.isEnding) swarm.handleBitfield(peer, pieces.bytes, nowMs);
    if (!peer.isEnding) swarm.handleUnchoke(peer, nowMs);
  }

  /** At most so many blocks are asked of it at a time. */
  setDepth(blocks: number): void {
    if (this.#peer !== undefined) this.#swarm?.setPeerRequestLimit(this.#peer, blocks + 1);
  }

  /** The swarm goes on without it, or ends. */
  leave(reason: string): void {
    this.#fetch.close();
    this.#timer.clear();
    const { swarm, peer } = { swarm: this.#swarm, peer: this.#peer };
    if (peer === undefined) return;
    this.#peer = undefined;
    this.#swarm = undefined;
    this.#isClaimed = false;
    const { downloadedBytes } = peer;
    this.#downloadedBefore += downloadedBytes;
    swarm?.handleBlockAborted(peer, 0, 0);
    swarm?.removePeer(peer, this.#shared.clock.nowMs());
    this.#shared.trace?.disconnect(this, { reason, downloaded: downloadedBytes, uploaded: 0 });
    if (!this.#isServing) return;
    this.#isServing = false;
    this.#shared.emit(this.torrent, { kind: 'peer-disconnected', address: this.address, reason });
  }

  status(): PeerSourceStatus {
    const isWaiting = this.#retryAtMs > this.#shared.clock.nowMs();
    const state =
      this.#isOff || isWaiting ? 'error' : !this.isJoined ? 'idle' : this.#isServing ? 'ok' : 'working';
    return {
      kind: 'web-seed',
      name: this.address,
      tier: 0,
      state,
      message: this.#message,
      peersReceived: 0,
      seeds: undefined,
      leechers: undefined,
      nextAnnounceAtMs: !this.#isOff && isWaiting ? this.#retryAtMs : undefined,
    };
  }

  /** As a line among the peers; undefined while it does not serve. */
  snapshot(nowMs: number): PeerSnapshot | undefined {
    const peer = this.#peer;
    if (peer === undefined || !this.#isServing) return undefined;
    const { url } = this.#options;
    return {
      address: this.address,
      client: this.#server === '' ? hostField(url) : `${hostField(url)} (${this.#server})`,
      transport: 'web',
      isIncoming: false,
      isEncrypted: url.isTls,
      origin: 'web-seed',
      amChoking: true,
      amInterested: peer.amInterested,
      peerChoking: false,
      peerInterested: false,
      isSnubbed: peer.isSnubbed,
      unchokeReason: undefined,
      downRateBytesPerSec: peer.down.rateBytesPerSec(nowMs),
      upRateBytesPerSec: 0,
      downloadedBytes: this.downloadedBytes,
      uploadedBytes: 0,
      pieceCount: peer.pieces.count,
      requestsOut: peer.requestsOut,
      requestsIn: 0,
    };
  }

  // --- PeerPort: what the swarm asks for

  sendRequest(piece: number, begin: number, length: number): void {
    this.#fetch.ask(piece, begin, length);
    this.#pumpSoon();
  }
  sendCancel(piece: number, begin: number, length: number): void {
    this.#fetch.cancel(piece, begin, length);
    this.#pumpSoon();
  }
  disconnect(reason: DisconnectReason): void {
    if (reason === 'banned') {
      this.#isOff = true;
      this.#message = 'given up: it sent wrong data';
    }
    if (reason !== 'both-seeds') this.#retryAtMs = this.#shared.clock.nowMs() + REJOIN_MS;
    // Nothing more may arrive; the swarm is in the middle of something.
    this.#fetch.close();
    const peer = this.#peer;
    queueMicrotask(() => {
      if (this.#peer === peer || peer === undefined) this.leave(reason);
    });
  }
  // A server is told nothing.
  sendPieces(): void {}
  sendChoke(): void {}
  sendUnchoke(): void {}
  sendInterested(): void {}
  sendNotInterested(): void {}
  sendHave(): void {}
  sendReject(): void {}
  sendAllowedFast(): void {}
  sendSuggest(): void {}
  uploadsReady(): void {}

  // --- WebFetchPort: what the machine wants

  open(place: FilePlace): void {
    this.#connection.open(place);
  }
  send(bytes: Uint8Array): void {
    this.#connection.send(bytes);
  }
  hangUp(): void {
    this.#connection.hangUp();
  }
  onBlockStart(piece: number, begin: number, length: number): void {
    const { swarm, peer } = { swarm: this.#swarm, peer: this.#peer };
    if (swarm === undefined || peer === undefined) return;
    const nowMs = this.#readAtMs;
    this.#isClaimed = swarm.claimBlock(peer, piece, begin, length, nowMs);
    if (this.#isClaimed) return;
    swarm.handleUnrequested(peer, length, nowMs);
    this.#shared.trace?.block(this, 'in', { piece, begin, length }, false);
  }
  onBlockBytes(bytes: Uint8Array, at: number): void {
    this.#fileBytes += bytes.length;
    const peer = this.#peer;
    // Somebody else may have completed the block meanwhile: its buffer may hold other data by now.
    if (!this.#isClaimed || peer === undefined || peer.claimSlot < 0) return;
    this.#options.torrent.slotView(peer.claimSlot).set(bytes, peer.claimOffset + at);
  }
  onBlockEnd(piece: number, begin: number, length: number): void {
    const peer = this.#peer;
    if (!this.#isClaimed || peer === undefined) return;
    this.#isClaimed = false;
    this.#shared.trace?.block(this, 'in', { piece, begin, length }, peer.claimSlot >= 0);
    this.#swarm?.handleBlock(peer, piece, begin, length, this.#readAtMs);
  }
  onServing(server: string | undefined): void {
    this.#server = (server ?? '').replace(/[^\x20-\x7e]/g, '').slice(0, MAX_SERVER_CHARS);
    this.#message = undefined;
    if (this.#isServing) return;
    this.#isServing = true;
    const client = this.#server === '' ? 'web seed' : this.#server;
    this.#shared.emit(this.torrent, {
      kind: 'peer-connected',
      address: this.address,
      client,
      transport: 'web',
    });
  }
  onFileLost(file: FileEntry, why: string): void {
    const message = `${file.path.at(-1)}: ${why}`;
    this.#tell(message);
    const swarm = this.#swarm;
    this.leave('a file is not there');
    if (swarm !== undefined) this.join(swarm);
  }
  onFailure(why: string, retryAtMs: number | undefined): void {
    this.#tell(why);
    if (retryAtMs === undefined) this.#isOff = true;
    else this.#retryAtMs = retryAtMs + this.#shared.rng.next() * RETRY_JITTER_MS;
    this.leave(why);
  }

  // --- ServerEvents: what the machine hears

  onOpened(isLocal: boolean, nowMs: number): void {
    this.#readAtMs = nowMs;
    this.#fetch.handleOpened(isLocal, nowMs);
  }
  onBytes(bytes: Uint8Array, nowMs: number): void {
    this.#readAtMs = nowMs;
    this.#fetch.handleBytes(bytes, nowMs);
  }
  onHeld(isHeld: boolean, nowMs: number): void {
    this.#fetch.setHeld(isHeld, nowMs);
    this.#timer.arm(this.#fetch.nextTimeoutMs());
  }
  onClosed(why: string | undefined, isFinal: boolean, nowMs: number): void {
    this.#readAtMs = nowMs;
    this.#fetch.handleClosed(why, isFinal, nowMs);
  }
  onTold(): void {
    this.#options.torrent.onInput();
    if (this.#peer !== undefined) this.#timer.arm(this.#fetch.nextTimeoutMs());
  }

  // --- inside

  /** All pieces but those that touch a file that is not there. */
  #pieces(): Bitfield {
    const { layout, files } = this.#options.metainfo;
    const pieces = Bitfield.full(layout.pieceCount);
    for (const index of this.#fetch.lostFiles) {
      const { offset, length } = files[index] as FileEntry;
      const last = Math.floor((offset + length - 1) / layout.pieceLength);
      for (let piece = Math.floor(offset / layout.pieceLength); piece <= last; piece++) pieces.clear(piece);
    }
    return pieces;
  }

  #tell(message: string): void {
    this.#message = message;
    this.#shared.emit(this.torrent, { kind: 'source-error', source: this.address, message });
  }

  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      if (this.#peer === undefined) return;
      this.#readAtMs = this.#shared.clock.nowMs();
      this.#fetch.pump(this.#readAtMs);
      this.#timer.arm(this.#fetch.nextTimeoutMs());
    });
  }

  #onDue(): void {
    this.#fetch.handleTimeout(this.#shared.clock.nowMs());
    this.onTold();
  }
}
