import { expect, it } from 'vitest';
import { AnybodyCalls } from '../../../core/session/reach/anybody-calls.ts';

it('calls for anybody soon, then ever more rarely, and soon again after an answer', () => {
  const calls = new AnybodyCalls();
  const taken: number[] = [];
  for (let s = 0; s < 120; s++) if (calls.take(s * 1_000)) taken.push(s);
  expect(taken).toEqual([0, 1, 3, 7, 15, 31, 61, 91]);
  calls.handleAnswer(91_000);
  expect([calls.take(93_000), calls.take(94_000), calls.take(94_500), calls.take(95_000)]).toEqual([
    false,
    true,
    false,
    true,
  ]);
});

it('is quiet for five minutes when the same peer answers twice that is connected already, but not while others answer', () => {
  const calls = new AnybodyCalls();
  const takenFrom = (firstS: number, lastS: number): number[] => {
    const taken: number[] = [];
    for (let s = firstS; s <= lastS; s++) if (calls.take(s * 1_000)) taken.push(s);
    return taken;
  };
  for (const key of ['a', 'b', 'c']) calls.handleKnown(key, 0);
  expect(takenFrom(0, 10)).toEqual([0, 1, 3, 7]);
  calls.handleKnown('b', 10_000);
  expect(takenFrom(11, 311)).toEqual([310]);
  // And all over again.
  calls.handleKnown('b', 311_000);
  expect(takenFrom(312, 400).length).toBeGreaterThan(0);
});
