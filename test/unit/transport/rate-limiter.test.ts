import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RateLimiter } from '../../../core/transport/rate-limiter.ts';

const clock = { nowMs: () => performance.now() };

/** Spends `chunk` bytes whenever it may, for so long. @returns what was spent */
function consume(limiter: RateLimiter, chunk: number, forMs: number): number {
  let spent = 0;
  const go = (): void => {
    while (limiter.isOpen() && limiter.bytesPerSec > 0) {
      limiter.spend(chunk);
      spent += chunk;
    }
    limiter.whenOpen(go);
  };
  go();
  vi.advanceTimersByTime(forMs);
  return spent;
}

describe('a rate limit', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
  afterEach(() => vi.useRealTimers());

  it.each([
    [100_000, 16_384],
    [1_000_000, 16_384],
    [1_000_000, 262_144],
    [20_000_000, 262_144],
  ])('of %d bytes a second is kept within 5 %% by bites of %d', (limit, chunk) => {
    const limiter = new RateLimiter(clock, limit);
    const spent = consume(limiter, chunk, 30_000);
    expect(Math.abs(spent / (limit * 30) - 1)).toBeLessThan(0.05);
    limiter.close();
  });

  it('none lets everything pass', () => {
    const limiter = new RateLimiter(clock);
    limiter.spend(1e12);
    expect(limiter.isOpen()).toBe(true);
  });

  it('that is raised lets go at once of those who wait for the old one', () => {
    const limiter = new RateLimiter(clock, 10);
    limiter.spend(10_000_000);
    expect(limiter.isOpen()).toBe(false);
    let isCalled = false;
    limiter.whenOpen(() => {
      isCalled = true;
    });
    vi.advanceTimersByTime(1_000);
    expect(isCalled).toBe(false);
    limiter.setLimit(100_000_000);
    vi.advanceTimersByTime(1_000);
    expect(isCalled).toBe(true);
    expect(limiter.isOpen()).toBe(true);
  });

  it('that is taken away lets go at once', () => {
    const limiter = new RateLimiter(clock, 10);
    limiter.spend(10_000_000);
    let isCalled = false;
    limiter.whenOpen(() => {
      isCalled = true;
    });
    limiter.setLimit(0);
    vi.advanceTimersByTime(100);
    expect(isCalled).toBe(true);
  });

  it('that is lowered does not silence for what moved before', () => {
    const limiter = new RateLimiter(clock, 100_000_000);
    limiter.spend(50_000_000);
    limiter.setLimit(1_000);
    vi.advanceTimersByTime(2_100);
    expect(limiter.isOpen()).toBe(true);
  });

  it('of next to nothing never spins', () => {
    const limiter = new RateLimiter(clock, 1);
    limiter.spend(2 ** 40);
    let calls = 0;
    const again = (): void => {
      calls++;
      if (!limiter.isOpen()) limiter.whenOpen(again);
    };
    limiter.whenOpen(again);
    vi.advanceTimersByTime(600_000);
    expect(calls).toBeLessThan(20);
    limiter.close();
  });

  it('that is closed keeps no timer', () => {
    const limiter = new RateLimiter(clock, 1);
    limiter.spend(100_000);
    limiter.whenOpen(() => {});
    limiter.close();
    limiter.whenOpen(() => {});
    expect(vi.getTimerCount()).toBe(0);
  });
});
