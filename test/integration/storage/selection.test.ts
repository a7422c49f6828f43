// Files that are not wanted leave nothing in the target: what pieces bring along goes to the part file, and comes out
// of it when the file becomes wanted.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { allPieces, Harness, type MadeTorrent, makeTorrent, temporaryFolder, wrongFiles } from './support.ts';

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

async function start(...args: Parameters<typeof Harness.open>): Promise<Harness> {
  const harness = await Harness.open(...args);
  open.add(harness);
  return harness;
}
async function stop(harness: Harness): Promise<void> {
  open.delete(harness);
  await harness.close();
}

/** Pieces of 64 KiB: `left` and `right` share pieces with `middle`, which begins and ends inside one. */
const torrent = (): MadeTorrent =>
  makeTorrent(
    [
      { path: ['left'], length: 100_000 },
      { path: ['middle'], length: 200_000 },
      { path: ['right'], length: 100_000 },
      { path: ['void'], length: 0 },
    ],
    65_536,
  );
const content = (): string => join(folder.path, 'target', 'content');
const part = (made: MadeTorrent): string =>
  join(folder.path, 'state', 'resume', `${Buffer.from(made.metainfo.infoHash).toString('hex')}.part`);

test('only wanted files appear; their neighbours wait in the part file and are uploaded from there', async () => {
  const made = torrent();
  const harness = await start(made, folder.path, { wanted: [false, true, false, false] });
  await harness.download([1, 2, 3, 4]);
  expect(await readdir(content())).toEqual(['middle']);
  expect((await wrongFiles(made, join(folder.path, 'target'))).sort()).toEqual([
    'content/left',
    'content/right',
    'content/void',
  ]);
  expect((await stat(part(made))).isFile()).toBe(true);
  const piece = await harness.read(1, 0, 65_536);
  expect(Buffer.from(piece).equals(made.payload.subarray(65_536, 131_072))).toBe(true);
  expect(harness.storage.isFileComplete(1)).toBe(true);
  expect(harness.storage.isFileComplete(0)).toBe(false);
});

test('the part file is resumed like any other, and noticed when it is lost', async () => {
  const made = torrent();
  const wanted = [false, true, false, false];
  const first = await start(made, folder.path, { wanted });
  await first.download([1, 2, 3, 4]);
  await stop(first);
  const second = await start(made, folder.path, { wanted });
  expect(allPieces(made).filter((piece) => second.storage.have.has(piece))).toEqual([1, 2, 3, 4]);
  expect(second.storage.needsCheck).toEqual([]);
  await stop(second);
  const { rm } = await import('node:fs/promises');
  await rm(part(made));
  const third = await start(made, folder.path, { wanted });
  expect(allPieces(made).filter((piece) => third.storage.have.has(piece))).toEqual([2, 3]);
});

test('a file that becomes wanted takes its bytes along, also when that happens between runs', async () => {
  const made = torrent();
  const harness = await start(made, folder.path, { wanted: [false, true, false, false] });
  await harness.download([1, 2, 3, 4]);
  await harness.storage.setWanted(0, true);
  await harness.storage.setWanted(3, true);
  await harness.download([0]);
  expect((await readdir(content())).sort()).toEqual(['left', 'middle', 'void']);
  expect(await wrongFiles(made, join(folder.path, 'target'))).toEqual(['content/right']);
  expect((await stat(part(made))).isFile()).toBe(true);
  await stop(harness);
  const next = await start(made, folder.path);
  expect(next.storage.needsCheck).toEqual([]);
  await next.download(allPieces(made).filter((piece) => !next.storage.have.has(piece)));
  expect(await wrongFiles(made, join(folder.path, 'target'))).toEqual([]);
  await expect(stat(part(made))).rejects.toThrow('ENOENT');
  expect(Buffer.from(await next.read(4, 0, 65_536)).equals(made.payload.subarray(262_144, 327_680))).toBe(
    true,
  );
});

test('what the part file holds is not taken for the bytes of a file that is gone, or that lies in another folder', async () => {
  const made = torrent();
  const onlyLeft = [true, false, false, false];
  const onlyRight = [false, false, true, false];
  const first = await start(made, folder.path, { wanted: onlyLeft });
  await first.download([0, 1]);
  await stop(first);
  // Another folder, another choice: the part file is one for both, and has nothing of `left`.
  const directory = join(folder.path, 'elsewhere');
  const second = await start(made, folder.path, { wanted: onlyRight, directory });
  await second.storage.check({ ranges: second.storage.needsCheck });
  expect(allPieces(made).filter((piece) => second.storage.have.has(piece))).toEqual([]);
  await second.download([4, 5, 6]);
  await stop(second);
  // Back again: what lies there counts, wherever the journal was in between.
  const third = await start(made, folder.path, { wanted: onlyLeft });
  await third.storage.check({ ranges: third.storage.needsCheck });
  expect(third.storage.have.has(0)).toBe(true);
  await third.download([1]);
  expect((await wrongFiles(made, join(folder.path, 'target'))).sort()).toEqual([
    'content/middle',
    'content/right',
    'content/void',
  ]);
  await stop(third);
  // The same in one folder: the file is removed, then something else is chosen, then the file after all.
  const { rm } = await import('node:fs/promises');
  await rm(join(content(), 'left'));
  const fourth = await start(made, folder.path, { wanted: onlyRight });
  await fourth.storage.check({ ranges: fourth.storage.needsCheck });
  expect([0, 1].filter((piece) => fourth.storage.have.has(piece))).toEqual([]);
  await stop(fourth);
  const last = await start(made, folder.path, { wanted: onlyLeft });
  await last.storage.check({ ranges: last.storage.needsCheck });
  expect([0, 1].filter((piece) => last.storage.have.has(piece))).toEqual([]);
  await last.download([0, 1]);
  expect(await wrongFiles(made, join(folder.path, 'target'))).not.toContain('content/left');
});

test('a file that somebody else put where it belongs is found, for a download and for a seed', async () => {
  const made = torrent();
  const { writeFile } = await import('node:fs/promises');
  const first = await start(made, folder.path, { wanted: [true, false, true, true] });
  await first.download(allPieces(made));
  await stop(first);
  await writeFile(join(content(), 'middle'), made.payload.subarray(100_000, 300_000));
  for (const readOnly of [true, false]) {
    const harness = await start(made, folder.path, { readOnly });
    await harness.storage.check({ ranges: harness.storage.needsCheck });
    expect(harness.storage.have.count).toBe(made.metainfo.layout.pieceCount);
    expect(
      Buffer.from(await harness.read(2, 0, 65_536)).equals(made.payload.subarray(131_072, 196_608)),
    ).toBe(true);
    await stop(harness);
  }
  expect(await wrongFiles(made, join(folder.path, 'target'))).toEqual([]);
});

test('a file changes sides while segments of its large pieces are on their way', async () => {
  const made = makeTorrent(
    [
      { path: ['a'], length: 3_500_000 },
      { path: ['b'], length: 4_000_000 },
    ],
    3 << 20,
  );
  const harness = await start(made, folder.path, { wanted: [true, false] });
  await harness.give([1], { order: (segments) => segments.slice(1) });
  const moved = harness.storage.setWanted(1, true);
  await harness.give([1], { order: (segments) => segments.slice(0, 1) });
  await moved;
  await harness.until(() => harness.results.length === 1);
  await harness.download([0, 2]);
  expect(harness.results.map(({ ok }) => ok)).toEqual([true, true, true]);
  expect(await wrongFiles(made, join(folder.path, 'target'))).toEqual([]);
});

test('a file that is no longer wanted keeps what is on disk', async () => {
  const made = torrent();
  const harness = await start(made, folder.path);
  await harness.download([0]);
  await harness.storage.setWanted(0, false);
  await harness.storage.setWanted(2, false);
  await harness.download([1, 2, 3, 4]);
  expect((await readdir(content())).sort()).toEqual(['left', 'middle', 'void']);
  expect(harness.storage.have.count).toBe(5);
  await harness.storage.setWanted(2, true);
  await harness.download([5, 6]);
  expect(await wrongFiles(made, join(folder.path, 'target'))).toEqual([]);
});

test('full preallocation takes the blocks of wanted files only', async () => {
  const made = torrent();
  const harness = await start(made, folder.path, { preallocate: 'full', wanted: [true, true, false, true] });
  const left = await stat(join(content(), 'left'));
  expect(left.size).toBe(100_000);
  expect(left.blocks * 512).toBeGreaterThanOrEqual(100_000);
  expect((await readdir(content())).sort()).toEqual(['left', 'middle']);
  await harness.download([0, 1, 2, 3, 4]);
  await stop(harness);
  const again = await start(made, folder.path, { wanted: [true, true, false, true] });
  expect(again.storage.have.count).toBe(5);
  expect(again.storage.needsCheck).toEqual([]);
});
