// Somebody cuts a file, or takes it away, while its torrent is downloaded: no such file is called complete, and the next
// start fetches what is gone.
import { appendFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { allPieces, Harness, makeTorrent, temporaryFolder, wrongFiles } from './support.ts';

const PIECE_BYTES = 65_536;
const torrent = makeTorrent(
  [
    { path: ['a'], length: 4 * PIECE_BYTES },
    { path: ['b'], length: 4 * PIECE_BYTES },
  ],
  PIECE_BYTES,
);

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const open: Harness[] = [];
const said: string[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
  said.length = 0;
});
afterEach(async () => {
  for (const harness of open.splice(0)) await harness.close();
  await folder.remove();
});

async function start(): Promise<Harness> {
  const harness = await Harness.open(torrent, folder.path, { log: (_, text) => said.push(text) });
  open.push(harness);
  return harness;
}
const target = (...rest: string[]): string => join(folder.path, 'target', ...rest);

async function expectMended(): Promise<void> {
  for (const harness of open.splice(0)) await harness.close();
  expect(said.filter((text) => text.includes('not closed in order'))).toEqual([]);
  const again = await start();
  await again.storage.check({ ranges: again.storage.needsCheck });
  expect(again.storage.have.isFull).toBe(false);
  await again.download(allPieces(torrent).filter((piece) => !again.storage.have.has(piece)));
  await again.storage.finished();
  expect(again.errors).toEqual([]);
  expect(await wrongFiles(torrent, target())).toEqual([]);
}

test.each([
  ['before what is written next', [0, 1, 3], 2],
  ['where the next write makes it longer again', [0, 1], 2],
])('a file cut %s', async (_, first, next) => {
  const harness = await start();
  await harness.download(first);
  await truncate(target('content', 'a'), 100);
  await harness.download([next]);
  await harness.until(() => harness.errors.length > 0);
  expect(harness.errors).toMatchObject([{ slug: 'disk', code: 'ESHORT' }]);
  expect(harness.errors[0]?.message).toContain(target('content', 'a'));
  await expectMended();
});

test('a file cut between the opening of its torrent and the first write', async () => {
  const first = await start();
  await first.download([0, 1]);
  await first.close();
  open.length = 0;
  const harness = await start();
  await truncate(target('content', 'a'), 100);
  await harness.download([2]);
  await harness.until(() => harness.errors.length > 0);
  expect(harness.errors).toMatchObject([{ slug: 'disk', code: 'ESHORT' }]);
  await expectMended();
});

test.each([
  ['cut', 'ESHORT', () => truncate(target('content', 'a'), 100)],
  ['taken away', 'ENOENT', () => rm(target('content', 'a'))],
])('a complete file %s while another is fetched', async (_, code, spoil) => {
  const harness = await start();
  await harness.download([0, 1, 2, 3]);
  await harness.storage.finished();
  await spoil();
  await harness.download([4, 5, 6, 7]);
  await harness.storage.finished();
  expect(harness.errors).toMatchObject([{ slug: 'disk', code }]);
  expect(harness.errors[0]?.message).toContain(target('content', 'a'));
  await expectMended();
});

test('a file that somebody makes longer meanwhile is not called complete', async () => {
  const harness = await start();
  await harness.download([0, 1]);
  await appendFile(target('content', 'a'), new Uint8Array(8 * PIECE_BYTES));
  await harness.download([2, 3, 4, 5, 6, 7]);
  await harness.storage.finished();
  expect(harness.errors).toMatchObject([{ slug: 'disk', code: 'ECHANGED' }]);
  expect(harness.errors[0]?.message).toContain(target('content', 'a'));
});
