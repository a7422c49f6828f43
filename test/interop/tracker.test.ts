// The tracker commands as typed: `tt tracker serve` brings real clients together, `announce` and `scrape` agree with opentracker.
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/ports.ts';
import type { RunningProcess } from '../support/process.ts';
import { makeTempDir } from '../support/temp.ts';
import { waitFor } from '../support/wait.ts';
import { aria2 } from './support/aria2.ts';
import { authority, type Client, type ClientKind, START_TIMEOUT_MS } from './support/client.ts';
import { libtorrent } from './support/libtorrent.ts';
import { expectContent, sharedTorrent } from './support/matrix.ts';
import { type Family, TRACKER_V4, TRACKER_V6 } from './support/network.ts';
import { startOpentracker } from './support/opentracker.ts';
import { qbittorrent } from './support/qbittorrent.ts';
import { skipsFor } from './support/requirements.ts';
import { transmission } from './support/transmission.ts';
import { runTt, startTt } from './support/tt.ts';

const TRANSFER_TIMEOUT_MS = 150_000;
const SCRAPE_TIMEOUT_MS = 20_000;

interface Pair {
  readonly seeder: ClientKind;
  readonly leecher: ClientKind;
  readonly scheme: 'http' | 'udp';
  readonly family: Family;
}
/** The server itself meets more pairs in opentracker.test.ts: this is the command. */
const PAIRS: readonly Pair[] = [
  { seeder: qbittorrent, leecher: aria2, scheme: 'http', family: 'v6' },
  { seeder: transmission, leecher: libtorrent, scheme: 'udp', family: 'v4' },
];

const isSkipped = skipsFor('libtorrent', 'aria2', 'transmission', 'qbittorrent', 'opentracker');

describe.skipIf(isSkipped)('tt tracker', () => {
  const scratch = makeTempDir('tt-tracker-');
  const running: Client[] = [];
  const trackers: RunningProcess[] = [];

  afterAll(async () => {
    await Promise.all([
      ...running.map((client) => client.stop()),
      ...trackers.map((tracker) => tracker.stop()),
    ]);
    scratch.remove();
  });

  const scrapeOf = async (url: string, infoHash: string): Promise<string> => {
    const result = await runTt(['tracker', 'scrape', url, infoHash, '--json'], {
      home: join(scratch.path, 'scrape'),
    });
    expect(result.code, result.stderr).toBe(0);
    return result.stdout;
  };

  for (const { seeder, leecher, scheme, family } of PAIRS) {
    const label = `${seeder.name} and ${leecher.name} meet, ${scheme}, ${family === 'v4' ? 'IPv4' : 'IPv6'}`;
    test.concurrent(`serve: ${label}`, async () => {
      const slug = label.replaceAll(/[^a-zA-Z0-9]+/g, '-');
      const torrent = sharedTorrent('single-a.bin');
      const host = family === 'v4' ? TRACKER_V4 : TRACKER_V6;
      const port = await freePort(host);
      const url = `${scheme}://${authority({ host, port })}/announce`;
      const tracker = startTt(
        ['tracker', 'serve', '--host', host, '--port', String(port), '--interval', '5s'],
        {
          home: join(scratch.path, `${slug}-home`),
        },
      );
      trackers.push(tracker);
      await waitFor(async () => (await scrapeOf(url, torrent.infoHash)) !== '', {
        what: () => `tt tracker serve to answer\n${tracker.tail()}`,
        timeoutMs: START_TIMEOUT_MS,
      });
      const begin = async (kind: ClientKind, role: string): Promise<Client> => {
        const stateDir = join(scratch.path, `${slug}-${role}`);
        const client = await kind.start({ family, encryption: 'preferred', stateDir });
        running.push(client);
        return client;
      };
      const source = {
        torrentFile: torrent.torrentFile,
        infoHash: torrent.infoHash,
        name: torrent.name,
        trackers: [url],
      };
      const seeds = await begin(seeder, 'seed');
      await seeds.seed(source, torrent.parentDir);
      await waitFor(async () => /"seeds":1\b/.test(await scrapeOf(url, torrent.infoHash)), {
        what: () => `the seed on the tracker\n${tracker.tail()}`,
        timeoutMs: SCRAPE_TIMEOUT_MS,
      });
      const leeches = await begin(leecher, 'leech');
      const out = join(scratch.path, `${slug}-out`);
      await (await leeches.leech(source, out)).waitUntilComplete(TRANSFER_TIMEOUT_MS);
      await expectContent(torrent, out, leecher.name);
    });
  }

  test.concurrent('announce and scrape agree with opentracker, HTTP and UDP', async () => {
    const torrent = sharedTorrent('single-a.bin');
    const opentracker = await startOpentracker({
      stateDir: join(scratch.path, 'opentracker'),
      host: TRACKER_V4,
      infoHashes: [torrent.infoHash],
    });
    try {
      const stateDir = join(scratch.path, 'opentracker-seed');
      const seeder = await libtorrent.start({ family: 'v4', encryption: 'preferred', stateDir });
      running.push(seeder);
      const { infoHash, torrentFile, name } = torrent;
      await seeder.seed({ infoHash, torrentFile, name, trackers: [opentracker.udpUrl] }, torrent.parentDir);
      for (const url of [opentracker.httpUrl, opentracker.udpUrl]) {
        await waitFor(async () => /"seeds":1\b/.test(await scrapeOf(url, infoHash)), {
          what: `the seed on ${url}`,
          timeoutMs: SCRAPE_TIMEOUT_MS,
        });
        const result = await runTt(['tracker', 'announce', url, torrentFile, '--json'], {
          home: join(scratch.path, 'announce'),
        });
        expect(result.code, result.stderr).toBe(0);
        expect(result.stdout).toContain(`"${authority(seeder.endpoint)}"`);
      }
    } finally {
      await opentracker.stop();
    }
  });
});
