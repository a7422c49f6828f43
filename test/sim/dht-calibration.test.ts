// Real lookups against ideal tables: the model's hops, rounds and times come out, and ours clears its bars.
import { describe, expect, test } from 'vitest';
import { measureDead } from '../../dht/sim/scenarios/dead.ts';
import { measureHops, TABLE_WIDTHS } from '../../dht/sim/scenarios/hops.ts';
import { BAR_DEAD_SHARE, measureLatency } from '../../dht/sim/scenarios/latency.ts';

const SEED = 1;
const TIMEOUT_MS = 120_000;

/** Within `share` of the expected value. */
function expectNear(measured: number, expected: number, share: number): void {
  expect(measured).toBeGreaterThan(expected * (1 - share));
  expect(measured).toBeLessThan(expected * (1 + share));
}

describe('hops to the closest of 10,000 nodes', () => {
  test.each(TABLE_WIDTHS)('$name', { timeout: TIMEOUT_MS }, ({ shape, expected }) => {
    const { hops, found } = measureHops(SEED, 10_000, shape, 300);
    expectNear(hops, expected[10_000] as number, 0.06);
    expect(found).toBe(1);
  });
});

describe('40 % dead entries among 100,000 nodes', () => {
  test('pruned: more rounds, nearly all of the closest', { timeout: TIMEOUT_MS }, () => {
    const pruned = measureDead(SEED, 100_000, 0.4, true, 150);
    expectNear(pruned.rounds, 8.6, 0.15);
    expectNear(pruned.queries, 22.6, 0.15);
    expectNear(pruned.timeouts, 9, 0.15);
    expect(pruned.recall).toBeGreaterThan(0.85);
    expect(pruned.nearest).toBeGreaterThan(0.98);
  });

  test('not pruned: soon done, a third of the closest missed', { timeout: TIMEOUT_MS }, () => {
    const kept = measureDead(SEED, 100_000, 0.4, false, 150);
    expectNear(kept.rounds, 6.2, 0.15);
    expectNear(kept.queries, 17.3, 0.15);
    expect(kept.recall).toBeLessThan(0.7);
  });
});

test('70 % dead entries: lookups dead-end where the dead keep their slot, and nowhere else', {
  timeout: TIMEOUT_MS,
}, () => {
  expect(measureDead(SEED, 100_000, 0.7, false, 150).deadEnded).toBeGreaterThan(0.1);
  expect(measureDead(SEED, 100_000, 0.7, true, 150).deadEnded).toBeLessThan(0.02);
});

describe('time to the closest 8 with 40 % dead entries', () => {
  test('takes the one-minute client a minute', { timeout: TIMEOUT_MS }, () => {
    const { p50, p99 } = measureLatency(SEED, 100_000, 'one-minute', 0.4, 150);
    expectNear(p50, 62, 0.2);
    expect(p99).toBeGreaterThan(100);
  });

  test('takes us no second, at the price of a few queries', { timeout: TIMEOUT_MS }, () => {
    const patient = measureLatency(SEED, 100_000, 'fixed-2s', 0.4, 150);
    const ours = measureLatency(SEED, 100_000, 'ours', 0.4, 150);
    expect(ours.p50).toBeLessThan(1);
    expect(patient.p50).toBeGreaterThan(ours.p50 * 5);
    expect(ours.queries).toBeLessThan(patient.queries * 2);
  });

  test('nobody dead: slow nodes are waited for', { timeout: TIMEOUT_MS }, () => {
    const { recall, p50 } = measureLatency(SEED, 100_000, 'ours', 0, 150);
    expect(recall).toBeGreaterThan(0.98);
    expect(p50).toBeLessThan(0.7);
  });
});

test.each([1, 2, 3])(
  'ours clears its bars with 30 %% dead entries (seed %i)',
  {
    timeout: TIMEOUT_MS,
  },
  (seed) => {
    const ours = measureLatency(seed, 100_000, 'ours', BAR_DEAD_SHARE, 2_000);
    expect(ours.firstPeersP50).toBeLessThanOrEqual(200);
    expect(ours.firstPeersP99).toBeLessThanOrEqual(1_000);
    expect(ours.p50).toBeLessThanOrEqual(0.8);
    expect(ours.p99).toBeLessThanOrEqual(2.5);
    expect(ours.recall).toBeGreaterThanOrEqual(0.95);
    expect(ours.deadEnded).toBeLessThanOrEqual(0.001);
    expect(ours.queries).toBeLessThanOrEqual(35);
  },
);
