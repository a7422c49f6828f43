// TCP and uTP to one endpoint, 250 ms apart.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Attempt, HEAD_START_MS, raceDials } from '../../../core/session/reach/dial-race.ts';
import type { ByteStream } from '../../../core/transport/byte-stream.ts';

interface Fake {
  readonly attempt: Attempt;
  readonly calls: AbortSignal[];
  open(): { isDestroyed: boolean };
  fail(code: string): void;
}

function fake(name: string): Fake {
  let resolve: (stream: ByteStream) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const calls: AbortSignal[] = [];
  return {
    calls,
    attempt: (signal) => {
      calls.push(signal);
      return new Promise((yes, no) => {
        resolve = yes;
        reject = no;
        const giveUp = (): void => no(new Error(`${name} given up`));
        if (signal.aborted) giveUp();
        signal.addEventListener('abort', giveUp);
      });
    },
    open: () => {
      const state = { name, isDestroyed: false, destroy: () => (state.isDestroyed = true) };
      resolve(state as unknown as ByteStream);
      return state;
    },
    fail: (code) => reject(new Error(code)),
  };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function race(preferred: 'first' | 'second' = 'first') {
  const [tcp, utp] = [fake('tcp'), fake('utp')];
  const outer = new AbortController();
  const result = raceDials({ first: tcp.attempt, second: utp.attempt, preferred, signal: outer.signal });
  const outcome = result.then(
    (stream) => (stream as unknown as { name: string }).name,
    (error: Error) => error.message,
  );
  return { tcp, utp, outer, outcome };
}

describe('two ways to one peer', () => {
  it('are tried one after the other; the first that opens ends it', async () => {
    const { tcp, utp, outcome } = race();
    await vi.advanceTimersByTimeAsync(HEAD_START_MS - 1);
    expect([tcp.calls.length, utp.calls.length]).toEqual([1, 0]);
    tcp.open();
    expect(await outcome).toBe('tcp');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(utp.calls.length).toBe(0);
  });

  it('run side by side after the head start, or as soon as the first failed', async () => {
    const late = race();
    await vi.advanceTimersByTimeAsync(HEAD_START_MS);
    expect(late.utp.calls.length).toBe(1);
    late.utp.open();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await late.outcome).toBe('utp');
    expect(late.tcp.calls[0]?.aborted).toBe(true);
    const refused = race();
    refused.tcp.fail('ECONNREFUSED');
    await vi.advanceTimersByTimeAsync(0);
    expect(refused.utp.calls.length).toBe(1);
    refused.utp.open();
    expect(await refused.outcome).toBe('utp');
  });

  it('keep the preferred one when both open within a moment', async () => {
    const { tcp, utp, outcome } = race();
    await vi.advanceTimersByTimeAsync(HEAD_START_MS);
    const second = utp.open();
    await vi.advanceTimersByTimeAsync(50);
    tcp.open();
    expect(await outcome).toBe('tcp');
    expect(second.isDestroyed).toBe(true);
  });

  it('settle at once with the second while the preferred first has failed or has not begun', async () => {
    const { tcp, utp, outcome } = race();
    await vi.advanceTimersByTimeAsync(HEAD_START_MS);
    utp.open();
    tcp.fail('EHOSTUNREACH');
    expect(await outcome).toBe('utp');
    const known = race('second');
    known.tcp.open();
    expect(await known.outcome).toBe('tcp');
  });

  it('fail with what the first said, and only when both have failed', async () => {
    const { tcp, utp, outcome } = race();
    tcp.fail('ECONNREFUSED');
    await vi.advanceTimersByTimeAsync(0);
    utp.fail('ETIMEDOUT');
    expect(await outcome).toBe('ECONNREFUSED');
  });

  it('are given up together', async () => {
    const { outer, outcome } = race();
    outer.abort();
    await vi.advanceTimersByTimeAsync(0);
    expect(await outcome).toBe('tcp given up');
  });
});
