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
