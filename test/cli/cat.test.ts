// `tt cat` from the real program: bytes exact, ranges fetch only their pieces, slow and vanishing readers, nothing left behind.
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningProcess } from '../support/process.ts';
import { LOCAL, launcher, makePlace, payload, TIMEOUT_MS } from './support.ts';

const place = makePlace();
const { tt } = place;
const SIZE = 3_000_001;
const FILM = payload(SIZE, 3);
let seed: RunningProcess;
let magnet = '';

interface Piped {
  readonly code: number | null;
  readonly bytes: Buffer;
  readonly stderr: string;
}

/** @param take called with each part; returns false to close the pipe */
function cat(args: readonly string[], take: (soFar: number) => boolean = () => true): Promise<Piped> {
  const child = spawn(process.execPath, [launcher, 'cat', ...args, ...LOCAL], {
    cwd: place.path,
    env: { ...process.env, ...place.env } as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const parts: Buffer[] = [];
  let total = 0;
  let stderr = '';
  child.stdout.on('data', (part: Buffer) => {
    parts.push(part);
    total += part.length;
    if (!take(total)) child.stdout.destroy();
  });
  child.stderr.on('data', (part: Buffer) => {
    stderr += String(part);
  });
  return new Promise((resolve) =>
    child.on('close', (code) => resolve({ code, bytes: Buffer.concat(parts), stderr })),
  );
}

const leftovers = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('tt-cat-'));

describe('tt cat', { timeout: TIMEOUT_MS }, () => {
  beforeAll(async () => {
    mkdirSync(`${place.path}/data/sub`, { recursive: true });
    writeFileSync(`${place.path}/data/a.txt`, 'first\n');
    writeFileSync(`${place.path}/data/film.bin`, FILM);
    writeFileSync(`${place.path}/data/sub/z.txt`, 'last\n');
    const flags = ['--torrent-out', 'data.torrent', '--piece-length', '64KiB', '--events'];
    seed = place.start('seed', 'data', ...flags, ...LOCAL);
    const line = await seed.waitForLine(/"event":"seeding"/, TIMEOUT_MS);
    ({ magnet } = JSON.parse(line) as { magnet: string });
  }, TIMEOUT_MS);
  afterAll(async () => void (await seed?.stop('SIGINT')));

  it('writes one file of many, byte for byte, and leaves nothing behind', async () => {
    const before = leftovers();
    const result = await cat([magnet, 'data/film.bin', '-q']);
    expect([result.code, result.stderr]).toEqual([0, '']);
    expect(result.bytes.equals(FILM)).toBe(true);
    expect(leftovers()).toEqual(before);
    const small = await cat([magnet, '*z.txt', '-q']);
    expect(small.bytes.toString()).toBe('last\n');
  });

  it('a range: those bytes, and only the pieces that hold them', async () => {
    const result = await cat([magnet, 'data/film.bin', '--range', '1000000-1000099', '-q', '-o', 'kept']);
    expect(result.code).toBe(0);
    expect(result.bytes.equals(Buffer.from(FILM.subarray(1_000_000, 1_000_100)))).toBe(true);
    const verified = await tt('verify', 'data.torrent', 'kept', '--json');
    const { goodPieces } = JSON.parse(verified.stdout) as { goodPieces: number };
    expect(goodPieces).toBeGreaterThanOrEqual(1);
    expect(goodPieces).toBeLessThanOrEqual(2);
    const tail = await cat([magnet, 'data/film.bin', '--range', '-7', '-q']);
    expect(tail.bytes.equals(Buffer.from(FILM.subarray(SIZE - 7)))).toBe(true);
  });

  it('what was kept is there again', async () => {
    expect((await cat([magnet, 'data/film.bin', '-q', '-o', 'again'])).code).toBe(0);
    const offline = await cat(['data.torrent', 'data/film.bin', '-q', '-o', 'again', '--timeout', '20s']);
    expect(offline.code).toBe(0);
    expect(offline.bytes.equals(FILM)).toBe(true);
  });

  it('a reader that goes away ends it silently', async () => {
    const before = leftovers();
    const result = await cat([magnet, 'data/film.bin', '-q'], (soFar) => soFar < 100_000);
    expect(result.code).toBe(4);
    expect(result.stderr).toBe('');
    expect(leftovers()).toEqual(before);
  });

  it('says which file when there are several; refuses what stdout cannot be', async () => {
    const which = await tt('cat', 'data.torrent', ...LOCAL);
    expect(which.code).toBe(2);
    expect(which.stderr).toContain('3 files: name one');
    expect((await tt('cat', 'data.torrent', '*.txt', ...LOCAL)).code).toBe(2);
    expect((await tt('cat', 'data.torrent', 'nosuch', ...LOCAL)).code).toBe(2);
    expect((await tt('cat', 'data.torrent', '1', '--range', '99-', ...LOCAL)).code).toBe(2);
    expect((await tt('cat', 'data.torrent', '1', '--range', 'x', ...LOCAL)).code).toBe(2);
    expect((await tt('cat', 'data.torrent', '1', '--json', ...LOCAL)).code).toBe(2);
    const late = await cat([magnet, 'nosuch']);
    expect(late.code).toBe(2);
  });

  it('3 when nothing comes, 130 on Ctrl-C', async () => {
    const nothing = await cat(['data.torrent', '1', '--timeout', '300ms']);
    expect(nothing.code).toBe(3);
    expect(nothing.stderr).toContain('nothing came');
    const child = place.start('cat', 'data.torrent', '1', '--log-file', 'cat.log', '-v', ...LOCAL);
    await expect.poll(() => readdirSync(place.path), { timeout: TIMEOUT_MS }).toContain('cat.log');
    child.signal('SIGINT');
    expect((await child.waitForExit(TIMEOUT_MS)).code).toBe(130);
  });
});
