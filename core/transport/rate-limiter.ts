// A token bucket shared by many connections: spend what moved, wait when overdrawn. Bytes, not packets.
import type { Clock } from '../base/clock.ts';

/** Longest stretch of unused allowance that may be saved up: short enough that a limit looks flat on any graph. */
const BURST_MS = 250;
/** The pause before waiters are let go again; also the granularity of the flow under a limit. */
const RELEASE_MS = 50;
/** Timers of Node overflow beyond 24 days; whoever is let go too early asks again. */
const MAX_WAIT_MS = 60_000;
/** A debt made at a high limit must not silence a low one for minutes. */
const MAX_DEBT_MS = 2_000;

export class RateLimiter {
  readonly #clock: Clock;
  #bytesPerSec = 0;
  #tokens = 0;
  #refilledAtMs: number;
  #waiters: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(clock: Clock, bytesPerSec = 0) {
    this.#clock = clock;
    this.#refilledAtMs = clock.nowMs();
    this.setLimit(bytesPerSec);
  }

  get bytesPerSec(): number {
    return this.#bytesPerSec;
  }

  /** @param bytesPerSec 0 = no limit */
  setLimit(bytesPerSec: number): void {
    this.#refill();
    this.#bytesPerSec = bytesPerSec;
    this.#tokens = Math.min(Math.max(this.#tokens, (-bytesPerSec * MAX_DEBT_MS) / 1000), this.#burst());
    // Who waits was told a time by the old limit.
    if (this.#waiters.length > 0) this.#arm();
  }

  /** Records bytes that moved; the account may go below zero by one read or block. */
  spend(bytes: number): void {
    if (this.#bytesPerSec !== 0) this.#tokens -= bytes;
  }

  /** Whether more may move now. */
  isOpen(): boolean {
    if (this.#bytesPerSec === 0) return true;
    this.#refill();
    return this.#tokens > 0;
  }

  /** Calls back once, when something may move again. Everybody waiting is let go together and asks again. */
  whenOpen(callback: () => void): void {
    if (this.#isClosed) return;
    this.#waiters.push(callback);
    if (this.#timer === undefined) this.#arm();
  }

  /** Nobody is called back any more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiters = [];
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#release();
      },
      Math.min(MAX_WAIT_MS, Math.max(RELEASE_MS, this.#msUntilOpen())),
    );
  }

  #release(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    // A different one goes first each time, so that none starves at a tight limit.
    if (waiters.length > 1) waiters.push(waiters.shift() as () => void);
    for (const waiter of waiters) waiter();
  }

  #msUntilOpen(): number {
    if (this.#bytesPerSec === 0 || this.#tokens > 0) return 0;
    return Math.ceil(((1 - this.#tokens) / this.#bytesPerSec) * 1000);
  }

  #burst(): number {
    return Math.max(16_384, (this.#bytesPerSec * BURST_MS) / 1000);
  }

  #refill(): void {
    const nowMs = this.#clock.nowMs();
    this.#tokens = Math.min(
      this.#burst(),
      this.#tokens + ((nowMs - this.#refilledAtMs) * this.#bytesPerSec) / 1000,
    );
    this.#refilledAtMs = nowMs;
  }
}
