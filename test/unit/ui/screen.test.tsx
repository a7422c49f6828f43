// The screen in Ink: drawn into terminals of several sizes, resized while drawing, typed at, broken on purpose.
import { render as renderSmall } from 'ink-testing-library';
import { afterEach, describe, expect, it } from 'vitest';
import { Screen } from '../../../cli/ui/screen.tsx';
import { DRAWN_WITHIN_MS, InkScreens, see } from '../../support/ink-rig.tsx';
import { modelRig, session, torrent } from '../../support/screen-rig.ts';
import { waitFor } from '../../support/wait.ts';

const screens = new InkScreens();
afterEach(() => screens.unmount());

describe('Screen', () => {
  it.each([
    [80, 24],
    [120, 40],
    [200, 60],
  ])('fills %ix%i and follows the pictures', async (columns, rows) => {
    const rig = modelRig({ hasColor: true });
    const { stdout } = screens.show(rig.model, columns, rows);
    await see(stdout, 'starting');
    rig.model.setSnapshot(session([torrent()]));
    expect(stdout.text.split('\n')).toHaveLength(rows);
    await see(stdout, '333 MiB of 0.98 GiB');
    expect(stdout.lastFrame).toContain('\u001b[32m');
    rig.model.setSnapshot(session([torrent({ verifiedBytes: 500 << 20 })]));
    await see(stdout, '500 MiB of 0.98 GiB');
  });

  it('is drawn anew at every size while it is being resized', async () => {
    const rig = modelRig();
    const { stdout } = screens.show(rig.model, 80, 24);
    rig.model.setSnapshot(session([torrent()]));
    for (const [columns, rows] of [
      [200, 60],
      [40, 10],
      [10, 3],
      [120, 40],
    ] as const) {
      stdout.resize(columns, rows);
      rig.model.setSnapshot(session([torrent()]));
      await waitFor(
        () => {
          const lines = stdout.text.split('\n');
          return lines.length <= rows && lines.every((line) => line.length <= columns);
        },
        { what: () => `a frame of ${columns}x${rows}, not\n${stdout.text}`, timeoutMs: DRAWN_WITHIN_MS },
      );
    }
    await see(stdout, 'qBittorrent');
  });

  it('hears keys, arrows, Ctrl-C in raw mode, and text pasted in both ways', async () => {
    const rig = modelRig();
    const { stdout, stdin } = screens.show(rig.model, 80, 24);
    rig.model.setSnapshot(session([torrent()]));
    expect(stdin.isRaw).toBe(true);
    stdin.type('3');
    await see(stdout, '[3 Peers 2]');
    stdin.type('\u001b[C');
    await see(stdout, '[4 Files 3]');
    stdin.type('\u001b[Z');
    await see(stdout, '[3 Peers 2]');
    stdin.type('\u0003');
    stdin.type('\u001b[200~magnet:?xt=urn:btih:00\u001b[201~');
    await see(stdout, 'add: magnet:?xt=urn:btih:00');
    stdin.type('\r');
    // A terminal that marks nothing sends it as if typed at once: no letter of it may count as a key.
    stdin.type('magnet:?xt=urn:btih:11&dn=xqp');
    stdin.type('\r');
    // A key held down while the program was busy is a key as often.
    stdin.type('l'.repeat(10));
    await see(stdout, '[1 Overview]');
    expect(rig.asked).toEqual([
      'interrupt',
      'add:magnet:?xt=urn:btih:00',
      'add:magnet:?xt=urn:btih:11&dn=xqp',
    ]);
    expect(rig.commands).toEqual([]);
  });

  it('ends with the error when a key or the drawing breaks', async () => {
    for (const where of ['press', 'frame'] as const) {
      const rig = modelRig();
      const { stdin, instance } = screens.show(rig.model, 80, 24);
      const ended = instance.waitUntilExit();
      rig.model[where] = () => {
        throw new Error(`broken ${where}`);
      };
      if (where === 'press') stdin.type('p');
      else rig.model.setSnapshot(session([torrent()]));
      await expect(ended).rejects.toThrow(`broken ${where}`);
    }
  });

  it('draws where a terminal tells its width only', async () => {
    const rig = modelRig();
    const { lastFrame, stdin, unmount } = renderSmall(<Screen model={rig.model} />);
    screens.add(unmount);
    rig.model.setSnapshot(session([torrent()]));
    stdin.write('5');
    await waitFor(() => lastFrame()?.includes('udp://tracker.example:6969/announce'), {
      what: () => `the tracker in\n${lastFrame()}`,
      timeoutMs: DRAWN_WITHIN_MS,
    });
  });
});
