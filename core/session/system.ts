// The real clock and the real randomness: the only places where a session gets them from.
import { randomFillSync } from 'node:crypto';
import type { Clock, Rng } from '../base/clock.ts';

export const systemClock: Clock = { nowMs: () => performance.now() };

const POOL_WORDS = 256;
const pool = new Uint32Array(POOL_WORDS);
let taken = POOL_WORDS;

/** Unpredictable (peer ids, MSE keys, tokens); drawn from the system in batches. */
export const systemRng: Rng = {
  next(): number {
    if (taken === POOL_WORDS) {
      randomFillSync(pool);
      taken = 0;
    }
    return (pool[taken++] as number) / 2 ** 32;
  },
};
