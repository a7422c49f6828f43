// kill -9 of a real process, many times: after each, every piece the journal gives is right on disk, and every piece
// that was ever called good is still there.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { randomInt, seededRng } from '../../../core/base/clock.ts';
import { killTorrent } from './kill-torrent.ts';
import { allPieces, Harness, sha1, temporaryFolder, wrongFiles } from './support.ts';

const SEED = 20_261;
const MAX_PIECES_PER_LIFE = 5;

test('no piece is lost or invented, however often the process is killed', { timeout: 240_000 }, async () => {
  const rng = seededRng(SEED);
  const torrent = killTorrent();
  const folder = await temporaryFolder();
  try {
    const said = new Set<number>();
    let lives = 0;
    for (; said.size < torrent.metainfo.layout.pieceCount; lives++) {
      const script = fileURLToPath(new URL('./kill-child.ts', import.meta.url));
      const child = spawn(process.execPath, [script, folder.path, String(MAX_PIECES_PER_LIFE + 1)], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      const ended = once(child, 'exit');
      let left = randomInt(rng, MAX_PIECES_PER_LIFE);
      for await (const line of createInterface(child.stdout)) {
        const [verdict, piece] = line.split(' ');
        expect(verdict).toBe('good');
        expect(said.has(Number(piece)), `piece ${piece} was fetched twice`).toBe(false);
        said.add(Number(piece));
        if (said.size === 1) {
          const second = await Harness.open(torrent, folder.path).then(
            () => 'opened',
            (error: unknown) => error,
          );
          expect(second).toMatchObject({
            slug: 'refused',
            message: `another tt (pid ${child.pid}) is already using the torrent killed`,
          });
        }
        if (left-- === 0) child.kill('SIGKILL');
      }
      await ended;

      const harness = await Harness.open(torrent, folder.path, { readOnly: true });
      const { have } = harness.storage;
      for (const piece of said) expect(have.has(piece), `seed ${SEED}: piece ${piece} was lost`).toBe(true);
      for (const piece of allPieces(torrent)) {
        if (!have.has(piece)) continue;
        const size = torrent.metainfo.layout.pieceSize(piece);
        const bytes = await harness.read(piece, 0, size);
        const due = torrent.metainfo.pieceHashes.subarray(piece * 20, piece * 20 + 20);
        expect(Buffer.from(sha1(bytes)).equals(Buffer.from(due)), `seed ${SEED}: piece ${piece}`).toBe(true);
        said.add(piece);
      }
      await harness.close();
    }
    expect(lives).toBeGreaterThan(3);
    expect(await wrongFiles(torrent, join(folder.path, 'target'))).toEqual([]);
    expect((await readFile(join(folder.path, 'target', 'killed', 'dir-0', 'file-0'))).length).toBe(
      13_000_001,
    );
  } finally {
    await folder.remove();
  }
});
