// Queries per address: a token bucket each, and a ban for floods. Bounded: who has been silent for a while is forgotten, so
// that a million senders cost what a few thousand do.
import type { HostKey } from '../base/address.ts';
import type { LimitPolicy } from '../base/options.ts';
import { COUNT, FILLED_AT, MeterTable, TOKENS, WINDOW_AT } from './meter-table.ts';

/** libtorrent's window for floods. */
const WINDOW_MS = 10_000;
/** Bans are few: an attacker with more addresses than this is not stopped by bans. */
const MAX_BANS = 1024;
/** The last so many queries of all are remembered one by one. */
const MAX_LATEST = 8;
/** Before anything that matters; not -Infinity, which would be put into a box of its own. */
const LONG_AGO_MS = -(2 ** 30);

export class Throttle {
  readonly #policy: LimitPolicy;
  readonly #isOff: boolean;
  readonly #lifetimeMs: number;
  readonly #meters: MeterTable;
  #meteredAtMs = LONG_AGO_MS;
  /** While nothing is metered: address and time of the latest queries in turn. No more than anybody may ask alone. */
  readonly #latest: number[] = [];
  /** Of the oldest. */
  #latestAt = 0;
  /** Until when; made with the first ban. */
  #bans: Map<HostKey, number> | undefined;

  constructor(policy: LimitPolicy) {
    this.#policy = policy;
    this.#isOff = policy.perAddressPerSecond === Number.POSITIVE_INFINITY;
    // A meter that is full again and whose window is over says no more than none.
    const refillMs = (policy.perAddressBurst / policy.perAddressPerSecond) * 1000;
    this.#lifetimeMs = Math.max(WINDOW_MS, this.#isOff ? 0 : refillMs);
    this.#meters = new MeterTable(policy.maxAddresses, this.#lifetimeMs);
    const places = this.#isOff ? 0 : Math.min(MAX_LATEST, Math.floor(policy.perAddressBurst));
    for (let i = 0; i < places; i++) this.#latest.push(0, LONG_AGO_MS);
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
    if (this.#isOff || this.#isQuiet(key, nowMs)) return true;
    this.#meteredAtMs = nowMs;
    const { perAddressPerSecond, perAddressBurst, banAfter } = this.#policy;
    const at = this.#meters.take(key, nowMs);
    const { cells } = this.#meters;
    if (cells[at + COUNT] === 0) this.#begin(cells, at, key, nowMs);
    else if (nowMs - (cells[at + WINDOW_AT] as number) >= WINDOW_MS) {
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

  /**
   * Do all together ask no more than one may? Then it is enough to note who asked: a node that nobody floods, which is nearly every
   * one, needs no meters, and their memory is most of what a query costs.
   */
  #isQuiet(key: HostKey, nowMs: number): boolean {
    const latest = this.#latest;
    const at = this.#latestAt;
    const sinceMs = nowMs - this.#lifetimeMs;
    if (this.#meteredAtMs > sinceMs || at >= latest.length || (latest[at + 1] as number) > sinceMs)
      return false;
    latest[at] = key;
    latest[at + 1] = nowMs;
    this.#latestAt = at + 2 < latest.length ? at + 2 : 0;
    return true;
  }

  /** A meter as if all that the address asked before had been metered. */
  #begin(cells: Float64Array, at: number, key: HostKey, nowMs: number): void {
    const latest = this.#latest;
    let count = 0;
    let firstMs = nowMs;
    let lastMs = nowMs - this.#lifetimeMs;
    for (let i = 0; i < latest.length; i += 2) {
      const askedMs = latest[i + 1] as number;
      if (latest[i] !== key || askedMs <= nowMs - this.#lifetimeMs) continue;
      count++;
      firstMs = Math.min(firstMs, askedMs);
      lastMs = Math.max(lastMs, askedMs);
    }
    cells[at + TOKENS] = this.#policy.perAddressBurst - count;
    cells[at + FILLED_AT] = count === 0 ? nowMs : lastMs;
    cells[at + WINDOW_AT] = firstMs;
    cells[at + COUNT] = count;
  }

  #ban(key: HostKey, nowMs: number): void {
    this.#bans ??= new Map();
    if (this.#bans.size >= MAX_BANS) this.#bans.delete(this.#bans.keys().next().value as HostKey);
    this.#bans.set(key, nowMs + this.#policy.banMs);
  }
}
