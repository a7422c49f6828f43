// The screen of a crawl at every size: as many rows as there are, none wider, and in them what was counted.
import { describe, expect, it } from 'vitest';
import { countryName, placeLines } from '../../../cli/crawl/crawl-places.ts';
import { CrawlModel } from '../../../cli/crawl/crawl-screen.ts';
import { type CrawlView, crawlLines, fitted, squeezed } from '../../../cli/crawl/crawl-view.ts';
import { liveEstimate, Pace } from '../../../cli/crawl/live-estimate.ts';
import { brailleBand } from '../../../cli/terminal/charts.ts';
import { stripStyle } from '../../../cli/terminal/style.ts';
import { textWidth } from '../../../cli/terminal/text.ts';
import { lineWidth, paintLine, plainText } from '../../../cli/ui/styled.ts';
import { type CrawlMoment, crawlModel, crawlProgress } from '../../support/crawl-picture.ts';

const SIZES = [
  [80, 24],
  [120, 40],
  [200, 60],
  [100, 30],
  [79, 25],
  [40, 10],
  [20, 3],
  [1, 1],
] as const;

function viewOf(moment: CrawlMoment): CrawlView {
  return {
    progress: crawlProgress(moment),
    title: 'tt dht crawl a3f/12',
    leftMs: 125_000,
    verified: [1, 20, 150, 300],
    rates: [90, 100, 110],
    estimates: [
      [100, 900],
      [300, 500],
    ],
    notes: ['a note'],
  };
}

function textOf(view: CrawlView, columns: number, rows: number): string {
  return crawlLines(view, columns, rows).map(plainText).join('\n');
}

describe('the screen of a crawl', () => {
  it.each(SIZES)('fits %ix%i, with places and without', (columns, rows) => {
    for (const moment of [
      { visits: 400, traps: 2 },
      { visits: 400, hasPlaces: true },
      { visits: 0, listed: 0, hasPlaces: true },
      { visits: 300, firstVerified: 310, hasPlaces: true },
      { visits: 9_000_000 % 9_973, listed: 9_000_000, hasPlaces: true },
    ]) {
      const view = viewOf(moment);
      const lines = crawlLines(view, columns, rows);
      expect(lines.length).toBeLessThanOrEqual(rows);
      if (rows >= 10) expect(lines).toHaveLength(rows);
      for (const hasColor of [true, false])
        for (const line of lines)
          expect(textWidth(stripStyle(paintLine(line, columns, hasColor)))).toBeLessThanOrEqual(columns);
      if (rows >= 10) expect(plainText(lines.at(-1) ?? [])).toContain('q stop');
    }
  });

  it('says what was counted', () => {
    const text = textOf(viewOf({ visits: 400, traps: 2 }), 120, 30);
    for (const part of [
      'tt dht crawl a3f/12  first look',
      '4s, 2m05s left',
      '400, 93 queued, 7 in flight',
      '320 of 500 listed, 80.0% answer',
      '2 trapped subnets',
      'median 2',
      '1.2% of round trips',
      'by what is listed so far',
      'discovered',
      'queries/s',
      'estimate so far',
      'libtorrent 2.0',
      'a note',
      'q stop',
    ])
      expect(text).toContain(part);
    expect(text).not.toContain('countries');
    expect(text).not.toContain('waiting');
    expect(textOf(viewOf({ visits: 400, listed: 405 }), 120, 30)).toContain(
      'first look, waiting for late answers',
    );
  });

  it.each([
    [80, 24],
    [120, 40],
    [200, 60],
  ])('has map, countries and curves side by side at %ix%i', (columns, rows) => {
    const text = textOf(viewOf({ visits: 1000, hasPlaces: true }), columns, rows);
    for (const part of [
      '12 countries, 12 AS',
      'o 1+  O 10+  0 100+',
      'RU Russia',
      '152',
      '19.0%',
      'discovered',
    ])
      expect(text).toContain(part);
    // The United States have 112: three digits; Brazil 72.
    expect(text).toMatch(/[⠀-⣿]+.*0/);
    if (columns > 80) expect(text).toContain('AS64500 Example 0');
  });

  it('leaves the map out where it could not be read, and keeps the countries', () => {
    const text = textOf(viewOf({ visits: 1000, hasPlaces: true }), 60, 30);
    expect(text).toContain('RU Russia');
    expect(text).not.toContain('o 1+');
    expect(text).toContain('72 unknown');
  });

  it('tightens the estimate, first by the queue, then by p', () => {
    const width = (moment: CrawlMoment): number => {
      const { low, high, value } = liveEstimate(crawlProgress(moment)) ?? { low: 0, high: 0, value: 0 };
      expect(low).toBeLessThanOrEqual(value);
      expect(high).toBeGreaterThanOrEqual(value);
      return (high - low) / value;
    };
    const first = [100, 500, 990].map((visits) => width({ visits, listed: 1000 }));
    const second = [100, 500, 990].map((visits) => width({ visits, listed: 1000, firstVerified: 792 }));
    for (const widths of [first, second]) expect(widths).toEqual([...widths].sort((x, y) => y - x));
    expect(textOf(viewOf({ visits: 500, firstVerified: 792 }), 120, 30)).toMatch(
      /estimate +3 310 237 nodes \(.* to .*\), p 98\.0%/,
    );
    expect(liveEstimate(crawlProgress({ visits: 0 }))).toBeUndefined();
    // Tables that wait for their next bucket are counted already.
    const drained = {
      ...crawlProgress({ visits: 500, listed: 500 }),
      queueLeft: 400,
      inFlight: 0,
      zoneBits: 0,
    };
    expect(liveEstimate(drained)).toMatchObject({ value: 400, low: 400, high: 400 });
    // Nobody yet whom both looks have seen.
    expect(textOf(viewOf({ visits: 0, firstVerified: 792 }), 120, 30)).toContain('at least 3 244 032 nodes');
    expect(textOf(viewOf({ visits: 0 }), 120, 30)).toContain('nobody yet');
  });
});

describe('time left', () => {
  it('goes by the pace of the last seconds, look by look', () => {
    const pace = new Pace();
    const at = (elapsedMs: number, visits: number, firstVerified?: number): number | undefined =>
      pace.update(
        crawlProgress({
          visits,
          listed: 1000,
          elapsedMs,
          ...(firstVerified === undefined ? {} : { firstVerified }),
        }),
      );
    expect(at(0, 0)).toBeUndefined();
    expect(at(500, 10)).toBeUndefined();
    expect(at(2_000, 100)).toBe(18_000);
    // A slow start is forgotten.
    for (let s = 3; s <= 20; s++) at(s * 1000, 100);
    expect(at(30_000, 400)).toBe(30_000);
    // The second look has a pace of its own.
    expect(at(31_000, 0, 800)).toBeUndefined();
    expect(at(33_000, 500, 800)).toBe(2_000);
    expect(at(34_000, 1000, 800)).toBeUndefined();
  });
});

describe('places', () => {
  it('names countries, made-up codes too, harmless', () => {
    expect(countryName('DE')).toBe('DE Germany');
    expect(countryName('QQ')).toBe('QQ');
    expect(countryName('\u001b[2J')).toBe('\\x1b[2J');
  });

  it('adds nothing up that is not there', () => {
    const none = { countries: new Map(), systems: new Map(), looked: 0 };
    for (const rows of [0, 1, 2, 10]) {
      const lines = placeLines(none, 50, rows);
      expect(lines.length).toBeLessThanOrEqual(rows);
      for (const line of lines) expect(lineWidth(line)).toBeLessThanOrEqual(50);
    }
    const [head, ...map] = placeLines(none, 50, 20).map(plainText);
    expect(head?.trim()).toBe('countries');
    expect(map.join('')).not.toMatch(/[o0O@]/);
  });
});

describe('curves', () => {
  it('keep their shape when they get coarser or finer', () => {
    expect(squeezed([1, 2, 3], 5)).toEqual([1, 2, 3]);
    expect(squeezed([1, 2, 3, 4, 5, 6, 7, 8], 4)).toEqual([2, 4, 6, 8]);
    expect(fitted([1, 2], 4)).toEqual([1, 1, 2, 2]);
    expect(fitted([], 4)).toEqual([]);
  });

  it('a band lies between its edges, never thinner than a dot', () => {
    const lines = brailleBand(
      [
        [0, 100],
        [0, 100],
        [50, 50],
        [50, 50],
      ],
      2,
      2,
      [0, 100],
    );
    expect(lines).toEqual(['⣿⣀', '⣿ ']);
    expect(brailleBand([[7, 7]], 3, 1, [7, 7])).toEqual(['  ⠐']);
    expect(brailleBand([], 3, 2, [0, 1])).toEqual(['   ', '   ']);
  });
});

it('keys end it; a picture comes with every update, no wider than the terminal', () => {
  const asked: string[] = [];
  const model = new CrawlModel({
    hasColor: false,
    title: 'tt dht crawl 0/0',
    quit: () => asked.push('quit'),
    interrupt: () => asked.push('interrupt'),
  });
  expect(model.frame(12, 24)).toEqual(['tt dht craw…']);
  let changes = 0;
  model.subscribe(() => changes++);
  for (let i = 1; i <= 3; i++) model.update(crawlProgress({ visits: i * 50 }), undefined);
  model.press('q');
  model.press('ctrl-c');
  model.press('x');
  expect([changes, asked]).toEqual([3, ['quit', 'interrupt']]);
  for (const row of model.frame(80, 24)) expect(textWidth(stripStyle(row))).toBeLessThanOrEqual(80);
});

it('reads the same without colour', () => {
  const [plain, colored] = [false, true].map((hasColor) =>
    crawlModel({ hasColor, hasPlaces: true }).frame(120, 40),
  ) as [readonly string[], readonly string[]];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: styles are made of them
  expect(plain.join('')).not.toMatch(/\u001b\[[0-9;]*3\d/);
  expect(plain.map(stripStyle)).toEqual(colored.map(stripStyle));
});
