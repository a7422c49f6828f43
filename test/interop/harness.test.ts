// Proves the harness itself: the clients nobody here wrote, against each other. When this fails, look here before blaming tt.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { start } from '../support/process.ts';
import { makeTempDir } from '../support/temp.ts';
import { aria2 } from './support/aria2.ts';
import type { Client, ClientKind, Encryption, Source } from './support/client.ts';
import { libtorrent } from './support/libtorrent.ts';
import { expectContent, sharedTorrent } from './support/matrix.ts';
import type { Family } from './support/network.ts';
import { startOpentracker } from './support/opentracker.ts';
import { qbittorrent } from './support/qbittorrent.ts';
import { skipsFor } from './support/requirements.ts';
import { StaticTracker } from './support/static-tracker.ts';
import { transmission } from './support/transmission.ts';

const RUNNER = join(import.meta.dirname, 'run.ts');
const TRANSFER_TIMEOUT_MS = 150_000;

interface Pair {
  readonly seeder: ClientKind;
  readonly leecher: ClientKind;
  readonly family: Family;
  readonly encryption: Encryption;
  readonly content: string;
  readonly byMagnet: boolean;
}

const PAIRS: readonly Pair[] = [
  {
    seeder: libtorrent,
    leecher: aria2,
    family: 'v4',
    encryption: 'plain',
    content: 'single-a.bin',
    byMagnet: false,
  },
  {
    seeder: aria2,
    leecher: transmission,
    family: 'v6',
    encryption: 'required',
    content: 'tree a',
    byMagnet: true,
  },
  {
    seeder: transmission,
    leecher: qbittorrent,
    family: 'v4',
    encryption: 'required',
    content: 'tree-b',
    byMagnet: false,
  },
  {
    seeder: qbittorrent,
    leecher: libtorrent,
    family: 'v6',
    encryption: 'plain',
    content: 'single-b.bin',
    byMagnet: true,
  },
];

const isSkipped = skipsFor('libtorrent', 'aria2', 'transmission', 'qbittorrent', 'opentracker');

describe.skipIf(isSkipped)('the real clients among themselves', () => {
  const tracker = new StaticTracker();
  const scratch = makeTempDir('tt-harness-');
  const clients: Client[] = [];
  const startClient = async (
    kind: ClientKind,
    label: string,
    family: Family,
    encryption: Encryption,
  ): Promise<Client> => {
    const client = await kind.start({
      family,
      encryption,
      stateDir: join(scratch.path, `${label}-${kind.name}`),
    });
    clients.push(client);
    return client;
  };

  beforeAll(() => tracker.start());
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.stop()));
    await tracker.stop();
    scratch.remove();
  });

  for (const pair of PAIRS) {
    const label = `${pair.seeder.name} to ${pair.leecher.name}`;
    test.concurrent(`${label}, ${pair.family}, ${pair.encryption}, ${pair.content}, ${pair.byMagnet ? 'magnet' : '.torrent'}`, async () => {
      const torrent = sharedTorrent(pair.content);
      const seeder = await startClient(pair.seeder, `${label}-seed`, pair.family, pair.encryption);
      await seeder.seed(
        { torrentFile: torrent.torrentFile, infoHash: torrent.infoHash, name: torrent.name },
        torrent.parentDir,
      );
      const leecher = await startClient(pair.leecher, `${label}-leech`, pair.family, pair.encryption);
      const room = tracker.room({ peers: [seeder.endpoint] });
      const source: Source = {
        ...(pair.byMagnet ? { magnet: torrent.magnet } : { torrentFile: torrent.torrentFile }),
        infoHash: torrent.infoHash,
        name: torrent.name,
        trackers: [room.urls[pair.family]],
      };
      const out = join(scratch.path, `${label}-out`);
      const transfer = await leecher.leech(source, out);
      await transfer.waitUntilComplete(TRANSFER_TIMEOUT_MS);
      await expectContent(torrent, out, leecher.name);
      expect(room.announces.some(({ event }) => event === 'started')).toBe(true);
    });
  }

  test.concurrent('opentracker brings two of them together', async () => {
    const torrent = sharedTorrent('single-a.bin');
    const opentracker = await startOpentracker({
      stateDir: join(scratch.path, 'opentracker'),
      host: '10.99.0.1',
      infoHashes: [torrent.infoHash],
    });
    try {
      const trackers = [opentracker.httpUrl];
      const source = {
        torrentFile: torrent.torrentFile,
        infoHash: torrent.infoHash,
        name: torrent.name,
        trackers,
      };
      const seeder = await startClient(libtorrent, 'opentracker-seed', 'v4', 'preferred');
      await seeder.seed(source, torrent.parentDir);
      const leecher = await startClient(libtorrent, 'opentracker-leech', 'v4', 'preferred');
      const out = join(scratch.path, 'opentracker-out');
      const transfer = await leecher.leech({ ...source, trackers: [opentracker.udpUrl] }, out);
      await transfer.waitUntilComplete(TRANSFER_TIMEOUT_MS);
      await expectContent(torrent, out, 'libtorrent');
    } finally {
      await opentracker.stop();
    }
  });
});

test('a runner that is told to end leaves nothing running', { timeout: 60_000 }, async () => {
  const say = "console.log('inside');setInterval(() => {}, 1000)";
  const runner = start(process.execPath, [RUNNER, '--', process.execPath, '-e', say]);
  await runner.waitForLine(/^inside$/, 30_000);
  // To it alone, not to its process group.
  process.kill(runner.child.pid as number, 'SIGTERM');
  expect((await runner.waitForExit(30_000)).code).toBe(1);
});
