// The real program in a real terminal, downloading from a seed of our own: what is on the screen, and after it.
import { writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LOCAL, launcher, makePlace, payload } from '../cli/support.ts';
import type { RunningProcess } from '../support/process.ts';
import { hasTmux, Tmux } from '../support/tmux.ts';

const TIMEOUT_MS = 90_000;
const SIZE = 24 << 20;
const isThere = hasTmux();
if (!isThere) {
  if (process.env['CI'] !== undefined) throw new Error('tmux is missing: apt-get install tmux');
  console.warn('SKIPPED: the screen in a terminal needs tmux: apt-get install tmux');
}

const place = makePlace();
const node = JSON.stringify(process.execPath);
let seed: RunningProcess;
let magnet = '';
let tmux: Tmux | undefined;

function openTerminal(columns = 80, rows = 24, env: Record<string, string> = {}): Tmux {
  tmux = new Tmux({ columns, rows, cwd: place.path, env: { ...place.env, CI: undefined, ...env } });
  return tmux;
}

function download(folder: string, ...flags: string[]): string {
  return `${node} ${launcher} download '${magnet}' -o ${folder} ${[...LOCAL, ...flags].join(' ')}; echo code $?`;
}

describe.skipIf(!isThere)('the screen in a terminal', { timeout: TIMEOUT_MS }, () => {
  beforeAll(async () => {
    writeFileSync(`${place.path}/data.bin`, payload(SIZE));
    seed = place.start('seed', 'data.bin', '--events', ...LOCAL);
    magnet = (JSON.parse(await seed.waitForLine(/"event":"seeding"/, TIMEOUT_MS)) as { magnet: string })
      .magnet;
  }, TIMEOUT_MS);

  afterEach(() => {
    tmux?.close();
    tmux = undefined;
  });

  afterAll(async () => void (await seed?.stop('SIGINT')));

  it('shows progress, answers keys, pauses, and leaves with q the terminal as it was', async () => {
    const terminal = openTerminal();
    terminal.type(download('one', '--down-limit', '1M'));
    await terminal.see(/\[1 Overview\][\s\S]*(\d\.\d|10\.\d)% █?[\s\S]*MiB of 24\.0 MiB/);
    expect(terminal.isAlternate).toBe(true);
    await terminal.see(/tt \d+\.\d% {2}data\.bin .*↓ +\d/);
    terminal.keys('3');
    await terminal.see(/\[3 Peers 1\][\s\S]*D---- tcp +100% .*tt \d/);
    terminal.keys('Tab');
    await terminal.see(/\[4 Files 1\][\s\S]*> {5}1 4 normal .*data\.bin/);
    terminal.keys('2');
    await terminal.see(/\[2 Pieces\][\s\S]*in flight[\s\S]*[█▓▒]/);
    terminal.keys('p');
    await terminal.see(/paused/);
    terminal.keys('1');
    await terminal.see(/paused; p resumes/);
    terminal.keys('p', '-');
    await terminal.see(/download limit: 5\d\d KiB\/s/);
    terminal.keys('?');
    await terminal.see(/Keys[\s\S]*pause or resume/);
    terminal.keys('Escape');
    await terminal.see(/limits +down/);
    terminal.keys('q');
    const after = await terminal.see(/code 4/);
    // The folder's name may be longer than what is left of the line.
    const unwrapped = after.replaceAll('\n', '');
    expect(unwrapped).toMatch(/data\.bin: \d+(\.\d)?% \(.* of 24\.0 MiB\) after .*in .*\/one/);
    await terminal.backAtShell();
    expect(terminal.isAlternate).toBe(false);
    expect(terminal.isCursorShown).toBe(true);
    expect(terminal.isWrapping).toBe(true);
  });

  it('ends by itself when all is there, and says so in one line', async () => {
    const terminal = openTerminal(120, 40);
    terminal.type(download('two', '--down-limit', '12M'));
    await terminal.see(/\[1 Overview\]/);
    const after = await terminal.see(/code 0/);
    expect(after).toMatch(/data\.bin: 24\.0 MiB in [\d.]+s \(.*\/s\), ratio 0\.00, 0 B wasted, in .*two/);
    expect(terminal.isAlternate).toBe(false);
  });

  it('stays with --seed: where it lies, how long it took, its ratio; follows the size; Ctrl-C is 130', async () => {
    const terminal = openTerminal(200, 60, { NO_COLOR: '1' });
    terminal.type(download('three', '--seed'));
    const screen = await terminal.see(
      /complete, seeding[\s\S]*took +[\d.]+s at [\d.]+ [KMG]iB\/s on average/,
    );
    expect(screen).toMatch(/lies in +.*\/three/);
    expect(screen).toMatch(/ratio 0\.00 +wasted nothing/);
    // tmux itself writes 39: the default.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(terminal.screen(true)).not.toMatch(/\u001b\[(1;)?3[0-7]m/);
    terminal.resize(80, 24);
    await terminal.see(/^ tt 100%.{70,76}\n/);
    terminal.resize(120, 40);
    await terminal.see(/^ tt 100%.{110,116}\n/);
    terminal.keys('C-c');
    await terminal.see(/code 130/);
    await terminal.backAtShell();
  });

  it('Ctrl-Z gives the shell back, fg the screen, and the download goes on', async () => {
    const terminal = openTerminal();
    terminal.type(
      `set -m; ${node} ${launcher} download '${magnet}' -o four ${LOCAL.join(' ')} --down-limit 1M`,
    );
    await terminal.see(/MiB of 24\.0 MiB/);
    terminal.keys('C-z');
    await terminal.backAtShell();
    expect(terminal.isAlternate).toBe(false);
    expect(terminal.isWrapping).toBe(true);
    terminal.type('fg');
    await terminal.see(/\[1 Overview\][\s\S]*MiB of 24\.0 MiB/);
    expect(terminal.isAlternate).toBe(true);
    expect(terminal.isWrapping).toBe(false);
    terminal.keys('6');
    await terminal.see(/\[6 Log\][\s\S]*the first data came in/);
    terminal.keys('q');
    await terminal.backAtShell();
  });

  it('a pasted magnet is another torrent, and x takes one away', async () => {
    const terminal = openTerminal(120, 40);
    terminal.type(download('five', '--down-limit', '1M'));
    await terminal.see(/MiB of 24\.0 MiB/);
    const other = `magnet:?xt=urn:btih:${'12'.repeat(20)}&dn=another`;
    terminal.paste(other);
    await terminal.see(/add: magnet:\?xt=urn:btih:1212/);
    terminal.keys('Enter');
    await terminal.see(/added; Esc shows the list of torrents/);
    terminal.keys('Escape');
    await terminal.see(/Torrents {2}Enter opens[\s\S]*metadata .*another/);
    terminal.keys('Down', 'x');
    await terminal.see(/Remove another\?/);
    terminal.keys('y');
    await terminal.see(/\[1 Overview\]|1 torrent,/);
    terminal.keys('C-c');
    await terminal.see(/code 130/);
  });

  it('is not there with --no-screen, in CI, on a dumb terminal', async () => {
    for (const [folder, env, flag] of [
      ['six', '', '--no-screen'],
      ['seven', 'CI=true ', '--no-lsd'],
      ['eight', 'TERM=dumb ', '--no-lsd'],
    ] as const) {
      const terminal = openTerminal();
      terminal.type(`${env}${download(folder, flag, '--down-limit', '20M')}`);
      await terminal.see(/code 0/);
      expect(terminal.screen()).not.toContain('Overview');
      terminal.close();
    }
  });
});
