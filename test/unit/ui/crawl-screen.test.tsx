// The screen of a crawl in Ink: drawn into terminals of several sizes, resized while it runs, ended by keys.
import { render as renderSmall } from 'ink-testing-library';
import { afterEach, describe, expect, it } from 'vitest';
import { CrawlModel } from '../../../cli/crawl/crawl-screen.ts';
import { Screen } from '../../../cli/ui/screen.tsx';
import { crawlModel, crawlProgress } from '../../support/crawl-picture.ts';
import { DRAWN_WITHIN_MS, InkScreens, see } from '../../support/ink-rig.tsx';
import { waitFor } from '../../support/wait.ts';

const screens = new InkScreens();
afterEach(() => screens.unmount());

describe('the screen of a crawl in Ink', () => {
  it.each([
    [80, 24],
    [120, 40],
    [200, 60],
  ])('fills %ix%i and follows the crawl', async (columns, rows) => {
    const model = crawlModel({ hasColor: true, hasPlaces: true });
    const { stdout } = screens.show(model, columns, rows);
    await see(stdout, '12 countries');
    expect(stdout.text.split('\n')).toHaveLength(rows);
    expect(stdout.lastFrame).toContain('\u001b[35m');
    for (const part of ['a3f/12', 'RU Russia', 'discovered', 'libtorrent 2.0', 'q stop'])
      expect(stdout.text).toContain(part);
    model.update(crawlProgress({ visits: 10, listed: 50, hasPlaces: true, firstVerified: 2_600 }), 4_000);
    await see(stdout, 'second look');
    await see(stdout, '4s left');
    expect(stdout.text.split('\n')).toHaveLength(rows);
  });

  it('is drawn anew at every size while it is being resized', async () => {
    const model = crawlModel({ hasColor: false, hasPlaces: true });
    const { stdout } = screens.show(model, 80, 24);
    for (const [columns, rows] of [
      [200, 60],
      [40, 10],
      [10, 3],
      [72, 18],
      [120, 40],
    ] as const) {
      stdout.resize(columns, rows);
      model.update(crawlProgress({ visits: 500, hasPlaces: true }), undefined);
      await waitFor(
        () => {
          const lines = stdout.text.split('\n');
          return lines.length <= rows && lines.every((line) => line.length <= columns);
        },
        { what: () => `a frame of ${columns}x${rows}, not\n${stdout.text}`, timeoutMs: DRAWN_WITHIN_MS },
      );
    }
    await see(stdout, 'AS64500 Example 0');
  });

  it('hears q and Ctrl-C, and nothing else ends it', async () => {
    const asked: string[] = [];
    const model = new CrawlModel({
      hasColor: false,
      title: 'tt dht crawl 0/0',
      quit: () => asked.push('quit'),
      interrupt: () => asked.push('interrupt'),
    });
    const { stdin, stdout } = screens.show(model, 80, 24);
    await see(stdout, 'tt dht crawl 0/0');
    for (const key of ['x', '?', ' ', '\u001b[A', 'a long text that was pasted', 'q', '\u0003'])
      stdin.type(key);
    await waitFor(() => asked.length >= 2, {
      what: () => `what was asked: ${asked}`,
      timeoutMs: DRAWN_WITHIN_MS,
    });
    expect(asked).toEqual(['quit', 'interrupt']);
  });

  it('draws in a terminal that is none', () => {
    const { lastFrame, unmount } = renderSmall(
      <Screen model={crawlModel({ hasColor: false, hasPlaces: false })} />,
    );
    expect(lastFrame()).toContain('first look');
    unmount();
  });
});
