// The piece picker: which blocks to ask of which peer. Random first, rarest first, endgame (BEP 3), suggest and allowed-fast (BEP 6).
// Invariant: a needed piece is either open (in the ledger) or waiting (in the order), never both; an open segment holds one slot.
import type { Bitfield } from '../base/bitfield.ts';
import { invariant } from '../base/result.ts';
import type { PieceLayout } from '../metainfo/layout.ts';
import { AvailabilityOrder } from './availability-order.ts';
import { countCommonBits } from './bit-scan.ts';
import { Ledger } from './ledger.ts';
import { checkLedger } from './ledger-check.ts';
import { Needs } from './needs.ts';
import { NewPieces } from './new-pieces.ts';
import { STORED } from './open-piece.ts';
import type {
  Claim,
  PickerCounters,
  PickerLimits,
  PickerOptions,
  PickerPeer,
  PieceFacts,
  Receipt,
  SequentialWindow,
} from './picker-types.ts';
import { MAX_PRIORITY, NORMAL_PRIORITY, rarestFirst } from './policy.ts';
import { Requests } from './requests.ts';
import { SegmentSlots } from './segment-slots.ts';
import { Sequential } from './sequential.ts';

/** See PickerLimits. */
const DEFAULT_LIMITS = { openBlocks: 2048, openPiecesPerPeer: 3, requestersPerBlock: 4 };
const SLOW_BYTES = 32 * 1024 * 1024;

export class PiecePicker {
  /** Verified pieces; read only. */
  readonly have: Bitfield;
  readonly #layout: PieceLayout;
  readonly #order: AvailabilityOrder;
  readonly #ledger: Ledger;
  readonly #sequential: Sequential;
  readonly #requests: Requests;
  #needs = new Needs();
  #duplicateClaims = 0;
  #unrequestedClaims = 0;

  constructor(options: PickerOptions) {
    const { layout, have, rng } = options;
    invariant(have.size === layout.pieceCount, 'the bitfield is not of this torrent');
    const policy = options.policy ?? rarestFirst;
    const slowSegments = Math.ceil(SLOW_BYTES / Math.min(layout.pieceLength, options.segmentBytes));
    const limits: PickerLimits = { ...DEFAULT_LIMITS, slowSegments, ...options.limits };
    this.have = have;
    this.#layout = layout;
    this.#order = new AvailabilityOrder({
      pieceCount: layout.pieceCount,
      priority: NORMAL_PRIORITY,
      policy,
      rng,
    });
    this.#ledger = new Ledger({
      layout,
      slots: new SegmentSlots(options.slots, limits.slowSegments),
      segmentBytes: options.segmentBytes,
      onOpened: (piece) => this.#order.setWaiting(piece, false),
      onClosed: (piece) => this.#order.setWaiting(piece, this.isNeeded(piece)),
    });
    this.#sequential = new Sequential(layout.pieceCount, (piece) => this.isNeeded(piece));
    this.#requests = new Requests({
      ledger: this.#ledger,
      order: this.#order,
      newPieces: new NewPieces({ order: this.#order, policy, layout, verifiedCount: () => have.count }),
      sequential: this.#sequential,
      limits,
    });
    this.setPriorities(() => NORMAL_PRIORITY);
  }

  // --- Availability: who has what -------------------------------------------------------------------------------

  /**
   * A peer's bitfield came (or its have-all). A full one costs O(1). The very same kind must be taken back by
   * `removePeerPieces`: a peer that completes by single haves stays a peer whose pieces are counted one by one.
   */
  addPeerPieces(pieces: Bitfield): void {
    if (pieces.isFull) this.#order.addSeed();
    else this.#order.addPieces(pieces);
  }

  /**
   * @param pieces what the peer had when it left
   * @param joinedAsSeed whether `addPeerPieces` saw it full (or `addSeed` counted it)
   */
  removePeerPieces(pieces: Bitfield, joinedAsSeed: boolean): void {
    if (joinedAsSeed) this.#order.removeSeed();
    else this.#order.removePieces(pieces);
  }

  /** A `have`. Not for a piece the peer was known to have, nor for one that joined full. */
  addAvailability(piece: number): void {
    this.#order.add(piece);
  }

  removeAvailability(piece: number): void {
    this.#order.remove(piece);
  }

  addSeed(): void {
    this.#order.addSeed();
  }

  removeSeed(): void {
    this.#order.removeSeed();
  }

  // --- Wishes ---------------------------------------------------------------------------------------------------

  /**
   * @param priority 0 (never) to 7 (first), 4 is normal. An open piece that falls to 0 gets no more requests and is
   * dropped when the last one outstanding ends; see `visitRequests` to cancel them.
   * @returns whether `isNeeded(piece)` changed, so that interest in peers that have it must be adjusted
   */
  setPriority(piece: number, priority: number): boolean {
    checkPriority(priority);
    const wasNeeded = this.isNeeded(piece);
    const wasWanted = this.priorityOf(piece) > 0;
    const isWanted = priority > 0;
    if (isWanted !== wasWanted) this.#needs.addWanted(isWanted ? 1 : -1, this.#layout.pieceSize(piece));
    // Out of the order first: one move there instead of two.
    if (!isWanted) this.#order.setWaiting(piece, false);
    this.#order.setPriority(piece, priority);
    return this.#settle(piece, wasNeeded);
  }

  /** All at once: O(pieces), where one by one costs some microseconds each. Afterwards count interest anew. */
  setPriorities(priorityOf: (piece: number) => number): void {
    this.#order.reset({
      priorityOf: (piece) => checkPriority(priorityOf(piece)),
      isWaiting: (piece) => this.isNeeded(piece) && this.#ledger.find(piece) === undefined,
    });
    this.#needs = this.#countNeeds();
    for (const open of [...this.#ledger.openPieces()]) {
      this.#ledger.setUnwanted(open, this.priorityOf(open.piece) === 0);
    }
    this.#sequential.rewind();
  }

  priorityOf(piece: number): number {
    return this.#order.priorityOf(piece);
  }

  /** Streaming on (also: seek), or off. */
  setSequential(window: SequentialWindow | undefined): void {
    this.#sequential.set(window);
  }

  // --- Interest -------------------------------------------------------------------------------------------------

  /**
   * Wanted and not verified. Keep a count per peer: start with `countNeeded(pieces)`; +1 at a have of a needed piece;
   * -1 for each peer that has a piece when it verifies; +-1 when `setPriority` or `markPieceLost` says so.
   * The peer is interesting while its count is above 0.
   */
  isNeeded(piece: number): boolean {
    return this.#order.priorityOf(piece) > 0 && !this.have.has(piece);
  }

  /** O(1) for a full peer, else O(pieces / 8). */
  countNeeded(pieces: Bitfield): number {
    if (pieces.isFull) return this.#needs.neededCount;
    let count = countCommonBits(pieces.bytes, this.#order.waiting.bytes);
    for (const open of this.#ledger.openPieces()) {
      if (pieces.has(open.piece) && this.isNeeded(open.piece)) count++;
    }
    return count;
  }

  // --- Requests -------------------------------------------------------------------------------------------------

  /**
   * Chooses up to `wanted` blocks and books them as requested from this peer.
   * @param out receives (piece, block) pairs; at most out.length / PICK_STRIDE blocks
   * @returns how many blocks. Fewer than wanted: ask again after anything changed for this peer (unchoke, have), after
   *   another peer gave blocks back, or, when `lackedSlots` is set, after a slot was released. An idle peer also some
   *   seconds later: requests of others that have grown old may then be doubled.
   */
  pick(peer: PickerPeer, wanted: number, out: Int32Array, nowMs: number): number {
    return this.#requests.pick(peer, wanted, out, nowMs);
  }

  /** Whether the last `pick` could have given more had a slot been free. */
  get lackedSlots(): boolean {
    return this.#requests.lackedSlots;
  }

  /** Blocks outstanding at this peer. */
  outstandingOf(peerId: number): number {
    return this.#ledger.findBook(peerId)?.outstanding ?? 0;
  }

  /**
   * Timeout, reject or cancel of one request: others may take it. A block that is arriving right now stays with its peer.
   * @returns whether it was outstanding and is no longer
   */
  abandonBlock(peerId: number, piece: number, block: number): boolean {
    return this.#ledger.abandonBlock(peerId, piece, block);
  }

  /**
   * Choke or snub: all its requests, save the block arriving right now, are free for others. A peer that stalls within
   * a payload keeps a slot, so it must be disconnected (`removePeer`) after some time.
   * @returns how many
   */
  abandonPeer(peerId: number): number {
    return this.#ledger.abandonPeer(peerId);
  }

  /** It is gone: as `abandonPeer`, and a half-arrived block is given up too. Availability is separate. */
  removePeer(peerId: number): void {
    this.#ledger.removePeer(peerId);
  }

  /** Who is asked for which blocks of this piece now. Do not call back into the picker from `visit`. */
  visitRequests(piece: number, visit: (peerId: number, block: number) => void): void {
    const open = this.#ledger.find(piece);
    if (open === undefined) return;
    for (let block = 0; block < open.blockCount; block++) {
      open.visitRequesters(block, (peerId) => visit(peerId, block));
    }
  }

  // --- Data -----------------------------------------------------------------------------------------------------

  /**
   * The header of a `piece` message was read. A block asked for and then given up (choke, timeout) is still welcome
   * while it is missing. Any numbers are safe. One payload arrives per peer at a time: a new claim ends the last one.
   */
  claim(peerId: number, piece: number, begin: number, length: number, nowMs: number): Claim {
    const claim = this.#ledger.claim(peerId, { piece, begin, length }, this.#order.waiting, nowMs);
    if (claim.outcome === 'duplicate') this.#duplicateClaims++;
    else if (claim.outcome === 'unrequested') this.#unrequestedClaims++;
    return claim;
  }

  /** The payload that `claim` called wanted is in its slot, whole. */
  receiveBlock(peerId: number, piece: number, block: number, nowMs: number): Receipt {
    return this.#ledger.receive(peerId, piece, block, nowMs);
  }

  /** The hash is right (or: found on disk). @returns false when it was verified before */
  markPieceVerified(piece: number): boolean {
    const wasNeeded = this.isNeeded(piece);
    if (!this.have.set(piece)) return false;
    this.#ledger.close(piece);
    this.#settle(piece, wasNeeded);
    return true;
  }

  /**
   * The hash is wrong, or the storage lost some of it before it could be verified: all its blocks are missing again.
   * Ask `contributors` first. Slots handed over by `Receipt.filledSlot` remain the storage's.
   */
  markPieceFailed(piece: number): void {
    this.#ledger.close(piece);
    this.#order.setWaiting(piece, this.isNeeded(piece));
  }

  /** A verified piece cannot be read any more (disk error on upload). @returns whether `isNeeded(piece)` changed */
  markPieceLost(piece: number): boolean {
    const wasNeeded = this.isNeeded(piece);
    this.have.clear(piece);
    return this.#settle(piece, wasNeeded);
  }

  /** Peer id of the sender of each block, -1 where none is stored. A copy; empty when the piece is not open. */
  contributors(piece: number): Int32Array {
    const open = this.#ledger.find(piece);
    if (open === undefined) return new Int32Array(0);
    return open.owner.map((peerId, block) => (open.state[block] === STORED ? peerId : -1));
  }

  /** The torrent pauses: every half-filled segment is dropped and its slot released. Call after all peers are removed. */
  releaseSlots(): void {
    this.#ledger.evictAll();
  }

  // --- Figures --------------------------------------------------------------------------------------------------

  /** Pieces of priority above 0. */
  get wantedCount(): number {
    return this.#needs.wantedCount;
  }

  /** Of these: not verified. */
  get neededCount(): number {
    return this.#needs.neededCount;
  }

  get wantedBytes(): number {
    return this.#needs.wantedBytes;
  }

  get neededBytes(): number {
    return this.#needs.neededBytes;
  }

  /** All that is wanted is verified. */
  get isComplete(): boolean {
    return this.#needs.neededCount === 0;
  }

  /** Every block that anybody could send is requested or stored, and something is still missing. */
  get inEndgame(): boolean {
    return !this.isComplete && this.#requests.isAllRequested;
  }

  /** Pieces with requests or data, in order of opening. A copy. */
  openPieces(): number[] {
    return Array.from(this.#ledger.openPieces(), (open) => open.piece);
  }

  /** Slots of half-filled segments. */
  get heldSlots(): number {
    return this.#ledger.slots.held;
  }

  /** Peers that have it, complete ones included. */
  availabilityOf(piece: number): number {
    return this.#order.availabilityOf(piece);
  }

  pieceFacts(): PieceFacts {
    return { pieceAvailability: this.#order.availabilityBytes(), isSequential: this.#sequential.isOn };
  }

  /** Full copies among the peers plus the share of pieces beyond the rarest: 1.4 = every piece once, 40 % twice or more. */
  get distributedCopies(): number {
    return this.#order.distributedCopies;
  }

  get counters(): PickerCounters {
    return {
      duplicateRequests: this.#requests.duplicateRequests,
      evictedBlocks: this.#ledger.evictedBlocks,
      duplicateClaims: this.#duplicateClaims,
      unrequestedClaims: this.#unrequestedClaims,
    };
  }

  /** Blocks of a piece as a picture, for tests and logs: `.` free, `?` requested, `#` stored; empty when not open. */
  drawPiece(piece: number): string {
    return Array.from(this.#ledger.find(piece)?.state ?? [], (state) => '.?#'[state]).join('');
  }

  /** Throws InvariantError when the books do not balance. For tests: O(pieces). */
  checkInvariants(): void {
    this.#order.checkInvariants();
    checkLedger(this.#ledger);
    for (let piece = 0; piece < this.#layout.pieceCount; piece++) {
      const isOpen = this.#ledger.find(piece) !== undefined;
      const isWaiting = this.#order.waiting.has(piece);
      invariant(isWaiting === (this.isNeeded(piece) && !isOpen), `piece ${piece}: waits wrongly`);
      invariant(!isOpen || !this.have.has(piece), `piece ${piece} is open and verified`);
    }
    invariant(this.#needs.isSame(this.#countNeeds()), 'wanted or needed miscounted');
  }

  #countNeeds(): Needs {
    const needs = new Needs();
    for (let piece = 0; piece < this.#layout.pieceCount; piece++) {
      const size = this.#layout.pieceSize(piece);
      if (this.priorityOf(piece) > 0) needs.addWanted(1, size);
      if (this.isNeeded(piece)) needs.addNeeded(1, size);
    }
    return needs;
  }

  /** After any change of what is wanted or verified. @returns whether the need of this piece changed */
  #settle(piece: number, wasNeeded: boolean): boolean {
    const isNeeded = this.isNeeded(piece);
    const open = this.#ledger.find(piece);
    if (open === undefined) this.#order.setWaiting(piece, isNeeded);
    else this.#ledger.setUnwanted(open, this.priorityOf(piece) === 0);
    if (isNeeded === wasNeeded) return false;
    this.#needs.addNeeded(isNeeded ? 1 : -1, this.#layout.pieceSize(piece));
    if (isNeeded) this.#sequential.noteMissing(piece);
    return true;
  }
}

function checkPriority(priority: number): number {
  invariant(Number.isInteger(priority) && priority >= 0 && priority <= MAX_PRIORITY, `priority ${priority}`);
  return priority;
}
