// How often pictures of a session are taken: as often as a view asks for, but never so often that drawing them costs more than its share
// of a core. A huge terminal, a slow machine or a thousand peers make pictures rarer, not the download slower. Pure.

/** A picture that takes a millisecond is followed by no other for this many: 2 % of a core, where 3 % are promised. */
const LEAST_REST = 50;
/** Somebody looks at it. */
const MOST_INTERVAL_MS = 5_000;

export class PicturePace {
  private readonly intervalMs: number;
  /** Of the last picture; the first ones run cold code, and say nothing yet. */
  private lastTookMs = 0;

  constructor(intervalMs: number) {
    this.intervalMs = intervalMs;
  }

  /**
   * @param tookMs what the picture has cost that was taken just now
   * @returns ms from the beginning of that picture to the beginning of the next
   */
  nextInMs(tookMs: number): number {
    // One slow picture is chance: something else had the processor.
    const usualMs = Math.min(tookMs, this.lastTookMs);
    this.lastTookMs = tookMs;
    return Math.max(this.intervalMs, Math.min(usualMs * LEAST_REST, MOST_INTERVAL_MS));
  }
}
