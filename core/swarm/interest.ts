// What peers have and whether we want it. Invariant: `neededCount` of every peer is the number of pieces it has that we
// want and lack; we are interested exactly while it is above zero. A have costs O(1).
import type { Bitfield } from '../base/bitfield.ts';
import type { DisconnectReason } from './peer-port.ts';
import type { SwarmPeer } from './swarm-peer.ts';
import type { SwarmCommons } from './swarm-types.ts';

export class Interest {
  readonly #commons: SwarmCommons;
  readonly #end: (peer: SwarmPeer, reason: DisconnectReason) => void;

  constructor(commons: SwarmCommons, end: (peer: SwarmPeer, reason: DisconnectReason) => void) {
    this.#commons = commons;
    this.#end = end;
  }

  addPeer(peer: SwarmPeer): void {
    this.#commons.picker.addPeerPieces(peer.pieces);
  }

  removePeer(peer: SwarmPeer): void {
    this.#commons.picker.removePeerPieces(peer.pieces, peer.joinedAsSeed);
  }

  /** Everything at once: bitfield, have-all, have-none. */
  setPieces(peer: SwarmPeer, pieces: Bitfield, nowMs: number): void {
    const { picker } = this.#commons;
    picker.removePeerPieces(peer.pieces, peer.joinedAsSeed);
    peer.pieces = pieces;
    peer.joinedAsSeed = pieces.isFull;
    picker.addPeerPieces(pieces);
    this.#setNeeded(peer, picker.countNeeded(pieces), nowMs);
    this.partIfPointless(peer);
  }

  /** @returns whether it is news, and of a piece that we want */
  addPiece(peer: SwarmPeer, piece: number, nowMs: number): boolean {
    const { picker } = this.#commons;
    if (!peer.pieces.set(piece)) return false;
    picker.addAvailability(piece);
    if (peer.isSeed) this.partIfPointless(peer);
    if (!picker.isNeeded(piece)) return false;
    this.#setNeeded(peer, peer.neededCount + 1, nowMs);
    return true;
  }

  /** BEP 54. O(1) save the first time for a peer that joined as a seed: such messages may come by the thousand. */
  removePiece(peer: SwarmPeer, piece: number, nowMs: number): void {
    const { picker } = this.#commons;
    if (!peer.pieces.has(piece)) return;
    if (peer.joinedAsSeed) {
      const pieces = peer.pieces.clone();
      pieces.clear(piece);
      this.setPieces(peer, pieces, nowMs);
      return;
    }
    peer.pieces.clear(piece);
    picker.removeAvailability(piece);
    if (picker.isNeeded(piece)) this.#setNeeded(peer, peer.neededCount - 1, nowMs);
  }

  /** We have this piece now and wanted it until now. */
  notePieceGot(peer: SwarmPeer, piece: number, nowMs: number): void {
    if (peer.pieces.has(piece)) this.#setNeeded(peer, peer.neededCount - 1, nowMs);
  }

  /** Our wishes changed. */
  recount(nowMs: number): void {
    for (const peer of this.#commons.peers) {
      this.#setNeeded(peer, this.#commons.picker.countNeeded(peer.pieces), nowMs);
      peer.isHungry = true;
    }
  }

  /** Two that want nothing of each other free the place for others. */
  partIfPointless(peer: SwarmPeer): void {
    if (!this.#commons.picker.isComplete) return;
    const wantsNothing = peer.isSeed || (peer.isUploadOnly && !peer.peerInterested);
    if (wantsNothing) this.#end(peer, 'both-seeds');
  }

  #setNeeded(peer: SwarmPeer, count: number, nowMs: number): void {
    peer.neededCount = count;
    const interested = count > 0;
    if (interested === peer.amInterested || peer.isEnding) return;
    peer.amInterested = interested;
    if (!interested) {
      peer.port.sendNotInterested();
      return;
    }
    peer.interestedAtMs = nowMs;
    peer.port.sendInterested();
  }
}
