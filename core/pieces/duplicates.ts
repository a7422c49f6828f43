// Asking a second peer for what a first still owes: endgame, slow peers that hold buffers, a reader that waits.
// Bounded: at most `requestersPerBlock` peers of each speed a block; and only peers with nothing else to do, save for a waiting reader.
import { canSend } from './can-send.ts';
import type { Ledger } from './ledger.ts';
import { NONE, type OpenPiece, REQUESTED } from './open-piece.ts';
import type { PeerBook } from './peer-book.ts';
import type { PickerPeer } from './picker-types.ts';

/** A request this old may be doubled by an idle peer even before the endgame: longer than any healthy round trip. */
const OLD_REQUEST_MS = 5_000;
/** One segment of 1 MiB: what a fast peer takes over at once to free a buffer. */
const STEAL_BLOCKS = 64;
/** The piece a reader waits for: doubled sooner. */
const URGENT_REQUEST_MS = 1_500;
/** Doubled at once for a waiting reader: 256 KiB. */
const URGENT_BLOCKS = 16;
/** Stealing and urgency: one helper a block is enough. */
const HELPED_REQUESTERS = 2;

export interface Asker {
  readonly peer: PickerPeer;
  readonly book: PeerBook;
  readonly nowMs: number;
}

export type AskAgain = (open: OpenPiece, block: number) => void;

export class Duplicates {
  readonly #ledger: Ledger;
  readonly #maxRequesters: number;

  constructor(ledger: Ledger, maxRequesters: number) {
    this.#ledger = ledger;
    this.#maxRequesters = maxRequesters;
  }

  /** One block for an idle peer: the one fewest are asked for, of a slow peer, oldest. */
  askOne(asker: Asker, isEndgame: boolean, ask: AskAgain): void {
    const { peer, book, nowMs } = asker;
    let best: { open: OpenPiece; block: number } | undefined;
    let bestCost = Number.POSITIVE_INFINITY;
    for (const open of this.#ledger.openPieces()) {
      if (open.outstanding === 0 || open.isUnwanted || !canSend(peer, open.piece)) continue;
      const isReserved = open.exclusive !== NONE && open.exclusive !== peer.id;
      for (let block = 0; block < open.blockCount; block++) {
        if (open.state[block] !== REQUESTED) continue;
        const requesters = open.requesterCount(block);
        if (open.isRequester(block, peer.id) || !this.#hasRoom(open, block, book, requesters)) continue;
        const ageMs = nowMs - (open.requestedAtMs[block] as number);
        const isOwnerSlow = this.#isSlow(open.owner[block] as number);
        const isRescue = isOwnerSlow && book.speed === 'fast';
        if (ageMs < OLD_REQUEST_MS && (isReserved || !(isEndgame || isRescue))) continue;
        // Age decides among equals: it stays below the weight of the other two.
        const cost = requesters * 2 + (isOwnerSlow ? 0 : 1) - Math.min(1, ageMs / MAX_AGE_MS) / 2;
        if (cost >= bestCost) continue;
        bestCost = cost;
        best = { open, block };
      }
    }
    if (best !== undefined) ask(best.open, best.block);
  }

  /** Peers that deliver next to nothing could hold all the places of the last blocks, again whenever they lapse: they keep none from a faster one. */
  #hasRoom(open: OpenPiece, block: number, { speed }: PeerBook, requesters: number): boolean {
    if (requesters < this.#maxRequesters) return true;
    if (speed === 'slow') return false;
    let alike = 0;
    open.visitRequesters(block, (peerId) => {
      const theirs = this.#ledger.findBook(peerId)?.speed;
      if (theirs === 'fast' || theirs === speed) alike++;
    });
    return alike < this.#maxRequesters;
  }

  /** No buffer is free: a fast peer doubles what slow ones owe in the segment that is nearest to full. */
  steal(asker: Asker, limit: number, ask: AskAgain): void {
    if (asker.book.speed !== 'fast') return;
    let best: { open: OpenPiece; segment: number } | undefined;
    let fewestMissing = Number.POSITIVE_INFINITY;
    for (const open of this.#ledger.openPieces()) {
      if (open.outstanding === 0 || open.isUnwanted || open.exclusive !== NONE) continue;
      if (!canSend(asker.peer, open.piece)) continue;
      for (let segment = 0; segment < open.segmentCount; segment++) {
        const missing = open.blocksIn(segment) - (open.segmentStored[segment] as number);
        if (open.slots[segment] === NONE || missing >= fewestMissing) continue;
        if (this.#firstOfSlow(open, segment, asker.peer.id) === NONE) continue;
        best = { open, segment };
        fewestMissing = missing;
      }
    }
    if (best === undefined) return;
    const begin = best.segment * best.open.segmentBlocks;
    let left = Math.min(limit, STEAL_BLOCKS);
    for (let block = begin; block < begin + best.open.blocksIn(best.segment) && left > 0; block++) {
      if (!this.#mayHelp(best.open, block, asker.peer.id, true)) continue;
      ask(best.open, block);
      left--;
    }
  }

  /** A reader waits for this piece: a fast peer doubles what is slow in coming. */
  hurry(asker: Asker, open: OpenPiece, limit: number, ask: AskAgain): void {
    if (asker.book.speed !== 'fast' || open.exclusive !== NONE || open.outstanding === 0) return;
    let left = Math.min(limit, URGENT_BLOCKS);
    for (let block = 0; block < open.blockCount && left > 0; block++) {
      const isOld = asker.nowMs - (open.requestedAtMs[block] as number) >= URGENT_REQUEST_MS;
      if (!this.#mayHelp(open, block, asker.peer.id, !isOld)) continue;
      ask(open, block);
      left--;
    }
  }

  #firstOfSlow(open: OpenPiece, segment: number, peerId: number): number {
    const begin = segment * open.segmentBlocks;
    for (let block = begin; block < begin + open.blocksIn(segment); block++) {
      if (this.#mayHelp(open, block, peerId, true)) return block;
    }
    return NONE;
  }

  #mayHelp(open: OpenPiece, block: number, peerId: number, onlySlow: boolean): boolean {
    if (open.state[block] !== REQUESTED || open.requesterCount(block) >= HELPED_REQUESTERS) return false;
    const owner = open.owner[block] as number;
    return owner !== peerId && (!onlySlow || this.#isSlow(owner));
  }

  #isSlow(peerId: number): boolean {
    return this.#ledger.findBook(peerId)?.speed === 'slow';
  }
}

/** Older requests count as equally old. */
const MAX_AGE_MS = 600_000;
