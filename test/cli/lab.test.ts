// `tt lab dht` and `tt lab nat` from the real program: small experiments, the same tables for the same seed, and mistakes.
import { expect, it } from 'vitest';
import { json, makePlace, TIMEOUT_MS } from './support.ts';

const { tt } = makePlace();
interface Shares {
  readonly reason: string;
  readonly tables: readonly { readonly rows: readonly Record<string, string>[] }[];
}
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

it(
  'nat: shares of connected pairs by rung; each column reaches as many as the one before at least',
  async () => {
    const shown = await tt('lab', 'nat', '--swarms', '2');
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/^behind NATs +direct +\+ reverse +\+ punch +\+ relay node +\+ splice/m);
    const [first, second] = await Promise.all([
      tt('lab', 'nat', '--swarms', '2', '--nat-share', '0.8', '--json', '--seed', '7'),
      tt('lab', 'nat', '--swarms', '2', '--nat-share', '0.8', '--json', '--seed', '7'),
    ]);
    const { reason, tables } = json(first) as unknown as Shares;
    expect(reason).toBe('done');
    expect(second.stdout).toBe(first.stdout);
    const { 'behind NATs': share, ...shares } = (tables[0]?.rows[0] ?? {}) as Record<string, string>;
    expect(share).toBe('80.0 %');
    const numbers = Object.values(shares).map((text) => Number.parseFloat(text));
    expect([...numbers].sort((a, b) => a - b)).toEqual(numbers);
    expect(numbers.at(-1)).toBe(100);
  },
  TIMEOUT_MS,
);

it('nat: 2 usage: no swarms, a share beyond all', async () => {
  const results = await Promise.all([
    tt('lab', 'nat', '--swarms', '0'),
    tt('lab', 'nat', '--nat-share', '1.5'),
  ]);
  expect(results.map(({ code }) => code)).toEqual([2, 2]);
});
