// Seeding and downloading between real processes on loopback: magnets, selection, hooks, resume, events, several at once.
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningProcess } from '../support/process.ts';
import { json, LOCAL, makePlace, payload, TIMEOUT_MS } from './support.ts';

const place = makePlace();
const { tt } = place;
const SIZE = 700_000;
let seed: RunningProcess;
let magnet: string;
let peer: string;

function sha256(file: string): string {
  return createHash('sha256')
    .update(readFileSync(`${place.path}/${file}`))
    .digest('hex');
}

beforeAll(async () => {
  mkdirSync(`${place.path}/data/sub`, { recursive: true });
  writeFileSync(`${place.path}/data/a.bin`, payload(SIZE));
  writeFileSync(`${place.path}/data/sub/b.txt`, 'hello\n');
  seed = place.start('seed', 'data', '--torrent-out', 'data.torrent', '--events', ...LOCAL);
  const line = await seed.waitForLine(/"event":"seeding"/, TIMEOUT_MS);
  const record = JSON.parse(line) as { magnet: string; port: number };
  magnet = record.magnet;
  peer = `127.0.0.1:${record.port}`;
}, TIMEOUT_MS);

afterAll(async () => void (await seed.stop('SIGINT')));

describe('download', () => {
  it('of a magnet: exits when complete, says where the files lie, size and speed', async () => {
    expect(magnet).toContain(`x.pe=${peer}`);
    const result = await tt('download', magnet, '-o', 'one', ...LOCAL);
    expect(result.stderr).toMatch(/metadata of data/);
    expect(result.code).toBe(0);
    expect(sha256('one/data/a.bin')).toBe(sha256('data/a.bin'));
    expect(sha256('one/data/sub/b.txt')).toBe(sha256('data/sub/b.txt'));
    expect(result.stdout).toMatch(
      /^data: 684 KiB in [\d.]+s \([\d.]+ [KMG]iB\/s\), ratio 0\.00, 0 B wasted, in .*\/one$/,
    );
  });

  it('goes on where it stopped: again there is nothing to do', async () => {
    const result = await tt('download', magnet, '--dir', 'one', '--json', ...LOCAL);
    expect(result.code).toBe(0);
    expect(json(result)).toMatchObject({
      command: 'download',
      ok: true,
      torrents: [
        {
          source: magnet,
          ok: true,
          reason: 'done',
          name: 'data',
          totalBytes: SIZE + 6,
          verifiedBytes: SIZE + 6,
          downloadedBytes: 0,
          directory: `${place.path}/one`,
          path: `${place.path}/one/data`,
        },
      ],
    });
    const listed = json(await tt('list', '--json')) as unknown as { torrents: object[] };
    expect(listed.torrents).toMatchObject([{ name: 'data', complete: true, directory: `${place.path}/one` }]);
    expect((await tt('list')).stdout).toContain('data');
  });

  it('of a .torrent with --peer, selected files only', async () => {
    const result = await tt(
      'download',
      'data.torrent',
      '-o',
      'some',
      '-s',
      '*.txt',
      '--peer',
      peer,
      '--json',
      ...LOCAL,
    );
    expect(result.code).toBe(0);
    expect(existsSync(`${place.path}/some/data/sub/b.txt`)).toBe(true);
    expect(existsSync(`${place.path}/some/data/a.bin`)).toBe(false);
    for (const bad of ['9', '*.mkv']) {
      const wrong = await tt('download', 'data.torrent', '-o', 'none', '-s', bad, ...LOCAL);
      expect(wrong.code).toBe(2);
      expect(wrong.stderr).toContain(bad);
    }
    const late = await tt('download', magnet, '-o', 'none', '-s', '*.mkv', ...LOCAL);
    expect(late.code).toBe(2);
    expect(late.stderr).toContain('*.mkv');
  });

  it('sequential, preallocated, encrypted, limited', async () => {
    const flags = ['--sequential', '--preallocate', 'full', '--encryption', 'require', '--down-limit', '20M'];
    const result = await tt('download', 'data.torrent', '-o', 'seq', '--peer', peer, ...flags, ...LOCAL);
    expect(result.code).toBe(0);
    expect(sha256('seq/data/a.bin')).toBe(sha256('data/a.bin'));
  });

  it('events come one a line, the result last, nothing else on stdout', async () => {
    const result = await tt('download', 'data.torrent', '-o', 'ev', '--peer', peer, '--events', ...LOCAL);
    expect(result.code).toBe(0);
    const records = result.stdout.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    const kinds = records.map((record) => record['event']);
    expect(records.every((record) => record['schema'] === 'tt/1')).toBe(true);
    for (const kind of ['added', 'started', 'first-byte', 'piece', 'completed', 'stopped'])
      expect(kinds).toContain(kind);
    expect(kinds.at(-1)).toBe('result');
    expect(kinds.filter((kind) => kind === 'result')).toHaveLength(1);
    expect(result.stderr).toBe('');
  });

  it('runs --on-done without a shell and with the facts in the environment', async () => {
    const hook = `${place.path}/hook.sh`;
    writeFileSync(
      hook,
      '#!/bin/sh\nprintf "%s|%s|%s|%s|%s|%s" "$TT_NAME" "$TT_INFO_HASH" "$TT_PATH" "$TT_DIRECTORY" "$TT_SIZE" "$*" > "$PWD/hook.out"\n',
    );
    chmodSync(hook, 0o755);
    const args = ['download', 'data.torrent', '-o', 'hooked', '--peer', peer, ...LOCAL];
    const result = await tt(...args, '--json', '--on-done', hook, '--flag', '$(touch pwned)', '*');
    expect(result.code).toBe(0);
    const [name, hash, path, directory, size, words] = readFileSync(`${place.path}/hook.out`, 'utf8').split(
      '|',
    );
    expect([name, size, words]).toEqual(['data', String(SIZE + 6), '--flag $(touch pwned) *']);
    expect([path, directory]).toEqual([`${place.path}/hooked/data`, `${place.path}/hooked`]);
    expect(magnet).toContain(hash as string);
    expect(existsSync(`${place.path}/pwned`)).toBe(false);
    rmSync(`${place.path}/hooked`, { recursive: true });
    for (const nothing of ['./no-such-program', './data.torrent', './data.torrent/program']) {
      const broken = await tt(...args, '--on-done', nothing);
      expect([nothing, broken.code]).toEqual([nothing, 0]);
      expect(broken.stderr).toContain(`warning: --on-done ${nothing}: `);
    }
    for (const [script, told] of [
      ['echo said; exit 3', 'exit code 3'],
      ['kill -TERM $$', 'killed by SIGTERM'],
    ] as const) {
      writeFileSync(hook, `#!/bin/sh\n${script}\n`);
      const failing = await tt(...args, '--json', '--on-done', hook);
      // The download is as good as it was, and its JSON is alone on stdout.
      expect([failing.code, json(failing).reason]).toEqual([0, 'done']);
      expect(failing.stderr).toContain(`--on-done ${hook}: ${told}`);
    }
  });

  it('several at once, the same one twice', async () => {
    writeFileSync(`${place.path}/other.bin`, payload(50_000, 7));
    expect((await tt('create', 'other.bin', '-q')).code).toBe(0);
    const other = place.start('seed', 'other.bin', '--torrent', 'other.bin.torrent', '--events', ...LOCAL);
    const line = await other.waitForLine(/"event":"seeding"/, TIMEOUT_MS);
    const { magnet: second } = JSON.parse(line) as { magnet: string };
    const result = await tt('download', magnet, second, magnet, '-o', 'both', '--json', ...LOCAL);
    expect(result.code).toBe(0);
    expect(json(result)).toMatchObject({
      torrents: [{ reason: 'done' }, { reason: 'done' }, { reason: 'done' }],
    });
    expect(result.stderr).toContain('given twice');
    expect(sha256('both/other.bin')).toBe(sha256('other.bin'));
    await other.stop('SIGINT');
  });

  it('seeds on until a ratio or a time is reached', async () => {
    const timed = await tt('download', magnet, '-o', 'one', '--seed-time', '300ms', '--json', ...LOCAL);
    expect(timed.code).toBe(0);
    const ratio = await tt('download', magnet, '-o', 'one', '--seed-ratio', '0', '--json', ...LOCAL);
    expect(ratio.code).toBe(0);
  });

  it('interrupted: the tracker hears it, the exit code says it, what was verified stays', async () => {
    const child = place.start(
      'download',
      'data.torrent',
      '-o',
      'slow',
      '--peer',
      peer,
      '--down-limit',
      '50K',
      '--events',
      ...LOCAL,
    );
    await child.waitForLine(/"event":"piece"/, TIMEOUT_MS);
    child.signal('SIGINT');
    const result = await child.waitForExit(TIMEOUT_MS);
    expect(result.code).toBe(130);
    const last = JSON.parse(result.stdout.split('\n').at(-1) as string) as {
      torrents: { verifiedBytes: number }[];
    };
    const before = last.torrents[0]?.verifiedBytes as number;
    expect(before).toBeGreaterThan(0);
    const again = await tt('download', 'data.torrent', '-o', 'slow', '--peer', peer, '--json', ...LOCAL);
    const item = (json(again) as unknown as { torrents: { downloadedBytes: number }[] }).torrents[0];
    expect(again.code).toBe(0);
    expect(item?.downloadedBytes).toBe(SIZE + 6 - before);
  });
});

describe('metadata', () => {
  it('info shows it', async () => {
    const result = await tt('info', magnet, '--json', ...LOCAL);
    expect(result.code).toBe(0);
    expect(json(result)).toMatchObject({ command: 'info', name: 'data', fileCount: 2 });
  });
  it('metadata saves it, byte for byte the same info', async () => {
    const result = await tt('metadata', magnet, '-o', 'saved.torrent', ...LOCAL);
    expect(result.code).toBe(0);
    const hashOf = async (file: string) => json(await tt('info', file, '--json'))['infoHash'];
    expect(await hashOf('saved.torrent')).toBe(await hashOf('data.torrent'));
    expect((await tt('metadata', magnet, '-o', 'saved.torrent', ...LOCAL)).code).toBe(8);
    expect((await tt('metadata', 'data.torrent', ...LOCAL)).code).toBe(2);
  });
});

describe('seed', () => {
  it('prints the magnet link alone on stdout', async () => {
    const child = place.start(
      'seed',
      'data',
      '--torrent',
      'data.torrent',
      '--state-dir',
      'other-state',
      ...LOCAL,
    );
    await child.waitForLine(/^magnet:/, TIMEOUT_MS);
    child.signal('SIGTERM');
    const result = await child.waitForExit(TIMEOUT_MS);
    expect(result.code).toBe(143);
    expect(result.stdout).toMatch(/^magnet:\?xt=urn:btih:[0-9a-f]{40}&\S+$/);
    expect(result.stderr).toMatch(/^tt: seeded data for .*: 0 B sent, ratio 0\.00$/m);
  });
  it('says at once which of several cannot be seeded, while the others go on', async () => {
    for (const flags of [['--events'], []]) {
      const state = ['--state-dir', `state-${flags.length}`];
      const child = place.start('seed', 'data', 'missing', ...flags, ...state, ...LOCAL);
      const line = await child.waitForLine(/missing/, TIMEOUT_MS);
      if (flags.length > 0)
        expect(JSON.parse(line)).toMatchObject({
          event: 'error',
          source: 'missing',
          reason: 'disk',
          code: 'ENOENT',
        });
      else expect(line).toMatch(/^tt: cannot read .*missing.*; the others go on$/);
      await child.waitForLine(flags.length > 0 ? /"event":"seeding"/ : /^tt: seeding data/, TIMEOUT_MS);
      child.signal('SIGINT');
      expect((await child.waitForExit(TIMEOUT_MS)).code).toBe(130);
    }
  });
  it('refuses data that is not whole', async () => {
    mkdirSync(`${place.path}/part/data`, { recursive: true });
    writeFileSync(`${place.path}/part/data/a.bin`, payload(SIZE));
    const result = await tt(
      'seed',
      'part',
      '--torrent',
      'data.torrent',
      '--state-dir',
      'part-state',
      '--json',
      ...LOCAL,
    );
    expect(result.code).not.toBe(0);
    expect(json(result)).toMatchObject({ ok: false, torrents: [{ ok: false }] });
    expect(result.stderr).not.toBe('');
  });
  it('refuses flags that contradict each other', async () => {
    expect((await tt('seed', 'a', 'b', '--torrent', 'data.torrent')).code).toBe(2);
    expect((await tt('seed', 'a', '--torrent', 'x', '--torrent-out', 'y')).code).toBe(2);
    expect((await tt('seed', 'missing', ...LOCAL)).code).toBe(8);
  });
});

describe('verify', () => {
  it('finds the files wherever they are named', async () => {
    for (const at of [[], ['.'], ['data'], ['one'], ['one/data']]) {
      expect((await tt('verify', 'data.torrent', ...at)).code).toBe(0);
    }
    expect((await tt('verify', 'data.torrent', 'some')).code).toBe(5);
    expect((await tt('verify', 'data.torrent', 'nowhere')).code).toBe(8);
    expect((await tt('verify', magnet)).code).toBe(2);
  });
});
