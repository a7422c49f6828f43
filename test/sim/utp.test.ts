// uTP on virtual lines: everything arrives, in order, exactly once; queues stay short; neighbours get their share.
import { describe, expect, it } from 'vitest';
import { besideReno, transfer, twoFlows } from './utp-scenarios.ts';

const MB = 1_000_000;
const LINE = { bytesPerSec: MB, delayMs: 25, queueBytes: 400_000 };
const seed = Number(process.env['TT_SEED'] ?? 1);

describe(`uTP on a line, seed ${seed}`, () => {
  it.each([
    ['clean', LINE],
    ['1 % lost', { ...LINE, lossShare: 0.01 }],
    ['10 % lost', { ...LINE, lossShare: 0.1 }],
    ['overtaking', { ...LINE, jitterMs: 30 }],
    ['everything at once', { ...LINE, lossShare: 0.05, jitterMs: 30, repeatShare: 0.1 }],
    ['a buffer of 10 packets', { ...LINE, queueBytes: 15_000 }],
  ])('delivers all, in order, once: %s', (_name, line) => {
    const result = transfer(seed, line, MB);
    expect(result).toMatchObject({ receivedBytes: MB, wrongBytes: 0 });
    // Little is sent in vain: what was lost, and a guess now and then.
    expect(result.sentShare).toBeLessThan(1.35);
  });

  it('fills a line, with a queue below the target of 100 ms', () => {
    const result = transfer(seed, LINE, 8 * MB);
    expect(result.bytesPerSec).toBeGreaterThan(0.85 * MB);
    expect(result.meanQueueMs).toBeLessThan(100);
    expect(result.drops).toBe(0);
  });

  it('goes on past the 65,536th packet', () => {
    const result = transfer(seed, { bytesPerSec: 100 * MB, delayMs: 5, queueBytes: 4 * MB }, 100 * MB);
    expect(result).toMatchObject({ receivedBytes: 100 * MB, wrongBytes: 0 });
    expect(result.bytesPerSec).toBeGreaterThan(60 * MB);
  });

  it.each([
    [1472, 1472],
    [1400, 1400],
    [1000, 976],
  ])('finds the largest datagram of a path that drops what is above %d bytes', (largestBytes, atLeast) => {
    const result = transfer(seed, { ...LINE, largestBytes }, 4 * MB);
    expect(result).toMatchObject({ receivedBytes: 4 * MB, wrongBytes: 0 });
    expect(result.datagramBytes).toBeGreaterThanOrEqual(atLeast);
    expect(result.datagramBytes).toBeLessThanOrEqual(largestBytes);
  });

  it('leaves the line to TCP where TCP fills the buffer', () => {
    const { first, second } = besideReno(seed, LINE, 120_000);
    expect(second).toBeGreaterThan(0.85 * MB);
    expect(first).toBeLessThan(0.1 * MB);
  });

  it.each([0, 20_000])('shares with another uTP flow that begins %d ms later', (lateMs) => {
    const { first, second, meanQueueMs } = twoFlows(seed, LINE, lateMs, 160_000);
    expect(Math.max(first, second) / Math.min(first, second)).toBeLessThan(1.5);
    expect(first + second).toBeGreaterThan(0.85 * MB);
    expect(meanQueueMs).toBeLessThan(110);
  });
});
