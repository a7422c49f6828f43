// Row 18 of the matrix, in every test of every lab: no packet with a private source or target gets as far as the provider.
import { afterAll, afterEach, expect } from 'vitest';
import { leaksOfLabs } from './lab/lab.ts';

async function expectNoLeaks(): Promise<void> {
  for (const counters of await leaksOfLabs())
    expect(counters, 'row 18: packets with private addresses').toEqual({
      from_private: 0,
      to_private: 0,
      from_carrier: 0,
      to_carrier: 0,
    });
}

afterEach(expectNoLeaks);
// Runs after those of the file itself, which close its labs.
afterAll(expectNoLeaks);
