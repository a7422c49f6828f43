// How long and whether a datagram travels: log-normal round trips that belong to the pair, jitter, independent and burst
// loss, reordering, paths that drop what is too long.
import type { Rng } from '../../core/base/clock.ts';
import { exponential, hash3, normalQuantiles, stream } from './chance.ts';

export interface NetworkOptions {
  readonly medianRoundTripMs: number;
  /** Sigma of the log-normal distribution; 0 for the same everywhere. */
  readonly sigma: number;
  /** Mean of the exponential part that is drawn for each datagram, as a share of its one-way time. */
  readonly jitterShare: number;
  readonly lossShare: number;
  /** Bad spells of a host's line: how often, how long, and what they swallow; undefined for none. */
  readonly bursts:
    | { readonly everyMs: number; readonly lastMs: number; readonly lossShare: number }
    | undefined;
  /** Datagrams that are overtaken, and by how much at most. */
  readonly reorderShare: number;
  readonly reorderMs: number;
  /** Longest UDP payload that gets through. */
  readonly mtuBytes: number;
}

/** The expected values are computed without jitter and loss. */
export const CALIBRATION_NETWORK: NetworkOptions = {
  medianRoundTripMs: 120,
  sigma: 0.6,
  jitterShare: 0,
  lossShare: 0,
  bursts: undefined,
  reorderShare: 0,
  reorderMs: 0,
  mtuBytes: 1472,
};

/** An internet as measurements of home lines show it: 1 % loss, a bad spell of seconds every few minutes. */
export const REAL_NETWORK: NetworkOptions = {
  ...CALIBRATION_NETWORK,
  jitterShare: 0.1,
  lossShare: 0.01,
  bursts: { everyMs: 300_000, lastMs: 1_500, lossShare: 0.5 },
  reorderShare: 0.01,
  reorderMs: 40,
};

/** Round trips that a pair may have; a power of two. */
const QUANTILES = 65_536;
/** For whole networks: a table that stays in the fastest memory; its tails reach to 3.7 sigma. */
export const FEW_QUANTILES = 8192;
const FIRST_LINES = 1024;
/** Numbers from here on are sparse. */
const MOST_LINES = 2 ** 24;
const standardNormal = new Map<number, Float64Array>();

export class Network {
  readonly options: NetworkOptions;
  readonly #seed: number;
  readonly #quantileMask: number;
  readonly #latency: Rng;
  readonly #loss: Rng;
  /** One way, microseconds, by quantile. */
  readonly #oneWayUs: Float64Array;
  /** By host: when its line changes next, negative while it is bad; NaN before anybody looked. */
  #turnsUs = new Float64Array(FIRST_LINES).fill(Number.NaN);
  /** The same for numbers beyond those of hosts. */
  readonly #guestTurnsUs = new Map<number, number>();

  constructor(seed: number, options: NetworkOptions, quantiles = QUANTILES) {
    this.options = options;
    this.#seed = seed;
    this.#latency = stream(seed, 'latency');
    this.#loss = stream(seed, 'loss');
    this.#quantileMask = quantiles - 1;
    const normal = standardNormal.get(quantiles) ?? normalQuantiles(quantiles);
    standardNormal.set(quantiles, normal);
    const { medianRoundTripMs, sigma } = options;
    this.#oneWayUs = normal.map((z) => (medianRoundTripMs * 1000 * Math.exp(sigma * z)) / 2);
  }

  /** Without jitter, the same in both directions. */
  roundTripMs(a: number, b: number): number {
    const low = Math.min(a, b);
    const high = Math.max(a, b);
    return ((this.#oneWayUs[hash3(this.#seed, low, high) & this.#quantileMask] as number) * 2) / 1000;
  }

  /** @returns microseconds until it arrives, -1 when it never does */
  travelUs(from: number, to: number, bytes: number, nowUs: number): number {
    const { options } = this;
    if (bytes > options.mtuBytes) return -1;
    if (options.lossShare > 0 && this.#loss.next() < options.lossShare) return -1;
    if (options.bursts !== undefined && this.#isInBurst(to, nowUs)) {
      if (this.#loss.next() < options.bursts.lossShare) return -1;
    }
    let us = this.roundTripMs(from, to) * 500;
    if (options.jitterShare > 0) us += exponential(this.#latency, us * options.jitterShare);
    if (options.reorderShare > 0 && this.#latency.next() < options.reorderShare)
      us += this.#latency.next() * options.reorderMs * 1000;
    return Math.max(1, Math.round(us));
  }

  /** A line alternates between good and bad; its turns are drawn when somebody looks. */
  #isInBurst(host: number, nowUs: number): boolean {
    const { bursts } = this.options;
    if (bursts === undefined) return false;
    const isGuest = host >= MOST_LINES;
    if (!isGuest && host >= this.#turnsUs.length) this.#growLines(host);
    let turn = isGuest ? (this.#guestTurnsUs.get(host) ?? Number.NaN) : (this.#turnsUs[host] as number);
    // Long unwatched lines start afresh: spells have no memory.
    if (!(nowUs - Math.abs(turn) <= bursts.everyMs * 1000))
      turn = nowUs + exponential(this.#loss, bursts.everyMs * 1000);
    else if (Math.abs(turn) > nowUs) return turn < 0;
    while (Math.abs(turn) <= nowUs) {
      const isGood = turn > 0;
      const length = exponential(this.#loss, (isGood ? bursts.lastMs : bursts.everyMs) * 1000) + 1;
      turn = isGood ? -(turn + length) : -turn + length;
    }
    if (isGuest) this.#guestTurnsUs.set(host, turn);
    else this.#turnsUs[host] = turn;
    return turn < 0;
  }

  #growLines(host: number): void {
    const bigger = new Float64Array(Math.max(host + 1, this.#turnsUs.length * 2)).fill(Number.NaN);
    bigger.set(this.#turnsUs);
    this.#turnsUs = bigger;
  }
}
