// A torrent made a moment ago is not hashed a second time, and a file that changed since is.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createTorrent } from '../../../core/metainfo/io/create-torrent.ts';
import { Harness, temporaryFolder } from './support.ts';

const PIECE = 1 << 14;

describe('content that was hashed a moment ago', () => {
  const cleanups: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const clean of cleanups.splice(0).reverse()) await clean();
  });

  async function made() {
    const folder = await temporaryFolder();
    cleanups.push(() => folder.remove());
    const root = join(folder.path, 'things');
    await mkdir(root);
    for (const name of ['a', 'b', 'c']) await writeFile(join(root, name), name.repeat(PIECE));
    const created = await createTorrent({ path: root, pieceLength: PIECE });
    const payload = new Uint8Array(0);
    const open = async () => {
      const harness = await Harness.open({ metainfo: created.metainfo, payload }, folder.path, {
        directory: folder.path,
        readOnly: true,
        hashed: created.hashed,
      });
      cleanups.push(() => harness.close());
      return harness.storage;
    };
    return { root, open };
  }

  it('is had at once', async () => {
    const { open } = await made();
    const storage = await open();
    expect(storage.have.count).toBe(3);
    expect(storage.needsCheck).toHaveLength(0);
  });

  it('is hashed again where it changed since', async () => {
    const { root, open } = await made();
    await writeFile(join(root, 'b'), 'x'.repeat(PIECE));
    const storage = await open();
    expect(storage.have.count).toBe(2);
    expect(storage.needsCheck).toEqual([{ first: 1, end: 2 }]);
  });
});
