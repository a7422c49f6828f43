// What `tt create` writes, read by programs nobody here wrote; and the swarm of it served by tt to them.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { listFiles, sha256OfTree } from '../support/hash.ts';
import { writePayload, writeTree } from '../support/payload.ts';
import { runOk } from '../support/process.ts';
import { makeTempDir } from '../support/temp.ts';
import { waitFor } from '../support/wait.ts';
import { aria2 } from './support/aria2.ts';
import type { ClientKind } from './support/client.ts';
import { libtorrent } from './support/libtorrent.ts';
import { qbittorrent } from './support/qbittorrent.ts';
import { skipsFor } from './support/requirements.ts';
import { StaticTracker } from './support/static-tracker.ts';
import { createWithLibtorrent, describeTorrent } from './support/torrents.ts';
import { transmission } from './support/transmission.ts';
import { runTt, tt } from './support/tt.ts';

const KIB = 1024;
const TRANSFER_TIMEOUT_MS = 150_000;
/** libtorrent says "complete" while its last writes are still on their way to the file. */
const FLUSH_TIMEOUT_MS = 10_000;

async function create(args: readonly string[], home: string): Promise<void> {
  const result = await runTt(['create', ...args], { home });
  expect(result.code, `${result.stdout}\n${result.stderr}`).toBe(0);
}

describe.skipIf(skipsFor('libtorrent', 'aria2', 'transmission', 'qbittorrent'))('tt create', () => {
  test('a tree with trackers, web seeds, comment, source and privacy reads the same in libtorrent and Transmission', async () => {
    using scratch = makeTempDir('tt-create-');
    const content = join(scratch.path, 'my content');
    writeTree(content, { fileCount: 300, totalBytes: 3_000_017, seed: 'create' });
    const out = join(scratch.path, 'made.torrent');
    await create(
      [
        ...[content, '-o', out, '--v1', '--piece-length', '32KiB', '--private', '--comment', 'grüße'],
        ...[
          '-t',
          'http://10.99.0.1:1/announce',
          '-t',
          'udp://10.99.0.1:2/announce',
          '-w',
          'http://10.99.0.1:3/files/',
        ],
      ],
      join(scratch.path, 'home'),
    );
    const facts = await describeTorrent(out);
    expect(facts).toMatchObject({
      name: 'my content',
      piece_length: 32 * KIB,
      pieces: Math.ceil(3_000_017 / (32 * KIB)),
      total: 3_000_017,
      private: true,
      comment: 'grüße',
      web_seeds: ['http://10.99.0.1:3/files/'],
    });
    expect([...facts.trackers].sort()).toEqual(['http://10.99.0.1:1/announce', 'udp://10.99.0.1:2/announce']);
    expect(facts.files.map(({ path }) => path).sort()).toEqual(
      listFiles(content)
        .map((path) => `my content/${path}`)
        .sort(),
    );
    const shown = await runOk('transmission-show', [out]);
    expect(shown).toContain(`Hash: ${facts.info_hash}`);
    expect(shown).toMatch(/Privacy: Private/);
    // Both of ours must agree with theirs on the hash.
    const info = await runTt(['info', out, '--json'], { home: join(scratch.path, 'home') });
    expect(JSON.stringify(JSON.parse(info.stdout))).toContain(facts.info_hash);
  });

  test('the defaults give what libtorrent hashes to', async () => {
    using scratch = makeTempDir('tt-create-');
    const content = join(scratch.path, 'default.bin');
    writePayload(content, 5_000_001, 'default');
    const ours = join(scratch.path, 'ours.torrent');
    await create([content, '-o', ours, '--v1'], join(scratch.path, 'home'));
    const facts = await describeTorrent(ours);
    expect(facts.total).toBe(5_000_001);
    // The same bytes at the same piece length: the same info dictionary.
    const theirs = join(scratch.path, 'theirs.torrent');
    expect(await createWithLibtorrent(content, theirs, facts.piece_length)).toMatchObject({
      info_hash: facts.info_hash,
    });
  });

  test.concurrent.for([libtorrent, aria2, transmission, qbittorrent] as readonly ClientKind[])(
    'a created torrent travels from tt to $name',
    async (kind) => {
      using scratch = makeTempDir(`tt-create-${kind.name}-`);
      const name = 'made by tt';
      const content = join(scratch.path, name);
      writeTree(content, { fileCount: 60, totalBytes: 2_500_003, seed: kind.name });
      const torrentFile = join(scratch.path, 'made.torrent');
      await create([content, '-o', torrentFile, '--v1'], join(scratch.path, 'home'));
      const { info_hash: infoHash } = await describeTorrent(torrentFile);
      const tracker = new StaticTracker();
      await tracker.start();
      const options = { family: 'v4', encryption: 'preferred' } as const;
      const seeder = await tt.start({ ...options, stateDir: join(scratch.path, 'tt') });
      const leecher = await kind.start({ ...options, stateDir: join(scratch.path, 'leecher') });
      try {
        await seeder.seed({ torrentFile, infoHash, name }, scratch.path);
        const room = tracker.room({ peers: [seeder.endpoint] });
        const out = join(scratch.path, 'out');
        const transfer = await leecher.leech({ torrentFile, infoHash, name, trackers: [room.urls.v4] }, out);
        await transfer.waitUntilComplete(TRANSFER_TIMEOUT_MS);
        const ignoring = { emptyFiles: 'ignored' } as const;
        const expected = sha256OfTree(content, ignoring);
        await waitFor(() => sha256OfTree(join(out, name), ignoring) === expected, {
          what: 'the right bytes',
          timeoutMs: FLUSH_TIMEOUT_MS,
        });
      } finally {
        await Promise.all([seeder.stop(), leecher.stop(), tracker.stop()]);
      }
    },
  );
});
