import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HARD_STOP_MS, Interrupts } from '../../../cli/base/signals.ts';
import { fakeWorld } from './fakes.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('signals', () => {
  it.each([
    ['SIGINT', 'interrupted'],
    ['SIGTERM', 'terminated'],
    ['SIGHUP', 'hangup'],
  ] as const)('the first %s asks for a clean end', async (signal, reason) => {
    const world = fakeWorld();
    const interrupts = new Interrupts(world);
    const stopped = interrupts.stopped();
    world.send(signal);
    await stopped;
    expect(interrupts.reason).toBe(reason);
    expect(interrupts.signal.aborted).toBe(true);
    expect(world.exits).toEqual([]);
    interrupts.release();
  });

  it('the second leaves at once', () => {
    const world = fakeWorld();
    const interrupts = new Interrupts(world);
    world.send('SIGINT');
    world.clockMs = 1_000;
    world.send('SIGINT');
    expect(world.exits).toEqual([130]);
    interrupts.release();
  });

  it('one key press that arrives three times is one', () => {
    const world = fakeWorld();
    const interrupts = new Interrupts(world);
    world.send('SIGINT');
    world.clockMs = 5;
    world.send('SIGINT');
    world.clockMs = 40;
    world.send('SIGINT');
    expect(world.exits).toEqual([]);
    interrupts.release();
  });

  it('a clean end gets five seconds', () => {
    const world = fakeWorld();
    const interrupts = new Interrupts(world);
    world.send('SIGTERM');
    vi.advanceTimersByTime(HARD_STOP_MS - 1);
    expect(world.exits).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(world.exits).toEqual([143]);
    interrupts.release();
  });

  it('after release nothing is heard', () => {
    const world = fakeWorld();
    new Interrupts(world).release();
    world.send('SIGINT');
    world.send('SIGINT');
    expect(world.exits).toEqual([]);
  });

  it('stop ends without a reason: nobody asked for it by signal', () => {
    const interrupts = new Interrupts(fakeWorld());
    interrupts.stop();
    expect(interrupts.signal.aborted).toBe(true);
    expect(interrupts.reason).toBeUndefined();
    expect(interrupts.signal.reason).toMatchObject({ slug: 'unfinished' });
  });

  it('interrupt is Ctrl-C by another way: the second leaves at once', () => {
    const world = fakeWorld();
    const interrupts = new Interrupts(world);
    interrupts.interrupt();
    expect(interrupts.reason).toBe('interrupted');
    world.clockMs += 1_000;
    interrupts.interrupt();
    expect(world.exits).toEqual([130]);
    interrupts.release();
  });
});
