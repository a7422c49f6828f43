// One torrent's peers: who gets what, and what we ask of whom. A pure machine: inputs come through `handle*`, outputs go to
// PeerPort and SwarmEvents, time comes in as `nowMs`. The work is done by Interest, Downloads, Uploads and Verdicts.
import { Bitfield } from '../base/bitfield.ts';
import { PiecePicker } from '../pieces/picker.ts';
import type { PieceFacts, SequentialWindow } from '../pieces/picker-types.ts';
import type { Priority } from '../pieces/policy.ts';
import { titForTat } from './choke-policy.ts';
import { Downloads } from './downloads.ts';
import { Interest } from './interest.ts';
import type { DisconnectReason, PeerFacts, PeerPort } from './peer-port.ts';
import { RateMeter } from './rate-meter.ts';
import { SwarmPeer } from './swarm-peer.ts';
import type { SwarmCommons, SwarmLimits, SwarmOptions, WastedBytes } from './swarm-types.ts';
import type { UploadRequest } from './upload-queue.ts';
import { Uploads } from './uploads.ts';
import { Verdicts } from './verdicts.ts';

const DEFAULT_LIMITS: SwarmLimits = {
  // We tell `reqq` 500 and allow four times that: libtorrent's figure, for peers that do not read it.
  requestsIn: 2000,
  // BEP 3 clients ask for 16 KiB; a few for 32 or 128. Larger serves nobody.
  requestBytes: 131_072,
};
/** BEP 6 sets beyond this help nobody and only fill memory. */
const MAX_FAST_PIECES = 64;
/** The newest count; the picker looks at no more. */
const MAX_SUGGESTED = 16;
/** Fetched in order ahead of the reader: two seconds at 8 MB/s. */
const SEQUENTIAL_WINDOW_BYTES = 16 << 20;

export class Swarm {
  readonly #commons: SwarmCommons;
  readonly #options: SwarmOptions;
  readonly #picker: PiecePicker;
  readonly #downloads: Downloads;
  readonly #uploads: Uploads;
  readonly #interest: Interest;
  readonly #verdicts: Verdicts;
  #nextPeerId = 0;
  #wasComplete: boolean;

  constructor(options: SwarmOptions) {
    const { layout, have, slots, segmentBytes, rng, events } = options;
    const picker = new PiecePicker({ layout, have, slots, segmentBytes, rng, policy: options.pickPolicy });
    this.#options = options;
    this.#picker = picker;
    this.#wasComplete = picker.isComplete;
    this.#commons = {
      layout,
      picker,
      events,
      segmentBytes: Math.min(segmentBytes, layout.pieceLength),
      peers: new Set(),
      peersById: new Map(),
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      down: new RateMeter(),
      up: new RateMeter(),
    };
    const end = (peer: SwarmPeer, reason: DisconnectReason): void => this.#end(peer, reason);
    this.#interest = new Interest(this.#commons, end);
    this.#verdicts = new Verdicts(this.#commons, end);
    this.#downloads = new Downloads(this.#commons, (piece) => this.#verdicts.isWatching(piece), end);
    this.#uploads = new Uploads(this.#commons, options.chokePolicy ?? titForTat(), rng, end);
  }

  // --- peers come and go

  /** Sends our pieces first of all, then what BEP 6 allows. A banned host is told to go at once. */
  addPeer(port: PeerPort, facts: PeerFacts, nowMs: number): SwarmPeer {
    const peer = new SwarmPeer(this.#nextPeerId++, port, facts, this.#commons.layout.pieceCount, nowMs);
    this.#commons.peers.add(peer);
    this.#commons.peersById.set(peer.id, peer);
    this.#interest.addPeer(peer);
    this.#verdicts.addPeer(peer);
    if (this.#verdicts.isBanned(facts.host)) {
      this.#end(peer, 'banned');
      return peer;
    }
    if (facts.isWebSeed === true) return peer;
    port.sendPieces(this.#picker.have);
    const allowedFastPieces = this.#options.allowedFastPieces;
    if (facts.hasFast && allowedFastPieces !== undefined) {
      this.#uploads.grantAllowedFast(peer, allowedFastPieces(facts.host));
    }
    return peer;
  }

  /** Must follow every end of a connection, whoever ended it. */
  removePeer(peer: SwarmPeer, nowMs: number): void {
    if (!this.#commons.peers.delete(peer)) return;
    peer.isEnding = true;
    this.#commons.peersById.delete(peer.id);
    this.#interest.removePeer(peer);
    this.#verdicts.removePeer(peer);
    this.#downloads.removePeer(peer);
    this.#uploads.removePeer(peer, nowMs);
    this.#refill(nowMs);
  }

  /** BEP 10 `reqq`: requests it keeps waiting. */
  setPeerRequestLimit(peer: SwarmPeer, requests: number): void {
    peer.pipeline.setLimit(requests);
  }

  /** BEP 21 `upload_only`. */
  handleUploadOnly(peer: SwarmPeer, isUploadOnly: boolean, _nowMs: number): void {
    peer.isUploadOnly = isUploadOnly;
    this.#interest.partIfPointless(peer);
  }

  // --- messages, each with its time; a violation ends in port.disconnect

  handleChoke(peer: SwarmPeer, nowMs: number): void {
    if (peer.peerChoking) return;
    peer.peerChoking = true;
    this.#downloads.handleChoke(peer);
    this.#refill(nowMs);
  }

  handleUnchoke(peer: SwarmPeer, nowMs: number): void {
    if (!peer.peerChoking) return;
    peer.peerChoking = false;
    this.#downloads.handleUnchoke(peer, nowMs);
  }

  handleInterested(peer: SwarmPeer, nowMs: number): void {
    if (!peer.isEnding) this.#uploads.setInterested(peer, true, nowMs);
  }

  handleNotInterested(peer: SwarmPeer, nowMs: number): void {
    this.#uploads.setInterested(peer, false, nowMs);
  }

  handleHave(peer: SwarmPeer, piece: number, nowMs: number): void {
    if (!this.#isPiece(peer, piece)) return;
    if (this.#interest.addPiece(peer, piece, nowMs)) this.#downloads.fill(peer, nowMs);
  }

  handleBitfield(peer: SwarmPeer, bytes: Uint8Array, nowMs: number): void {
    const pieces = Bitfield.fromWire(this.#commons.layout.pieceCount, bytes);
    if (pieces.ok) this.#setPieces(peer, pieces.value, nowMs);
    else this.#end(peer, 'protocol-violation');
  }

  handleHaveAll(peer: SwarmPeer, nowMs: number): void {
    if (this.#isFast(peer)) this.#setPieces(peer, Bitfield.full(this.#commons.layout.pieceCount), nowMs);
  }

  handleHaveNone(peer: SwarmPeer, nowMs: number): void {
    if (this.#isFast(peer)) this.#setPieces(peer, new Bitfield(this.#commons.layout.pieceCount), nowMs);
  }

  /** BEP 54. */
  handleDontHave(peer: SwarmPeer, piece: number, nowMs: number): void {
    if (this.#isPiece(peer, piece)) this.#interest.removePiece(peer, piece, nowMs);
  }

  handleAllowedFast(peer: SwarmPeer, piece: number, nowMs: number): void {
    if (!this.#isFast(peer) || !this.#isPiece(peer, piece)) return;
    if (peer.allowedFast.size < MAX_FAST_PIECES) peer.allowedFast.add(piece);
    this.#downloads.fill(peer, nowMs);
  }

  handleSuggest(peer: SwarmPeer, piece: number, _nowMs: number): void {
    if (!this.#isFast(peer) || !this.#isPiece(peer, piece)) return;
    peer.suggested.delete(piece);
    peer.suggested.add(piece);
    if (peer.suggested.size <= MAX_SUGGESTED) return;
    for (const oldest of peer.suggested) {
      peer.suggested.delete(oldest);
      break;
    }
  }

  handleReject(peer: SwarmPeer, piece: number, begin: number, _length: number, nowMs: number): void {
    if (this.#isFast(peer)) this.#downloads.handleReject(peer, piece, begin, nowMs);
  }

  handleRequest(peer: SwarmPeer, piece: number, begin: number, length: number, _nowMs: number): void {
    if (!peer.isEnding) this.#uploads.handleRequest(peer, piece, begin, length);
  }

  handleCancel(peer: SwarmPeer, piece: number, begin: number, length: number, _nowMs: number): void {
    this.#uploads.handleCancel(peer, piece, begin, length);
  }

  // --- payload in

  /**
   * At a piece header: whether this block is wanted from this peer. When true the payload goes to `peer.claimSlot` at
   * `peer.claimOffset`, and handleBlock follows when all of it is there, or handleBlockAborted. Look at `claimSlot` before
   * every copy: it turns -1 when another peer was given the block; then throw the rest away, and still call handleBlock.
   * When false the carrier skips the payload and calls handleUnrequested.
   */
  claimBlock(peer: SwarmPeer, piece: number, begin: number, length: number, nowMs: number): boolean {
    if (peer.isEnding) return false;
    return this.#downloads.claim(peer, piece, begin, length, nowMs);
  }

  /** The claimed payload lies in its slot. */
  handleBlock(peer: SwarmPeer, piece: number, begin: number, length: number, nowMs: number): void {
    this.#downloads.handleBlock(peer, piece, begin, length, nowMs);
  }

  /** The connection died inside the claimed payload; removePeer follows. */
  handleBlockAborted(peer: SwarmPeer, _piece: number, _begin: number): void {
    peer.claimSlot = -1;
  }

  /** Payload that claimBlock refused has been skipped. */
  handleUnrequested(peer: SwarmPeer, bytes: number, nowMs: number): void {
    this.#downloads.handleUnrequested(peer, bytes, nowMs);
  }

  /**
   * After the handle* calls of one read: peers that had nothing to ask for ask again, when something came free meanwhile.
   * Forgotten, it happens at the next timeout, which is then due at once.
   */
  flush(nowMs: number): void {
    if (this.#downloads.isRefillDue) this.#refill(nowMs);
  }

  /** A slot is free again after the pool was empty. */
  handleSlotsAvailable(nowMs: number): void {
    this.#downloads.handleSlotsAvailable();
    this.#refill(nowMs);
  }

  // --- payload out

  /** The next block this peer is owed; undefined when none is. The carrier reads it and calls handleUploaded. */
  nextUpload(peer: SwarmPeer): UploadRequest | undefined {
    return this.#uploads.nextUpload(peer);
  }

  /** Payload bytes that left for the socket. */
  handleUploaded(peer: SwarmPeer, bytes: number, nowMs: number): void {
    this.#uploads.handleUploaded(peer, bytes, nowMs);
  }

  // --- storage

  /** @param blockDigests 20 bytes a block (SHA-1), where `wantBlockDigests` was asked */
  handlePieceVerified(piece: number, blockDigests: Uint8Array | undefined, nowMs: number): void {
    const wasNeeded = this.#picker.isNeeded(piece);
    if (!this.#picker.markPieceVerified(piece)) return;
    // Who comes off parole may share pieces again.
    if (this.#verdicts.notePassed(piece, blockDigests)) this.#downloads.noteBlocksFree();
    for (const peer of this.#commons.peers) {
      if (!peer.isEnding) peer.port.sendHave(piece);
      peer.suggested.delete(piece);
      if (wasNeeded) this.#interest.notePieceGot(peer, piece, nowMs);
    }
    this.#refill(nowMs);
    this.#checkCompleted();
  }

  /** @param blockDigests 20 bytes a block; undefined when the storage, not a peer, is to blame */
  handlePieceFailed(piece: number, blockDigests: Uint8Array | undefined, nowMs: number): void {
    if (blockDigests !== undefined) this.#verdicts.noteFailed(piece, blockDigests);
    this.#picker.markPieceFailed(piece);
    this.#downloads.noteBlocksFree();
    this.#refill(nowMs);
  }

  /** A verified piece turned out unreadable. */
  handlePieceLost(piece: number, nowMs: number): void {
    const becameNeeded = this.#picker.markPieceLost(piece);
    this.#uploads.handlePieceLost(piece);
    this.#wasComplete = this.#picker.isComplete;
    if (becameNeeded) this.#recountNeeded(nowMs);
  }

  // --- commands

  setPiecePriority(piece: number, priority: Priority, nowMs: number): void {
    if (this.#setPriority(piece, priority)) this.#recountNeeded(nowMs);
  }

  /** One for each piece. */
  setPiecePriorities(priorities: ArrayLike<number>, nowMs: number): void {
    for (const piece of this.#picker.openPieces()) {
      if (priorities[piece] === 0) this.#downloads.cancelPiece(piece);
    }
    this.#picker.setPriorities((piece) => priorities[piece] as number);
    this.#recountNeeded(nowMs);
  }

  /** true: a window at the first missing piece; or the window of a reader that moves it as it reads. */
  setSequential(window: boolean | SequentialWindow): void {
    if (typeof window !== 'boolean') this.#picker.setSequential(window);
    else if (!window) this.#picker.setSequential(undefined);
    else {
      const windowPieces = Math.max(2, Math.ceil(SEQUENTIAL_WINDOW_BYTES / this.#commons.layout.pieceLength));
      this.#picker.setSequential({ fromPiece: 0, windowPieces });
    }
  }

  /** Regular slots; one optimistic for every four comes on top. undefined = grow with what the line carries; 0 = none. */
  setUploadSlots(slots: number | undefined, nowMs: number): void {
    this.#uploads.setSlots(slots, nowMs);
  }

  /** false: nothing new is requested (paused, disk trouble); what is under way still counts. */
  setDownloadingAllowed(allowed: boolean, nowMs: number): void {
    this.#downloads.setAllowed(allowed);
    this.#refill(nowMs);
  }

  /** The torrent stops: half-filled slots go back. Call after the last peer is removed. */
  releaseSlots(): void {
    this.#picker.releaseSlots();
  }

  // --- timers

  /** Clock time at which handleTimeout is due; Infinity when nothing waits. Ask again after every batch of inputs. */
  nextTimeoutMs(): number {
    if (this.#downloads.isRefillDue) return Number.NEGATIVE_INFINITY;
    return Math.min(this.#uploads.nextTimeoutMs, this.#downloads.nextSweepMs);
  }

  handleTimeout(nowMs: number): void {
    this.#uploads.handleTimeout(nowMs);
    this.#downloads.handleTimeout(nowMs);
    this.#refill(nowMs);
  }

  // --- what a view asks

  get peers(): ReadonlySet<SwarmPeer> {
    return this.#commons.peers;
  }
  /** Read only. */
  get picker(): PiecePicker {
    return this.#picker;
  }
  get have(): Bitfield {
    return this.#picker.have;
  }
  /** Every piece of the torrent is verified. */
  get isSeed(): boolean {
    return this.#picker.have.isFull;
  }
  /** Every wanted piece is verified. */
  get isComplete(): boolean {
    return this.#picker.isComplete;
  }
  /** Payload that was asked for, also when it turned out bad. */
  get downloadedBytes(): number {
    return this.#commons.down.total;
  }
  get uploadedBytes(): number {
    return this.#commons.up.total;
  }
  get wasted(): WastedBytes {
    return {
      duplicate: this.#downloads.duplicateBytes,
      failedHash: this.#verdicts.failedHashBytes,
      unrequested: this.#downloads.unrequestedBytes,
    };
  }
  get wantedBytes(): number {
    return this.#picker.wantedBytes;
  }
  /** Of `wantedBytes`. */
  get verifiedWantedBytes(): number {
    return this.#picker.wantedBytes - this.#picker.neededBytes;
  }
  openPieces(): readonly number[] {
    return this.#picker.openPieces();
  }
  /** Full copies among connected peers plus the share of pieces that have one more. */
  availability(): number {
    return this.#picker.distributedCopies;
  }
  /** For the piece map of a view; a copy. */
  pieceFacts(): PieceFacts {
    return this.#picker.pieceFacts();
  }
  /** Peers that may be unchoked at a time. */
  get uploadSlots(): number {
    return this.#uploads.slots;
  }
  downRateBytesPerSec(nowMs: number): number {
    return this.#commons.down.rateBytesPerSec(nowMs);
  }
  upRateBytesPerSec(nowMs: number): number {
    return this.#commons.up.rateBytesPerSec(nowMs);
  }
  isBanned(host: string): boolean {
    return this.#verdicts.isBanned(host);
  }

  // --- inside

  #refill(nowMs: number): void {
    if (this.#downloads.isRefillDue) this.#downloads.refillHungry(nowMs);
  }

  #isPiece(peer: SwarmPeer, piece: number): boolean {
    if (piece >= 0 && piece < this.#commons.layout.pieceCount) return true;
    this.#end(peer, 'protocol-violation');
    return false;
  }

  /** BEP 6 messages come only from peers that agreed to it. */
  #isFast(peer: SwarmPeer): boolean {
    if (peer.facts.hasFast) return true;
    this.#end(peer, 'protocol-violation');
    return false;
  }

  #setPieces(peer: SwarmPeer, pieces: Bitfield, nowMs: number): void {
    this.#interest.setPieces(peer, pieces, nowMs);
    this.#downloads.fill(peer, nowMs);
  }

  #setPriority(piece: number, priority: number): boolean {
    const changed = this.#picker.setPriority(piece, priority);
    if (changed && priority === 0) this.#downloads.cancelPiece(piece);
    return changed;
  }

  #recountNeeded(nowMs: number): void {
    this.#interest.recount(nowMs);
    this.#downloads.noteBlocksFree();
    this.#refill(nowMs);
    this.#checkCompleted();
  }

  #checkCompleted(): void {
    const isComplete = this.#picker.isComplete;
    if (isComplete === this.#wasComplete) return;
    this.#wasComplete = isComplete;
    if (!isComplete) return;
    this.#commons.events.onCompleted();
    for (const peer of this.#commons.peers) this.#interest.partIfPointless(peer);
  }

  #end(peer: SwarmPeer, reason: DisconnectReason): void {
    if (peer.isEnding) return;
    peer.isEnding = true;
    peer.port.disconnect(reason);
  }
}
