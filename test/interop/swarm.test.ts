// One slow seed, six leechers of five makes, one opentracker: everybody finishes, and tt gives as well as takes.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeTempDir } from '../support/temp.ts';
import { aria2 } from './support/aria2.ts';
import type { Client, Source } from './support/client.ts';
import { libtorrent } from './support/libtorrent.ts';
import { expectContent, sharedTorrent } from './support/matrix.ts';
import { startOpentracker } from './support/opentracker.ts';
import { qbittorrent } from './support/qbittorrent.ts';
import { skipsFor } from './support/requirements.ts';
import { transmission } from './support/transmission.ts';
import { TtTransfer, tt } from './support/tt.ts';

const SWARM_TIMEOUT_MS = 180_000;
/** Slow enough that the leechers must trade: on its own the seed would need six times the 8 s that one copy takes. */
const SEED_BYTES_PER_SEC = 3_000_000;

describe.skipIf(skipsFor('libtorrent', 'aria2', 'transmission', 'qbittorrent', 'opentracker'))(
  'a mixed swarm',
  () => {
    test('one seed, libtorrent, Transmission, aria2, qBittorrent and two tt all finish', async () => {
      using scratch = makeTempDir('tt-swarm-');
      const torrent = sharedTorrent('swarm.bin');
      const opentracker = await startOpentracker({
        stateDir: join(scratch.path, 'opentracker'),
        host: '10.99.0.1',
        infoHashes: [torrent.infoHash],
      });
      const running: Client[] = [];
      const options = (name: string) =>
        ({ family: 'v4', encryption: 'preferred', stateDir: join(scratch.path, name) }) as const;
      try {
        const base = { infoHash: torrent.infoHash, name: torrent.name };
        const byFile = (url: string): Source => ({
          ...base,
          torrentFile: torrent.torrentFile,
          trackers: [url],
        });
        const byMagnet = (url: string): Source => ({ ...base, magnet: torrent.magnet, trackers: [url] });

        const seeder = await libtorrent.start(options('seed'));
        running.push(seeder);
        const seeding = await seeder.seed(byFile(opentracker.udpUrl), torrent.parentDir);
        await seeder.call('set_limits', { info_hash: torrent.infoHash, up: SEED_BYTES_PER_SEC });

        const leechers: readonly (readonly [string, Promise<Client>, Source])[] = [
          ['tt', tt.start({ ...options('tt'), keepsSeeding: true }), byFile(opentracker.httpUrl)],
          ['libtorrent', libtorrent.start(options('libtorrent')), byFile(opentracker.udpUrl)],
          ['transmission', transmission.start(options('transmission')), byFile(opentracker.httpUrl)],
          ['aria2', aria2.start(options('aria2')), byFile(opentracker.httpUrl)],
          ['qbittorrent', qbittorrent.start(options('qbittorrent')), byMagnet(opentracker.udpUrl)],
          [
            'tt-magnet',
            tt.start({ ...options('tt-magnet'), keepsSeeding: true }),
            byMagnet(opentracker.udpUrl),
          ],
        ];
        const finished = await Promise.allSettled(
          leechers.map(async ([name, starting, source]) => {
            const client = await starting;
            running.push(client);
            const out = join(scratch.path, `out-${name}`);
            const transfer = await client.leech(source, out);
            await transfer.waitUntilComplete(SWARM_TIMEOUT_MS);
            await expectContent(torrent, out, client.name);
            return transfer;
          }),
        );
        expect(
          finished.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : [])),
        ).toEqual([]);

        const transfers = finished.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
        let givenByTt = 0;
        for (const transfer of transfers) {
          if (transfer instanceof TtTransfer) givenByTt += (await transfer.stats()).uploadedBytes ?? 0;
        }
        const { uploaded } = await seeding.raw();
        process.stderr.write(
          `swarm: ${leechers.length} copies of ${torrent.totalBytes} bytes, seed gave ${uploaded}, both tt together ${givenByTt}\n`,
        );
        expect(givenByTt).toBeGreaterThan(0);
        expect(uploaded).toBeLessThan(leechers.length * torrent.totalBytes);
      } finally {
        await Promise.all(running.map((client) => client.stop()));
        await opentracker.stop();
      }
    });
  },
);
