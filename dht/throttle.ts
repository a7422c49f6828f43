// Queries per address: a token bucket each, and a ban for floods. Bounded: two generations of addresses, the older of which
// is forgotten, so that a million senders cost what a few thousand do.
import type { HostKey } from './address.ts';
import { COUNT, FILLED_AT, MeterTable, TOKENS, WINDOW_AT } from './meter-table.ts';
import type { LimitPolicy } from './options.ts';

/** libtorrent's window for floods. */
const WINDOW_MS = 10_000;
/** Bans are few: an attacker with more addresses than this is not stopped by bans. */
const MAX_BANS = 1024;

export class Throttle {
  readonly #policy: LimitPolicy;
  readonly #isOff: boolean;
  #young = new MeterTable();
  #old = new MeterTable();
  #turnAtMs = 0;
  /** Until when; made with the first ban. */
  #bans: Map<HostKey, number> | undefined;

  constructor(policy: LimitPolicy) {
    this.#policy = policy;
    this.#isOff = policy.perAddressPerSecond === Number.POSITIVE_INFINITY;
  }

  /** Addresses remembered, for tests of the bound. */
  get size(): number {
    return this.#young.size + this.#old.size + (this.#bans?.size ?? 0);
  }

  isBanned(key: HostKey, nowMs: number): boolean {
    const until = this.#bans?.get(key);
    if (until === undefined) return false;
    if (until > nowMs) return true;
    this.#bans?.delete(key);
    return false;
  }

  /** Counts one query; false when it is over the limit. */
  admit(key: HostKey, nowMs: number): boolean {
    if (this.#isOff) return true;
    const at = this.#meterOf(key, nowMs);
    const { cells } = this.#young;
    if (nowMs - (cells[at + WINDOW_AT] as number) >= WINDOW_MS) {
      cells[at + WINDOW_AT] = nowMs;
      cells[at + COUNT] = 0;
    }
    const inWindow = (cells[at + COUNT] as number) + 1;
    cells[at + COUNT] = inWindow;
    const { perAddressPerSecond, perAddressBurst, banAfter } = this.#policy;
    if (inWindow > banAfter) this.#ban(key, nowMs);
    const gained = ((nowMs - (cells[at + FILLED_AT] as number)) / 1000) * perAddressPerSecond;
    const tokens = Math.min(perAddressBurst, (cells[at + TOKENS] as number) + Math.max(0, gained));
    const isAdmitted = tokens >= 1;
    cells[at + TOKENS] = isAdmitted ? tokens - 1 : tokens;
    cells[at + FILLED_AT] = nowMs;
    return isAdmitted;
  }

  #ban(key: HostKey, nowMs: number): void {
    this.#bans ??= new Map();
    if (this.#bans.size >= MAX_BANS) this.#bans.delete(this.#bans.keys().next().value as HostKey);
    this.#bans.set(key, nowMs + this.#policy.banMs);
  }

  /** Its place among the young, where it is put when it is new or old. */
  #meterOf(key: HostKey, nowMs: number): number {
    const held = this.#young.find(key);
    if (held >= 0) return held;
    // A meter that nobody touched for the window is full and empty of history again: as good as none.
    if (nowMs - this.#turnAtMs >= WINDOW_MS || this.#young.size >= this.#policy.maxAddresses / 2) {
      const forgotten = this.#old;
      this.#old = this.#young;
      this.#young = forgotten;
      forgotten.clear();
      this.#turnAtMs = nowMs;
    }
    const at = this.#young.add(key);
    const { cells } = this.#young;
    const from = this.#old.find(key);
    const { cells: old } = this.#old;
    cells[at + TOKENS] = from < 0 ? this.#policy.perAddressBurst : (old[from + TOKENS] as number);
    cells[at + FILLED_AT] = from < 0 ? nowMs : (old[from + FILLED_AT] as number);
    cells[at + WINDOW_AT] = from < 0 ? nowMs : (old[from + WINDOW_AT] as number);
    cells[at + COUNT] = from < 0 ? 0 : (old[from + COUNT] as number);
    return at;
  }
}
