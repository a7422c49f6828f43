// Blocks out: requests of peers, bounded; who may have them is the choker's. BEP 3 choking, BEP 6 rejects and allowed-fast.
import type { Rng } from '../base/clock.ts';
import type { ChokePolicy } from './choke-policy.ts';
import { Choker } from './choker.ts';
import type { DisconnectReason } from './peer-port.ts';
import { Suggester } from './suggester.ts';
import type { SwarmPeer } from './swarm-peer.ts';
import type { SwarmCommons } from './swarm-types.ts';
import type { UploadRequest } from './upload-queue.ts';

/** BEP 6 grants are for peers that have less than this: k in the proposal. */
const ALLOWED_FAST_BELOW_PIECES = 10;
/** Choked peers served at one time. One slow grant helps a newcomer; serving all of them would undo the choking. */
const MAX_ALLOWED_FAST_PEERS = 2;
/** Chokes cross with a full pipeline of requests, a few times over; refusing more than this in a row is work for nothing. */
const MAX_REFUSED = 10_000;

export class Uploads {
  readonly #commons: SwarmCommons;
  readonly #choker: Choker<SwarmPeer>;
  readonly #suggester: Suggester;
  readonly #end: (peer: SwarmPeer, reason: DisconnectReason) => void;

  constructor(
    commons: SwarmCommons,
    policy: ChokePolicy,
    rng: Rng,
    end: (peer: SwarmPeer, reason: DisconnectReason) => void,
  ) {
    this.#commons = commons;
    this.#end = end;
    this.#suggester = new Suggester(commons, rng);
    const { layout, picker } = commons;
    this.#choker = new Choker<SwarmPeer>({
      policy,
      rng,
      peers: commons.peers,
      context: () => ({
        isSeeding: picker.isComplete,
        pieceCount: layout.pieceCount,
        pieceLength: layout.pieceLength,
      }),
      onUnchoke: (peer) => this.#unchoke(peer),
      onChoke: (peer) => this.#choke(peer),
    });
  }

  get nextTimeoutMs(): number {
    return this.#choker.nextTimeoutMs;
  }

  get slots(): number {
    return this.#choker.allSlots;
  }

  handleTimeout(nowMs: number): void {
    this.#choker.handleTimeout(this.#commons.up.windowRateBytesPerSec(nowMs), nowMs);
  }

  setSlots(slots: number | undefined, nowMs: number): void {
    this.#choker.setSlots(slots, nowMs);
  }

  setInterested(peer: SwarmPeer, interested: boolean, nowMs: number): void {
    if (peer.peerInterested === interested) return;
    peer.peerInterested = interested;
    if (interested) this.#choker.handleInterested(peer, nowMs);
    else this.#choker.handleNotInterested(peer, nowMs);
  }

  /** The peer is no longer among the commons' peers. */
  removePeer(peer: SwarmPeer, nowMs: number): void {
    peer.uploads.clear();
    this.#suggester.release(peer);
    this.#choker.handleRemoved(peer, nowMs);
  }

  /** BEP 6: pieces it may have although choked. */
  grantAllowedFast(peer: SwarmPeer, pieces: readonly number[]): void {
    for (const piece of pieces) {
      if (!this.#commons.picker.have.has(piece)) continue;
      peer.allowedFastOut.add(piece);
      peer.port.sendAllowedFast(piece);
    }
  }

  handleRequest(peer: SwarmPeer, piece: number, begin: number, length: number): void {
    const { layout, limits, picker } = this.#commons;
    if (!layout.contains(piece, begin, length) || length > limits.requestBytes) {
      this.#end(peer, 'protocol-violation');
      return;
    }
    const isServed = picker.have.has(piece) && (!peer.amChoking || this.#mayHaveThoughChoked(peer, piece));
    if (!isServed || peer.uploads.size >= limits.requestsIn) {
      this.#refuse(peer, piece, begin, length, isServed);
      return;
    }
    // Counted now, not when it is sent: a queue full of them would be ten budgets.
    if (peer.amChoking) peer.grantedBytes += length;
    peer.uploads.push(piece, begin, length);
    if (peer.uploads.size === 1) peer.port.uploadsReady();
    if (peer.suggestedOut.length > 0) this.#suggester.handleRequest(peer, piece);
  }

  handleCancel(peer: SwarmPeer, piece: number, begin: number, length: number): void {
    // BEP 6: a cancelled request still gets its one answer.
    if (peer.uploads.remove(piece, begin, length) && peer.facts.hasFast) {
      peer.port.sendReject(piece, begin, length);
    }
    // Each looks through the queue: asking and taking back without end is work for nothing as well.
    if (++peer.refusedCount > MAX_REFUSED) this.#end(peer, 'flood');
  }

  nextUpload(peer: SwarmPeer): UploadRequest | undefined {
    return peer.isEnding ? undefined : peer.uploads.shift();
  }

  handleUploaded(peer: SwarmPeer, bytes: number, nowMs: number): void {
    peer.up.add(bytes, nowMs);
    this.#commons.up.add(bytes, nowMs);
    peer.refusedCount = 0;
    if (!peer.amChoking) peer.sentSinceUnchokeBytes += bytes;
  }

  /** It cannot be read any more. */
  handlePieceLost(piece: number): void {
    for (const peer of this.#commons.peers) this.#dropUploads(peer, (queued) => queued !== piece);
  }

  #mayHaveThoughChoked(peer: SwarmPeer, piece: number): boolean {
    if (!peer.allowedFastOut.has(piece) || peer.pieces.count >= ALLOWED_FAST_BELOW_PIECES) return false;
    const budgetBytes = peer.allowedFastOut.size * this.#commons.layout.pieceLength;
    if (peer.grantedBytes >= budgetBytes) return false;
    if (peer.uploads.size > 0) return true;
    let served = 0;
    for (const other of this.#commons.peers) if (other.amChoking && other.uploads.size > 0) served++;
    return served < MAX_ALLOWED_FAST_PEERS;
  }

  /** @param isOverflow it could be served, but too many wait already */
  #refuse(peer: SwarmPeer, piece: number, begin: number, length: number, isOverflow: boolean): void {
    peer.refusedCount++;
    if (peer.facts.hasFast) peer.port.sendReject(piece, begin, length);
    // Without BEP 6 a silent drop would hang the peer for ever, so the bound is its end.
    const isFlood = peer.refusedCount > MAX_REFUSED || (isOverflow && !peer.facts.hasFast);
    if (isFlood) this.#end(peer, 'flood');
  }

  #unchoke(peer: SwarmPeer): void {
    peer.amChoking = false;
    peer.sentSinceUnchokeBytes = 0;
    peer.refusedCount = 0;
    if (peer.isEnding) return;
    this.#suggester.handleUnchoke(peer);
    peer.port.sendUnchoke();
  }

  #choke(peer: SwarmPeer): void {
    peer.amChoking = true;
    this.#suggester.release(peer);
    if (peer.isEnding) return;
    peer.port.sendChoke();
    this.#dropUploads(peer, (piece) => peer.facts.hasFast && this.#mayHaveThoughChoked(peer, piece));
  }

  #dropUploads(peer: SwarmPeer, keep: (piece: number) => boolean): void {
    if (peer.uploads.size === 0) return;
    peer.uploads.filter(keep, (piece, begin, length) => {
      if (peer.facts.hasFast && !peer.isEnding) peer.port.sendReject(piece, begin, length);
    });
  }
}
