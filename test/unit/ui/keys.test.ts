// What keys do: commands for the engine, questions before what cannot be undone, text on its way in.
import { describe, expect, it } from 'vitest';
import { modelRig, session, torrent } from '../../support/screen-rig.ts';

const HASH = 'a'.repeat(40);

function rigWith(
  snapshot = session([torrent()]),
  options: Parameters<typeof modelRig>[0] = {},
): ReturnType<typeof modelRig> {
  const rig = modelRig(options);
  rig.model.setSnapshot(snapshot);
  return rig;
}

/** Promises that are settled already have had their say. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('commands', () => {
  it('Ctrl-L asks for everything to be drawn again, whatever is open', () => {
    const rig = rigWith();
    let count = 0;
    rig.model.onRedraw = () => count++;
    rig.press('ctrl-l', 'a', 'ctrl-l', 'escape', '?', 'ctrl-l');
    expect(count).toBe(3);
  });

  it('p tries a torrent again that an error stopped', () => {
    const rig = rigWith(session([torrent({ state: 'error', error: 'disk full' })]));
    rig.press('p');
    expect(rig.commands).toEqual([{ kind: 'resume', torrent: HASH }]);
  });

  it('p pauses, and resumes what is paused', () => {
    const rig = rigWith();
    rig.press('p');
    rig.model.setSnapshot(session([torrent({ state: 'paused' })]));
    rig.press('p');
    expect(rig.commands).toEqual([
      { kind: 'pause', torrent: HASH },
      { kind: 'resume', torrent: HASH },
    ]);
    expect(rig.text()).toContain('resumed');
  });

  it('s turns the order on and off, n asks for peers', () => {
    const rig = rigWith();
    rig.press('s', 'n');
    rig.model.setSnapshot(session([torrent({ isSequential: true })]));
    rig.press('s');
    expect(rig.commands).toEqual([
      { kind: 'set-sequential', torrent: HASH, on: true },
      { kind: 'announce', torrent: HASH },
      { kind: 'set-sequential', torrent: HASH, on: false },
    ]);
  });

  it('limits go in steps, each direction by itself', () => {
    const rig = rigWith(session([torrent()], { upLimitBytesPerSec: 1 << 20 }));
    rig.press('-', '>');
    expect(rig.commands).toEqual([
      { kind: 'set-limits', down: 10 << 20, up: undefined },
      { kind: 'set-limits', down: undefined, up: 2 << 20 },
    ]);
    expect(rig.text()).toContain('upload limit: 2.00 MiB/s');
  });

  it.each([
    ['r', 'recheck'],
    ['x', 'remove'],
  ])('%s asks first', (key, kind) => {
    const rig = rigWith();
    rig.press(key);
    expect(rig.text()).toMatch(/\? .*y does it/);
    rig.press('q');
    expect(rig.commands).toEqual([]);
    expect(rig.asked).toEqual([]);
    rig.press(key, 'y');
    expect(rig.commands).toEqual([{ kind, torrent: HASH }]);
  });

  it('file keys change the chosen file, and only in their panel', () => {
    const rig = rigWith();
    rig.press('space', ']');
    expect(rig.commands).toEqual([]);
    rig.press('4', 'down', 'space', ']', '[', 'f', '7', 'down', 'space', 'f', 'x');
    const set = (file: number, priority: number): object => ({
      kind: 'set-file-priority',
      torrent: HASH,
      file,
      priority,
    });
    expect(rig.commands).toEqual([set(1, 0), set(1, 5), set(1, 3), set(1, 7), set(2, 4)]);
  });

  it('what goes wrong is told and kept in the log', async () => {
    const rig = rigWith(undefined, { failWith: 'no space \u001b[31mleft' });
    rig.press('p');
    await settled();
    expect(rig.text()).toContain('no space \\x1b[31mleft');
    rig.press('6');
    expect(rig.text()).toContain('no space \\x1b[31mleft');
  });

  it('count from what the key before did, however quickly they come', () => {
    let down = 1 << 20;
    const rig = modelRig({
      onCommand: (command) => {
        if (command.kind === 'set-limits') down = command.down ?? down;
      },
      snapshot: () => session([torrent()], { downLimitBytesPerSec: down }),
    });
    rig.model.setSnapshot(session([torrent()], { downLimitBytesPerSec: down }));
    rig.press('+', '+', '+');
    expect(down).toBe(10 << 20);
  });

  it('go to the torrent chosen in the list', () => {
    const rig = rigWith(session([torrent(), torrent({ infoHash: 'b'.repeat(40) })]));
    rig.press('down', 'p');
    expect(rig.commands).toEqual([{ kind: 'pause', torrent: 'b'.repeat(40) }]);
  });
});

describe('leaving', () => {
  it('q ends cleanly, Ctrl-C is the signal, in every mode and before the first picture', () => {
    const rig = modelRig();
    rig.press('ctrl-c', 'q');
    rig.model.setSnapshot(session([torrent()]));
    rig.press('a', 'ctrl-c', 'escape', 'q');
    expect(rig.asked).toEqual(['interrupt', 'quit', 'interrupt', 'quit']);
  });

  it('Ctrl-Z goes to the terminal', () => {
    const rig = rigWith();
    let stops = 0;
    rig.press('ctrl-z');
    rig.model.onSuspend = () => stops++;
    rig.press('ctrl-z');
    expect(stops).toBe(1);
  });
});

describe('adding', () => {
  it('a magnet by pasting, whatever is on the screen', async () => {
    const rig = rigWith();
    rig.model.paste('  magnet:?xt=urn:btih:0123&dn=x\n');
    expect(rig.text()).toContain('add: magnet:?xt=urn:btih:0123&dn=x');
    rig.press('enter');
    expect(rig.asked).toEqual(['add:magnet:?xt=urn:btih:0123&dn=x']);
    expect(rig.text()).toContain('adding magnet:?xt=urn:btih:0123&dn=x');
    await Promise.resolve();
    expect(rig.text()).toContain('added; Esc shows the list of torrents');
  });

  it('typed, with corrections; Esc forgets it', () => {
    const rig = rigWith();
    rig.press('a', ...'x.torrenz', 'backspace', 't', 'space', 'left', 'enter');
    rig.press('a', ...'no', 'escape', 'a', 'enter');
    expect(rig.asked).toEqual(['add:x.torrent']);
  });

  it('a peer of the chosen torrent', () => {
    const rig = rigWith();
    rig.model.paste('[2001:db8::1]:6881');
    rig.press('enter');
    expect(rig.commands).toEqual([{ kind: 'add-peer', torrent: HASH, host: '2001:db8::1', port: 6881 }]);
  });

  it('takes no control characters, and a long link shows its end', () => {
    const rig = rigWith();
    rig.model.paste(`magnet:?${'y'.repeat(50_000)}\u001b]0;x\u0007`);
    for (const row of rig.rows()) expect(row.length).toBeLessThanOrEqual(80);
    expect(rig.text()).toMatch(/add: …y+ /);
    rig.press('enter');
    expect(rig.asked[0]).toHaveLength('add:'.length + 16_384);
  });

  it('is refused where the command takes nothing more', () => {
    const rig = rigWith(undefined, { addsNothing: true });
    rig.model.paste('magnet:?xt=urn:btih:0123');
    rig.press('enter');
    expect(rig.text()).toContain('nothing can be added here');
  });

  it('an unknown key says where the known ones are', () => {
    const rig = rigWith();
    rig.press('%');
    expect(rig.text()).toContain('% does nothing; ? shows all keys');
  });
});
