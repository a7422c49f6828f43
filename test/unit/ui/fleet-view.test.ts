// The coordinator's screen: what it says of parts, workers and estimates, in every size of a terminal.
import { describe, expect, it } from 'vitest';
import { FleetModel, leftMs } from '../../../cli/crawl/fleet-screen.ts';
import { fleetEstimate } from '../../../cli/crawl/fleet-view.ts';
import { stripStyle } from '../../../cli/terminal/style.ts';
import { textWidth } from '../../../cli/terminal/text.ts';
import type { WorkerView } from '../../../dht/crawl/fleet/roster.ts';
import type { FleetProgress } from '../../../dht/crawl/io/fleet-run.ts';

const WORK = {
  runId: 'r',
  order: 3,
  zone: 'a3f4/14',
  visits: 1_203,
  queueLeft: 55,
  verified: 900,
  sent: 1_400,
};

function worker(name: string, changes: Partial<WorkerView> = {}): WorkerView {
  return {
    ...{ name, vantage: 'east', silentMs: 400, done: 2, work: WORK, isElsewhere: false, queriesPerSec: 498 },
    ...changes,
  };
}

const PROGRESS: FleetProgress = {
  runId: 'r',
  elapsedMs: 60_000,
  orders: 16,
  done: 6,
  doneBefore: 2,
  rows: 4_321,
  discarded: 1,
  visits: 5_000,
  verified: 3_400,
  sent: 12_345,
  queriesPerSec: 996,
  zoneBits: 12,
  vantages: [
    { name: 'east', orders: ['done', 'done', 'done', 'working', 'given', 'given', 'given', 'given'] },
    { name: 'west', orders: ['done', 'done', 'done', 'given', 'given', 'given', 'given', 'given'] },
  ],
  workers: [
    worker('one:11'),
    worker('two:22', { vantage: 'west', work: undefined, queriesPerSec: 0 }),
    worker('three:33', { silentMs: 9_200, queriesPerSec: 0 }),
    worker('four:44', { silentMs: 32_000, queriesPerSec: 0 }),
    worker('five:55', { isElsewhere: true, work: undefined }),
  ],
  clients: new Map([
    ['tt', 30],
    ['uTorrent', 70],
  ]),
  estimate: { value: 1_234_567, low: 1_200_000, high: 1_270_000, basis: 100, p: 0.987 },
  seenTwice: 3,
};

function screen(
  progress: FleetProgress,
  columns: number,
  rows: number,
  notes: readonly string[] = [],
): string[] {
  const model = new FleetModel({
    ...{ hasColor: false, title: 'tt dht crawl a3f/12' },
    quit: () => {},
    interrupt: () => {},
  });
  for (const note of notes) model.note(note);
  model.update({ ...progress, estimate: undefined, verified: 1 });
  model.update(progress);
  return model.frame(columns, rows).map((line) => stripStyle(line));
}

describe('the screen of a coordinator', () => {
  it('says which parts are done from where, who works, who fell silent, and the estimate', () => {
    const text = screen(PROGRESS, 100, 40).join('\n');
    for (const part of [
      /tt dht crawl a3f\/12 {2}coordinator +1m00s, 2m30s left/,
      /6 of 16 done, 1 being crawled, 1 attempt thrown away/,
      /3 400 of 5 000 visited/,
      /12 345, 996 a second now, 4 321 rows stored/,
      /1 234 567 nodes \(1 200 000 to 1 270 000\), p 98.7%, by 3 of 8 parts/,
      /^east +███▒···· +3 of 8$/m,
      /^west +███····· +3 of 8$/m,
      /workers +4 there, 1 gone/,
      /^one:11 +east +a3f4\/14 {2}1 203 visited, 55 queued +498\/s, 2 done$/m,
      /^two:22 +west +waits for an order/m,
      /^three:33 +east +silent for 9 s, a3f4\/14 was at 1 203/m,
      /^four:44 +east +no sign of life for 32 s, a3f4\/14 is left to another/m,
      /^five:55 +east +crawls for another run/m,
      /^uTorrent +█+.?░+ +70 +70.0%$/m,
    ])
      expect(text).toMatch(part);
  });

  it('fits every terminal, however many workers, parts and notes there are', () => {
    const many = Array.from({ length: 500 }, (_, i) => worker(`worker-with-a-long-name-${i}:${i}`));
    const parts = Array.from({ length: 4_096 }, (_, i) =>
      i < 2_000 ? ('done' as const) : ('given' as const),
    );
    const crowd: FleetProgress = {
      ...PROGRESS,
      workers: many,
      vantages: Array.from({ length: 16 }, (_, i) => ({ name: `v${i}`, orders: parts })),
    };
    for (const progress of [PROGRESS, crowd, { ...PROGRESS, workers: [], vantages: [] }])
      for (const columns of [20, 40, 80, 200])
        for (const rows of [1, 5, 10, 24, 60]) {
          const lines = screen(progress, columns, rows, ['a note', 'another']);
          expect(lines.length).toBe(rows);
          for (const line of lines)
            expect(textWidth(line), `${columns}x${rows}: ${line}`).toBeLessThanOrEqual(columns);
        }
    expect(screen(crowd, 100, 40).join('\n')).toMatch(/and 49\d more/);
  });

  it('says what it lacks', () => {
    const one = { ...PROGRESS, estimate: undefined, vantages: PROGRESS.vantages.slice(0, 1) };
    expect(fleetEstimate(one)).toMatch(/two estimate \(--vantages a,b\)/);
    expect(fleetEstimate({ ...PROGRESS, estimate: undefined })).toMatch(/6 of 16 orders done/);
    expect(fleetEstimate({ ...PROGRESS, estimate: undefined, done: 0 })).toBe('nobody yet');
    expect(screen({ ...PROGRESS, workers: [] }, 100, 40).join('\n')).toMatch(
      /none yet: tt dht crawl --worker --engine/,
    );
    // At the pace of this process alone.
    expect(leftMs(PROGRESS)).toBe(150_000);
    expect(leftMs({ ...PROGRESS, doneBefore: 5 })).toBeUndefined();
    expect(leftMs({ ...PROGRESS, done: 16 })).toBeUndefined();
  });

  it('hands keys on', () => {
    const pressed: string[] = [];
    const model = new FleetModel({
      ...{ hasColor: true, title: 't' },
      quit: () => pressed.push('quit'),
      interrupt: () => pressed.push('interrupt'),
    });
    model.onSuspend = () => pressed.push('suspend');
    model.onRedraw = () => pressed.push('redraw');
    for (const key of ['x', 'q', 'ctrl-c', 'ctrl-z', 'ctrl-l']) model.press(key);
    expect(pressed).toEqual(['quit', 'interrupt', 'suspend', 'redraw']);
  });
});
