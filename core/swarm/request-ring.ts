// Our requests to one peer that have no answer yet, oldest first. Answers come nearly always in order, so a hit is at the
// head. Invariant: a block appears at most once. A ring that grows to its bound and allocates nothing after.

const INITIAL_CAPACITY = 64;

export class RequestRing {
  #pieces = new Int32Array(INITIAL_CAPACITY);
  #blocks = new Int32Array(INITIAL_CAPACITY);
  #sentAtMs = new Float64Array(INITIAL_CAPACITY);
  /** 1: given up, so that others may have the block; a late answer still counts. */
  #lapsed = new Uint8Array(INITIAL_CAPACITY);
  /** In which order they were asked for. */
  #sequence = new Float64Array(INITIAL_CAPACITY);
  #nextSequence = 0;
  /** The youngest request that was answered by its block. */
  #answeredSequence = -1;
  #head = 0;
  #count = 0;
  #lapsedCount = 0;

  get size(): number {
    return this.#count;
  }

  /** Requests that we still wait for. */
  get activeCount(): number {
    return this.#count - this.#lapsedCount;
  }

  get lapsedCount(): number {
    return this.#lapsedCount;
  }

  push(piece: number, block: number, nowMs: number): void {
    if (this.#count === this.#pieces.length) this.#grow();
    const at = this.#place(this.#count);
    this.#pieces[at] = piece;
    this.#blocks[at] = block;
    this.#sentAtMs[at] = nowMs;
    this.#lapsed[at] = 0;
    this.#sequence[at] = this.#nextSequence++;
    this.#count++;
  }

  /** @returns an index for the methods below, 0 = oldest; -1 when it is not there. Valid until the next change. */
  find(piece: number, block: number): number {
    const mask = this.#pieces.length - 1;
    for (let i = 0; i < this.#count; i++) {
      const at = (this.#head + i) & mask;
      if (this.#blocks[at] === block && this.#pieces[at] === piece) return i;
    }
    return -1;
  }

  pieceAt(index: number): number {
    return this.#pieces[this.#place(index)] as number;
  }

  blockAt(index: number): number {
    return this.#blocks[this.#place(index)] as number;
  }

  sentAtMsAt(index: number): number {
    return this.#sentAtMs[this.#place(index)] as number;
  }

  isLapsedAt(index: number): boolean {
    return this.#lapsed[this.#place(index)] === 1;
  }

  lapse(index: number): void {
    const at = this.#place(index);
    if (this.#lapsed[at] === 1) return;
    this.#lapsed[at] = 1;
    this.#lapsedCount++;
  }

  /** A lapsed request is waited for again. */
  renew(index: number): void {
    const at = this.#place(index);
    if (this.#lapsed[at] === 0) return;
    this.#lapsed[at] = 0;
    this.#lapsedCount--;
  }

  /** Its block came. */
  answerAt(index: number): void {
    this.#answeredSequence = Math.max(this.#answeredSequence, this.#sequence[this.#place(index)] as number);
    this.removeAt(index);
  }

  /** Lapsed requests that the peer passed over, because it answered later ones: they are lost, not late. */
  forgetPassedOver(): void {
    for (let i = 0; i < this.#count && this.#lapsedCount > 0; ) {
      const at = this.#place(i);
      if ((this.#sequence[at] as number) > this.#answeredSequence) return;
      if (this.#lapsed[at] === 1) this.removeAt(i);
      else i++;
    }
  }

  removeAt(index: number): void {
    if (this.#lapsed[this.#place(index)] === 1) this.#lapsedCount--;
    this.#count--;
    if (index === 0) {
      this.#head = (this.#head + 1) & (this.#pieces.length - 1);
      return;
    }
    for (let i = index; i < this.#count; i++) this.#copy(this.#place(i + 1), this.#place(i));
  }

  clear(): void {
    this.#head = 0;
    this.#count = 0;
    this.#lapsedCount = 0;
  }

  #place(index: number): number {
    return (this.#head + index) & (this.#pieces.length - 1);
  }

  #copy(from: number, to: number): void {
    this.#pieces[to] = this.#pieces[from] as number;
    this.#blocks[to] = this.#blocks[from] as number;
    this.#sentAtMs[to] = this.#sentAtMs[from] as number;
    this.#lapsed[to] = this.#lapsed[from] as number;
    this.#sequence[to] = this.#sequence[from] as number;
  }

  #grow(): void {
    const old = this.#pieces.length;
    const rotate = <T extends Int32Array | Float64Array | Uint8Array>(from: T, to: T): T => {
      to.set(from.subarray(this.#head), 0);
      to.set(from.subarray(0, this.#head), old - this.#head);
      return to;
    };
    this.#pieces = rotate(this.#pieces, new Int32Array(old * 2));
    this.#blocks = rotate(this.#blocks, new Int32Array(old * 2));
    this.#sentAtMs = rotate(this.#sentAtMs, new Float64Array(old * 2));
    this.#lapsed = rotate(this.#lapsed, new Uint8Array(old * 2));
    this.#sequence = rotate(this.#sequence, new Float64Array(old * 2));
    this.#head = 0;
  }
}
