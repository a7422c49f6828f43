// The piece picker: which blocks to ask of which peer. Random first, rarest first, endgame (BEP 3), suggest and allowed-fast (BEP 6).
// Invariant: a needed piece is either open (in the ledger) or waiting (in the order), never both; an open segment holds one slot.
import type { Bitfield } from '../base/bitfield.ts';
import type {
  Claim,
  PickerCounters,
  PickerOptions,
  PickerPeer,
  Receipt,
  SequentialWindow,
} from './picker-types.ts';

export class PiecePicker {
  constructor(options: PickerOptions) {
    void options;
  }

  // --- Availability: who has what -------------------------------------------------------------------------------

  /**
   * A peer's bitfield came (or its have-all). A full one costs O(1). The very same pieces must be taken back by
   * `removePeerPieces`: a peer that completes by single haves stays a peer whose pieces are counted one by one.
   */
  addPeerPieces(pieces: Bitfield): void {
    void pieces;
  }

  /**
   * @param pieces what the peer had when it left
   * @param joinedAsSeed whether `addPeerPieces` saw it full (or `addSeed` counted it)
   */
  removePeerPieces(pieces: Bitfield, joinedAsSeed: boolean): void {
    void pieces;
    void joinedAsSeed;
  }

  /** A `have`. Not for a piece the peer was known to have, nor for one that joined full. */
  addAvailability(piece: number): void {
    void piece;
  }
  removeAvailability(piece: number): void {
    void piece;
  }
  addSeed(): void {}
  removeSeed(): void {}

  // --- Wishes ---------------------------------------------------------------------------------------------------

  /**
   * @param priority 0 (never) to 7 (first), 4 is normal. An open piece that falls to 0 gets no more requests and is
   * dropped when the last one outstanding ends; see `visitRequests` to cancel them.
   * @returns whether `isNeeded(piece)` changed, so that interest in peers that have it must be adjusted
   */
  setPriority(piece: number, priority: number): boolean {
    void piece;
    void priority;
    return false;
  }
  priorityOf(piece: number): number {
    void piece;
    return 0;
  }

  /** Streaming on (also: seek), or off. */
  setSequential(window: SequentialWindow | undefined): void {
    void window;
  }

  // --- Interest -------------------------------------------------------------------------------------------------

  /**
   * Wanted and not verified. Keep a count per peer: start with `countNeeded(pieces)`; +1 at a have of a needed piece;
   * -1 for each peer that has a piece when it verifies; +-1 when `setPriority` or `markPieceLost` says so.
   * The peer is interesting while its count is above 0.
   */
  isNeeded(piece: number): boolean {
    void piece;
    return false;
  }

  /** O(1) for a full peer, else O(pieces / 8). */
  countNeeded(pieces: Bitfield): number {
    void pieces;
    return 0;
  }

  // --- Requests -------------------------------------------------------------------------------------------------

  /**
   * Chooses up to `wanted` blocks and books them as requested from this peer.
   * @param out receives (piece, block) pairs; at most out.length / PICK_STRIDE blocks
   * @returns how many blocks. Fewer than wanted: ask again after anything changed for this peer (unchoke, have), after
   *   another peer gave blocks back, or, when `lackedSlots` is set, after a slot was released.
   */
  pick(peer: PickerPeer, wanted: number, out: Int32Array, nowMs: number): number {
    void peer;
    void wanted;
    void out;
    void nowMs;
    return 0;
  }

  /** Whether the last `pick` could have given more had a slot been free. */
  get lackedSlots(): boolean {
    return false;
  }

  /** Blocks outstanding at this peer. */
  outstandingOf(peerId: number): number {
    void peerId;
    return 0;
  }

  /**
   * Timeout, reject or cancel of one request: others may take it. A block that is arriving right now stays with its peer.
   * @returns whether it was outstanding and is no longer
   */
  abandonBlock(peerId: number, piece: number, block: number): boolean {
    void peerId;
    void piece;
    void block;
    return false;
  }

  /** Choke or snub: all its requests, save the block arriving right now, are free for others. @returns how many */
  abandonPeer(peerId: number): number {
    void peerId;
    return 0;
  }

  /** It is gone: as `abandonPeer`, and a half-arrived block is given up too. Availability is separate. */
  removePeer(peerId: number): void {
    void peerId;
  }

  /** Who is asked for which blocks of this piece now. Do not call back into the picker from `visit`. */
  visitRequests(piece: number, visit: (peerId: number, block: number) => void): void {
    void piece;
    void visit;
  }

  // --- Data -----------------------------------------------------------------------------------------------------

  /**
   * The header of a `piece` message was read. A block asked for and then given up (choke, timeout) is still welcome
   * while it is missing. Any numbers are safe. One payload arrives per peer at a time: a new claim ends the last one.
   */
  claim(peerId: number, piece: number, begin: number, length: number, nowMs: number): Claim {
    void peerId;
    void piece;
    void begin;
    void length;
    void nowMs;
    throw new Error('unwritten');
  }

  /** The payload that `claim` called wanted is in its slot, whole. */
  receiveBlock(peerId: number, piece: number, block: number, nowMs: number): Receipt {
    void peerId;
    void piece;
    void block;
    void nowMs;
    throw new Error('unwritten');
  }

  /** The hash is right (or: found on disk). @returns false when it was verified before */
  markPieceVerified(piece: number): boolean {
    void piece;
    return false;
  }

  /**
   * The hash is wrong, or the storage lost some of it before it could be verified: all its blocks are missing again.
   * Ask `contributors` first. Slots handed over by `Receipt.filledSlot` remain the storage's.
   */
  markPieceFailed(piece: number): void {
    void piece;
  }

  /** A verified piece cannot be read any more (disk error on upload). @returns whether `isNeeded(piece)` changed */
  markPieceLost(piece: number): boolean {
    void piece;
    return false;
  }

  /** Peer id of the sender of each block, -1 where none is stored. A copy; empty when the piece is not open. */
  contributors(piece: number): Int32Array {
    void piece;
    return new Int32Array(0);
  }

  /** The torrent pauses: every half-filled segment is dropped and its slot released. Call after all peers are removed. */
  releaseSlots(): void {}

  // --- Figures --------------------------------------------------------------------------------------------------

  /** Verified pieces; read only. */
  get have(): Bitfield {
    throw new Error('unwritten');
  }
  /** Pieces of priority above 0. */
  get wantedCount(): number {
    return 0;
  }
  /** Of these: not verified. */
  get neededCount(): number {
    return 0;
  }
  get wantedBytes(): number {
    return 0;
  }
  get neededBytes(): number {
    return 0;
  }
  /** All that is wanted is verified. */
  get isComplete(): boolean {
    return this.neededCount === 0;
  }
  /** Every block that anybody could send is requested or stored, and something is still missing. */
  get inEndgame(): boolean {
    return false;
  }
  /** Pieces with requests or data, in order of opening. A copy. */
  openPieces(): number[] {
    return [];
  }
  /** Peers that have it, complete ones included. */
  availabilityOf(piece: number): number {
    void piece;
    return 0;
  }
  /** Full copies among the peers plus the share of pieces beyond the rarest: 1.4 = every piece once, 40 % twice or more. */
  get distributedCopies(): number {
    return 0;
  }
  get counters(): PickerCounters {
    throw new Error('unwritten');
  }

  /** Throws InvariantError when the books do not balance. For tests: O(pieces). */
  checkInvariants(): void {}
}
