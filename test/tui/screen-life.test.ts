// The screen through what happens to terminals and processes: signals, stops, sizes, a crash in drawing, a second tt; and what
// keys change while a download runs. The real program in tmux, against seeds of our own.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LOCAL, launcher, makePlace, payload } from '../cli/support.ts';
import type { RunningProcess } from '../support/process.ts';
import { hasTmux, Tmux } from '../support/tmux.ts';
import { waitFor } from '../support/wait.ts';

const TIMEOUT_MS = 90_000;
const SIZE = 12 << 20;
const place = makePlace();
const node = JSON.stringify(process.execPath);
const seeds: RunningProcess[] = [];
let one = '';
let folder = '';
let tmux: Tmux | undefined;

function openTerminal(columns = 80, rows = 24, env: Record<string, string> = {}): Tmux {
  tmux = new Tmux({ columns, rows, cwd: place.path, env: { ...place.env, CI: undefined, ...env } });
  return tmux;
}

/** @param what magnets, then flags */
function tt(out: string, ...what: string[]): string {
  return `${node} ${launcher} download ${what.join(' ')} -o ${out} ${LOCAL.join(' ')}`;
}

const shown = (magnet: string): string => `'${magnet}'`;

async function seedOf(path: string): Promise<string> {
  const seed = place.start('seed', path, '--events', ...LOCAL);
  seeds.push(seed);
  const line = await seed.waitForLine(/"event":"seeding"/, TIMEOUT_MS);
  return (JSON.parse(line) as { magnet: string }).magnet;
}

/** The program itself, below its launcher. */
async function pidOf(out: string): Promise<number> {
  const { execFileSync } = await import('node:child_process');
  return waitFor(
    () => {
      const lines = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n');
      const mine = lines.filter(
        (line) => line.includes(`-o ${out} `) && line.includes('download') && !line.includes('sh -c'),
      );
      const last = mine.at(-1);
      return last === undefined ? undefined : Number(last.trim().split(' ')[0]);
    },
    { what: () => `a process of ${out}`, timeoutMs: TIMEOUT_MS },
  ) as Promise<number>;
}

function sha(file: string): string {
  return createHash('sha1')
    .update(readFileSync(`${place.path}/${file}`))
    .digest('hex');
}

describe.skipIf(!hasTmux())('the screen in a terminal', { timeout: TIMEOUT_MS }, () => {
  beforeAll(async () => {
    writeFileSync(`${place.path}/one.bin`, payload(SIZE, 11));
    mkdirSync(`${place.path}/folder`);
    for (let i = 1; i <= 4; i++)
      writeFileSync(`${place.path}/folder/part-${i}.bin`, payload(SIZE / 4, 20 + i));
    [one, folder] = (await Promise.all([seedOf('one.bin'), seedOf('folder')])) as [string, string];
  }, TIMEOUT_MS);
  afterEach(() => {
    tmux?.close();
    tmux = undefined;
  });
  afterAll(async () => void (await Promise.all(seeds.map((seed) => seed.stop('SIGINT')))));

  it('SIGTERM: the terminal is as it was, what was done is said, code 143', async () => {
    const terminal = openTerminal();
    terminal.type(`${tt('term', shown(one), '--down-limit', '1M')}; echo code $?`);
    await terminal.see(/MiB of 12\.0 MiB/);
    process.kill(await pidOf('term'), 'SIGTERM');
    const after = await terminal.see(/code 143/);
    expect(after).toMatch(/one\.bin: \d.* of 12\.0 MiB\)/);
    expect(terminal.isAlternate).toBe(false);
    expect(terminal.isCursorShown).toBe(true);
    expect(terminal.isWrapping).toBe(true);
    await terminal.backAtShell();
  });

  it('SIGQUIT, which ends without a goodbye: the terminal is as it was all the same', async () => {
    const terminal = openTerminal();
    terminal.type(`ulimit -c 0; ${tt('quit', shown(one), '--down-limit', '1M')}; echo code $?`);
    await terminal.see(/MiB of 12\.0 MiB/);
    process.kill(await pidOf('quit'), 'SIGQUIT');
    await terminal.see(/code 131/);
    expect(terminal.isAlternate).toBe(false);
    expect(terminal.isCursorShown).toBe(true);
    expect(terminal.isWrapping).toBe(true);
    await terminal.backAtShell();
  });

  it('SIGSTOP and SIGCONT, which ask nobody: the screen is drawn anew and goes on', async () => {
    const terminal = openTerminal();
    // Without job control: a shell that has it takes the terminal when it sees the stop, sooner or later than we continue.
    terminal.type(`set +m; ${tt('stop', shown(one), '--down-limit', '1M')}; echo code $?`);
    await terminal.see(/MiB of 12\.0 MiB/);
    const pid = await pidOf('stop');
    process.kill(pid, 'SIGSTOP');
    process.kill(pid, 'SIGCONT');
    terminal.keys('6');
    await terminal.see(/\[6 Log\][\s\S]*the first data came in/);
    expect(terminal.isAlternate).toBe(true);
    terminal.keys('C-c');
    await terminal.see(/code 130/);
  });

  it('Ctrl-L draws anew what somebody else has written over', async () => {
    const terminal = openTerminal();
    terminal.type(`${tt('redraw', shown(one), '--down-limit', '1M')}; echo code $?`);
    await terminal.see(/MiB of 12\.0 MiB/);
    terminal.scribble('\r\nsomebody else\r\nwas here\r\n');
    await terminal.see(/was here/);
    terminal.keys('C-l');
    const screen = await terminal.see(/^ tt \d/);
    expect(screen).not.toContain('was here');
    expect(screen.split('\n')[1]).toMatch(/^\[1 Overview\]/);
    terminal.keys('C-c');
    await terminal.see(/code 130/);
  });

  it('resized again and again while it draws: each size is filled, none is torn', async () => {
    const terminal = openTerminal(120, 40);
    terminal.type(`${tt('size', shown(one), '--down-limit', '256K')}; echo code $?`);
    await terminal.see(/MiB of 12\.0 MiB/);
    for (const [columns, rows] of [
      [200, 60],
      [40, 8],
      [81, 25],
      [200, 10],
      [60, 50],
      [80, 24],
    ] as const) {
      terminal.resize(columns, rows);
    }
    const screen = await terminal.see(/^ tt \d.*one\.bin.*\/s$/m);
    const lines = screen.trimEnd().split('\n');
    await terminal.see(/^q quit {2}\? help/m);
    expect(lines.filter((line) => line.includes('one.bin'))).toHaveLength(1);
    terminal.resize(120, 40);
    await terminal.see(/^ tt \d.{100,}\/s$/m);
    terminal.keys('q');
    await terminal.see(/code 4/);
  });

  it('a mistake of ours in drawing: terminal restored, error told, and the download is whole', async () => {
    const hook = `${place.path}/break.mjs`;
    // A component that breaks in its second picture, in the real program.
    writeFileSync(
      hook,
      `import fs from 'node:fs';
const read = fs.readFileSync;
fs.readFileSync = (...given) => {
  const text = read(...given);
  if (typeof text !== 'string' || !/viewLines\\(/.test(text) || !/ScreenModel/.test(text)) return text;
  return text.replace(/(\\n\\s*)frame\\((\\w+), (\\w+)\\) \\{/, '$1frame($2, $3) { globalThis.drawn = (globalThis.drawn ?? 0) + 1; if (globalThis.drawn > 1) throw new Error("drawn into the corner");');
};
`,
    );
    const terminal = openTerminal(100, 30, { NODE_OPTIONS: `--import ${hook}` });
    terminal.type(`${tt('broken', shown(one), '--down-limit', '6M')}; echo code $?`);
    const after = await terminal.see(
      /the screen failed \(drawn into the corner\); the transfer goes on[\s\S]*code 0/,
    );
    expect(after).toMatch(/one\.bin: 12\.0 MiB in/);
    expect(terminal.isAlternate).toBe(false);
    expect(terminal.isWrapping).toBe(true);
    expect(sha('broken/one.bin')).toBe(sha('one.bin'));
  });

  it('a second tt for the same torrent says so, code 9, and the first goes on', async () => {
    const terminal = openTerminal(140, 30);
    const running = place.start('download', one, '-o', 'twice', '--down-limit', '1M', '--events', ...LOCAL);
    await running.waitForLine(/"event":"first-byte"/, TIMEOUT_MS);
    terminal.type(`${tt('twice', shown(one))}; echo code $?`);
    const after = await terminal.see(/code 9/);
    expect(after).toMatch(/another tt \(pid \d+\) is already using/);
    expect(terminal.isAlternate).toBe(false);
    expect((await running.stop('SIGINT')).code).toBe(130);
  });

  it('several torrents: a list with totals, into one and back, each complete', async () => {
    const terminal = openTerminal(120, 40);
    terminal.type(
      `${tt('several', shown(one), shown(folder), '--down-limit', '3M', '--seed')}; echo code $?`,
    );
    await terminal.see(
      /Torrents {2}Enter opens[\s\S]*one\.bin[\s\S]*folder[\s\S]*2 torrents, .*of 24\.0 MiB/,
    );
    terminal.keys('Down', 'Enter');
    await terminal.see(/tt \d.* folder[\s\S]*\[1 Overview\]/);
    terminal.keys('Escape');
    await terminal.see(/seeding +100% [\s\S]*seeding +100% [\s\S]*2 torrents, 100% of 24\.0 MiB/);
    terminal.keys('C-c');
    await terminal.see(/code 130/);
    expect(sha('several/folder/part-3.bin')).toBe(sha('folder/part-3.bin'));
  });

  it('files: skipped and wanted again while it runs; order; limits up and down', async () => {
    const terminal = openTerminal(100, 30);
    terminal.type(`${tt('files', shown(folder), '--down-limit', '512K', '--seed')}; echo code $?`);
    await terminal.see(/MiB of 12\.0 MiB/);
    terminal.keys('4');
    await terminal.see(/\[4 Files 4\]/);
    terminal.keys('Down', 'Space');
    await terminal.see(/> +2 skip /);
    terminal.keys('Down', 'f', '7');
    await terminal.see(/> +3 7 first/);
    terminal.keys('s');
    await terminal.see(/pieces in order/);
    for (let i = 0; i < 5; i++) terminal.keys('+');
    await terminal.see(/download limit: 20\.0 MiB\/s/);
    terminal.keys('1');
    await terminal.see(/complete, seeding[\s\S]*limits +down 20\.0 MiB\/s/);
    expect(sha('files/folder/part-3.bin')).toBe(sha('folder/part-3.bin'));
    terminal.keys('4', 'g', 'Down', 'Space');
    await terminal.see(/> +2 4 normal/);
    await terminal.see(/> +2 4 normal +100%/);
    terminal.keys('C-c');
    await terminal.see(/code 130/);
    expect(sha('files/folder/part-2.bin')).toBe(sha('folder/part-2.bin'));
  });

  it('re-check asks, hashes all again and finds what somebody damaged', async () => {
    const terminal = openTerminal(100, 30);
    terminal.type(`${tt('again', shown(one), '--seed')}; echo code $?`);
    await terminal.see(/complete, seeding/);
    const damaged = readFileSync(`${place.path}/again/one.bin`);
    damaged[5_000_000] = (damaged[5_000_000] as number) ^ 1;
    writeFileSync(`${place.path}/again/one.bin`, damaged);
    terminal.keys('r');
    await terminal.see(/Hash all of one\.bin again\? y does it/);
    terminal.keys('y', '6');
    await terminal.see(
      /checked: \d+ of \d+ pieces are there[\s\S]*checked: \d+ of \d+ pieces are there|checking 12\.0 MiB on disk/,
    );
    terminal.keys('1');
    await terminal.see(/complete, seeding/);
    await waitFor(() => sha('again/one.bin') === sha('one.bin'), {
      what: 'the piece fetched again',
      timeoutMs: TIMEOUT_MS,
    });
    terminal.keys('C-c');
    await terminal.see(/code 130/);
  });

  it('names that would play with the terminal are shown, not obeyed; the picture keeps its columns', async () => {
    const terminal = openTerminal(80, 24);
    const names = [
      '\u001b[31mred\u0007',
      '漢字かな-e\u0301',
      'שלום\u202egpj',
      '👩‍👩‍👧 family',
      'हिन्दी'.repeat(9),
    ];
    mkdirSync(`${place.path}/odd`);
    const magnets = names.map(
      (name, i) => `'magnet:?xt=urn:btih:${String(i).repeat(40)}&dn=${encodeURIComponent(name)}'`,
    );
    terminal.type(`${tt('odd', ...magnets)}; echo code $?`);
    const screen = await terminal.see(/5 torrents/);
    expect(screen).toContain('\\x1b[31mred\\x07');
    expect(screen).toContain('漢字かな-e\u0301');
    expect(screen).toContain('\\u202egpj');
    for (const line of screen.split('\n')) expect(line).not.toContain('\u202e');
    // Whatever this terminal thinks of a row's width: it ends at the edge, and the rows below keep their places.
    expect(terminal.isWrapping).toBe(false);
    expect(screen.split('\n')[0]).toMatch(/^ tt {2}5 torrents/);
    expect(screen.split('\n')[23]).toMatch(/^q quit/);
    terminal.keys('q');
    await terminal.see(/code 4/);
    await terminal.backAtShell();
  });
});
