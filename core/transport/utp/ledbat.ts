// How much may be in flight (BEP 29, RFC 6817 LEDBAT): as much as fills the path, but only so much queue as nobody else minds.
// From LEDBAT++ (draft-irtf-iccrg-ledbat-plus-plus) come two things: queues above the target shrink the window in proportion,
// and now and then a flow all but stops for two round trips, so that a latecomer sees the empty path too and both share alike.

/** BEP 29: queueing delay that is aimed at. */
const TARGET_MS = 100;
/** At most so much more in flight per round trip outside of slow start (libutp, libtorrent: 3,000 bytes). */
const GAIN_BYTES = 3_000;
/** Slow start ends when the queue has grown to this share of the target: one more doubling would overshoot. */
const SLOW_START_SHARE = 0.5;
const FIRST_PACKETS = 4;
const MIN_PACKETS = 2;
/** Growth beyond what was really in flight would be credit for nothing (RFC 6817 ALLOWED_INCREASE). */
const UNUSED_PACKETS = 2;
/** LEDBAT++: two round trips of slowdown, then nine times as long without as it took to come back. */
const SLOWDOWN_ROUNDS = 2;
const SLOWDOWN_PAUSE = 9;
/** Not in LEDBAT++: the window comes back to this share only. At the target nothing else makes unequal flows equal. */
const SLOWDOWN_SHARE = 0.75;
const MAX_WINDOW_BYTES = 64 << 20;

export interface AckFacts {
  readonly ackedBytes: number;
  /** Before this ack. */
  readonly flightBytes: number;
  readonly queueMs: number;
  readonly packetBytes: number;
  /** Smoothed round trip. */
  readonly roundTripMs: number;
  readonly nowMs: number;
}

type Phase = 'slow-start' | 'steady' | 'slowdown';

export class Ledbat {
  #window: number;
  #threshold = MAX_WINDOW_BYTES;
  #phase: Phase = 'slow-start';
  #slowdownAtMs = Number.POSITIVE_INFINITY;
  #slowdownEndsMs = 0;
  /** The ramp after a slowdown ends when the window is back; then the next slowdown is planned. */
  #rampSinceMs: number | undefined;

  constructor(packetBytes: number) {
    this.#window = FIRST_PACKETS * packetBytes;
  }

  /** Bytes of payload that may be in flight. */
  get windowBytes(): number {
    return this.#window;
  }

  handleAck(facts: AckFacts): void {
    const { nowMs, packetBytes, roundTripMs } = facts;
    if (this.#phase === 'slowdown') {
      if (nowMs < this.#slowdownEndsMs) return;
      this.#phase = 'slow-start';
    } else if (nowMs >= this.#slowdownAtMs) {
      this.#slowDown(nowMs, packetBytes, roundTripMs);
      return;
    }
    const isSaturated = facts.flightBytes + packetBytes >= this.#window;
    const above = facts.queueMs / TARGET_MS - 1;
    if (this.#phase === 'slow-start') this.#grow(facts, isSaturated);
    else if (above > 0) this.#window -= facts.ackedBytes * Math.min(0.5, above);
    else if (isSaturated) {
      const gain = Math.max(GAIN_BYTES, packetBytes);
      this.#window += (gain * -above * facts.ackedBytes) / this.#window;
    }
    const most = Math.max(this.#window - facts.ackedBytes, facts.flightBytes + UNUSED_PACKETS * packetBytes);
    if (isSaturated) this.#window = Math.min(this.#window, Math.max(most, facts.flightBytes * 2));
    this.#clamp(packetBytes);
  }

  /** Once per window of packets, however many of it were lost. */
  handleLoss(packetBytes: number, facts: { readonly nowMs: number; readonly roundTripMs: number }): void {
    this.#window /= 2;
    this.#clamp(packetBytes);
    this.#threshold = this.#window;
    if (this.#phase === 'slow-start') this.#settle(facts.nowMs, facts.roundTripMs);
  }

  /** Nothing was heard for a whole time-out. */
  handleTimeout(packetBytes: number): void {
    this.#threshold = Math.max(this.#window / 2, MIN_PACKETS * packetBytes);
    this.#window = packetBytes;
    this.#phase = 'slow-start';
  }

  /** After a pause what was known of the path is old: begin with less, and quickly find out. */
  handleIdle(packetBytes: number): void {
    if (this.#window <= FIRST_PACKETS * packetBytes) return;
    this.#threshold = this.#window;
    this.#window = Math.max(this.#window / 2, FIRST_PACKETS * packetBytes);
    this.#phase = 'slow-start';
  }

  #grow(facts: AckFacts, isSaturated: boolean): void {
    if (facts.queueMs > TARGET_MS * SLOW_START_SHARE) {
      this.#threshold = this.#window;
      this.#settle(facts.nowMs, facts.roundTripMs);
      return;
    }
    if (!isSaturated) return;
    this.#window += facts.ackedBytes;
    if (this.#window < this.#threshold) return;
    this.#window = Math.max(this.#threshold, MIN_PACKETS * facts.packetBytes);
    this.#settle(facts.nowMs, facts.roundTripMs);
  }

  #settle(nowMs: number, roundTripMs: number): void {
    this.#phase = 'steady';
    if (this.#rampSinceMs !== undefined) {
      this.#slowdownAtMs = nowMs + SLOWDOWN_PAUSE * (nowMs - this.#rampSinceMs);
      this.#rampSinceMs = undefined;
    } else if (this.#slowdownAtMs === Number.POSITIVE_INFINITY) {
      this.#slowdownAtMs = nowMs + SLOWDOWN_ROUNDS * roundTripMs;
    }
  }

  #slowDown(nowMs: number, packetBytes: number, roundTripMs: number): void {
    this.#phase = 'slowdown';
    this.#threshold = Math.max(this.#window * SLOWDOWN_SHARE, MIN_PACKETS * packetBytes);
    this.#window = MIN_PACKETS * packetBytes;
    this.#slowdownEndsMs = nowMs + SLOWDOWN_ROUNDS * roundTripMs;
    this.#slowdownAtMs = Number.POSITIVE_INFINITY;
    this.#rampSinceMs = nowMs;
  }

  #clamp(packetBytes: number): void {
    this.#window = Math.min(MAX_WINDOW_BYTES, Math.max(MIN_PACKETS * packetBytes, this.#window));
  }
}
