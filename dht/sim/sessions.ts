// How long nodes stay and stay away. Sessions are a sum of two exponentials, which fits what was measured on Mainline: half
// last under 200 minutes, 3 % over 9000 (Wang and Kangasharju). Having no memory, they start in equilibrium at once.
import type { Rng } from '../../core/base/clock.ts';
import { exponential } from './chance.ts';

const MINUTE_MS = 60_000;
/** Of those who come: the rest are the ones that stay for days. */
const SHORT_SHARE = 0.866;
const SHORT_MEAN_MIN = 235.5;
const LONG_MEAN_MIN = 6_000;
const MEDIAN_MIN = 200;
/** Away for a moment (a restart, a reconnect) or until tomorrow. */
const BREAK_SHARE = 0.5;
const BREAK_MEAN_MIN = 30;
const AWAY_MEAN_MIN = 720;

export interface ChurnOptions {
  /** Half of the sessions are shorter. 200 is Mainline; everything scales with it. */
  readonly medianSessionMin: number;
  /** Share of those who come back under another id (no saved state). */
  readonly newIdShare: number;
}

export const MAINLINE_CHURN: ChurnOptions = { medianSessionMin: MEDIAN_MIN, newIdShare: 0.3 };

export class Sessions {
  readonly #scaleMs: number;
  readonly #rng: Rng;

  constructor(options: ChurnOptions, rng: Rng) {
    this.#scaleMs = (options.medianSessionMin / MEDIAN_MIN) * MINUTE_MS;
    this.#rng = rng;
  }

  /** Share of the hosts that is there at any time. */
  static get availability(): number {
    const session = SHORT_SHARE * SHORT_MEAN_MIN + (1 - SHORT_SHARE) * LONG_MEAN_MIN;
    const away = BREAK_SHARE * BREAK_MEAN_MIN + (1 - BREAK_SHARE) * AWAY_MEAN_MIN;
    return session / (session + away);
  }

  /** Length of a session that begins now. */
  sessionMs(): number {
    return this.#mixed(SHORT_SHARE, SHORT_MEAN_MIN, LONG_MEAN_MIN);
  }

  awayMs(): number {
    return this.#mixed(BREAK_SHARE, BREAK_MEAN_MIN, AWAY_MEAN_MIN);
  }

  /** Rest of a session that somebody meets at a random moment: the long ones are met more often. */
  restOfSessionMs(): number {
    return this.#rest(SHORT_SHARE, SHORT_MEAN_MIN, LONG_MEAN_MIN);
  }

  restOfAwayMs(): number {
    return this.#rest(BREAK_SHARE, BREAK_MEAN_MIN, AWAY_MEAN_MIN);
  }

  #mixed(share: number, one: number, other: number): number {
    return exponential(this.#rng, (this.#rng.next() < share ? one : other) * this.#scaleMs);
  }

  #rest(share: number, one: number, other: number): number {
    return this.#mixed((share * one) / (share * one + (1 - share) * other), one, other);
  }
}

/** Share of sessions that last longer than so many minutes. */
export function survivalOfSessions(minutes: number, medianSessionMin: number): number {
  const scale = medianSessionMin / MEDIAN_MIN;
  const short = SHORT_SHARE * Math.exp(-minutes / (SHORT_MEAN_MIN * scale));
  return short + (1 - SHORT_SHARE) * Math.exp(-minutes / (LONG_MEAN_MIN * scale));
}
