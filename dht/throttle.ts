// Queries per address: a token bucket each, and a ban for floods. Bounded: two generations of addresses, the older of which
// is forgotten, so that a million senders cost what a few thousand do.
import type { HostKey } from './address.ts';
import type { LimitPolicy } from './options.ts';

/** libtorrent's window for floods. */
const WINDOW_MS = 10_000;
/** Bans are few: an attacker with more addresses than this is not stopped by bans. */
const MAX_BANS = 1024;

interface Meter {
  tokens: number;
  filledAtMs: number;
  windowAtMs: number;
  inWindow: number;
}

export class Throttle {
  readonly #policy: LimitPolicy;
  readonly #isOff: boolean;
  #young = new Map<HostKey, Meter>();
  #old = new Map<HostKey, Meter>();
  #turnAtMs = Number.NEGATIVE_INFINITY;
  readonly #bans = new Map<HostKey, number>();

  constructor(policy: LimitPolicy) {
    this.#policy = policy;
    this.#isOff = policy.perAddressPerSecond === Number.POSITIVE_INFINITY;
  }

  /** Addresses remembered, for tests of the bound. */
  get size(): number {
    return this.#young.size + this.#old.size + this.#bans.size;
  }

  isBanned(key: HostKey, nowMs: number): boolean {
    if (this.#bans.size === 0) return false;
    const until = this.#bans.get(key);
    if (until === undefined) return false;
    if (until > nowMs) return true;
    this.#bans.delete(key);
    return false;
  }

  /** Counts one query; false when it is over the limit. */
  admit(key: HostKey, nowMs: number): boolean {
    if (this.#isOff) return true;
    const meter = this.#meterOf(key, nowMs);
    this.#count(key, meter, nowMs);
    const { perAddressPerSecond, perAddressBurst } = this.#policy;
    const gained = ((nowMs - meter.filledAtMs) / 1000) * perAddressPerSecond;
    meter.tokens = Math.min(perAddressBurst, meter.tokens + Math.max(0, gained));
    meter.filledAtMs = nowMs;
    if (meter.tokens < 1) return false;
    meter.tokens--;
    return true;
  }

  #count(key: HostKey, meter: Meter, nowMs: number): void {
    if (nowMs - meter.windowAtMs >= WINDOW_MS) {
      meter.windowAtMs = nowMs;
      meter.inWindow = 0;
    }
    if (++meter.inWindow <= this.#policy.banAfter) return;
    if (this.#bans.size >= MAX_BANS) this.#bans.delete(this.#bans.keys().next().value as HostKey);
    this.#bans.set(key, nowMs + this.#policy.banMs);
  }

  #meterOf(key: HostKey, nowMs: number): Meter {
    let meter = this.#young.get(key);
    if (meter !== undefined) return meter;
    // A meter that nobody touched for the window is full and empty of history again: as good as none.
    if (nowMs - this.#turnAtMs >= WINDOW_MS || this.#young.size >= this.#policy.maxAddresses / 2) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#turnAtMs = nowMs;
    }
    meter = this.#old.get(key) ?? {
      tokens: this.#policy.perAddressBurst,
      filledAtMs: nowMs,
      windowAtMs: nowMs,
      inWindow: 0,
    };
    this.#young.set(key, meter);
    return meter;
  }
}
