// Segments in, files out: spans over many files, padding, large pieces, bad pieces, what is made on disk and when.
import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { allPieces, Harness, makeTorrent, sha1, temporaryFolder, wrongFiles } from './support.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const open: Harness[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  for (const harness of open.splice(0)) await harness.close();
  await folder.remove();
});

async function start(...args: Parameters<typeof Harness.open>): Promise<Harness> {
  const harness = await Harness.open(...args);
  open.push(harness);
  return harness;
}

const target = (): string => join(folder.path, 'target');

test('pieces that span many small files, an empty file and padding all land where they belong', async () => {
  const torrent = makeTorrent(
    [
      { path: ['a', 'one'], length: 10_000 },
      { path: ['.pad', '6384'], length: 6_384, isPadding: true },
      { path: ['a', 'two'], length: 3 },
      { path: ['b', 'empty'], length: 0 },
      { path: ['b', 'c', 'three'], length: 100_000 },
      { path: ['four'], length: 1 },
    ],
    16_384,
  );
  const harness = await start(torrent, folder.path);
  await harness.download(allPieces(torrent).reverse());
  expect(harness.results.every((result) => result.ok)).toBe(true);
  expect(harness.storage.have.isFull).toBe(true);
  expect(harness.slots.inUse).toBe(0);
  expect(await wrongFiles(torrent, target())).toEqual([]);
  expect(await readdir(join(target(), 'content'))).toEqual(['a', 'b', 'four']);
  expect(harness.storage.fileProgress()).toEqual([10_000, 0, 3, 0, 100_000, 1]);
});

test('nothing is made in the target before the first write', async () => {
  const torrent = makeTorrent([{ path: ['file'], length: 50_000 }], 16_384);
  await start(torrent, folder.path);
  await expect(lstat(target())).rejects.toThrow('ENOENT');
});

test('a torrent of nothing but empty files and links is made at once', async () => {
  const torrent = makeTorrent(
    [
      { path: ['deep', 'empty'], length: 0, isExecutable: true },
      { path: ['deep', 'link'], length: 0, symlinkTarget: ['deep', 'empty'] },
    ],
    16_384,
  );
  await start(torrent, folder.path);
  const made = await stat(join(target(), 'content', 'deep', 'empty'));
  expect(made.size).toBe(0);
  expect(made.mode & 0o100).toBe(0o100);
  expect(await readlink(join(target(), 'content', 'deep', 'link'))).toBe('empty');
});

test('a single file is renamed, made executable, and cut to length when a longer one lay there', async () => {
  const torrent = makeTorrent([{ path: ['file'], length: 40_000, isExecutable: true }], 16_384, {
    name: undefined,
  });
  const { mkdir, writeFile } = await import('node:fs/promises');
  await mkdir(target());
  await writeFile(join(target(), 'other'), new Uint8Array(90_000));
  const harness = await start(torrent, folder.path, { rename: 'other' });
  expect(harness.storage.needsCheck).toEqual([{ first: 0, end: 3 }]);
  await harness.storage.check({ ranges: harness.storage.needsCheck });
  await harness.download(allPieces(torrent));
  await harness.close();
  const made = await stat(join(target(), 'other'));
  expect(made.size).toBe(40_000);
  expect(made.mode & 0o111).toBe(0o111);
  expect(Buffer.from(torrent.payload).equals(await readFile(join(target(), 'other')))).toBe(true);
});

test('a bad piece of one segment is not written and comes with the digest of each block', async () => {
  const torrent = makeTorrent([{ path: ['file'], length: 100_000 }], 65_536, { name: undefined });
  const harness = await start(torrent, folder.path);
  await harness.give([0], { corrupt: () => true });
  await harness.until(() => harness.results.length === 1);
  const [result] = harness.results;
  expect(result?.ok).toBe(false);
  expect(result?.digests?.length).toBe(4 * 20);
  const second = torrent.payload.subarray(16_384, 32_768);
  expect(Buffer.from(result?.digests?.subarray(20, 40) ?? [])).toEqual(Buffer.from(sha1(second)));
  await expect(lstat(join(target(), 'file'))).rejects.toThrow('ENOENT');
  expect(harness.storage.have.count).toBe(0);
  await harness.give([0], { wantBlockDigests: true });
  await harness.until(() => harness.results.length === 2);
  expect(harness.results[1]?.ok).toBe(true);
  expect(harness.results[1]?.digests?.length).toBe(4 * 20);
});

test.each([
  ['in order', (segments: number[]) => segments],
  ['backwards', (segments: number[]) => segments.reverse()],
  ['odd first', (segments: number[]) => segments.sort((a, b) => (b & 1) - (a & 1))],
])('a piece of 5.5 MiB whose segments come %s, through a pool of 2 MiB', async (_, order) => {
  const pieceLength = 5.5 * (1 << 20);
  const torrent = makeTorrent(
    [
      { path: ['a'], length: 3_000_001 },
      { path: ['b'], length: 9_000_000 },
    ],
    pieceLength,
  );
  const harness = await start(torrent, folder.path, { slotBytes: 2 << 20 });
  await harness.give(allPieces(torrent), { order, corrupt: (piece) => piece === 1, wantBlockDigests: true });
  await harness.until(() => harness.results.length === 3);
  expect(harness.results.map((result) => result.ok)).toEqual([true, false, true]);
  expect(harness.results[1]?.digests?.length).toBe(Math.ceil(pieceLength / 16_384) * 20);
  const block = torrent.payload.subarray(pieceLength + 16_384 * 100, pieceLength + 16_384 * 101);
  expect(Buffer.from(harness.results[1]?.digests?.subarray(2000, 2020) ?? [])).toEqual(
    Buffer.from(sha1(block)),
  );
  await harness.download([1]);
  expect(await wrongFiles(torrent, target())).toEqual([]);
  expect(harness.slots.inUse).toBe(0);
});
