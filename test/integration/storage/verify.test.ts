// `tt verify`: which files are good, missing, short, long, bad; nothing is written.
import { mkdir, open as openFile, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { verifyTorrent } from '../../../core/storage/verify.ts';
import { allPieces, Harness, type MadeTorrent, makeTorrent, temporaryFolder } from './support.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder.remove());

async function lay(torrent: MadeTorrent): Promise<void> {
  for (const file of torrent.metainfo.files) {
    if (file.isPadding) continue;
    const path = join(folder.path, ...file.path);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, torrent.payload.subarray(file.offset, file.offset + file.length));
  }
}

const five = (): MadeTorrent =>
  makeTorrent(
    [
      { path: ['good'], length: 131_072 },
      { path: ['missing'], length: 65_536 },
      { path: ['d', 'short'], length: 65_536 },
      { path: ['d', 'long'], length: 65_530 },
      { path: ['.pad', '6'], length: 6, isPadding: true },
      { path: ['bad'], length: 65_536 },
      { path: ['empty'], length: 0 },
    ],
    32_768,
  );

test('a whole torrent is good', async () => {
  const torrent = five();
  await lay(torrent);
  let last = 0;
  const report = await verifyTorrent(torrent.metainfo, folder.path, {
    onProgress: (bytes) => {
      last = bytes;
    },
  });
  expect(report.good.isFull).toBe(true);
  expect(report.badPieces).toEqual([]);
  expect(report.files.map((file) => file.state)).toEqual(Array(6).fill('good'));
  expect(last).toBe(torrent.metainfo.layout.totalLength);
});

test('each kind of damage is named, and nothing is written', async () => {
  const torrent = five();
  await lay(torrent);
  const at = (...path: string[]): string => join(folder.path, 'content', ...path);
  await rm(at('missing'));
  await truncate(at('d', 'short'), 40_000);
  await truncate(at('d', 'long'), 90_000);
  const handle = await openFile(at('bad'), 'r+');
  await handle.write(new Uint8Array([(torrent.payload[327_680 + 40_000] as number) ^ 1]), 0, 1, 40_000);
  await handle.close();
  const report = await verifyTorrent(torrent.metainfo, folder.path, { threads: 2 });
  expect(report.files.map(({ path, state, badPieces }) => [path, state, badPieces])).toEqual([
    ['content/good', 'good', 0],
    ['content/missing', 'missing', 2],
    ['content/d/short', 'short', 1],
    ['content/d/long', 'long', 0],
    ['content/bad', 'bad', 1],
    ['content/empty', 'good', 0],
  ]);
  expect(report.badPieces).toEqual([4, 5, 7, 11]);
  expect(report.files[2]?.foundBytes).toBe(40_000);
  expect(await readdir(folder.path)).toEqual(['content']);
});

test('another name, links, and a folder that is not there', async () => {
  const torrent = makeTorrent([{ path: ['file'], length: 100_000 }], 65_536, { name: undefined });
  await writeFile(join(folder.path, 'elsewhere'), torrent.payload);
  await symlink(join(folder.path, 'elsewhere'), join(folder.path, 'link'));
  const renamed = await verifyTorrent(torrent.metainfo, folder.path, { rename: 'link' });
  expect(renamed.good.isFull).toBe(true);
  const nowhere = await verifyTorrent(torrent.metainfo, join(folder.path, 'no', 'where'));
  expect(nowhere.files[0]?.state).toBe('missing');
});

test('an abort ends it', async () => {
  const torrent = makeTorrent([{ path: ['file'], length: 30 << 20 }], 1 << 20, { name: undefined });
  await lay(torrent);
  await expect(verifyTorrent(torrent.metainfo, folder.path, { signal: AbortSignal.abort() })).rejects.toThrow(
    /abort/,
  );
});

test('two thousand small files: written, checked, read', async () => {
  const torrent = makeTorrent(
    Array.from({ length: 2000 }, (_, i) => ({
      path: [`dir-${i % 40}`, `file-${i}`],
      length: 5_000 + (i % 700),
    })),
    65_536,
  );
  const harness = await Harness.open(torrent, folder.path);
  await harness.download(allPieces(torrent));
  expect(harness.storage.have.isFull).toBe(true);
  for (const piece of [0, 50, torrent.metainfo.layout.pieceCount - 1]) {
    const size = torrent.metainfo.layout.pieceSize(piece);
    const due = torrent.payload.subarray(piece * 65_536, piece * 65_536 + size);
    expect(Buffer.from(await harness.read(piece, 0, size)).equals(due)).toBe(true);
  }
  await harness.close();
  const report = await verifyTorrent(torrent.metainfo, join(folder.path, 'target'));
  expect(report.good.isFull).toBe(true);
});

test.each([1, 2, 3])(
  'what %i threads share, this one among them, is judged whole and can be stopped',
  async (threads) => {
    const torrent = makeTorrent([{ path: ['a'], length: (160 << 20) + 5 }], 1 << 20);
    await lay(torrent);
    const spoiled = [0, 77, 160];
    const handle = await openFile(join(folder.path, 'content', 'a'), 'r+');
    for (const piece of spoiled) await handle.write('spoiled', piece << 20);
    await handle.close();
    let last = 0;
    const onProgress = (bytes: number): void => {
      last = bytes;
    };
    const report = await verifyTorrent(torrent.metainfo, folder.path, { threads, onProgress });
    expect(report.badPieces).toEqual(spoiled);
    expect(last).toBe(torrent.metainfo.layout.totalLength);

    const stop = new AbortController();
    const stopped = verifyTorrent(torrent.metainfo, folder.path, {
      threads,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    });
    await expect(stopped).rejects.toThrow('enough');
  },
);
