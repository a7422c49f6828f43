import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import {
  type AnnounceOrder,
  AnnouncePolicy,
  ENOUGH_PEERS,
  MAX_IN_FLIGHT,
  MAX_INTERVAL_MS,
  MIN_INTERVAL_MS,
  STALL_MS,
} from '../../../tracker/announce-policy.ts';
import type { AnnounceReply } from '../../../tracker/messages.ts';
import fc from '../../support/property.ts';
import { announceReply, failure } from './material.ts';

const MINUTE_MS = 60_000;
const WANTED = 50;

/** A policy, a virtual clock, and trackers named by letters: tiers(['ab', 'c']) has two tiers. */
class Bench {
  nowMs = 1_000;
  readonly policy: AnnouncePolicy;
  wanted = WANTED;

  constructor(tiers: readonly string[], options: { isPrivate?: boolean; seed?: number } = {}) {
    this.policy = new AnnouncePolicy({
      tiers: tiers.map((tier) => [...tier].map((url) => ({ url, disabled: url === '!' ? 'no' : undefined }))),
      rng: seededRng(options.seed ?? 1),
      isPrivate: options.isPrivate ?? false,
    });
  }

  /** All announces due now, as `a:started`. */
  due(): string[] {
    return this.orders().map((order) => `${order.url}:${order.event ?? 'regular'}`);
  }

  orders(): AnnounceOrder[] {
    const orders: AnnounceOrder[] = [];
    for (;;) {
      const order = this.policy.pollAnnounce(this.nowMs, this.wanted);
      if (order === undefined) return orders;
      orders.push(order);
    }
  }

  answer(url: string, changes: Partial<AnnounceReply> & { count?: number } = {}): void {
    const { count = WANTED, ...rest } = changes;
    const peers = Array.from({ length: count }, (_, i) => ({ host: '192.0.2.1', port: i + 1 }));
    this.policy.handleReply(this.#index(url), this.nowMs, announceReply({ peers, ...rest }));
  }

  fail(url: string, retryInMs?: number | 'never'): void {
    this.policy.handleFailure(this.#index(url), this.nowMs, failure('broken', retryInMs));
  }

  /** Jumps to the next timeout. @returns how far that was, or undefined when there is none */
  jump(): number | undefined {
    const next = this.policy.nextTimeoutMs(this.wanted);
    if (next === undefined) return undefined;
    const far = next - this.nowMs;
    this.nowMs = Math.max(this.nowMs, next);
    return far;
  }

  stateOf(url: string): string | undefined {
    return this.policy.status().find((line) => line.name === url)?.state;
  }

  #index(url: string): number {
    const index = this.#urls().indexOf(url);
    if (index < 0) throw new Error(`no tracker ${url}`);
    return index;
  }

  #urls(): string[] {
    this.#order ??= [...new Set(this.policy.status().map((line) => line.name))].sort();
    return this.#order;
  }
  #order: string[] | undefined;
}

describe('tiers (BEP 12)', () => {
  it('shuffle within a tier, never across, and the same seed gives the same order', () => {
    const orders = Array.from({ length: 40 }, (_, seed) => {
      const { policy } = new Bench(['abc', 'de'], { seed });
      expect([...policy.orderOf(0)].sort()).toEqual(['a', 'b', 'c']);
      expect([...policy.orderOf(1)].sort()).toEqual(['d', 'e']);
      expect(new Bench(['abc', 'de'], { seed }).policy.orderOf(0)).toEqual(policy.orderOf(0));
      return policy.orderOf(0).join('');
    });
    expect(new Set(orders).size).toBe(6);
  });

  it('ask one tracker at once; the next of the tier when it fails, then the next tier', () => {
    const bench = new Bench(['ab', 'c']);
    const [first, second] = bench.policy.orderOf(0) as [string, string];
    expect(bench.due()).toEqual([`${first}:started`]);
    bench.fail(first);
    expect(bench.due()).toEqual([`${second}:started`]);
    bench.fail(second);
    expect(bench.due()).toEqual(['c:started']);
    bench.answer('c');
    expect(bench.due()).toEqual([]);
  });

  it('move the tracker that worked to the front of its tier', () => {
    const bench = new Bench(['abc']);
    const [first, second] = bench.policy.orderOf(0) as [string, string];
    bench.orders();
    bench.fail(first);
    bench.orders();
    bench.answer(second);
    expect(bench.policy.orderOf(0)[0]).toBe(second);
  });

  it('try a better tier again while a worse one works, at its back-off', () => {
    const bench = new Bench(['a', 'b']);
    bench.orders();
    bench.fail('a');
    bench.orders();
    bench.answer('b');
    const waited = bench.jump() as number;
    expect(waited).toBeGreaterThanOrEqual(15_000);
    expect(waited).toBeLessThan(19_000);
    expect(bench.due()).toEqual(['a:started']);
  });

  it('do not wait for a tracker that stalls', () => {
    const bench = new Bench(['a', 'b', 'c']);
    expect(bench.due()).toEqual(['a:started']);
    expect(bench.jump()).toBe(STALL_MS);
    expect(bench.due()).toEqual(['b:started']);
    bench.answer('b');
    expect(bench.jump()).toBe(30 * MINUTE_MS);
    bench.answer('a');
    expect(bench.policy.status().map((line) => line.state)).toEqual(['ok', 'ok', 'idle']);
  });

  it('go on to later tiers while there are few peers, but not when none are wanted', () => {
    const bench = new Bench(['a', 'b', 'c']);
    bench.orders();
    bench.answer('a', { count: 3 });
    expect(bench.due()).toEqual(['b:started']);
    bench.answer('b', { count: ENOUGH_PEERS });
    expect(bench.due()).toEqual([]);

    // Within a tier one is enough: the others are its mirrors.
    const mirrored = new Bench(['ab', 'c']);
    const [{ url }] = mirrored.orders() as [AnnounceOrder];
    mirrored.answer(url, { count: 3 });
    expect(mirrored.due()).toEqual(['c:started']);

    const seed = new Bench(['a', 'b']);
    seed.wanted = 0;
    seed.orders();
    seed.answer('a', { count: 0 });
    expect(seed.due()).toEqual([]);
  });

  it('keep to one tracker at a time for a private torrent (BEP 27)', () => {
    const bench = new Bench(['a', 'b'], { isPrivate: true });
    bench.orders();
    expect(bench.jump()).toBeUndefined();
    bench.nowMs += 10 * STALL_MS;
    expect(bench.due()).toEqual([]);
    bench.fail('a');
    expect(bench.due()).toEqual(['b:started']);
    bench.answer('b', { count: 0 });
    // The better tier is not gone back to while this one works.
    expect(bench.jump()).toBe(30 * MINUTE_MS);
    expect(bench.due()).toEqual(['b:regular']);
    bench.fail('b');
    expect(bench.due()).toEqual(['a:started']);
  });

  it('bound how many are asked at once, and list repeated URLs once', () => {
    const letters = Array.from({ length: 60 }, (_, i) => String.fromCharCode(0x100 + i));
    const bench = new Bench([...letters, letters[0] as string]);
    expect(bench.policy.status().length).toBe(60);
    let asked = 0;
    do asked += bench.due().length;
    while (bench.jump() !== undefined);
    expect(asked).toBe(MAX_IN_FLIGHT);
  });

  it('never ask what cannot be used', () => {
    const bench = new Bench(['!', 'a']);
    expect(bench.due()).toEqual(['a:started']);
    expect(bench.policy.status()[0]).toMatchObject({ state: 'disabled', message: 'no' });
    expect(new Bench(['!']).policy.nextTimeoutMs(1)).toBeUndefined();
  });
});

describe('intervals', () => {
  it.each([
    [{ intervalMs: 20 * MINUTE_MS }, 20 * MINUTE_MS],
    [{ intervalMs: undefined }, 30 * MINUTE_MS],
    [{ intervalMs: 1 }, MIN_INTERVAL_MS],
    [{ intervalMs: 5 * MINUTE_MS, minIntervalMs: 10 * MINUTE_MS }, 10 * MINUTE_MS],
    [{ intervalMs: 1e12 }, MAX_INTERVAL_MS],
    [{ intervalMs: MINUTE_MS, minIntervalMs: 1e12 }, MAX_INTERVAL_MS],
  ])('%j means %d ms', (reply, expected) => {
    const bench = new Bench(['a']);
    bench.orders();
    bench.answer('a', reply);
    expect(bench.jump()).toBe(expected);
    expect(bench.due()).toEqual(['a:regular']);
  });

  it('do not hold back the news of another port of ours', () => {
    const bench = new Bench(['ab']);
    expect(bench.due()).toEqual(['a:started']);
    // On its way with the old port: told again as soon as the answer is there.
    bench.policy.move(bench.nowMs);
    expect(bench.due()).toEqual([]);
    bench.answer('a');
    expect(bench.due()).toEqual(['a:regular']);
    bench.answer('a');
    expect(bench.due()).toEqual([]);
    bench.policy.move(bench.nowMs);
    expect(bench.due()).toEqual(['a:regular']);
  });

  it('are cut short by refresh, down to what the tracker allows', () => {
    const bench = new Bench(['a']);
    bench.orders();
    bench.answer('a', { minIntervalMs: 5 * MINUTE_MS });
    bench.policy.refresh(bench.nowMs);
    expect(bench.jump()).toBe(5 * MINUTE_MS);
    expect(bench.due()).toEqual(['a:regular']);
  });
});

describe('back-off', () => {
  it('doubles, with a spread, and has a ceiling', () => {
    const bench = new Bench(['a']);
    const waits: number[] = [];
    for (let i = 0; i < 12; i++) {
      bench.orders();
      bench.fail('a');
      waits.push(bench.jump() as number);
    }
    for (const [i, wait] of waits.entries()) {
      const base = Math.min(30 * MINUTE_MS, 15_000 * 2 ** i);
      expect(wait).toBeGreaterThanOrEqual(base);
      expect(wait).toBeLessThanOrEqual(base * 1.25);
    }
    bench.orders();
    bench.answer('a');
    bench.nowMs += 30 * MINUTE_MS;
    bench.orders();
    bench.fail('a');
    expect(bench.jump()).toBeLessThan(20_000);
  });

  it('does what the tracker says about coming back (BEP 31)', () => {
    const bench = new Bench(['a', 'b']);
    bench.orders();
    bench.fail('a', 7 * MINUTE_MS);
    bench.orders();
    bench.fail('b', 'never');
    expect(bench.jump()).toBe(7 * MINUTE_MS);
    expect(bench.due()).toEqual(['a:started']);
    expect(bench.stateOf('b')).toBe('disabled');
  });

  it('asks the rest of the torrent when the tracker in use fails', () => {
    const bench = new Bench(['a', 'b']);
    bench.orders();
    bench.answer('a');
    bench.jump();
    expect(bench.due()).toEqual(['a:regular']);
    bench.fail('a');
    expect(bench.due()).toEqual(['b:started']);
  });
});

describe('events', () => {
  it('send completed at once, once, and again only if it was lost', () => {
    const bench = new Bench(['a']);
    bench.orders();
    bench.answer('a');
    bench.nowMs += 1_000;
    bench.policy.complete(bench.nowMs);
    expect(bench.due()).toEqual(['a:completed']);
    bench.fail('a');
    bench.jump();
    expect(bench.due()).toEqual(['a:completed']);
    bench.answer('a');
    bench.jump();
    expect(bench.due()).toEqual(['a:regular']);
  });

  it('remember a completion that came while started was on its way', () => {
    const bench = new Bench(['a', 'b']);
    bench.orders();
    bench.policy.complete(bench.nowMs);
    bench.answer('a');
    expect(bench.due()).toEqual(['a:completed']);
    // A tracker that never saw us incomplete hears `started` with nothing left, and no `completed`.
    bench.fail('a');
    expect(bench.due()).toEqual(['b:started']);
    bench.answer('b');
    bench.nowMs += 30 * MINUTE_MS;
    expect(bench.due()).toContain('b:regular');
  });

  it('say goodbye to whoever may list us, and then nothing', () => {
    const bench = new Bench(['a', 'b', 'c', 'd']);
    bench.orders();
    bench.answer('a', { count: 1 });
    bench.orders();
    bench.fail('b');
    bench.orders();
    expect(bench.policy.stop().map((order) => `${order.url}:${order.event}`)).toEqual([
      'a:stopped',
      'c:stopped',
    ]);
    expect(bench.policy.stop()).toEqual([]);
    expect(bench.jump()).toBeUndefined();
    expect(bench.due()).toEqual([]);
  });
});

describe('any course of events', () => {
  it('keeps one announce per tracker in flight, and never goes quiet while a tracker is usable', () => {
    const step = fc.record({
      pick: fc.nat(),
      kind: fc.constantFrom('answer', 'fail', 'jump', 'complete', 'refresh'),
      count: fc.nat(60),
    });
    fc.assert(
      fc.property(fc.integer(), fc.boolean(), fc.array(step, { maxLength: 60 }), (seed, isPrivate, steps) => {
        const bench = new Bench(['ab', 'c', 'def'], { seed, isPrivate });
        const inFlight = new Map<number, AnnounceOrder>();
        const poll = (): void => {
          for (const order of bench.orders()) {
            expect(inFlight.has(order.tracker)).toBe(false);
            inFlight.set(order.tracker, order);
          }
          if (isPrivate) expect(inFlight.size).toBeLessThanOrEqual(1);
        };
        poll();
        for (const { pick, kind, count } of steps) {
          const flying = [...inFlight.keys()];
          const tracker = flying[pick % Math.max(1, flying.length)];
          if (kind === 'jump') bench.jump();
          else if (kind === 'complete') bench.policy.complete(bench.nowMs);
          else if (kind === 'refresh') bench.policy.refresh(bench.nowMs);
          else if (tracker !== undefined) {
            inFlight.delete(tracker);
            const peers = Array.from({ length: count }, (_, i) => ({ host: '192.0.2.1', port: i + 1 }));
            if (kind === 'answer') bench.policy.handleReply(tracker, bench.nowMs, announceReply({ peers }));
            else bench.policy.handleFailure(tracker, bench.nowMs, failure('x'));
          }
          poll();
          const next = bench.policy.nextTimeoutMs(bench.wanted);
          expect(next !== undefined || inFlight.size > 0).toBe(true);
          if (next !== undefined) expect(next).toBeGreaterThan(bench.nowMs);
        }
      }),
    );
  });
});
