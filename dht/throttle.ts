// Queries per address: a token bucket each, and a ban for floods. Bounded: who has been silent for a while is forgotten, so
// that a million senders cost what a few thousand do.
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
  readonly #meters: MeterTable;
  /** Until when; made with the first ban. */
  #bans: Map<HostKey, number> | undefined;

  constructor(policy: LimitPolicy) {
    this.#policy = policy;
    this.#isOff = policy.perAddressPerSecond === Number.POSITIVE_INFINITY;
    // A meter that is full again and whose window is over says no more than none.
    const refillMs = (policy.perAddressBurst / policy.perAddressPerSecond) * 1000;
    this.#meters = new MeterTable(policy.maxAddresses, Math.max(WINDOW_MS, this.#isOff ? 0 : refillMs));
  }

  /** Addresses remembered, for tests of the bound. */
  get size(): number {
    return this.#meters.size + (this.#bans?.size ?? 0);
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
    const { perAddressPerSecond, perAddressBurst, banAfter } = this.#policy;
    const at = this.#meters.take(key, nowMs);
    const { cells } = this.#meters;
    if (cells[at + COUNT] === 0) {
      cells[at + TOKENS] = perAddressBurst;
      cells[at + FILLED_AT] = nowMs;
      cells[at + WINDOW_AT] = nowMs;
    } else if (nowMs - (cells[at + WINDOW_AT] as number) >= WINDOW_MS) {
      cells[at + WINDOW_AT] = nowMs;
      cells[at + COUNT] = 0;
    }
    const inWindow = (cells[at + COUNT] as number) + 1;
    cells[at + COUNT] = inWindow;
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
}
