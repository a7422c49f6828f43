// All open pieces: requests, arriving payloads, stored blocks, slots. What to request is not decided here.
// Invariants: a peer's count of requests is the number of blocks that name it; `withFree` lists exactly the open, wanted
// pieces that have a free block; at most one payload is being written to any block.

import type { Bitfield } from '../base/bitfield.ts';
import { invariant } from '../base/result.ts';
import { BLOCK_BYTES, type PieceLayout } from '../metainfo/layout.ts';
import { NONE, OpenPiece, REQUESTED, STORED } from './open-piece.ts';
import { PeerBook } from './peer-book.ts';
import type { Claim, Receipt } from './picker-types.ts';
import type { SegmentSlots } from './segment-slots.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Ledger {
  readonly #layout: PieceLayout;
  readonly #slots: SegmentSlots;
  readonly #segmentBlocks: number;
  readonly #onOpened: (piece: number) => void;
  readonly #onClosed: (piece: number) => void;
  readonly #blocksPerPiece: number;
  readonly #open = new Map<number, OpenPiece>();
  readonly #books = new Map<number, PeerBook>();
  /** Unordered. */
  readonly withFree: OpenPiece[] = [];
  readonly #claim: Mutable<Claim> = {
    outcome: 'unrequested',
    slot: NONE,
    offset: NONE,
    block: NONE,
    revokedPeer: NONE,
  };
  readonly #cancelPeers: number[] = [];
  readonly #receipt: Mutable<Receipt> = {
    isNew: false,
    cancelPeers: this.#cancelPeers,
    filledSlot: NONE,
    segmentBegin: 0,
    segmentLength: 0,
    isPieceFilled: false,
  };
  /** Blocks of all open pieces. */
  #openBlocks = 0;
  /** Peers with requests out. */
  #busyPeers = 0;
  evictedBlocks = 0;

  constructor(options: {
    layout: PieceLayout;
    slots: SegmentSlots;
    segmentBytes: number;
    onOpened: (piece: number) => void;
    /** It has neither requests nor data any more, or is not worth having. Not called by `close`. */
    onClosed: (piece: number) => void;
  }) {
    this.#layout = options.layout;
    this.#slots = options.slots;
    this.#blocksPerPiece = Math.ceil(options.layout.pieceLength / BLOCK_BYTES);
    // A piece that is no whole number of blocks (old torrents) is one segment: its last block is a short one.
    this.#segmentBlocks = Math.min(this.#blocksPerPiece, Math.ceil(options.segmentBytes / BLOCK_BYTES));
    this.#onOpened = options.onOpened;
    this.#onClosed = options.onClosed;
    const isWhole = options.segmentBytes % BLOCK_BYTES === 0 && options.segmentBytes > 0;
    invariant(isWhole || options.segmentBytes >= options.layout.pieceLength, 'segments must be whole blocks');
  }

  // --- Reading --------------------------------------------------------------------------------------------------

  get openCount(): number {
    return this.#open.size;
  }

  get openBlocks(): number {
    return this.#openBlocks;
  }

  get busyPeers(): number {
    return this.#busyPeers;
  }

  get slots(): SegmentSlots {
    return this.#slots;
  }

  /** In order of opening. */
  openPieces(): IterableIterator<OpenPiece> {
    return this.#open.values();
  }

  find(piece: number): OpenPiece | undefined {
    return this.#open.get(piece);
  }

  findBook(peerId: number): PeerBook | undefined {
    return this.#books.get(peerId);
  }

  /** For tests. */
  books(): IterableIterator<PeerBook> {
    return this.#books.values();
  }

  bookOf(peerId: number): PeerBook {
    let book = this.#books.get(peerId);
    if (book === undefined) {
      book = new PeerBook(peerId);
      this.#books.set(peerId, book);
    }
    return book;
  }

  // --- Requests -------------------------------------------------------------------------------------------------

  /**
   * Opens a piece with a slot for the segment of `block`, which the caller must request at once: a piece without
   * requests or data is not open.
   * @returns undefined when there is no slot
   */
  open(piece: number, block: number, book: PeerBook, nowMs: number): OpenPiece | undefined {
    const open = new OpenPiece({
      piece,
      blockCount: this.#layout.blockCount(piece),
      segmentBlocks: this.#segmentBlocks,
      nowMs,
    });
    if (!this.ensureSlot(open, block, book)) return undefined;
    this.#open.set(piece, open);
    this.#openBlocks += open.blockCount;
    this.#list(open);
    this.#onOpened(piece);
    return open;
  }

  /** @returns whether the block's segment holds a slot (now) */
  ensureSlot(open: OpenPiece, block: number, book: PeerBook): boolean {
    return this.#slots.ensure(open, open.segmentOf(block), book.speed === 'slow');
  }

  /** The segment must hold a slot. */
  request(open: OpenPiece, block: number, book: PeerBook, nowMs: number): void {
    open.addRequester(block, book.id, nowMs);
    if (book.outstanding++ === 0) this.#busyPeers++;
    if (open.free === 0) this.#unlist(open);
  }

  /** @returns whether it was outstanding and is no longer */
  abandonBlock(peerId: number, piece: number, block: number): boolean {
    const open = this.#open.get(piece);
    const book = this.#books.get(peerId);
    if (open === undefined || book === undefined || !open.isRequester(block, peerId)) return false;
    if (book.arrival?.open === open && book.arrival.block === block) return false;
    this.#abandon(open, block, book);
    return true;
  }

  /** @returns how many requests */
  abandonPeer(peerId: number): number {
    const book = this.#books.get(peerId);
    if (book === undefined) return 0;
    const before = book.outstanding;
    for (const open of this.#open.values()) {
      if (open.lead === peerId) open.lead = NONE;
      if (open.exclusive === peerId) open.exclusive = NONE;
      if (book.outstanding === 0) continue;
      for (let block = 0; block < open.blockCount; block++) {
        if (open.state[block] !== REQUESTED || !open.isRequester(block, peerId)) continue;
        if (book.arrival?.open === open && book.arrival.block === block) continue;
        this.#abandon(open, block, book);
      }
    }
    book.current = undefined;
    return before - book.outstanding;
  }

  removePeer(peerId: number): void {
    const book = this.#books.get(peerId);
    if (book === undefined) return;
    this.#endArrival(book);
    this.abandonPeer(peerId);
    this.#books.delete(peerId);
  }

  // --- Data -----------------------------------------------------------------------------------------------------

  /** @param waiting pieces that may be opened again for a late block */
  claim(
    peerId: number,
    at: { piece: number; begin: number; length: number },
    waiting: Bitfield,
    nowMs: number,
  ): Claim {
    const block = this.#blockAt(at.piece, at.begin, at.length);
    const book = this.#books.get(peerId);
    if (book !== undefined) this.#endArrival(book);
    if (block === NONE || book === undefined) return this.#answer('unrequested', NONE);
    const wasGivenUp = book.takeLate(this.#key(at.piece, block));
    let open = this.#open.get(at.piece);
    if (open?.isRequester(block, peerId) !== true) {
      if (!wasGivenUp) return this.#answer('unrequested', NONE);
      open = this.#readmit(at.piece, block, book, waiting, nowMs);
      if (open === undefined) return this.#answer('duplicate', block);
    }
    const revokedPeer = this.#revokeArrival(open, block, peerId);
    book.arrival = { open, block };
    const claim = this.#answer('wanted', block);
    const segment = open.segmentOf(block);
    claim.slot = open.slots[segment] as number;
    claim.offset = (block - segment * open.segmentBlocks) * BLOCK_BYTES;
    claim.revokedPeer = revokedPeer;
    return claim;
  }

  receive(peerId: number, piece: number, block: number, nowMs: number): Receipt {
    const receipt = this.#receipt;
    this.#cancelPeers.length = 0;
    receipt.filledSlot = NONE;
    receipt.segmentBegin = 0;
    receipt.segmentLength = 0;
    receipt.isPieceFilled = false;
    const book = this.#books.get(peerId);
    const open = book?.arrival?.open;
    receipt.isNew = open !== undefined && open.piece === piece && book?.arrival?.block === block;
    if (!receipt.isNew || open === undefined || book === undefined) return receipt;
    book.arrival = undefined;
    this.#subtractRequest(book);
    open.store(block, peerId, nowMs, (other) => {
      this.#cancelPeers.push(other);
      this.#letOff(other, piece, block);
    });
    const segment = open.segmentOf(block);
    if (open.segmentStored[segment] === open.blocksIn(segment)) {
      receipt.filledSlot = this.#slots.handOver(open, segment);
      receipt.segmentBegin = segment * open.segmentBlocks * BLOCK_BYTES;
      receipt.segmentLength = Math.min(
        open.segmentBlocks * BLOCK_BYTES,
        this.#layout.pieceSize(piece) - receipt.segmentBegin,
      );
    }
    receipt.isPieceFilled = open.isFilled;
    if (open.isUnwanted) this.#closeIfIdle(open);
    return receipt;
  }

  /** Verified, failed or lost: requests end, slots still held go back. */
  close(piece: number): void {
    const open = this.#open.get(piece);
    if (open === undefined) return;
    const isAsked = open.outstanding > 0;
    for (let block = 0; isAsked && block < open.blockCount; block++) {
      open.visitRequesters(block, (peerId) => this.#letOff(peerId, piece, block));
    }
    this.#slots.releaseAll(open);
    this.#drop(open);
  }

  /** Priority fell to 0, or rose again. */
  setUnwanted(open: OpenPiece, isUnwanted: boolean): void {
    open.isUnwanted = isUnwanted;
    if (isUnwanted) this.#unlist(open);
    else if (open.free > 0) this.#list(open);
    this.#closeIfIdle(open);
  }

  /** Throws away what is stored of a segment that nobody is asked for. */
  evict(open: OpenPiece, segment: number): void {
    invariant(open.outstandingIn(segment) === 0, 'evicted a segment with requests');
    this.evictedBlocks += open.forget(segment);
    this.#slots.release(open, segment);
    if (!open.isUnwanted) this.#list(open);
    this.#closeIfIdle(open);
  }

  /** Everything half-filled that nobody is asked for. */
  evictAll(): void {
    for (const open of [...this.#open.values()]) {
      for (let segment = 0; segment < open.segmentCount; segment++) {
        if (open.slots[segment] !== NONE && open.outstandingIn(segment) === 0) this.evict(open, segment);
      }
    }
  }

  // --- Upkeep ---------------------------------------------------------------------------------------------------

  #blockAt(piece: number, begin: number, length: number): number {
    if (!Number.isInteger(piece) || !Number.isInteger(begin)) return NONE;
    if (!this.#layout.contains(piece, begin, length) || begin % BLOCK_BYTES !== 0) return NONE;
    const block = begin / BLOCK_BYTES;
    return length === this.#layout.blockSize(piece, block) ? block : NONE;
  }

  #key(piece: number, block: number): number {
    return piece * this.#blocksPerPiece + block;
  }

  #answer(outcome: Claim['outcome'], block: number): Mutable<Claim> {
    const claim = this.#claim;
    claim.outcome = outcome;
    claim.block = block;
    claim.slot = NONE;
    claim.offset = NONE;
    claim.revokedPeer = NONE;
    return claim;
  }

  /** A block asked for, given up, and coming after all. @returns undefined when it is of no use */
  #readmit(
    piece: number,
    block: number,
    book: PeerBook,
    waiting: Bitfield,
    nowMs: number,
  ): OpenPiece | undefined {
    let open = this.#open.get(piece);
    if (open === undefined) {
      open = waiting.has(piece) ? this.open(piece, block, book, nowMs) : undefined;
      if (open === undefined) return undefined;
    } else {
      const mayTouch = open.exclusive === NONE || open.exclusive === book.id;
      const isMissing = open.state[block] !== STORED && !open.isUnwanted;
      if (!mayTouch || !isMissing || !this.ensureSlot(open, block, book)) return undefined;
    }
    this.request(open, block, book, nowMs);
    return open;
  }

  /** @returns the peer that was sending this block until now */
  #revokeArrival(open: OpenPiece, block: number, claimer: number): number {
    if (open.requesterCount(block) < 2) return NONE;
    let revoked = NONE;
    open.visitRequesters(block, (peerId) => {
      const arrival = this.#books.get(peerId)?.arrival;
      if (peerId !== claimer && arrival?.open === open && arrival.block === block) revoked = peerId;
    });
    if (revoked === NONE) return NONE;
    const book = this.#books.get(revoked) as PeerBook;
    book.arrival = undefined;
    open.dropRequester(block, revoked);
    this.#subtractRequest(book);
    return revoked;
  }

  /** What was arriving will not be completed: the block is missing again. */
  #endArrival(book: PeerBook): void {
    const arrival = book.arrival;
    if (arrival === undefined) return;
    book.arrival = undefined;
    this.#abandon(arrival.open, arrival.block, book);
  }

  #abandon(open: OpenPiece, block: number, book: PeerBook): void {
    book.addLate(this.#key(open.piece, block));
    this.#subtractRequest(book);
    if (!open.dropRequester(block, book.id)) return;
    const segment = open.segmentOf(block);
    if (open.segmentFree[segment] === open.blocksIn(segment)) this.#slots.release(open, segment);
    if (!open.isUnwanted) this.#list(open);
    // A suspect that was given up on has lost its piece: others must be able to end it.
    if (open.exclusive === book.id) open.exclusive = NONE;
    this.#closeIfIdle(open);
  }

  /** The request ended by no act of the peer: its data may still come. */
  #letOff(peerId: number, piece: number, block: number): void {
    const book = this.#books.get(peerId) as PeerBook;
    if (book.arrival?.open.piece === piece && book.arrival.block === block) book.arrival = undefined;
    book.addLate(this.#key(piece, block));
    this.#subtractRequest(book);
  }

  #subtractRequest(book: PeerBook): void {
    if (--book.outstanding === 0) this.#busyPeers--;
  }

  #closeIfIdle(open: OpenPiece): void {
    if (open.outstanding > 0 || open.isFilled) return;
    if (open.stored > 0 && !open.isUnwanted) return;
    this.evictedBlocks += open.stored;
    this.#slots.releaseAll(open);
    this.#drop(open);
    this.#onClosed(open.piece);
  }

  #drop(open: OpenPiece): void {
    this.#unlist(open);
    this.#open.delete(open.piece);
    this.#openBlocks -= open.blockCount;
    const lead = this.#books.get(open.lead);
    if (lead?.current === open) lead.current = undefined;
  }

  #list(open: OpenPiece): void {
    if (open.freeListIndex !== NONE) return;
    open.freeListIndex = this.withFree.length;
    this.withFree.push(open);
  }

  #unlist(open: OpenPiece): void {
    const index = open.freeListIndex;
    if (index === NONE) return;
    open.freeListIndex = NONE;
    const last = this.withFree.pop() as OpenPiece;
    if (last === open) return;
    this.withFree[index] = last;
    last.freeListIndex = index;
  }
}
