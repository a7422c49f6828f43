// `tt lab dht` from the real program: a small experiment, the same tables for the same seed, and mistakes.
import { expect, it } from 'vitest';
import { json, makePlace, TIMEOUT_MS } from './support.ts';

const { tt } = makePlace();
const HOPS = ['lab', 'dht', 'hops', '--nodes', '1000', '--effort', '0.05'];

it(
  'prints tables beside what is expected; a seed gives the same again, another seed another',
  async () => {
    const shown = await tt(...HOPS);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/^table +nodes +hops +expected +deviation/m);
    expect(shown.stdout).toMatch(/^k=8, w=1 +1000 +\d\.\d\d +2\.36 /m);
    const [first, second, other] = await Promise.all([
      tt(...HOPS, '--json', '--seed', '7'),
      tt(...HOPS, '--json', '--seed', '7'),
      tt(...HOPS, '--json', '--seed', '8'),
    ]);
    expect(json(first)).toMatchObject({ reason: 'done', seed: 7, reports: [{ experiment: 'hops' }] });
    expect(second.stdout).toBe(first.stdout);
    expect(other.stdout).not.toBe(first.stdout);
  },
  TIMEOUT_MS,
);

it('2 usage: an experiment that is not there', async () => {
  const result = await tt('lab', 'dht', 'hopps');
  expect(result.code).toBe(2);
  expect(result.stderr).toContain('hops');
});
