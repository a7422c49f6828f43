// When a monitor's crawls for newcomers looked: what tells that somebody found for the first time has come since. One crawl misses
// about 1 % of the nodes that are there, as many as come in ten minutes, so that being missed once is no sign of absence.
export interface ScanState {
  /** Middle of the last crawl that is done; undefined when none is. */
  readonly lastMs: number | undefined;
  /** The same, once two are done that found nobody new there. */
  readonly absentMs: number | undefined;
}

export class ScanHistory {
  #begunMs = 0;
  #sumMs = 0;
  #found = 0;
  #lastMs: number | undefined;
  #absentMs: number | undefined;

  get state(): ScanState {
    return { lastMs: this.#lastMs, absentMs: this.#absentMs };
  }

  /** Whoever is found now and was not known was absent then; undefined while nobody can say. */
  get absentMs(): number | undefined {
    return this.#absentMs;
  }

  restore({ lastMs, absentMs }: ScanState): void {
    this.#lastMs = lastMs;
    this.#absentMs = absentMs;
  }

  begin(nowMs: number): void {
    this.#begunMs = nowMs;
    this.#sumMs = 0;
    this.#found = 0;
  }

  /** A node of the zone answered. */
  found(nowMs: number): void {
    this.#sumMs += nowMs;
    this.#found++;
  }

  /**
   * The crawl is done. It came to each node at another moment, and who came after that moment was not found: on average it looked
   * when it found the others.
   */
  end(): void {
    const middleMs = this.#found === 0 ? this.#begunMs : this.#sumMs / this.#found;
    this.#absentMs = this.#lastMs === undefined ? undefined : middleMs;
    this.#lastMs = middleMs;
  }

  /** Nobody looked for a while: crawls before that tell nothing. */
  forget(): void {
    this.#lastMs = undefined;
    this.#absentMs = undefined;
  }

  /** When to begin the next: the second follows the first at once, or else it takes twice as long until newcomers are known. */
  nextMs(rescanMs: number): number {
    return this.#absentMs === undefined ? Number.NEGATIVE_INFINITY : this.#absentMs + rescanMs;
  }
}
