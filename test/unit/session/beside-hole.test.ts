import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { holeless } from '../../../core/session/reach/beside-hole.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('the straight way waits for the next rung, and as long as that is a hole', async () => {
  let isPunching = true;
  let isFree = false;
  const waiting = holeless(() => isPunching, new AbortController().signal).then(() => (isFree = true));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(isFree).toBe(false);
  isPunching = false;
  await vi.advanceTimersByTimeAsync(250);
  expect(isFree).toBe(true);
  await waiting;
});

it('and is not gone at all when another way has won', async () => {
  const given = new AbortController();
  const waiting = holeless(() => true, given.signal);
  const ended = expect(waiting).rejects.toThrow('not wanted');
  await vi.advanceTimersByTimeAsync(3_000);
  given.abort();
  await ended;
});
