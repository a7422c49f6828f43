import { describe, expect, it } from 'vitest';
import { IntroductionBudget, MAX_SIGNALS_PER_MINUTE, SignalLimit } from '../../../core/nat/ladder-rules.ts';

const target = (n: number, port = 6881) => ({ host: `203.0.${Math.floor(n / 200)}.${1 + (n % 200)}`, port });

it('an endpoint that two introduce at once is one introduction', () => {
  const budget = new IntroductionBudget();
  expect([0, 1, 2, 2999].map((nowMs) => budget.take(`r${nowMs}`, target(1), nowMs))).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect([3000, 36_000].map((nowMs) => budget.take('r', target(1), nowMs))).toEqual([true, false]);
});

it('one relay that says the same again and again is counted each time', () => {
  const budget = new IntroductionBudget();
  const taken = Array.from({ length: 1000 }, (_, nowMs) => budget.take('r', target(1), nowMs));
  expect(taken.filter(Boolean)).toHaveLength(2);
});

describe('introductions that are followed (a relay that misbehaves must not make us a weapon)', () => {
  it('two a minute towards one address, whatever the port and whoever asks', () => {
    const budget = new IntroductionBudget();
    expect([1, 2, 3].map((n) => budget.take(`relay${n}`, target(1, 2000 + n), n))).toEqual([
      true,
      true,
      false,
    ]);
    expect(budget.take('relay4', target(1), 60_000)).toBe(false);
    expect(budget.take('relay4', target(1), 60_001)).toBe(true);
  });

  it('can be asked about beforehand', () => {
    const budget = new IntroductionBudget();
    const room = (nowMs: number, port = 6881): boolean => budget.hasRoomFor(target(1, port), nowMs);
    expect(room(0)).toBe(true);
    budget.take('r1', target(1), 0);
    expect(room(10_000)).toBe(true);
    budget.take('r2', target(1), 10_000);
    // Another word for what was introduced a moment ago is no other introduction.
    expect([room(12_999), room(12_999, 6882), room(13_000)]).toEqual([true, false, false]);
    // The same relay's second word would be another one.
    const byRelay = (relay: string): boolean => budget.hasRoomFor(target(1), 12_999, relay);
    expect([byRelay('r2'), byRelay('r3')]).toEqual([false, true]);
    expect([room(60_000), room(60_001)]).toEqual([true, true]);
    expect(budget.hasRoomFor(target(2), 13_000)).toBe(true);
  });

  it('two attempts a minute leave for one address, however many words there are for them', () => {
    const budget = new IntroductionBudget();
    budget.take('r1', target(1), 0);
    budget.take('r2', target(1), 1);
    expect([1, 2, 3].map((nowMs) => budget.start(target(1, 2000 + nowMs), nowMs))).toEqual([
      true,
      true,
      false,
    ]);
    expect(budget.start(target(2), 3)).toBe(true);
    // Nobody agrees to what would not be followed.
    expect([3_001, 60_000].map((nowMs) => budget.hasRoomFor(target(1), nowMs))).toEqual([false, false]);
    expect([budget.hasRoomFor(target(1), 60_001), budget.start(target(1), 60_001)]).toEqual([true, true]);
  });

  it('customers of one IPv6 prefix count as one', () => {
    const budget = new IntroductionBudget();
    const taken = [1, 2, 3].map((n) => budget.take(`r${n}`, { host: `2001:db8:0:1::${n}`, port: 6881 }, 0));
    expect(taken).toEqual([true, true, false]);
    expect(budget.take('r4', { host: '2001:db8:0:2::1', port: 6881 }, 0)).toBe(true);
  });

  it('ten a minute of one relay, thirty in all, and a refused one does not count', () => {
    const budget = new IntroductionBudget();
    const ofOne = Array.from({ length: 1000 }, (_, n) => budget.take('one', target(n), n));
    expect(ofOne.filter(Boolean)).toHaveLength(10);
    const ofMany = Array.from({ length: 1000 }, (_, n) =>
      budget.take(`relay${n}`, target(2000 + n), 1000 + n),
    );
    expect(ofMany.filter(Boolean)).toHaveLength(20);
    expect(budget.take('one', target(5000), 62_001)).toBe(true);
  });

  it('on loopback, where a swarm shares one address, ports are targets', () => {
    const budget = new IntroductionBudget();
    expect([1, 2, 3].map((n) => budget.take('r', { host: '127.0.0.1', port: 5000 + n }, 0))).toEqual([
      true,
      true,
      true,
    ]);
  });
});

it('a neighbour gets thirty signals passed on in any minute', () => {
  const limit = new SignalLimit();
  const taken = Array.from({ length: 100 }, (_, n) => limit.take(n));
  expect(taken.filter(Boolean)).toHaveLength(MAX_SIGNALS_PER_MINUTE);
  expect(limit.take(59_999)).toBe(false);
  expect(limit.take(60_000)).toBe(true);
});
