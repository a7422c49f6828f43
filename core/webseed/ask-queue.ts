// The bytes that a web seed is asked for, in the order of asking, as runs without gaps: what has come, what is asked of the server, what is
// not yet. Invariant: bytes before the arrival cursor are gone; the send cursor is never behind the arrival cursor. Pure.

interface Run {
  /** Offsets in the torrent; `at` moves as bytes arrive. */
  at: number;
  end: number;
}

export class AskQueue {
  readonly #runs: Run[] = [];
  /** Where the next request begins: a run, and a place in it. */
  #sendRun = 0;
  #sendAt = 0;
  /** First bytes of the blocks that somebody waits for. */
  readonly #owed = new Set<number>();

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  /** Blocks somebody waits for. */
  get owedCount(): number {
    return this.#owed.size;
  }

  /** The byte that arrives next; undefined when none is awaited. */
  get arrivalAt(): number | undefined {
    return this.#runs[0]?.at;
  }

  /** @returns false when it is asked for already */
  add(offset: number, length: number): boolean {
    if (this.#owed.has(offset)) return false;
    this.#owed.add(offset);
    const last = this.#runs.at(-1);
    // Of a run that is asked for whole, no more is asked.
    if (last?.end === offset && this.#sendRun < this.#runs.length) last.end += length;
    else {
      this.#runs.push({ at: offset, end: offset + length });
      if (this.#sendRun === this.#runs.length - 1) this.#sendAt = offset;
    }
    return true;
  }

  /** Nobody waits for this block any more. What is not asked of the server yet is not asked at all. */
  cancel(offset: number, length: number): void {
    if (!this.#owed.delete(offset)) return;
    const end = offset + length;
    const index = this.#runs.findIndex((run) => run.at <= offset && end <= run.end);
    const run = this.#runs[index];
    if (run === undefined || index < this.#sendRun) return;
    if (index === this.#sendRun && offset < this.#sendAt) return;
    const rest: Run[] = [];
    if (run.at < offset) rest.push({ at: run.at, end: offset });
    if (end < run.end) rest.push({ at: end, end: run.end });
    this.#runs.splice(index, 1, ...rest);
    if (index !== this.#sendRun) return;
    // What was sent of this run lies before the block.
    if (rest[0]?.end === offset && this.#sendAt === offset) this.#sendRun++;
    if (this.#sendAt === offset) this.#sendAt = this.#runs[this.#sendRun]?.at ?? 0;
  }

  /** A block is here, or is skipped. */
  settle(offset: number): void {
    this.#owed.delete(offset);
  }

  /** What to ask for next: [at, end) without a gap; undefined when all is asked. */
  unsent(): { readonly at: number; readonly end: number } | undefined {
    for (;;) {
      const run = this.#runs[this.#sendRun];
      if (run === undefined) return undefined;
      if (this.#sendAt < run.end) return { at: this.#sendAt, end: run.end };
      this.#sendRun++;
      this.#sendAt = this.#runs[this.#sendRun]?.at ?? 0;
    }
  }

  /** The next bytes of `unsent` are on their way. */
  noteSent(bytes: number): void {
    this.#sendAt += bytes;
  }

  /** So many bytes have arrived; at most `arrivalLeft`. */
  noteArrived(bytes: number): void {
    const run = this.#runs[0] as Run;
    run.at += bytes;
    if (this.#sendRun === 0 && this.#sendAt < run.at) this.#sendAt = run.at;
    this.#closeFirst();
  }

  /** The first run may be over; called again when more could have been added to it. */
  #closeFirst(): void {
    const run = this.#runs[0];
    if (run === undefined || run.at < run.end) return;
    this.#runs.shift();
    if (this.#sendRun > 0) this.#sendRun--;
    else this.#sendAt = this.#runs[0]?.at ?? 0;
  }

  /** Bytes that arrive without a gap. */
  get arrivalLeft(): number {
    const run = this.#runs[0];
    return run === undefined ? 0 : run.end - run.at;
  }

  /** What was asked of the server will not come: all of it is to be asked again. */
  rewind(): void {
    this.#sendRun = 0;
    this.#sendAt = this.#runs[0]?.at ?? 0;
  }

  /** Of what the server is to send, somebody waits for something. */
  get isSentOwed(): boolean {
    for (const offset of this.#owed) {
      const index = this.#runs.findIndex(({ at, end }) => offset < end && offset >= at);
      // The block that is arriving begins before its run's cursor.
      if (index < 0) return true;
      if (index < this.#sendRun || (index === this.#sendRun && offset < this.#sendAt)) return true;
    }
    return false;
  }

  /** What the server is to send is of no use: it is left out. */
  dropSent(): void {
    this.#runs.splice(0, this.#sendRun);
    this.#sendRun = 0;
    const run = this.#runs[0];
    if (run !== undefined) run.at = Math.max(run.at, this.#sendAt);
    if (run !== undefined && run.at === run.end) this.#runs.shift();
    this.#sendAt = this.#runs[0]?.at ?? 0;
  }

  clear(): void {
    this.#runs.length = 0;
    this.#owed.clear();
    this.rewind();
  }
}
