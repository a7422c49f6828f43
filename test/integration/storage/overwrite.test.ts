// Files of somebody else are never written over; what another client, or we, left of the same torrent is gone on with.
import { mkdir, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listResumable } from '../../../core/storage/resume-state.ts';
import {
  allPieces,
  type FileSpec,
  Harness,
  type MadeTorrent,
  makeTorrent,
  temporaryFolder,
  wrongFiles,
} from './support.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const open = new Set<Harness>();

beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  for (const harness of open) await harness.close();
  open.clear();
  await folder.remove();
});

const PIECE = 65_536;
const BLOCK = 16_384;
const target = (...names: string[]): string => join(folder.path, 'target', ...names);

/** Opens, checks what must be, as a session does. */
async function start(...args: Parameters<typeof Harness.open>): Promise<Harness> {
  const harness = await Harness.open(...args);
  open.add(harness);
  const ranges = harness.storage.needsCheck;
  if (ranges.length > 0) await harness.storage.check({ ranges });
  return harness;
}
async function stop(harness: Harness): Promise<void> {
  open.delete(harness);
  await harness.close();
}
async function kill(harness: Harness): Promise<void> {
  open.delete(harness);
  await harness.kill(folder.path);
}
/** @returns what it was refused with; nothing is left open */
async function refusal(...args: Parameters<typeof Harness.open>): Promise<{ message: string; code: string }> {
  const before = new Set(open);
  try {
    await start(...args);
  } catch (error) {
    expect(error).toMatchObject({ slug: 'refused', code: 'EEXIST' });
    return error as { message: string; code: string };
  } finally {
    for (const harness of open) if (!before.has(harness)) await stop(harness);
  }
  throw new Error('it was not refused');
}
async function put(path: string, bytes: Uint8Array | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}
async function finish(harness: Harness): Promise<void> {
  await harness.download(allPieces(harness.torrent).filter((piece) => !harness.storage.have.has(piece)));
  // A file that is too long is cut after its last piece was told.
  await harness.storage.finished();
  expect(await wrongFiles(harness.torrent, target())).toEqual([]);
}
/** Bytes that are nobody's, none of them zero. */
function own(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => 1 + ((at * 7) % 250));
}
const single = (length = 500_000): MadeTorrent =>
  makeTorrent([{ path: ['thesis.pdf'], length }], PIECE, { name: undefined });
const pack = (files: readonly FileSpec[], seed = 1): MadeTorrent =>
  makeTorrent(files, PIECE, { name: 'pack', seed });
const bytesOf = (made: MadeTorrent, index: number): Uint8Array => {
  const file = made.metainfo.files[index] as { offset: number; length: number };
  return made.payload.slice(file.offset, file.offset + file.length);
};

describe('refused before anything is written', () => {
  test.each([
    ['as long', 500_000],
    ['shorter', 200_000],
    ['less than a piece', 1_000],
    ['longer', 900_000],
  ])('a file of the same name, %s', async (_, length) => {
    const made = single();
    await put(target('thesis.pdf'), own(length));
    for (const options of [{}, { recheck: true }, { preallocate: 'full' as const }]) {
      const { message } = await refusal(made, folder.path, options);
      expect(message).toContain(target('thesis.pdf'));
      expect(message).toContain('thesis.pdf');
      expect(Buffer.from(await readFile(target('thesis.pdf'))).equals(own(length))).toBe(true);
      expect(await listResumable(join(folder.path, 'state'))).toEqual([]);
    }
    const harness = await start(made, folder.path, { overwrite: true });
    await finish(harness);
  });

  test('what was refused once is refused again, and taken when it was moved away', async () => {
    const made = single();
    await put(target('thesis.pdf'), own(500_000));
    await refusal(made, folder.path);
    await refusal(made, folder.path);
    await rename(target('thesis.pdf'), target('mine.pdf'));
    await finish(await start(made, folder.path));
    expect(Buffer.from(await readFile(target('mine.pdf'))).equals(own(500_000))).toBe(true);
  });

  test('the list of what can be resumed keeps what it had', async () => {
    const made = single();
    await stop(await start(made, folder.path));
    await put(join(folder.path, 'other', 'thesis.pdf'), own(5_000));
    await refusal(made, folder.path, { directory: join(folder.path, 'other') });
    expect(await listResumable(join(folder.path, 'state'))).toMatchObject([{ directory: target() }]);
  });

  test("another torrent's README in the same folder; its other files are counted", async () => {
    const files = [
      { path: ['README.txt'], length: 3_000 },
      { path: ['LICENSE'], length: 2_000 },
      { path: ['b.bin'], length: 200_000 },
    ];
    const made = pack(files);
    const other = pack(files, 2);
    await put(target('pack', 'README.txt'), bytesOf(other, 0));
    expect((await refusal(made, folder.path)).message).not.toContain('more');
    await put(target('pack', 'LICENSE'), bytesOf(other, 1));
    expect((await refusal(made, folder.path)).message).toContain('1 more');
    expect(await readdir(target('pack'))).toHaveLength(2);
  });

  test('zeros that match zeros show nothing', async () => {
    const image = single(4 * PIECE);
    image.payload.fill(0, PIECE, 3 * PIECE);
    const hashes = image.metainfo.pieceHashes;
    const { sha1 } = await import('./support.ts');
    for (const piece of [1, 2]) hashes.set(sha1(new Uint8Array(PIECE)), piece * 20);
    const mine = own(4 * PIECE).fill(0, PIECE, 3 * PIECE);
    await put(target('thesis.pdf'), mine);
    await refusal(image, folder.path);
  });

  test('a few bytes at the end of a neighbour that match show nothing', async () => {
    const made = pack([
      { path: ['a'], length: 2 * PIECE - 5 },
      { path: ['b'], length: 2 * PIECE },
    ]);
    await put(target('pack', 'a'), bytesOf(made, 0));
    const mine = own(2 * PIECE);
    mine.set(bytesOf(made, 1).subarray(0, 5));
    await put(target('pack', 'b'), mine);
    expect((await refusal(made, folder.path)).message).toContain(target('pack', 'b'));
  });

  test('a longer file whose beginning matches: what follows would be lost', async () => {
    const made = single(100_000);
    await put(target('thesis.pdf'), Buffer.concat([made.payload, Buffer.from('my notes')]));
    const { message } = await refusal(made, folder.path);
    expect(message).toContain('8 bytes longer');
    await put(target('thesis.pdf'), Buffer.concat([made.payload, new Uint8Array(5_000)]));
    const harness = await start(made, folder.path);
    expect(harness.storage.have.isFull).toBe(true);
    expect((await stat(target('thesis.pdf'))).size).toBe(100_000);
  });

  test('notes at the end of our own download, and a file that took its place', async () => {
    const made = single(100_000);
    const first = await start(made, folder.path);
    await finish(first);
    await stop(first);
    await writeFile(target('thesis.pdf'), 'notes', { flag: 'a' });
    expect((await refusal(made, folder.path)).message).toContain('5 bytes longer');
    await put(target('new'), own(100_000));
    await rename(target('new'), target('thesis.pdf'));
    await refusal(made, folder.path);
  });

  test('a file that appears while we run', async () => {
    const made = pack([
      { path: ['a'], length: PIECE },
      { path: ['b'], length: PIECE },
    ]);
    const harness = await start(made, folder.path);
    await harness.download([0]);
    await put(target('pack', 'b'), own(70_000));
    await harness.give([1]);
    await harness.until(() => harness.errors.length > 0);
    expect(harness.errors[0]).toMatchObject({ slug: 'disk', code: 'EEXIST' });
    expect(Buffer.from(await readFile(target('pack', 'b'))).equals(own(70_000))).toBe(true);
    await rm(target('pack', 'b'));
    await harness.storage.retry();
    await harness.until(() => harness.results.length === 2);
    expect(await wrongFiles(made, target())).toEqual([]);
  });
});

describe('files that are not wanted', () => {
  const files = [
    { path: ['a'], length: 100_000 },
    { path: ['README.txt'], length: 3_000 },
    { path: ['c'], length: 100_000 },
  ];

  test('keep what somebody else has there; pieces that reach into them are kept beside', async () => {
    const made = pack(files);
    await put(target('pack', 'README.txt'), own(3_000));
    const wanted = [true, false, true];
    const harness = await start(made, folder.path, { wanted });
    await harness.download(allPieces(made));
    expect(await wrongFiles(made, target())).toEqual(['pack/README.txt']);
    expect(Buffer.from(await readFile(target('pack', 'README.txt'))).equals(own(3_000))).toBe(true);
    expect(Buffer.from(await harness.read(1, 0, PIECE)).equals(made.payload.subarray(PIECE, 2 * PIECE))).toBe(
      true,
    );
    await expect(harness.storage.setWanted(1, true)).rejects.toMatchObject({ slug: 'refused' });
    await stop(harness);
    const again = await start(made, folder.path, { wanted, overwrite: true });
    expect(allPieces(made).filter((piece) => !again.storage.have.has(piece))).toEqual([]);
    await stop(again);
    await refusal(made, folder.path);
    expect(Buffer.from(await readFile(target('pack', 'README.txt'))).equals(own(3_000))).toBe(true);
    await finish(await start(made, folder.path, { overwrite: true }));
  });

  test('a longer one that matches is not cut', async () => {
    const made = pack(files);
    await put(target('pack', 'a'), bytesOf(made, 0));
    await put(target('pack', 'c'), bytesOf(made, 2));
    await put(target('pack', 'README.txt'), Buffer.concat([bytesOf(made, 1), Buffer.from('more')]));
    const harness = await start(made, folder.path, { wanted: [true, false, true] });
    expect(harness.storage.have.isFull).toBe(true);
    expect((await stat(target('pack', 'README.txt'))).size).toBe(3_004);
    await expect(harness.storage.setWanted(1, true)).rejects.toMatchObject({ slug: 'refused' });
    expect((await stat(target('pack', 'README.txt'))).size).toBe(3_004);
  });
});

describe('gone on with, without a word', () => {
  test.each([
    [
      'one piece of it',
      (payload: Uint8Array) =>
        new Uint8Array(500_000)
          .fill(9)
          .fill(0, 0, 1)
          .map((_, i) => (i < PIECE ? (payload[i] as number) : 9)),
    ],
    ['cut off in its second piece', (payload: Uint8Array) => payload.slice(0, PIECE + 20_000)],
    ['the last piece only, sparse before it', (payload: Uint8Array) => payload.slice().fill(0, 0, 7 * PIECE)],
    ['reserved, nothing there yet', () => new Uint8Array(500_000)],
    ['empty', () => new Uint8Array(0)],
    ['complete', (payload: Uint8Array) => payload],
  ])('what another client left of a file: %s', async (_, left) => {
    const made = single();
    await put(target('thesis.pdf'), left(made.payload));
    await finish(await start(made, folder.path));
  });

  test('a sparse file that was only given its length', async () => {
    await put(target('thesis.pdf'), '');
    await truncate(target('thesis.pdf'), 500_000);
    await finish(await start(single(), folder.path));
  });

  test('a tree that another client broke off: small files whole, cut, begun, reserved', async () => {
    const files = Array.from({ length: 12 }, (_, i) => ({ path: [`f${i}`], length: 30_000 }));
    const made = pack([...files, { path: ['big'], length: 6 * PIECE }]);
    // Piece 0 is whole (f0, f1, a bit of f2); of piece 1 the blocks of f3 are there; f5 ends where a block does.
    const state = made.payload.slice().fill(0, PIECE);
    state.set(made.payload.subarray(PIECE + BLOCK, PIECE + 3 * BLOCK), PIECE + BLOCK);
    const slice = (i: number): Uint8Array => state.slice(i * 30_000, (i + 1) * 30_000);
    for (const i of [0, 1, 2, 3, 4]) await put(target('pack', `f${i}`), slice(i));
    const end = 150_000 + BLOCK - ((150_000 + BLOCK) % BLOCK);
    await put(target('pack', 'f5'), made.payload.slice(150_000, end));
    await put(target('pack', 'f7'), new Uint8Array(30_000));
    await finish(await start(made, folder.path));
  });

  test('padding is no missing block', async () => {
    const made = pack([
      { path: ['a'], length: PIECE },
      { path: ['b'], length: 20_000 },
      { path: ['.pad'], length: PIECE - 20_000, isPadding: true },
      { path: ['c'], length: PIECE },
    ]);
    await put(target('pack', 'a'), bytesOf(made, 0));
    await put(target('pack', 'b'), own(20_000));
    expect((await refusal(made, folder.path)).message).toContain(target('pack', 'b'));
    // Half of it: a client that was stopped there.
    await put(target('pack', 'b'), bytesOf(made, 1).subarray(0, BLOCK));
    await finish(await start(made, folder.path));
  });

  test('our own: killed with nothing but an unfinished piece, twice, and with the journal lost', async () => {
    const made = makeTorrent([{ path: ['large'], length: 12 << 20 }], 4 << 20, { name: undefined });
    const first = await start(made, folder.path);
    await first.give([0], { order: (segments) => segments.slice(0, 2) });
    // Goes the same way, after the segments.
    await first.storage.setWanted(0, true);
    await kill(first);
    expect((await stat(target('large'))).size).toBeGreaterThan(0);
    const second = await start(made, folder.path);
    expect(second.storage.have.count).toBe(0);
    await kill(second);
    const third = await start(made, folder.path);
    await third.download([2]);
    await kill(third);
    await rm(join(folder.path, 'state'), { recursive: true });
    const fourth = await start(made, folder.path);
    expect(fourth.storage.have.count).toBe(1);
    await finish(fourth);
  });

  test('our own, damaged so that nothing of it matches: it is repaired', async () => {
    const made = single(60_000);
    const first = await start(made, folder.path);
    await finish(first);
    await stop(first);
    const handle = await import('node:fs/promises').then(({ open: openFile }) =>
      openFile(target('thesis.pdf'), 'r+'),
    );
    await handle.write(new Uint8Array([1, 2, 3]), 0, 3, 30_000);
    await handle.close();
    await utimes(target('thesis.pdf'), new Date(), new Date());
    await finish(await start(made, folder.path));
  });
});
