// How many requests to keep at one peer, and when it is late. Depth = rate x (round trip + 1 s), at most doubled a round;
// lateness = mean + 4 deviations of the gap between blocks. No timers: fed by blocks.
import { BLOCK_BYTES } from '../metainfo/layout.ts';

/** Enough for 5 MB/s at 100 ms from the start; half a MiB lost to a peer that turns out slow. */
export const INITIAL_DEPTH = 32;
export const MIN_DEPTH = 4;
/** Peers that tell no `reqq`, and all whose line holds no more: 8 MB. */
export const USUAL_MAX_DEPTH = 500;
/** Peers that tell as much, on long fat lines only: 32 MB, two thirds of all buffers. libtorrent keeps 2000 for others. */
export const MAX_DEPTH = 2000;
/** A line's own content (rate x round trip), and half of it again to ride out its jitter. */
const LINE_FACTOR = 1.5;
/** Beyond the round trip: a sender that pauses this long (disk, other peers) still finds work when it returns. */
const RESERVE_MS = 1000;
/** A rate over less is noise; also the pace at which depth follows the rate. */
const MIN_MEASURE_MS = 250;
/** Weight of the newest measurement. */
const RATE_GAIN = 0.5;
/** RFC 6298's gains for mean and deviation. */
const MEAN_GAIN = 1 / 8;
const DEVIATION_GAIN = 1 / 4;
const MIN_TIMEOUT_MS = 2000;
const MAX_TIMEOUT_MS = 60_000;
/** Before the first block: slow starters are common (a seek, a full line), dead peers less so. */
const FIRST_TIMEOUT_MS = 10_000;

/** How deep a pipeline may be, and how far ahead of the line it is filled. */
export interface Pace {
  readonly initialDepth: number;
  readonly minDepth: number;
  readonly maxDepth: number;
  readonly reserveMs: number;
  /** More is asked for when no more than this share of the depth is under way. */
  readonly refillBelow: number;
}

export const PEER_PACE: Pace = {
  initialDepth: INITIAL_DEPTH,
  minDepth: MIN_DEPTH,
  maxDepth: USUAL_MAX_DEPTH,
  reserveMs: RESERVE_MS,
  // Batches of a quarter: picking in one go is cheaper, and nobody runs dry.
  refillBelow: 0.75,
};

/**
 * A web seed's: every refill is a request in the server's log, so they are few and long (BEP 19). 2 MiB at first and at least 1 MiB,
 * for ever so slow a server; 8 MiB, an eighth of all buffers, for a fast one; in between what 4 s bring.
 */
export const WEB_PACE: Pace = {
  initialDepth: 128,
  minDepth: 64,
  maxDepth: USUAL_MAX_DEPTH,
  reserveMs: 4000,
  refillBelow: 0.5,
};

export class Pipeline {
  readonly pace: Pace;
  #limit: number;
  #depth: number;
  #isSlowStart = true;
  /** Smallest time between a request and its block. */
  #roundTripMs = Number.POSITIVE_INFINITY;
  #rateBytesPerSec = 0;
  #measuredBytes = 0;
  #measureStartMs = -1;
  #gapMeanMs = -1;
  #gapDeviationMs = 0;
  /** When a block came last, or the first request of an empty queue went out. */
  #lastProgressMs = 0;
  /** Silent past its deadline, and no block since. */
  #isStalled = false;
  #lastRequestMs = 0;

  constructor(pace: Pace = PEER_PACE) {
    this.pace = pace;
    this.#limit = pace.maxDepth;
    this.#depth = pace.initialDepth;
  }

  /** How many requests should be outstanding. */
  get depth(): number {
    return this.#isStalled ? 1 : this.#depth;
  }

  get isStalled(): boolean {
    return this.#isStalled;
  }

  get roundTripMs(): number {
    return this.#roundTripMs;
  }

  /** Payload, as this pipeline measures it: quick to follow, for decisions here only. */
  get rateBytesPerSec(): number {
    return this.#rateBytesPerSec;
  }

  get isSlowStart(): boolean {
    return this.#isSlowStart;
  }

  /**
   * The peer said how many it keeps (BEP 10 `reqq`). One fewer is asked for: Transmission refuses the one that would fill
   * its queue, and tells so up to 10 s later.
   */
  setLimit(requests: number): void {
    this.#limit = Math.max(1, Math.min(requests - 1, MAX_DEPTH));
    this.#depth = Math.min(this.#depth, this.#limit);
  }

  /** A request goes out; `outstanding` before it. */
  noteRequest(outstanding: number, nowMs: number): void {
    this.#lastRequestMs = nowMs;
    if (outstanding > 0 || this.#isStalled) return;
    this.#lastProgressMs = nowMs;
    this.#measureStartMs = nowMs;
    this.#measuredBytes = 0;
  }

  /** @param sentAtMs when it was asked for; undefined when that is forgotten: it tells nothing of latency then */
  noteBlock(bytes: number, sentAtMs: number | undefined, nowMs: number): void {
    if (sentAtMs !== undefined) {
      this.#roundTripMs = Math.min(this.#roundTripMs, nowMs - sentAtMs);
      this.#noteGap(nowMs - Math.max(sentAtMs, this.#lastProgressMs));
    }
    this.#lastProgressMs = nowMs;
    this.#isStalled = false;
    this.#measuredBytes += bytes;
    const spanMs = nowMs - this.#measureStartMs;
    // In slow start a round lasts as long as the queue that was asked for, but no longer than shows a slow peer.
    const isRoundOver = this.#isSlowStart
      ? this.#measuredBytes >= this.#depth * BLOCK_BYTES || spanMs > this.#roundTripMs + RESERVE_MS
      : spanMs >= Math.max(MIN_MEASURE_MS, this.#roundTripMs);
    if (isRoundOver) this.#endRound(Math.max(spanMs, 1), nowMs);
  }

  /** Payload came that was asked for, though no longer needed. */
  noteSignOfLife(nowMs: number): void {
    this.#lastProgressMs = nowMs;
    this.#isStalled = false;
  }

  noteUnchoke(): void {
    this.#isStalled = false;
  }

  /** Clock time at which silence becomes a timeout, given that something is outstanding. */
  get deadlineMs(): number {
    return (this.#isStalled ? this.#lastRequestMs : this.#lastProgressMs) + this.timeoutMs;
  }

  get timeoutMs(): number {
    if (this.#gapMeanMs < 0) return FIRST_TIMEOUT_MS;
    const timeoutMs = this.#gapMeanMs + 4 * this.#gapDeviationMs;
    return Math.min(MAX_TIMEOUT_MS, Math.max(MIN_TIMEOUT_MS, timeoutMs));
  }

  get lastRequestMs(): number {
    return this.#lastRequestMs;
  }

  get lastProgressMs(): number {
    return this.#lastProgressMs;
  }

  /** It went silent: whatever it was good for before, begin low again. */
  noteStall(nowMs: number): void {
    this.#isStalled = true;
    this.#depth = Math.min(this.#limit, this.pace.minDepth);
    this.#isSlowStart = true;
    this.#rateBytesPerSec = 0;
    this.#measuredBytes = 0;
    this.#measureStartMs = nowMs;
  }

  #noteGap(gapMs: number): void {
    if (this.#gapMeanMs < 0) {
      this.#gapMeanMs = gapMs;
      this.#gapDeviationMs = gapMs / 2;
      return;
    }
    const error = gapMs - this.#gapMeanMs;
    this.#gapMeanMs += MEAN_GAIN * error;
    this.#gapDeviationMs += DEVIATION_GAIN * (Math.abs(error) - this.#gapDeviationMs);
  }

  #endRound(spanMs: number, nowMs: number): void {
    const rate = (this.#measuredBytes * 1000) / spanMs;
    this.#measuredBytes = 0;
    this.#measureStartMs = nowMs;
    if (!this.#isSlowStart) {
      this.#rateBytesPerSec += RATE_GAIN * (rate - this.#rateBytesPerSec);
      this.#depth = this.#boundedDepth();
      return;
    }
    this.#rateBytesPerSec = rate;
    const due = this.#boundedDepth();
    // While the depth is what limits the rate, the formula asks for more than there is; else the rate has stopped growing.
    this.#isSlowStart = due > this.#depth;
    this.#depth = Math.min(due, 2 * this.#depth);
  }

  #boundedDepth(): number {
    const blocksPerMs = this.#rateBytesPerSec / 1000 / BLOCK_BYTES;
    const roundTripMs = Math.min(this.#roundTripMs, MAX_TIMEOUT_MS);
    const { maxDepth, minDepth, reserveMs } = this.pace;
    const usual = Math.min(maxDepth, blocksPerMs * (roundTripMs + reserveMs));
    const depth = Math.ceil(Math.max(usual, blocksPerMs * roundTripMs * LINE_FACTOR));
    return Math.min(this.#limit, Math.max(minDepth, depth));
  }
}
