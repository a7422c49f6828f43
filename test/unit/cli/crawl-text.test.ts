// The summary of a run in words: of the rows as a dataset gives them, in the order of their names.
import { expect, it } from 'vitest';
import { summaryText } from '../../../cli/crawl/crawl-text.ts';
import type { SummaryRow } from '../../../dht/dataset/more-tables.ts';
import { makeRunFolder } from '../../support/run-folder.ts';
import { makeTempDir } from '../../support/temp.ts';

const place = makeTempDir('tt-words-');

function row(
  metric: string,
  item: string,
  value: number | null,
  low: number | null = null,
  high: number | null = null,
): SummaryRow {
  return { run_id: 'run', metric, item, value, low, high, basis: null };
}

it('says the most frequent first, times in their order, and what was only looked for', async () => {
  const run = await makeRunFolder(`${place.path}/run`, {
    nodes: 0,
    header: { mode: 'monitor', elapsed_us: 5_400_000_000 },
  });
  const text = summaryText({
    run,
    summary: [
      row('clients', 'a', 3),
      row('clients', 'b', 1_200),
      row('countries', 'DE', 7),
      ...Array.from({ length: 9 }, (_, i) => row('countries', `C${i}`, 100 + i)),
      row('nodes', 'bernoulli', 12_300_000),
      row('nodes', 'chapman', 12_345_678, 12_000_000, 13_000_000),
      row('session_median_s', '', 258),
      row('session_survival', '15 min', 0.0861, 0.061, 0.116),
      row('session_survival', '5 min', 0.438, 0.395, 0.48),
      row('sessions', 'all', 1_238),
      row('sessions', 'created', 1_045),
      row('sessions', 'ended', 910),
      row('visits', 'ok', 2),
      row('visits', 'timeout', 9),
    ],
  });
  const line = (name: string): string =>
    text
      .split('\n')
      .find((each) => each.startsWith(name))
      ?.slice(name.length)
      .trim() ?? '';
  expect(line('begun:')).toBe('2026-01-02 03:00:00 UTC, took 1h30m, monitor');
  expect(line('zone:')).toMatch(/^0\/0, IPv4, seed /);
  expect(line('clients:')).toBe('b 1 200, a 3');
  expect(line('visits:')).toBe('timeout 9, ok 2');
  expect(line('countries:')).toBe('C8 108, C7 107, C6 106, C5 105, C4 104, C3 103, C2 102, C1 101, 2 more');
  expect(text.indexOf('(Chapman)')).toBeLessThan(text.indexOf('found / ('));
  expect(line('nodes, two looks (Chapman):')).toBe('12 345 678 (95 %: 12 000 000 to 13 000 000)');
  expect(text).toContain(
    [
      'sessions: 1 238, 1 045 seen to begin, 910 seen to end',
      '  longer than 5 min: 43.8 % (95 %: 39.5 % to 48.0 %)',
      '  longer than 15 min: 8.6 % (95 %: 6.1 % to 11.6 %)',
      '  median: 4m18s',
    ].join('\n'),
  );
  expect(text).not.toContain('samples');
});

it('says how many samples came, and nothing of sessions that nobody looked for', async () => {
  const run = await makeRunFolder(`${place.path}/samples`, { nodes: 0 });
  const summary = [
    row('samples', 'nodes', 1),
    row('samples', 'stored', 64),
    row('samples', 'info_hashes', 0),
  ];
  const text = summaryText({ run, summary });
  expect(text).toContain('samples: 1 node of the zone gave some; they say they store 64 info hashes');
  expect(text).not.toContain('sessions');
});
