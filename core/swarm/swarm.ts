// One torrent's peers: who gets what, and what we ask of whom. A pure machine: inputs come through `handle*`, outputs go to
// PeerPort and SwarmEvents, time comes in as `nowMs`.
import type { Bitfield } from '../base/bitfield.ts';
import type { FilePriority, WasteSnapshot } from '../session/snapshot.ts';
import type { PeerFacts, PeerPort } from './peer-port.ts';
import { SwarmPeer } from './swarm-peer.ts';
import type { SwarmOptions } from './swarm-types.ts';

export interface UploadRequest {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
}

export class Swarm {
  readonly #options: SwarmOptions;
  readonly #peers = new Set<SwarmPeer>();

  constructor(options: SwarmOptions) {
    this.#options = options;
  }

  // --- peers come and go

  /** Sends our pieces first of all, then what BEP 6 and the choker give. */
  addPeer(port: PeerPort, facts: PeerFacts, nowMs: number): SwarmPeer {
    return new SwarmPeer(port, facts, this.#options.layout.pieceCount, nowMs);
  }
  /** Must follow every end of a connection, whoever ended it. */
  removePeer(_peer: SwarmPeer, _nowMs: number): void {}
  /** BEP 10 `reqq`. */
  setPeerRequestLimit(_peer: SwarmPeer, _requests: number): void {}
  /** BEP 21 `upload_only`. */
  handleUploadOnly(_peer: SwarmPeer, _isUploadOnly: boolean, _nowMs: number): void {}

  // --- messages; a violation ends in port.disconnect

  handleChoke(_peer: SwarmPeer, _nowMs: number): void {}
  handleUnchoke(_peer: SwarmPeer, _nowMs: number): void {}
  handleInterested(_peer: SwarmPeer, _nowMs: number): void {}
  handleNotInterested(_peer: SwarmPeer, _nowMs: number): void {}
  handleHave(_peer: SwarmPeer, _piece: number, _nowMs: number): void {}
  handleBitfield(_peer: SwarmPeer, _bytes: Uint8Array, _nowMs: number): void {}
  handleHaveAll(_peer: SwarmPeer, _nowMs: number): void {}
  handleHaveNone(_peer: SwarmPeer, _nowMs: number): void {}
  handleRequest(_peer: SwarmPeer, _piece: number, _begin: number, _length: number, _nowMs: number): void {}
  handleCancel(_peer: SwarmPeer, _piece: number, _begin: number, _length: number, _nowMs: number): void {}
  handleReject(_peer: SwarmPeer, _piece: number, _begin: number, _length: number, _nowMs: number): void {}
  handleAllowedFast(_peer: SwarmPeer, _piece: number, _nowMs: number): void {}
  handleSuggest(_peer: SwarmPeer, _piece: number, _nowMs: number): void {}
  /** BEP 54. */
  handleDontHave(_peer: SwarmPeer, _piece: number, _nowMs: number): void {}

  // --- payload in

  /**
   * At a piece header: whether this block is wanted from this peer. When true the payload goes to `peer.claimSlot` at
   * `peer.claimOffset`, and exactly one of handleBlock, handleBlockAborted follows. When false the carrier skips the
   * payload and calls handleUnrequested.
   */
  claimBlock(_peer: SwarmPeer, _piece: number, _begin: number, _length: number, _nowMs: number): boolean {
    return false;
  }
  /** The claimed payload lies in its slot. */
  handleBlock(_peer: SwarmPeer, _piece: number, _begin: number, _length: number, _nowMs: number): void {}
  /** The connection died inside the claimed payload; removePeer follows. */
  handleBlockAborted(_peer: SwarmPeer, _piece: number, _begin: number): void {}
  handleUnrequested(_peer: SwarmPeer, _bytes: number, _nowMs: number): void {}
  /** After every batch of handle* calls from one read (and at will): sends the requests that have become due. */
  flush(_nowMs: number): void {}
  /** A slot is free again after the pool was empty. */
  handleSlotsAvailable(_nowMs: number): void {}

  // --- payload out

  /** The next block this peer is owed; undefined when none, or while it is choked. */
  nextUpload(_peer: SwarmPeer): UploadRequest | undefined {
    return undefined;
  }
  /** Payload bytes that left for the socket. */
  handleUploaded(_peer: SwarmPeer, _bytes: number, _nowMs: number): void {}

  // --- storage

  /** @param blockDigests 20 bytes a block (SHA-1), where `wantBlockDigests` was asked */
  handlePieceVerified(_piece: number, _blockDigests: Uint8Array | undefined, _nowMs: number): void {}
  handlePieceFailed(_piece: number, _blockDigests: Uint8Array, _nowMs: number): void {}
  /** A verified piece turned out unreadable, or the check of `recheck` found it bad. */
  handlePieceLost(_piece: number, _nowMs: number): void {}

  // --- commands

  setPiecePriority(_piece: number, _priority: FilePriority, _nowMs: number): void {}
  setPiecePriorities(_priorities: readonly FilePriority[], _nowMs: number): void {}
  setSequential(_on: boolean): void {}
  /** undefined = grow with what the line carries. */
  setUploadSlots(_slots: number | undefined, _nowMs: number): void {}
  /** false: nothing new is requested (paused, disk trouble); what is under way still counts. */
  setDownloadingAllowed(_allowed: boolean, _nowMs: number): void {}

  // --- timers

  /** Clock time at which handleTimeout is due; Infinity when nothing waits. */
  nextTimeoutMs(): number {
    return Number.POSITIVE_INFINITY;
  }
  handleTimeout(_nowMs: number): void {}

  // --- what a view asks

  get peers(): ReadonlySet<SwarmPeer> {
    return this.#peers;
  }
  get have(): Bitfield {
    return this.#options.have;
  }
  /** Every piece of the torrent is verified. */
  get isSeed(): boolean {
    return this.have.isFull;
  }
  /** Every wanted piece is verified. */
  get isComplete(): boolean {
    return false;
  }
  get downloadedBytes(): number {
    return 0;
  }
  get uploadedBytes(): number {
    return 0;
  }
  get wasted(): WasteSnapshot {
    return { duplicate: 0, failedHash: 0, unrequested: 0 };
  }
  /** Bytes of wanted pieces that are verified; and of all wanted pieces. */
  get verifiedWantedBytes(): number {
    return 0;
  }
  get wantedBytes(): number {
    return 0;
  }
  openPieces(): readonly number[] {
    return [];
  }
  /** Full copies among connected peers plus the share of pieces that have one more. */
  availability(): number {
    return 0;
  }
  downRateBytesPerSec(_nowMs: number): number {
    return 0;
  }
  upRateBytesPerSec(_nowMs: number): number {
    return 0;
  }
}
