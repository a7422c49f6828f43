// The disk says no: full, gone, in the way, read-only, a dead thread. What is verified stays; `retry` goes on.
import { execFileSync } from 'node:child_process';
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { allPieces, Harness, makeTorrent, temporaryFolder, wrongFiles } from './support.ts';

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
const target = (...rest: string[]): string => join(folder.path, 'target', ...rest);

/** A small file system of its own; needs root. @returns undefined where that is not allowed */
async function smallDisk(path: string, bytes: number): Promise<{ unmount(): void } | undefined> {
  await mkdir(path, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    console.warn('SKIPPED: a tmpfs cannot be mounted here, so a full disk is not tested');
    return undefined;
  }
  return { unmount: () => execFileSync('umount', ['--lazy', path]) };
}

describe('disk trouble', () => {
  test('a full disk stops the torrent with one error; after making room everything goes on', async (context) => {
    const disk = await smallDisk(target(), 2 << 20);
    if (disk === undefined) return context.skip();
    try {
      await writeFile(target('hog'), new Uint8Array(1 << 20));
      const torrent = makeTorrent([{ path: ['a'], length: 1_800_000 }], 65_536);
      const harness = await start(torrent, folder.path);
      await harness.give(allPieces(torrent));
      await harness.until(() => harness.errors.length > 0);
      expect(harness.errors.length).toBe(1);
      expect(harness.errors[0]).toMatchObject({ slug: 'disk', code: 'ENOSPC' });
      expect(harness.errors[0]?.message).toContain(target('content', 'a'));
      expect(harness.errors[0]?.hint).toContain('free some space');
      const before = harness.results.length;
      expect(before).toBeGreaterThan(8);
      expect(harness.storage.isFailed).toBe(true);
      await expect(harness.storage.retry()).resolves.toBeUndefined();
      await harness.until(() => harness.errors.length > 1);
      await rm(target('hog'));
      await harness.storage.retry();
      await harness.until(() => harness.results.length === torrent.metainfo.layout.pieceCount);
      expect(harness.results.every((result) => result.ok)).toBe(true);
      expect(harness.slots.inUse).toBe(0);
      expect(await wrongFiles(torrent, target())).toEqual([]);
    } finally {
      for (const harness of open.splice(0)) await harness.close();
      disk.unmount();
    }
  });

  test('full preallocation of more than there is room for takes none of it, neither of one file nor of many', async (context) => {
    const disk = await smallDisk(target(), 2 << 20);
    if (disk === undefined) return context.skip();
    try {
      for (const lengths of [[3_000_000], [1_200_000, 1_200_000]]) {
        const torrent = makeTorrent(
          lengths.map((length, i) => ({ path: [`${lengths.length}-${i}`], length })),
          65_536,
        );
        const trouble = await start(torrent, folder.path, { preallocate: 'full' }).then(
          (harness) => harness.errors[0],
          (error: unknown) => error,
        );
        expect(trouble).toMatchObject({ slug: 'disk', code: 'ENOSPC' });
        const free = await statfs(target());
        expect((free.blocks - free.bavail) * free.bsize).toBeLessThan(100_000);
      }
    } finally {
      for (const harness of open.splice(0)) await harness.close();
      disk.unmount();
    }
  });

  test('a full state directory holds the reports back until there is room', async (context) => {
    const disk = await smallDisk(join(folder.path, 'state'), 256 << 10);
    if (disk === undefined) return context.skip();
    try {
      const torrent = makeTorrent([{ path: ['a'], length: 1_000_000 }], 65_536);
      const harness = await start(torrent, folder.path);
      await harness.download([0]);
      const hog = join(folder.path, 'state', 'hog');
      await writeFile(hog, new Uint8Array(1 << 20)).catch(() => {});
      const count = torrent.metainfo.layout.pieceCount;
      // The last page of the journal still has room: go on until it is used up.
      for (let piece = 1; piece < count && harness.errors.length === 0; piece++)
        await harness.download([piece]);
      if (harness.errors.length === 0) return; // 16 pieces fitted: nothing to see
      expect(harness.errors[0]).toMatchObject({ slug: 'disk', code: 'ENOSPC' });
      expect(harness.errors[0]?.message).toContain('resume journal');
      await rm(hog);
      await harness.storage.retry();
      await harness.download(allPieces(torrent).filter((piece) => !harness.storage.have.has(piece)));
    } finally {
      for (const harness of open.splice(0)) await harness.close();
      disk.unmount();
    }
  });

  test('what could not be written of the resume state is not left behind', async () => {
    const torrent = makeTorrent([{ path: ['a'], length: 100_000 }], 65_536);
    const resume = join(folder.path, 'state', 'resume');
    const entry = `${Buffer.from(torrent.metainfo.infoHash).toString('hex')}.torrent`;
    await mkdir(join(resume, entry), { recursive: true });
    await expect(start(torrent, folder.path)).rejects.toMatchObject({ slug: 'disk' });
    expect(await readdir(resume)).toEqual([entry]);
  });

  test('nothing of a lock is left behind where there is no room for it', async (context) => {
    const disk = await smallDisk(join(folder.path, 'state'), 64 << 10);
    if (disk === undefined) return context.skip();
    try {
      await writeFile(join(folder.path, 'state', 'hog'), new Uint8Array(1 << 20)).catch(() => {});
      const torrent = makeTorrent([{ path: ['a'], length: 100_000 }], 65_536);
      await expect(start(torrent, folder.path)).rejects.toMatchObject({ slug: 'disk', code: 'ENOSPC' });
      expect(await readdir(join(folder.path, 'state', 'resume'))).toEqual([]);
    } finally {
      disk.unmount();
    }
  });

  test('a disk that is unplugged is not written beside; plugged in again the torrent goes on', async () => {
    const torrent = makeTorrent(
      [
        { path: ['sub', 'a'], length: 500_000 },
        { path: ['sub', 'b'], length: 500_000 },
      ],
      65_536,
    );
    const harness = await start(torrent, folder.path);
    await harness.download([0, 1, 14]);
    await rename(target(), `${target()}-away`);
    await rm(`${target()}-away/content/sub/a`);
    await writeFile(`${target()}-away/content/sub/a`, torrent.payload.subarray(0, 500_000));
    await harness.give([2]);
    await harness.until(() => harness.errors.length > 0);
    expect(harness.errors[0]).toMatchObject({ slug: 'disk', code: 'ENOENT' });
    await expect(stat(target())).rejects.toThrow('ENOENT');
    await expect(harness.storage.retry()).rejects.toMatchObject({ code: 'ENOENT' });
    await rename(`${target()}-away`, target());
    await harness.storage.retry();
    await harness.until(() => harness.results.length === 4);
    await harness.download(allPieces(torrent).filter((piece) => !harness.storage.have.has(piece)));
    expect(await wrongFiles(torrent, target())).toEqual([]);
  });

  test.each([
    ['a folder where a file should be', 'EISDIR', () => mkdir(target('content', 'a'), { recursive: true })],
    [
      'a file where a folder should be',
      'ENOTDIR',
      async () => {
        await mkdir(target());
        await writeFile(target('content'), 'mine');
      },
    ],
    [
      'a named pipe',
      'ENOTFILE',
      async () => {
        await mkdir(target('content'), { recursive: true });
        execFileSync('mkfifo', [target('content', 'a')]);
      },
    ],
  ])('%s', async (_, code, prepare) => {
    await prepare();
    const torrent = makeTorrent([{ path: ['a'], length: 100_000 }], 65_536);
    const harness = await start(torrent, folder.path);
    await harness.give([0]);
    await harness.until(() => harness.errors.length > 0);
    expect(harness.errors[0]).toMatchObject({ slug: 'disk', code });
    expect(harness.storage.have.count).toBe(0);
    await rm(target(), { recursive: true });
    await harness.storage.retry();
    await harness.until(() => harness.results.length === 1);
    expect(harness.results[0]?.ok).toBe(true);
  });

  test('a name too long for the disk', async () => {
    const torrent = makeTorrent([{ path: ['n'.repeat(300)], length: 100_000 }], 65_536);
    const harness = await start(torrent, folder.path);
    await harness.give([0]);
    await harness.until(() => harness.errors.length > 0);
    expect(harness.errors[0]).toMatchObject({ code: 'ENAMETOOLONG' });
  });

  test('a read-only folder', async (context) => {
    if (process.getuid?.() === 0) return context.skip();
    await mkdir(target());
    await chmod(target(), 0o500);
    const torrent = makeTorrent([{ path: ['a'], length: 100_000 }], 65_536);
    const harness = await start(torrent, folder.path);
    await harness.give([0]);
    await harness.until(() => harness.errors.length > 0);
    expect(harness.errors[0]).toMatchObject({ code: 'EACCES' });
  });

  test('uploads of a file that was cut short fail with its path', async () => {
    const torrent = makeTorrent([{ path: ['a'], length: 200_000 }], 65_536);
    const harness = await start(torrent, folder.path);
    await harness.download(allPieces(torrent));
    await writeFile(target('content', 'a'), 'short');
    await expect(harness.read(1, 0, 16_384)).rejects.toMatchObject({
      slug: 'disk',
      code: 'ESHORT',
      message: expect.stringContaining('shorter'),
    });
    await expect(harness.read(1, 0, 16_384)).rejects.toThrow(target('content', 'a'));
    expect(harness.errors.length).toBe(1);
    await writeFile(target('content', 'a'), torrent.payload);
    await harness.storage.retry();
    expect((await harness.read(1, 0, 16_384))[5]).toBe(torrent.payload[65_541]);
  });
});

test('a dead disk thread is an error of its torrents; a new one goes on with what was written', async () => {
  const torrent = makeTorrent([{ path: ['a'], length: 8 << 20 }], 2 << 20);
  const harness = await start(torrent, folder.path);
  await harness.download([0]);
  await harness.give([1, 2], { order: (segments) => segments.slice(0, 1) });
  await harness.storage.sync();
  const other = harness.workers.attach({ onOutcomes: () => {}, onThreadDeath: () => {} });
  await expect(other.call({ op: 'open', options: {} as never })).rejects.toMatchObject({ code: 'ETHREAD' });
  expect(harness.errors[0]).toMatchObject({ slug: 'unexpected', code: 'ETHREAD' });
  await harness.give([1, 2], { order: (segments) => segments.slice(1) });
  await harness.storage.retry();
  await harness.until(() => harness.results.length === 3);
  await harness.download([3]);
  expect(harness.results.every((result) => result.ok)).toBe(true);
  expect(harness.slots.inUse).toBe(0);
  expect(await wrongFiles(torrent, target())).toEqual([]);
  await harness.close();
  open.length = 0;
  const again = await start(torrent, folder.path);
  expect(again.storage.have.isFull).toBe(true);
});

describe('links', () => {
  test.each([
    [
      'a folder on the way',
      async (outside: string) => {
        await mkdir(target(), { recursive: true });
        await symlink(outside, target('content'));
      },
    ],
    [
      'a deeper folder',
      async (outside: string) => {
        await mkdir(target('content'), { recursive: true });
        await symlink(outside, target('content', 'sub'));
      },
    ],
    [
      'the file itself',
      async (outside: string) => {
        await mkdir(target('content', 'sub'), { recursive: true });
        await symlink(join(outside, 'victim'), target('content', 'sub', 'a'));
      },
    ],
  ])('%s that is a link leads nowhere: nothing outside is touched', async (_, prepare) => {
    const outside = join(folder.path, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'victim'), 'precious');
    await prepare(outside);
    const torrent = makeTorrent([{ path: ['sub', 'a'], length: 100_000 }], 65_536);
    const harness = await start(torrent, folder.path);
    await harness.give([0]);
    await harness.until(() => harness.errors.length > 0);
    expect(['EUNSAFE', 'ELOOP']).toContain(harness.errors[0]?.code);
    expect(await readdir(outside)).toEqual(['victim']);
    expect(await readFile(join(outside, 'victim'), 'utf8')).toBe('precious');
  });

  test('a folder that becomes a link while running is noticed after the file is opened', async () => {
    const torrent = makeTorrent(
      [
        { path: ['sub', 'a'], length: 65_536 },
        { path: ['sub', 'b'], length: 65_536 },
      ],
      65_536,
    );
    const harness = await start(torrent, folder.path);
    await harness.download([0]);
    const outside = join(folder.path, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'b'), 'precious');
    await rename(target('content', 'sub'), target('content', 'was'));
    await symlink(outside, target('content', 'sub'));
    await harness.give([1]);
    await harness.until(() => harness.errors.length > 0);
    expect(harness.errors[0]?.code).toBe('EUNSAFE');
    expect(await readFile(join(outside, 'b'), 'utf8')).toBe('precious');
  });

  test('the target folder itself may be a link', async () => {
    await mkdir(join(folder.path, 'real'));
    await symlink(join(folder.path, 'real'), target());
    const torrent = makeTorrent([{ path: ['sub', 'a'], length: 100_000 }], 65_536);
    const harness = await start(torrent, folder.path);
    await harness.download(allPieces(torrent));
    expect(await wrongFiles(torrent, join(folder.path, 'real'))).toEqual([]);
  });
});
