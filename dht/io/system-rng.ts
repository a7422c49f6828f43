// The system's randomness in batches: ids, tokens and transaction ids come from it. 48 bits a draw.
import { randomFillSync } from 'node:crypto';
import type { Rng } from '../../core/base/clock.ts';

const POOL_BYTES = 4096;
const pool = new Uint8Array(POOL_BYTES);
const view = new DataView(pool.buffer);
let at = POOL_BYTES;

export const systemRng: Rng = {
  next(): number {
    if (at + 6 > POOL_BYTES) {
      randomFillSync(pool);
      at = 0;
    }
    const value = view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);
    at += 6;
    return value / 2 ** 48;
  },
};
