// One pick: from which pieces, in which order of preference, a peer's requests are taken.
// Order: the reader's window, the piece the peer leads, orphans, pieces of its kind, a new piece, pieces of others, duplicates.
import type { AvailabilityOrder } from './availability-order.ts';
import { canSend } from './can-send.ts';
import { Duplicates } from './duplicates.ts';
import type { Ledger } from './ledger.ts';
import type { NewPieces } from './new-pieces.ts';
import { NONE, type OpenPiece } from './open-piece.ts';
import type { PeerBook } from './peer-book.ts';
import { type PeerSpeed, PICK_STRIDE, type PickerLimits, type PickerPeer } from './picker-types.ts';
import { MAX_PRIORITY } from './policy.ts';
import type { Sequential } from './sequential.ts';

/** A half-full segment that nobody works on may be thrown away for a peer that has no buffer, after this long. */
const EVICT_IDLE_MS = 5_000;

/** Slots are kept for faster peers while one was here this recently. */
const FASTER_PEER_MS = 10_000;

/** How willingly a peer joins an open piece. */
const OWN = 0;
/** Its leader has gone or given up. */
const ORPHAN = 1;
/** Led by a peer as slow as this one: they do not hold each other up. */
const SAME_KIND = 2;
/** Led by a slower one, or by a fast one while this is fast: better left alone, but no harm. */
const HELPING = 3;
/** Led by a faster one, which would have to wait for this one. */
const HINDERING = 4;

const SPEED_STEP: Record<PeerSpeed, number> = { slow: 0, medium: 1, fast: 2 };

interface Pick {
  readonly peer: PickerPeer;
  readonly book: PeerBook;
  readonly nowMs: number;
  readonly limit: number;
  readonly out: Int32Array;
}

export class Requests {
  readonly #ledger: Ledger;
  readonly #order: AvailabilityOrder;
  readonly #newPieces: NewPieces;
  readonly #sequential: Sequential;
  readonly #duplicates: Duplicates;
  readonly #limits: PickerLimits;
  #count = 0;
  #pickNumber = 0;
  #fasterPeerMs = Number.NEGATIVE_INFINITY;
  lackedSlots = false;
  duplicateRequests = 0;

  constructor(options: {
    ledger: Ledger;
    order: AvailabilityOrder;
    newPieces: NewPieces;
    sequential: Sequential;
    limits: PickerLimits;
  }) {
    this.#ledger = options.ledger;
    this.#order = options.order;
    this.#newPieces = options.newPieces;
    this.#sequential = options.sequential;
    this.#limits = options.limits;
    this.#duplicates = new Duplicates(options.ledger, options.limits.requestersPerBlock);
  }

  pick(peer: PickerPeer, wanted: number, out: Int32Array, nowMs: number): number {
    this.#count = 0;
    this.#pickNumber++;
    this.lackedSlots = false;
    const limit = Math.min(wanted, Math.floor(out.length / PICK_STRIDE));
    if (limit <= 0 || (peer.isChoked && !peer.allowedFast?.size)) return 0;
    this.#order.refresh(nowMs);
    const book = this.#ledger.bookOf(peer.id);
    book.speed = peer.isSnubbed ? 'slow' : peer.speed;
    if (book.speed !== 'slow') this.#fasterPeerMs = nowMs;
    this.#ledger.slots.isRationed = nowMs - this.#fasterPeerMs < FASTER_PEER_MS;
    const pick: Pick = { peer, book, nowMs, limit, out };
    if (peer.isOnParole) this.#pickAlone(pick);
    else this.#pickAmongOthers(pick);
    return this.#count;
  }

  /** Whether every block that anybody could send is asked for. */
  get isAllRequested(): boolean {
    if (this.#order.obtainableCount > 0) return false;
    return this.#ledger.withFree.every((open) => this.#order.availabilityOf(open.piece) === 0);
  }

  #pickAmongOthers(pick: Pick): void {
    const { book, limit } = pick;
    if (this.#sequential.isOn) this.#pickWindow(pick);
    if (this.#count < limit) this.#takeCurrent(pick);
    // What others began lies anywhere: it would break the run.
    if (pick.peer.prefersRuns === true && this.#ledger.openBlocks <= this.#limits.openBlocks)
      this.#openNew(pick);
    // Advice of a seed is how first copies leave it once: worth more than ending soon what others have as well.
    if (this.#ledger.openBlocks <= this.#limits.openBlocks) this.#openSuggested(pick);
    const sharesFirst = this.#newPieces.isStarting || this.#isManyOpen();
    this.#share(pick, sharesFirst ? HELPING : SAME_KIND);
    this.#openNew(pick);
    this.#share(pick, HINDERING);
    if (this.#count > 0 || book.outstanding > 0) return;
    if (this.lackedSlots && this.#evictOne(pick)) {
      this.#pickNumber++; // what found no slot may find one now
      this.#openNew(pick);
      this.#share(pick, HINDERING);
    }
    if (this.#count === 0) this.#double(pick);
  }

  /** On parole: whole pieces that are its own. What others began only when nothing else is left and nobody works on it. */
  #pickAlone(pick: Pick): void {
    const { peer, book } = pick;
    for (const open of [...this.#ledger.withFree]) {
      if (this.#count < pick.limit && open.exclusive === peer.id) this.#take(pick, open);
    }
    this.#openNew(pick);
    if (this.#count > 0 || book.outstanding > 0) return;
    for (const open of [...this.#ledger.withFree]) {
      if (this.#count > 0) return;
      const isFree = open.outstanding === 0 && open.exclusive === NONE;
      if (isFree && canSend(peer, open.piece)) this.#take(pick, open);
    }
  }

  #pickWindow(pick: Pick): void {
    const { peer, book } = pick;
    if (peer.isSnubbed) return;
    const head = this.#sequential.head();
    const end = this.#sequential.end();
    // The reader must not wait for a slow peer: it works on the window's far half.
    const begin = book.speed === 'slow' ? head + ((end - head) >>> 1) : head;
    for (let piece = begin; piece < end && this.#count < pick.limit; piece++) {
      if (!canSend(peer, piece)) continue;
      const open = this.#ledger.find(piece);
      if (open === undefined) {
        if (this.#order.waiting.has(piece)) this.#open(pick, piece);
      } else if (open.free > 0 && !open.isUnwanted && open.exclusive === NONE) this.#take(pick, open);
    }
    const urgent = this.#ledger.find(head);
    if (urgent === undefined || this.#count >= pick.limit || !canSend(peer, head)) return;
    this.#duplicates.hurry(pick, urgent, pick.limit - this.#count, (open, block) =>
      this.#again(pick, open, block),
    );
  }

  #takeCurrent(pick: Pick): void {
    const open = pick.book.current;
    if (open === undefined || open.free === 0 || open.isUnwanted || open.lead !== pick.peer.id) return;
    if (open.exclusive === pick.peer.id) open.exclusive = NONE; // no longer on parole
    if (canSend(pick.peer, open.piece)) this.#take(pick, open);
  }

  /** Joins open pieces, the most suitable first. @param reluctance up to which kind */
  #share(pick: Pick, reluctance: number): void {
    while (this.#count < pick.limit) {
      const open = this.#chooseShared(pick, reluctance);
      if (open === undefined) return;
      const before = this.#count;
      this.#take(pick, open);
      if (open.lead === NONE && this.#count > before) {
        open.lead = pick.peer.id;
        pick.book.current = open;
      }
      // Taken whole, or no slot: either way this pick is done with it.
      open.skippedByPick = this.#pickNumber;
    }
  }

  #chooseShared(pick: Pick, reluctance: number): OpenPiece | undefined {
    let best: OpenPiece | undefined;
    let bestCost = Number.POSITIVE_INFINITY;
    for (const open of this.#ledger.withFree) {
      if (open.skippedByPick === this.#pickNumber || !canSend(pick.peer, open.piece)) continue;
      if (open.exclusive !== NONE && open.exclusive !== pick.peer.id) continue;
      const kind = this.#kindOf(open, pick);
      if (kind > reluctance) continue;
      // By kind, then priority, then what is nearest to its end.
      const rank = kind * (MAX_PRIORITY + 1) + MAX_PRIORITY - this.#order.priorityOf(open.piece);
      const cost = rank + open.free / (open.blockCount + 1);
      if (cost >= bestCost) continue;
      best = open;
      bestCost = cost;
    }
    return best;
  }

  #kindOf(open: OpenPiece, pick: Pick): number {
    if (open.lead === pick.peer.id) return OWN;
    const lead = open.lead === NONE ? undefined : this.#ledger.findBook(open.lead);
    if (lead === undefined) return ORPHAN;
    const ahead = SPEED_STEP[pick.book.speed] - SPEED_STEP[lead.speed];
    if (ahead < 0) return HINDERING;
    return ahead === 0 && pick.book.speed !== 'fast' ? SAME_KIND : HELPING;
  }

  #isManyOpen(): boolean {
    const { openPiecesPerPeer, openBlocks } = this.#limits;
    return (
      this.#ledger.openBlocks > openBlocks ||
      this.#ledger.openCount > openPiecesPerPeer * Math.max(1, this.#ledger.busyPeers)
    );
  }

  #openNew(pick: Pick): void {
    while (this.#count < pick.limit) {
      const piece = this.#newPieces.choose(pick.peer, pick.book, pick.nowMs);
      if (piece < 0 || !this.#open(pick, piece)) return;
      this.#newPieces.noteOpened(pick.book, piece);
    }
  }

  #openSuggested(pick: Pick): void {
    while (this.#count < pick.limit) {
      const piece = this.#newPieces.chooseSuggested(pick.peer);
      if (piece < 0 || !this.#open(pick, piece)) return;
      this.#newPieces.noteOpened(pick.book, piece);
    }
  }

  /** @returns whether there was a slot for it */
  #open(pick: Pick, piece: number): boolean {
    const { peer, book, nowMs } = pick;
    const open = this.#ledger.open(piece, 0, book, nowMs);
    if (open === undefined) {
      this.lackedSlots = true;
      return false;
    }
    open.lead = peer.id;
    if (peer.isOnParole) open.exclusive = peer.id;
    book.current = open;
    this.#take(pick, open);
    return true;
  }

  /** As many free blocks as are wanted, lowest first; segments that find no slot are passed over. */
  #take(pick: Pick, open: OpenPiece): void {
    let block = open.firstFree();
    while (block !== NONE && this.#count < pick.limit) {
      if (this.#ledger.ensureSlot(open, block, pick.book)) {
        this.#ask(pick, open, block);
        block = open.firstFree();
      } else {
        this.lackedSlots = true;
        block = open.nextFreeWithSlot(block);
      }
    }
  }

  #ask(pick: Pick, open: OpenPiece, block: number): void {
    this.#ledger.request(open, block, pick.book, pick.nowMs);
    pick.out[this.#count * PICK_STRIDE] = open.piece;
    pick.out[this.#count * PICK_STRIDE + 1] = block;
    this.#count++;
  }

  #again(pick: Pick, open: OpenPiece, block: number): void {
    open.exclusive = NONE;
    this.duplicateRequests++;
    this.#ask(pick, open, block);
  }

  #double(pick: Pick): void {
    const ask = (open: OpenPiece, block: number): void => this.#again(pick, open, block);
    if (this.lackedSlots) this.#duplicates.steal(pick, pick.limit, ask);
    if (this.#count === 0) this.#duplicates.askOne(pick, this.isAllRequested, ask);
  }

  /** Frees the buffer that holds least, of those nobody is filling; this peer cannot either, or it would do so. */
  #evictOne(pick: Pick): boolean {
    if (pick.book.speed === 'slow' && this.#ledger.slots.isRationed) return false;
    let victim: OpenPiece | undefined;
    let victimSegment = NONE;
    let fewest = Number.POSITIVE_INFINITY;
    for (const open of this.#ledger.openPieces()) {
      if (pick.nowMs - open.lastActivityMs < EVICT_IDLE_MS) continue;
      for (let segment = 0; segment < open.segmentCount; segment++) {
        const stored = open.segmentStored[segment] as number;
        if (open.slots[segment] === NONE || open.outstandingIn(segment) > 0 || stored >= fewest) continue;
        victim = open;
        victimSegment = segment;
        fewest = stored;
      }
    }
    if (victim === undefined) return false;
    this.#ledger.evict(victim, victimSegment);
    return true;
  }
}
