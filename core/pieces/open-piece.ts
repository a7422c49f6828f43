// The blocks of one piece that has requests or data: who is asked, who sent, and in which slot each segment lies.
// Invariant: a segment holds a slot exactly while some of its blocks, but not all, are stored, or any is requested.
import { invariant } from '../base/result.ts';

export const FREE = 0;
export const REQUESTED = 1;
export const STORED = 2;

/** No peer, no slot, no block. */
export const NONE = -1;

export class OpenPiece {
  readonly piece: number;
  readonly blockCount: number;
  /** Blocks in every segment but perhaps the last. */
  readonly segmentBlocks: number;
  readonly segmentCount: number;
  readonly state: Uint8Array;
  /** REQUESTED: the first peer asked. STORED: the sender. */
  readonly owner: Int32Array;
  /** REQUESTED: when it was last asked of somebody. */
  readonly requestedAtMs: Float64Array;
  /** NONE: not begun, or handed to the storage. */
  readonly slots: number[];
  /** Whether the slot was taken for a slow peer. */
  readonly isSlowSegment: boolean[];
  readonly segmentFree: number[];
  readonly segmentStored: number[];
  free: number;
  stored = 0;
  /** The peer that means to take the rest of it. */
  lead = NONE;
  /** A peer on parole: nobody else may send a block. */
  exclusive = NONE;
  /** Priority fell to 0: no further requests. */
  isUnwanted = false;
  /** Place in the ledger's list of pieces with free blocks, or NONE. */
  freeListIndex = NONE;
  /** The pick that found no slot for it. */
  skippedByPick = 0;
  /** When a block was last requested or stored. */
  lastActivityMs: number;
  /** No free block below. */
  #firstFree = 0;
  /** Second and further peers asked, by block. */
  readonly #others = new Map<number, number[]>();

  constructor(options: { piece: number; blockCount: number; segmentBlocks: number; nowMs: number }) {
    const { blockCount } = options;
    this.piece = options.piece;
    this.blockCount = blockCount;
    this.segmentBlocks = Math.min(options.segmentBlocks, blockCount);
    this.segmentCount = Math.ceil(blockCount / this.segmentBlocks);
    this.state = new Uint8Array(blockCount);
    this.owner = new Int32Array(blockCount).fill(NONE);
    this.requestedAtMs = new Float64Array(blockCount);
    // Plain arrays: a few elements each, and quicker made than typed ones.
    this.slots = new Array<number>(this.segmentCount).fill(NONE);
    this.isSlowSegment = new Array<boolean>(this.segmentCount).fill(false);
    this.segmentStored = new Array<number>(this.segmentCount).fill(0);
    this.segmentFree = new Array<number>(this.segmentCount).fill(this.segmentBlocks);
    this.segmentFree[this.segmentCount - 1] = this.blocksIn(this.segmentCount - 1);
    this.free = blockCount;
    this.lastActivityMs = options.nowMs;
  }

  segmentOf(block: number): number {
    return Math.floor(block / this.segmentBlocks);
  }

  blocksIn(segment: number): number {
    return Math.min(this.segmentBlocks, this.blockCount - segment * this.segmentBlocks);
  }

  /** Requested, not stored. */
  get outstanding(): number {
    return this.blockCount - this.free - this.stored;
  }

  get isFilled(): boolean {
    return this.stored === this.blockCount;
  }

  outstandingIn(segment: number): number {
    return (
      this.blocksIn(segment) - (this.segmentFree[segment] as number) - (this.segmentStored[segment] as number)
    );
  }

  isRequester(block: number, peerId: number): boolean {
    if (this.state[block] !== REQUESTED) return false;
    return this.owner[block] === peerId || this.#others.get(block)?.includes(peerId) === true;
  }

  requesterCount(block: number): number {
    return this.state[block] === REQUESTED ? 1 + (this.#others.get(block)?.length ?? 0) : 0;
  }

  visitRequesters(block: number, visit: (peerId: number) => void): void {
    if (this.state[block] !== REQUESTED) return;
    visit(this.owner[block] as number);
    for (const peerId of this.#others.get(block) ?? []) visit(peerId);
  }

  /** @returns the first free block at or after the hint kept here, or NONE */
  firstFree(): number {
    let block = this.#firstFree;
    while (block < this.blockCount && this.state[block] !== FREE) block++;
    this.#firstFree = block;
    return block < this.blockCount ? block : NONE;
  }

  /** @returns the first free block after `block` whose segment holds a slot, or NONE */
  nextFreeWithSlot(block: number): number {
    for (let at = block + 1; at < this.blockCount; at++) {
      if (this.state[at] === FREE && this.slots[this.segmentOf(at)] !== NONE) return at;
    }
    return NONE;
  }

  addRequester(block: number, peerId: number, nowMs: number): void {
    this.requestedAtMs[block] = nowMs;
    this.lastActivityMs = nowMs;
    if (this.state[block] === FREE) {
      this.state[block] = REQUESTED;
      this.owner[block] = peerId;
      this.free--;
      this.#shiftFree(block, -1);
      return;
    }
    const others = this.#others.get(block);
    if (others === undefined) this.#others.set(block, [peerId]);
    else others.push(peerId);
  }

  /** @returns whether the block is free now; the peer must be one of its requesters */
  dropRequester(block: number, peerId: number): boolean {
    const others = this.#others.get(block);
    if (this.owner[block] !== peerId) {
      const index = others?.indexOf(peerId) ?? NONE;
      invariant(others !== undefined && index !== NONE, 'dropped a requester that is none');
      others.splice(index, 1);
      if (others.length === 0) this.#others.delete(block);
      return false;
    }
    const heir = others?.shift();
    if (others?.length === 0) this.#others.delete(block);
    if (heir !== undefined) {
      this.owner[block] = heir;
      return false;
    }
    this.#makeFree(block);
    return true;
  }

  /** @param drop called for each other peer that was asked for it */
  store(block: number, sender: number, nowMs: number, drop: (peerId: number) => void): void {
    if (this.owner[block] !== sender) drop(this.owner[block] as number);
    for (const peerId of this.#others.get(block) ?? []) if (peerId !== sender) drop(peerId);
    this.#others.delete(block);
    this.state[block] = STORED;
    this.owner[block] = sender;
    this.stored++;
    const segment = this.segmentOf(block);
    this.segmentStored[segment] = (this.segmentStored[segment] as number) + 1;
    this.lastActivityMs = nowMs;
  }

  /** Stored blocks of a segment that nobody is asked for go back to free. @returns how many */
  forget(segment: number): number {
    let forgotten = 0;
    const begin = segment * this.segmentBlocks;
    for (let block = begin; block < begin + this.blocksIn(segment); block++) {
      if (this.state[block] !== STORED) continue;
      this.stored--;
      this.#makeFree(block);
      forgotten++;
    }
    this.segmentStored[segment] = 0;
    return forgotten;
  }

  #makeFree(block: number): void {
    this.state[block] = FREE;
    this.owner[block] = NONE;
    this.free++;
    this.#shiftFree(block, 1);
    if (block < this.#firstFree) this.#firstFree = block;
  }

  #shiftFree(block: number, by: 1 | -1): void {
    const segment = this.segmentOf(block);
    this.segmentFree[segment] = (this.segmentFree[segment] as number) + by;
  }

  /** For tests. */
  checkInvariants(): void {
    let free = 0;
    let stored = 0;
    for (let segment = 0; segment < this.segmentCount; segment++) {
      let freeHere = 0;
      let storedHere = 0;
      const begin = segment * this.segmentBlocks;
      for (let block = begin; block < begin + this.blocksIn(segment); block++) {
        const where = `piece ${this.piece} block ${block}`;
        if (this.state[block] === FREE) freeHere++;
        else invariant(this.owner[block] !== NONE, `${where} belongs to nobody`);
        if (this.state[block] === STORED) storedHere++;
        if (this.state[block] !== REQUESTED) invariant(!this.#others.has(block), `${where} has requesters`);
        if (this.state[block] === FREE)
          invariant(block >= this.#firstFree, `${where} is below the first free`);
        const asked: number[] = [];
        this.visitRequesters(block, (peerId) => asked.push(peerId));
        invariant(new Set(asked).size === asked.length, `${where} is asked twice of one peer`);
        if (this.exclusive !== NONE) {
          invariant(
            asked.every((peerId) => peerId === this.exclusive),
            `${where} is asked of a peer that may not touch it`,
          );
        }
      }
      invariant(this.segmentFree[segment] === freeHere, `piece ${this.piece}: free blocks miscounted`);
      invariant(this.segmentStored[segment] === storedHere, `piece ${this.piece}: stored blocks miscounted`);
      const isOpen = freeHere < this.blocksIn(segment) && storedHere < this.blocksIn(segment);
      invariant(
        (this.slots[segment] !== NONE) === isOpen,
        `piece ${this.piece} segment ${segment} ${isOpen ? 'lacks' : 'should not hold'} a slot`,
      );
      free += freeHere;
      stored += storedHere;
    }
    invariant(free === this.free && stored === this.stored, `piece ${this.piece}: totals wrong`);
    invariant(free < this.blockCount, `piece ${this.piece} is open without reason`);
  }
}
