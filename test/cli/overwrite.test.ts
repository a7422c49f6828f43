// What lies in the way of a download, by the real program: one line, exit code 9, nothing written; --overwrite; others go on.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningProcess } from '../support/process.ts';
import { json, LOCAL, makePlace, payload, TIMEOUT_MS } from './support.ts';

const place = makePlace();
const { tt } = place;
const SIZE = 700_000;
const MINE = payload(300_000, 99);
let seeds: RunningProcess[];
const peers: string[] = [];

function read(file: string): Buffer {
  return readFileSync(`${place.path}/${file}`);
}
function put(file: string, bytes: Uint8Array): void {
  mkdirSync(`${place.path}/${file.replace(/\/[^/]+$/, '')}`, { recursive: true });
  writeFileSync(`${place.path}/${file}`, bytes);
}
function download(torrents: readonly string[], ...args: string[]): ReturnType<typeof tt> {
  return tt('download', ...torrents, ...peers.flatMap((peer) => ['--peer', peer]), ...args, ...LOCAL);
}

beforeAll(async () => {
  put('one/thesis.pdf', payload(SIZE));
  put('two/other.bin', payload(SIZE, 2));
  put('three/thesis.pdf', payload(SIZE, 3));
  seeds = ['one/thesis.pdf', 'two/other.bin', 'three/thesis.pdf'].map((file) =>
    place.start('seed', file, '--torrent-out', `${file.split('/')[0]}.torrent`, '--events', ...LOCAL),
  );
  for (const seed of seeds) {
    const line = await seed.waitForLine(/"event":"seeding"/, TIMEOUT_MS);
    peers.push(`127.0.0.1:${(JSON.parse(line) as { port: number }).port}`);
  }
}, TIMEOUT_MS);
afterAll(async () => void (await Promise.all(seeds.map((seed) => seed.stop('SIGINT')))));

describe('a file of the same name that is somebody else’s', () => {
  it('is refused in one line that names it and says what to do; --overwrite does it', async () => {
    put('a/thesis.pdf', MINE);
    const result = await download(['one.torrent'], '-o', 'a');
    expect(result.code).toBe(9);
    expect(result.stdout).toBe('');
    expect(
      result.stderr.split('\n').filter((line) => line.includes('thesis.pdf is in the way')),
    ).toHaveLength(1);
    expect(result.stderr).toContain(`${place.path}/a/thesis.pdf`);
    expect(result.stderr).toContain('--overwrite');
    expect(read('a/thesis.pdf').equals(MINE)).toBe(true);
    const again = json(await download(['one.torrent'], '-o', 'a', '--recheck', '--json'));
    expect(again).toMatchObject({
      reason: 'refused',
      exitCode: 9,
      torrents: [{ ok: false, reason: 'refused', error: { code: 'EEXIST' } }],
    });
    expect((await tt('list')).stdout).not.toContain(`${place.path}/a`);
    const done = await download(['one.torrent'], '-o', 'a', '--overwrite');
    expect(done.code).toBe(0);
    expect(read('a/thesis.pdf').equals(payload(SIZE))).toBe(true);
  });

  it('ends the same way for a magnet, and is told as an event', async () => {
    put('m/thesis.pdf', MINE);
    const hash = (json(await tt('info', 'one.torrent', '--json')) as unknown as { infoHash: string })
      .infoHash;
    const result = await download([`magnet:?xt=urn:btih:${hash}`], '-o', 'm', '--events');
    expect(result.code).toBe(9);
    const records = result.stdout.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records.find((record) => record['event'] === 'error')).toMatchObject({
      reason: 'refused',
      code: 'EEXIST',
    });
    expect(records.some((record) => record['event'] === 'started')).toBe(false);
    expect(read('m/thesis.pdf').equals(MINE)).toBe(true);
  });

  it('does not hold up the others', async () => {
    put('b/thesis.pdf', MINE);
    const result = await download(['one.torrent', 'two.torrent'], '-o', 'b', '--json');
    expect(result.code).toBe(9);
    expect(json(result)['torrents']).toMatchObject([{ reason: 'refused' }, { reason: 'done' }]);
    expect(result.stderr).toContain('the others go on');
    expect(read('b/thesis.pdf').equals(MINE)).toBe(true);
    expect(read('b/other.bin').equals(payload(SIZE, 2))).toBe(true);
  });

  it('may be of another torrent: at once, or one after the other', async () => {
    const both = await download(['one.torrent', 'three.torrent'], '-o', 'c', '--json');
    expect(both.code).toBe(9);
    const reasons = (json(both)['torrents'] as { reason: string }[]).map(({ reason }) => reason);
    expect(reasons.sort()).toEqual(['done', 'refused']);
    const winner = read('c/thesis.pdf');
    for (const torrent of ['one.torrent', 'three.torrent']) await download([torrent], '-o', 'c');
    expect(read('c/thesis.pdf').equals(winner)).toBe(true);
  });

  it('is left alone by seed and verify', async () => {
    put('d/thesis.pdf', MINE);
    expect((await tt('verify', 'one.torrent', 'd')).code).toBe(5);
    expect(
      (await tt('seed', 'd/thesis.pdf', '--torrent', 'one.torrent', '--state-dir', 'other', ...LOCAL)).code,
    ).toBe(5);
    expect(read('d/thesis.pdf').equals(MINE)).toBe(true);
  });
});

describe('what is of the torrent goes on without the flag', () => {
  it('begun by another client, the rest reserved; our own with all resume state lost', async () => {
    put('e/thesis.pdf', payload(SIZE).fill(0, 400_000));
    expect((await download(['one.torrent'], '-o', 'e')).code).toBe(0);
    rmSync(`${place.path}/home`, { recursive: true });
    const lost = json(await download(['one.torrent'], '-o', 'e', '--json'));
    expect(lost).toMatchObject({ torrents: [{ reason: 'done', downloadedBytes: 0 }] });
    expect(read('e/thesis.pdf').equals(payload(SIZE))).toBe(true);
  });

  it('but what was added at its end is not cut off', async () => {
    put('f/thesis.pdf', Buffer.concat([payload(SIZE), Buffer.from('my notes')]));
    const result = await download(['one.torrent'], '-o', 'f');
    expect(result.code).toBe(9);
    expect(result.stderr).toContain('8 bytes longer');
    expect(read('f/thesis.pdf')).toHaveLength(SIZE + 8);
  });
});

describe('the file that a seed keeps its torrent in', () => {
  it('is nothing but that torrent: neither the content, nor a folder, nor another torrent is written over', async () => {
    put('g/mine.bin', MINE);
    const other = read('two.torrent');
    for (const [out, what] of [
      ['g/mine.bin', 'is no torrent'],
      ['g', 'is no torrent'],
      ['two.torrent', 'is another torrent'],
    ] as const) {
      const result = await tt('seed', 'g/mine.bin', '-o', out, '--state-dir', 'seed-state', ...LOCAL);
      expect(result.code).toBe(8);
      expect(result.stderr).toContain(`${place.path}/${out} exists already, and ${what}`);
    }
    expect(read('g/mine.bin').equals(MINE)).toBe(true);
    expect(read('two.torrent').equals(other)).toBe(true);
    expect((await tt('create', 'g/mine.bin', '-o', 'g.torrent')).code).toBe(0);
    const again = place.start('seed', 'g/mine.bin', '-o', 'g.torrent', '--events', ...LOCAL);
    await again.waitForLine(/"event":"seeding"/, TIMEOUT_MS);
    again.signal('SIGINT');
    expect((await again.waitForExit(TIMEOUT_MS)).code).toBe(130);
  });
});
