// What survives from one run to the next: orderly ends, kills, foreign hands, other boots, interrupted checks, locks.
import {
  appendFile,
  open as openFile,
  readFile,
  rm,
  stat,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OperationError } from '../../../core/base/result.ts';
import { loadJournal } from '../../../core/storage/journal.ts';
import { listResumable, removeResumable } from '../../../core/storage/resume-state.ts';
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
async function kill(harness: Harness): Promise<void> {
  open.delete(harness);
  await harness.kill(folder.path);
}

const two = (): MadeTorrent =>
  makeTorrent(
    [
      { path: ['a'], length: 500_000 },
      { path: ['b'], length: 500_000 },
    ],
    65_536,
  );
const file = (name: string): string => join(folder.path, 'target', 'content', name);
const journalOf = (torrent: MadeTorrent): string =>
  join(folder.path, 'state', 'resume', `${Buffer.from(torrent.metainfo.infoHash).toString('hex')}.journal`);
const haveOf = (harness: Harness): number[] =>
  allPieces(harness.torrent).filter((piece) => harness.storage.have.has(piece));

describe('resume', () => {
  test.each(['closed', 'killed'])('a run that was %s gives all its pieces to the next', async (how) => {
    const torrent = two();
    const first = await start(torrent, folder.path);
    await first.download([0, 3, 7, 8, 15]);
    await (how === 'closed' ? stop(first) : kill(first));
    const second = await start(torrent, folder.path);
    expect(haveOf(second)).toEqual([0, 3, 7, 8, 15]);
    expect(second.storage.needsCheck).toEqual([]);
    await second.download(allPieces(torrent).filter((piece) => !second.storage.have.has(piece)));
    await stop(second);
    expect(await wrongFiles(torrent, join(folder.path, 'target'))).toEqual([]);
    const third = await start(torrent, folder.path, { readOnly: true });
    expect(third.storage.have.isFull).toBe(true);
  });

  test('a file written by somebody else is hashed again, alone, and what it lost is found', async () => {
    const torrent = two();
    const first = await start(torrent, folder.path);
    await first.download(allPieces(torrent));
    await stop(first);
    const handle = await openFile(file('b'), 'r+');
    await handle.write(new Uint8Array([1, 2, 3]), 0, 3, 300_000);
    await handle.close();
    const second = await start(torrent, folder.path);
    expect(haveOf(second)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(second.storage.needsCheck).toEqual([{ first: 7, end: 16 }]);
    await second.storage.check({ ranges: second.storage.needsCheck });
    const bad = Math.floor(800_000 / 65_536);
    expect(haveOf(second)).toEqual(allPieces(torrent).filter((piece) => piece !== bad));
    expect(second.storage.needsCheck).toEqual([]);
    await kill(second);
    const third = await start(torrent, folder.path);
    expect(haveOf(third)).toEqual(allPieces(torrent).filter((piece) => piece !== bad));
    expect(third.storage.needsCheck).toEqual([]);
  });

  test('touched, truncated, deleted, replaced: each is noticed', async () => {
    const torrent = two();
    const first = await start(torrent, folder.path);
    await first.download(allPieces(torrent));
    await stop(first);
    const expectHave = async (have: number[], needsCheck: unknown): Promise<void> => {
      const harness = await start(torrent, folder.path);
      expect(haveOf(harness)).toEqual(have);
      expect(harness.storage.needsCheck).toEqual(needsCheck);
      await stop(harness);
    };
    const seven = [0, 1, 2, 3, 4, 5, 6];
    const before = await stat(file('b'), { bigint: true });
    await utimes(file('b'), new Date(), new Date());
    await expectHave(seven, [{ first: 7, end: 16 }]);
    await utimes(file('b'), Number(before.atimeMs) / 1000, Number(before.mtimeMs) / 1000);
    await truncate(file('b'), 100_000);
    await expectHave(seven, [{ first: 7, end: 9 }]);
    await unlink(file('b'));
    await expectHave(seven, []);
    await writeFile(file('b'), torrent.payload.subarray(500_000));
    await expectHave(seven, [{ first: 7, end: 16 }]);
  });

  test('under another boot only what was flushed is believed', async () => {
    const torrent = two();
    const first = await start(torrent, folder.path);
    await first.download([0, 1, 2]);
    await first.storage.sync();
    await first.download([4, 5]);
    await kill(first);
    const pretend = async (): Promise<void> => {
      // The same records under the id of a boot that is over.
      const { encodeHeader, encodeRecord, encodeSnapshot } = await import('../../../core/storage/journal.ts');
      const identity = { infoHash: torrent.metainfo.infoHash, pieceCount: 16, fileCount: 2 };
      const loaded = loadJournal(await readFile(journalOf(torrent)), identity);
      if (loaded === undefined) throw new Error('no journal');
      expect(encodeHeader(identity).bytes.length).toBeGreaterThan(0);
      loaded.state.bootId = 'an earlier boot';
      const snapshot = encodeSnapshot(identity, loaded.state, loaded.state.lastTimeMs);
      const last = encodeRecord({ kind: 'pieces', pieces: [] }, loaded.state.lastTimeMs, snapshot.crc);
      await writeFile(journalOf(torrent), Buffer.concat([snapshot.bytes, last.bytes]));
    };
    await pretend();
    const second = await start(torrent, folder.path);
    expect(haveOf(second)).toEqual([0, 1, 2]);
    expect(second.storage.needsCheck).toEqual([{ first: 4, end: 6 }]);
    await second.storage.check({ ranges: second.storage.needsCheck });
    expect(haveOf(second)).toEqual([0, 1, 2, 4, 5]);
  });

  test('a torn journal tail costs its own records only', async () => {
    const torrent = two();
    const first = await start(torrent, folder.path);
    await first.download([0, 1]);
    await first.download([2]);
    await kill(first);
    const path = journalOf(torrent);
    await appendFile(path, new Uint8Array(50).fill(9));
    const second = await start(torrent, folder.path);
    expect(haveOf(second)).toEqual([0, 1, 2]);
    await second.download([3]);
    await kill(second);
    const third = await start(torrent, folder.path);
    expect(haveOf(third)).toEqual([0, 1, 2, 3]);
    await stop(third);
    await rm(path);
    const fourth = await start(torrent, folder.path);
    expect(haveOf(fourth)).toEqual([]);
    expect(fourth.storage.needsCheck).toEqual([{ first: 0, end: 4 }]);
  });

  test('recheck hashes what lies there, whatever the journal says', async () => {
    const torrent = two();
    const first = await start(torrent, folder.path);
    await first.download([0, 1]);
    await stop(first);
    const second = await start(torrent, folder.path, { recheck: true });
    expect(haveOf(second)).toEqual([]);
    let last = 0;
    await second.storage.check({
      onProgress: (bytes) => {
        expect(bytes).toBeGreaterThanOrEqual(last);
        last = bytes;
      },
    });
    expect(last).toBe(1_000_000);
    expect(haveOf(second)).toEqual([0, 1]);
  });

  test('an aborted check goes on where it was', async () => {
    const torrent = makeTorrent([{ path: ['a'], length: 40 << 20 }], 1 << 20, { name: undefined });
    const { mkdir } = await import('node:fs/promises');
    await mkdir(join(folder.path, 'target'));
    await writeFile(join(folder.path, 'target', 'a'), torrent.payload);
    const first = await start(torrent, folder.path, { hashThreads: 1 });
    expect(first.storage.needsCheck).toEqual([{ first: 0, end: 40 }]);
    const stopper = new AbortController();
    const check = first.storage.check({
      signal: stopper.signal,
      onProgress: (bytes) => {
        if (bytes > 0) stopper.abort();
      },
    });
    await expect(check).rejects.toThrow(/abort/);
    await kill(first);
    const second = await start(torrent, folder.path);
    expect(second.storage.have.count).toBe(4);
    expect(second.storage.needsCheck).toEqual([{ first: 4, end: 40 }]);
    await second.storage.check({ ranges: second.storage.needsCheck });
    expect(second.storage.have.isFull).toBe(true);
  });

  test('a check of a running torrent takes back pieces that rotted', async () => {
    const torrent = two();
    const harness = await start(torrent, folder.path);
    await harness.download(allPieces(torrent));
    expect((await harness.read(1, 0, 16_384))[0]).toBe(torrent.payload[65_536]);
    const handle = await openFile(file('a'), 'r+');
    await handle.write(new Uint8Array([(torrent.payload[65_536] as number) ^ 1]), 0, 1, 65_536);
    await handle.close();
    await harness.storage.check();
    expect(harness.storage.have.has(1)).toBe(false);
    expect(harness.storage.fileProgress()).toEqual([500_000 - 65_536, 500_000]);
    await harness.download([1]);
    expect(harness.storage.have.isFull).toBe(true);
    expect(await harness.read(1, 0, 4)).toEqual(torrent.payload.slice(65_536, 65_540));
  });
});

describe('locks and the list', () => {
  test('a second storage on the same torrent or the same target is refused in one line', async () => {
    const torrent = two();
    await start(torrent, folder.path);
    const again = start(torrent, folder.path);
    await expect(again).rejects.toThrow(OperationError);
    await expect(again).rejects.toMatchObject({
      slug: 'refused',
      message: 'this process is already using the torrent content',
    });
    const elsewhere = start(torrent, folder.path, { stateDir: join(folder.path, 'other-state') });
    await expect(elsewhere).rejects.toMatchObject({ slug: 'refused' });
    const reader = await start(torrent, folder.path, {
      stateDir: join(folder.path, 'third'),
      readOnly: true,
    });
    expect(reader.storage.have.count).toBe(0);
  });

  test('the lock of a dead process, or of an earlier boot, is taken over', async () => {
    const torrent = two();
    const first = await start(torrent, folder.path);
    const path = journalOf(torrent).replace('.journal', '.lock');
    const [pid, , boot] = (await readFile(path, 'utf8')).split(' ');
    expect(Number(pid)).toBe(process.pid);
    await stop(first);
    for (const stale of [`${process.pid} 1 ${boot} x\n`, `1 - another-boot x\n`, 'nonsense']) {
      await writeFile(path, stale);
      await stop(await start(torrent, folder.path));
    }
    await expect(readFile(path)).rejects.toThrow('ENOENT');
  });

  test('what can be resumed is listed, and can be forgotten', async () => {
    const torrent = two();
    expect(await listResumable(join(folder.path, 'state'))).toEqual([]);
    const harness = await start(torrent, folder.path, { magnet: 'magnet:?xt=urn:btih:x' });
    await harness.download([1, 2]);
    const [entry] = await listResumable(join(folder.path, 'state'));
    expect(entry).toMatchObject({
      name: 'content',
      magnet: 'magnet:?xt=urn:btih:x',
      verifiedPieces: 2,
      pieceCount: 16,
      totalLength: 1_000_000,
      isOpen: true,
    });
    const hex = Buffer.from(torrent.metainfo.infoHash).toString('hex');
    await expect(removeResumable(join(folder.path, 'state'), hex)).rejects.toMatchObject({ slug: 'refused' });
    await stop(harness);
    const bytes = await readFile(entry?.torrentPath ?? '');
    expect(bytes.subarray(0, 7).toString()).toBe('d4:info');
    expect((await listResumable(join(folder.path, 'state')))[0]?.isOpen).toBe(false);
    expect(await removeResumable(join(folder.path, 'state'), hex)).toBe(true);
    expect(await listResumable(join(folder.path, 'state'))).toEqual([]);
    expect(await removeResumable(join(folder.path, 'state'), hex)).toBe(false);
  });

  test('a damaged list entry is left out', async () => {
    const harness = await start(two(), folder.path);
    await stop(harness);
    await writeFile(
      join(folder.path, 'state', 'resume', `${'a'.repeat(40)}.json`),
      '{"version":1,"pieceCount":1e99}',
    );
    expect((await listResumable(join(folder.path, 'state'))).length).toBe(1);
  });
});
