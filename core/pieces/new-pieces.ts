// Which waiting piece a peer opens next: suggested, random at the start, in runs for the fast, else by the policy's order.
// The work is bounded: a short look at the front of the order, and an exhaustive search whose finds last for many pieces.
import type { PieceLayout } from '../metainfo/layout.ts';
import type { AvailabilityOrder } from './availability-order.ts';
import { canSend } from './can-send.ts';
import type { PeerBook } from './peer-book.ts';
import type { PickerPeer } from './picker-types.ts';
import type { PickPolicy } from './policy.ts';

/** Verified pieces from which on there is something to trade (BEP 3; libtorrent uses 4 too). */
const RANDOM_FIRST_PIECES = 4;
/** A hostile peer cannot steer more than this by BEP 6 suggestions. */
const SUGGESTIONS_LOOKED_AT = 16;
/** Places looked at before the exhaustive search: about 2 us. */
const FRONT_PLACES = 512;
/** Finds kept from an exhaustive search (at most 5 ms for a million pieces), so that it is rare. */
const CANDIDATES = 256;
/** Rarity changes: older finds are searched for again. */
const CANDIDATES_FRESH_MS = 10_000;
/** A fast peer takes neighbours up to this, so that the disk writes in long runs (libtorrent's extents are 4 MiB). */
const RUN_BYTES = 8 * 1024 * 1024;
/** ... but never more than this share of a torrent, or peers' pieces would be too alike to trade. */
const RUN_SHARE = 64;

export class NewPieces {
  readonly #order: AvailabilityOrder;
  readonly #policy: PickPolicy;
  readonly #layout: PieceLayout;
  readonly #runBytes: number;
  readonly #verifiedCount: () => number;

  constructor(options: {
    order: AvailabilityOrder;
    policy: PickPolicy;
    layout: PieceLayout;
    verifiedCount: () => number;
  }) {
    this.#order = options.order;
    this.#policy = options.policy;
    this.#layout = options.layout;
    this.#verifiedCount = options.verifiedCount;
    this.#runBytes = Math.min(RUN_BYTES, options.layout.totalLength / RUN_SHARE);
  }

  /** Whether pieces are taken at random still. */
  get isStarting(): boolean {
    return this.#policy.startsRandom && this.#verifiedCount() < RANDOM_FIRST_PIECES;
  }

  /** @returns a waiting piece that the peer can send, or -1: there is none */
  choose(peer: PickerPeer, book: PeerBook, nowMs: number): number {
    const order = this.#order;
    if (order.waiting.count === 0) return -1;
    if (peer.isChoked) return this.#chooseAllowed(peer);
    const suggested = this.chooseSuggested(peer);
    if (suggested >= 0) return suggested;
    if (this.#policy.order === 'by-index') return order.next(peer.pieces, 0);
    if (peer.prefersRuns === true) return this.#chooseInRun(peer, book);
    if (this.isStarting) return order.random(peer.pieces);
    if (peer.isSnubbed) {
      const common = order.last(peer.pieces, FRONT_PLACES);
      return common >= 0 ? common : this.#search(peer, book, nowMs);
    }
    const known = this.#knownCandidate(book, nowMs);
    if (known >= 0) return known;
    const front = order.first(peer.pieces, FRONT_PLACES);
    return front >= 0 ? this.#continueRun(peer, book, front) : this.#search(peer, book, nowMs);
  }

  /** Tells that a peer opened this piece. */
  noteOpened(book: PeerBook, piece: number): void {
    const isNeighbour = piece === book.lastOpened + 1;
    book.runBytes = (isNeighbour ? book.runBytes : 0) + this.#layout.pieceSize(piece);
    book.lastOpened = piece;
  }

  #chooseAllowed(peer: PickerPeer): number {
    for (const piece of peer.allowedFast ?? []) {
      if (this.#order.waiting.has(piece) && canSend(peer, piece)) return piece;
    }
    return -1;
  }

  /** @returns a waiting piece that the peer advised (BEP 6) and may send, or -1 */
  chooseSuggested(peer: PickerPeer): number {
    if (peer.isChoked) return -1;
    let left = SUGGESTIONS_LOOKED_AT;
    for (const piece of peer.suggested ?? []) {
      if (left-- === 0) break;
      if (this.#order.waiting.has(piece) && canSend(peer, piece)) return piece;
    }
    return -1;
  }

  #continueRun(peer: PickerPeer, book: PeerBook, best: number): number {
    const next = book.lastOpened + 1;
    const mayRun =
      peer.speed === 'fast' &&
      next > 0 &&
      next < this.#order.pieceCount &&
      book.runBytes + this.#layout.pieceSize(next) <= this.#runBytes &&
      this.#order.waiting.has(next) &&
      peer.pieces.has(next) &&
      this.#order.isSameRank(next, best);
    return mayRun ? next : best;
  }

  /** BEP 19: begins at random, so that not everybody gets the same from a server, goes on, and then with the longest gap. */
  #chooseInRun(peer: PickerPeer, book: PeerBook): number {
    const order = this.#order;
    const next = book.lastOpened + 1;
    if (book.lastOpened < 0) return order.random(peer.pieces);
    const mayRun = next < order.pieceCount && order.waiting.has(next) && peer.pieces.has(next);
    if (mayRun && order.priorityOf(next) >= order.priorityOf(book.lastOpened)) return next;
    if (book.isDry(peer.pieces, order.returns)) return -1;
    const longest = order.longestGap(peer.pieces);
    if (longest < 0) book.dry = { pieceCount: peer.pieces.count, returns: order.returns };
    return longest;
  }

  #knownCandidate(book: PeerBook, nowMs: number): number {
    if (nowMs - book.candidatesAtMs > CANDIDATES_FRESH_MS) book.candidates.length = 0;
    for (let at = book.candidates.length - 1; at >= 0; at--) {
      const piece = book.candidates[at] as number;
      if (this.#order.waiting.has(piece)) return piece;
      book.candidates.pop();
    }
    return -1;
  }

  #search(peer: PickerPeer, book: PeerBook, nowMs: number): number {
    const known = this.#knownCandidate(book, nowMs);
    if (known >= 0) return known;
    if (book.isDry(peer.pieces, this.#order.returns)) return -1;
    const found = this.#order.collect(peer.pieces, CANDIDATES);
    if (found.length === 0) {
      book.dry = { pieceCount: peer.pieces.count, returns: this.#order.returns };
      return -1;
    }
    book.candidates = Array.from(found.reverse());
    book.candidatesAtMs = nowMs;
    return this.#knownCandidate(book, nowMs);
  }
}
