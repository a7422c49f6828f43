// The screen of a crawl at every size: as many rows as there are, none wider, and in them what was counted.
import { expect, it } from 'vitest';
import { stripStyle } from '../../../cli/output/style.ts';
import { textWidth } from '../../../cli/output/text.ts';
import { CrawlModel } from '../../../cli/ui/crawl-screen.ts';
import { type CrawlView, crawlLines, squeezed } from '../../../cli/ui/crawl-view.ts';
import { paintLine, plainText } from '../../../cli/ui/styled.ts';
import { CrawlCounts } from '../../../dht/crawl/crawl-counts.ts';
import type { CrawlProgress } from '../../../dht/crawl/io/crawl-run.ts';

function progress(visits: number): CrawlProgress {
  const counts = new CrawlCounts();
  counts.listed = visits + 100;
  for (let i = 0; i < visits; i++) {
    const hasAnswered = i % 4 !== 0;
    counts.count({
      outcome: hasAnswered ? 'ok' : 'timeout',
      isInZone: true,
      isClaimedInZone: true,
      tries: 1,
      answeredTry: hasAnswered ? 1 : undefined,
      roundTripMs: hasAnswered ? 120 : undefined,
      client: i % 3 === 0 ? 'tt' : 'libtorrent',
      bep42: 'valid',
    });
  }
  return {
    runId: 'run',
    phase: 'crawl',
    pass: 1,
    elapsedMs: visits * 10,
    counts,
    verified: counts.verified,
    queueLeft: 100,
    inFlight: 7,
    sent: visits,
    zoneBits: 4,
    traps: 2,
  };
}

it('fits every size and says what was counted', () => {
  const view: CrawlView = {
    progress: progress(400),
    zone: 'a3f/12',
    verified: [1, 20, 150, 300],
    rates: [90, 100, 110],
    notes: ['a note'],
  };
  for (const [columns, rows] of [
    [80, 24],
    [40, 10],
    [200, 60],
    [20, 3],
    [79, 25],
  ] as const) {
    const lines = crawlLines(view, columns, rows);
    expect(lines.length).toBeLessThanOrEqual(rows);
    for (const line of lines)
      expect(textWidth(stripStyle(paintLine(line, columns, true)))).toBeLessThanOrEqual(columns);
  }
  const text = crawlLines(view, 120, 30).map(plainText).join('\n');
  for (const part of [
    'a3f/12',
    '400, 100 queued, 7 in flight',
    '300',
    '2 trapped subnets',
    'libtorrent',
    'nodes in the network',
    'q stop',
  ])
    expect(text).toContain(part);
});

it('a curve keeps its shape when it gets coarser', () => {
  expect(squeezed([1, 2, 3], 5)).toEqual([1, 2, 3]);
  expect(squeezed([1, 2, 3, 4, 5, 6, 7, 8], 4)).toEqual([2, 4, 6, 8]);
});

it('keys end it; a picture comes with every update, no wider than the terminal', () => {
  const asked: string[] = [];
  const model = new CrawlModel({
    hasColor: false,
    zone: '0/0',
    quit: () => asked.push('quit'),
    interrupt: () => asked.push('interrupt'),
  });
  let changes = 0;
  model.subscribe(() => changes++);
  for (let i = 1; i <= 3; i++) model.update(progress(i * 50));
  model.press('q');
  model.press('ctrl-c');
  model.press('x');
  expect([changes, asked]).toEqual([3, ['quit', 'interrupt']]);
  for (const row of model.frame(80, 24)) expect(textWidth(stripStyle(row))).toBeLessThanOrEqual(80);
});
