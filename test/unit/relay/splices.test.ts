import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import { DEFAULT_RELAY_LIMITS } from '../../../core/relay/limits.ts';
import { type Splice, SpliceTable } from '../../../core/relay/splices.ts';

function joined(table: SpliceTable, n: number): Splice {
  const parties = [
    { link: 2 * n, host: `44.${n}.0.1` },
    { link: 2 * n + 1, host: `45.${n}.0.1` },
  ] as const;
  const made = table.create(parties, { nonce: new Uint8Array(16).fill(n) }, 0);
  if (typeof made === 'string') throw new Error(made);
  for (const [i, ticket] of made.tickets.entries()) table.redeem(ticket as Uint8Array, 10 * n + i, 0);
  return made;
}

describe('the rate of all splices together', () => {
  it('is shared by all of them and both directions, and follows the upload limit of whoever passes the bytes on', () => {
    const limits = { ...DEFAULT_RELAY_LIMITS, splice: { bytes: 1 << 30, seconds: 600, bytesPerSec: 0 } };
    const table = new SpliceTable(limits, seededRng(1));
    const [a, b] = [joined(table, 1), joined(table, 2)];
    expect(table.openAtMs(a, 0, 1_000)).toBe(1_000);
    table.pass(a, 0, 1_000_000, 1_000);
    expect(table.openAtMs(b, 1, 1_000)).toBe(1_000);
    // From now on 100,000 bytes a second: what one has sent, all wait for.
    table.setTotal(100_000);
    table.pass(a, 0, 50_000, 2_000);
    for (const [splice, side] of [
      [a, 0],
      [a, 1],
      [b, 0],
      [b, 1],
    ] as const)
      expect(table.openAtMs(splice, side, 2_000)).toBeGreaterThan(2_300);
    expect(table.openAtMs(b, 0, 3_000)).toBe(3_000);
    table.setTotal(0);
    table.pass(b, 1, 1_000_000, 3_000);
    expect(table.openAtMs(a, 0, 3_000)).toBe(3_000);
  });
});
