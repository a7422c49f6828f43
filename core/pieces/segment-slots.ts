// Takes slots of the pool for segments and gives them back. Owns the count of what is held and the share of the slow.
import { NONE, type OpenPiece } from './open-piece.ts';

/** Bounded buffers that hold a segment until it is hashed and written. Full = the back-pressure of the whole engine. */
export interface SlotPool {
  /** @returns a slot number, or -1 when every buffer is in use */
  acquire(): number;
  release(slot: number): void;
}

export class SegmentSlots {
  readonly #pool: SlotPool;
  readonly #maxSlow: number;
  /** Whether there are faster peers, for whom the slow must leave some. */
  isRationed = false;
  #held = 0;
  #slow = 0;

  constructor(pool: SlotPool, maxSlow: number) {
    this.#pool = pool;
    this.#maxSlow = maxSlow;
  }

  get held(): number {
    return this.#held;
  }

  /** Of these: taken for slow peers. */
  get slow(): number {
    return this.#slow;
  }

  /** @returns whether the segment holds a slot now */
  ensure(open: OpenPiece, segment: number, isSlowPeer: boolean): boolean {
    if (open.slots[segment] !== NONE) return true;
    if (isSlowPeer && this.isRationed && this.#slow >= this.#maxSlow) return false;
    const slot = this.#pool.acquire();
    if (slot < 0) return false;
    open.slots[segment] = slot;
    open.isSlowSegment[segment] = isSlowPeer;
    if (isSlowPeer) this.#slow++;
    this.#held++;
    return true;
  }

  /** The storage takes it over. */
  handOver(open: OpenPiece, segment: number): number {
    const slot = open.slots[segment] as number;
    open.slots[segment] = NONE;
    if (open.isSlowSegment[segment]) this.#slow--;
    open.isSlowSegment[segment] = false;
    this.#held--;
    return slot;
  }

  release(open: OpenPiece, segment: number): void {
    if (open.slots[segment] !== NONE) this.#pool.release(this.handOver(open, segment));
  }

  releaseAll(open: OpenPiece): void {
    for (let segment = 0; segment < open.segmentCount; segment++) this.release(open, segment);
  }
}
