// Trackers nobody here wrote, and ours among clients nobody here wrote: our tracker client against opentracker, the real clients
// announcing to our tracker server and finding each other through it, over HTTP and UDP, IPv4 and IPv6.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { seededRng } from '../../core/base/clock.ts';
import { type InfoHash, infoHashFromHex, infoHashOf, peerIdOf } from '../../core/base/ids.ts';
import { announceOnce, scrapeOnce } from '../../tracker/io/once.ts';
import { TrackerSource } from '../../tracker/io/tracker-source.ts';
import { TrackerServer } from '../../tracker/serve/tracker-server.ts';
import type { ServedAnnounce } from '../../tracker/serve/tracker-service.ts';
import { makeTempDir } from '../support/temp.ts';
import { waitFor } from '../support/wait.ts';
import { aria2 } from './support/aria2.ts';
import { authority, type Client, type ClientKind } from './support/client.ts';
import type { SharedTorrent } from './support/global-setup.ts';
import { libtorrent } from './support/libtorrent.ts';
import { type Family, TRACKER_V4, TRACKER_V6 } from './support/network.ts';
import { startOpentracker } from './support/opentracker.ts';
import { qbittorrent } from './support/qbittorrent.ts';
import { skipsFor } from './support/requirements.ts';
import { transmission } from './support/transmission.ts';

const clock = { nowMs: () => performance.now() };
const options = { userAgent: 'tt-interop/1', clock, rng: seededRng(15) };
const HOSTS: Readonly<Record<Family, string>> = { v4: TRACKER_V4, v6: TRACKER_V6 };
const WAIT_MS = 30_000;
const TRANSFER_TIMEOUT_MS = 150_000;

const scratch = makeTempDir('tt-trackers-');
const stops: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  await Promise.all(stops.map((stop) => stop()));
  scratch.remove();
});

describe.skipIf(skipsFor('opentracker'))('our client and opentracker', () => {
  const listed = infoHashOf(new Uint8Array(20).fill(0xab));
  const unlisted = infoHashOf(new Uint8Array(20).fill(0xcd));
  const peerId = (n: number) => peerIdOf(new Uint8Array(20).fill(n));

  // Debian's build is IPv4 only.
  test('agree', async () => {
    const tracker = await startOpentracker({
      stateDir: join(scratch.path, 'opentracker'),
      host: TRACKER_V4,
      infoHashes: ['ab'.repeat(20)],
    });
    stops.push(() => tracker.stop());
    for (const [n, url] of [tracker.httpUrl, tracker.udpUrl].entries()) {
      const found: string[] = [];
      const source = new TrackerSource(options);
      const torrent = {
        infoHash: listed,
        peerId: peerId(10 + n),
        isPrivate: false,
        trackerTiers: [[url]],
        dhtNodes: [],
        listenPort: () => 7000 + n,
        transfer: () => ({ downloaded: 0, uploaded: 0, left: 0, corrupt: 0 }),
        wanted: () => 10,
      };
      const search = source.open(torrent, { onPeers: (peers) => found.push(...peers.map(authority)) });
      await waitFor(() => search?.status()[0]?.state === 'ok', {
        what: `a reply of ${url}`,
        timeoutMs: WAIT_MS,
      });

      // Somebody else finds the first, and the tracker counts it: over the other protocol as well.
      for (const other of [tracker.httpUrl, tracker.udpUrl]) {
        const asked = await announceOnce({
          ...options,
          url: other,
          infoHash: listed,
          peerId: peerId(20),
          port: 7777,
        });
        expect(asked.ok, JSON.stringify(asked)).toBe(true);
        expect(asked.families[0]?.peers).toContain(authority({ host: TRACKER_V4, port: 7000 + n }));
        const scraped = await scrapeOnce({ ...options, url: other, infoHashes: [listed] });
        // The probe has said goodbye: one seed is left, and no leecher.
        expect(scraped.families[0]).toMatchObject({
          error: undefined,
          torrents: [{ seeds: 1, leechers: 0 }],
        });
      }
      await search?.stop(WAIT_MS);
      await source.close();
      const after = await scrapeOnce({ ...options, url, infoHashes: [listed] });
      expect(after.families[0]?.torrents[0]?.seeds).toBe(0);

      // Over UDP it keeps silent about what is not on its list.
      if (url === tracker.udpUrl) continue;
      const refused = await announceOnce({
        ...options,
        url,
        infoHash: unlisted,
        peerId: peerId(30),
        port: 1,
      });
      expect(refused.families[0]?.error).toMatch(/not authorized/i);
    }
  });
});

interface Served {
  readonly server: TrackerServer;
  readonly seen: ServedAnnounce[];
}

const everyone = ['transmission', 'aria2', 'libtorrent', 'qbittorrent'] as const;

describe.skipIf(skipsFor(...everyone))('our server and the real clients', () => {
  const find = (name: string): SharedTorrent => {
    const torrent = inject('torrents').find((candidate) => candidate.name === name);
    if (torrent === undefined) throw new Error(`no test torrent ${name}`);
    return torrent;
  };
  const serve = async (): Promise<Served> => {
    const seen: ServedAnnounce[] = [];
    const onAnnounce = (announce: ServedAnnounce): unknown => seen.push(announce);
    const server = await TrackerServer.listen({ ...options, port: 0, intervalSeconds: 60, onAnnounce });
    stops.push(() => server.close());
    return { server, seen };
  };
  const startClient = async (kind: ClientKind, label: string, family: Family): Promise<Client> => {
    const stateDir = join(scratch.path, `${label}-${kind.name}`);
    mkdirSync(stateDir, { recursive: true });
    const client = await kind.start({ family, encryption: 'preferred', stateDir });
    stops.push(() => client.stop());
    return client;
  };
  const counts = async (url: string, infoHash: string) => {
    const hash = infoHashFromHex(infoHash) as InfoHash;
    return (await scrapeOnce({ ...options, url, infoHashes: [hash] })).families[0]?.torrents[0];
  };

  // aria2 speaks to UDP trackers only while its DHT is on, which is off here.
  const cases: readonly [
    protocol: 'http' | 'udp',
    family: Family,
    seeder: ClientKind,
    leecher: ClientKind,
  ][] = [
    ['http', 'v4', transmission, aria2],
    ['http', 'v6', libtorrent, qbittorrent],
    ['udp', 'v4', libtorrent, transmission],
    ['udp', 'v6', qbittorrent, libtorrent],
    ['http', 'v4', aria2, libtorrent],
  ];
  for (const [protocol, family, seeder, leecher] of cases) {
    const label = `${seeder.name} and ${leecher.name} find each other over ${protocol}, ${family}`;
    test.concurrent(label, async () => {
      const { server, seen } = await serve();
      const url = server.urls(HOSTS[family])[protocol === 'http' ? 0 : 1] as string;
      const torrent = find('single-a.bin');
      const source = {
        torrentFile: torrent.torrentFile,
        infoHash: torrent.infoHash,
        name: torrent.name,
        trackers: [url],
      };
      const seed = await startClient(seeder, `${label}-seed`, family);
      await seed.seed(source, torrent.parentDir);
      await waitFor(async () => (await counts(url, torrent.infoHash))?.seeds === 1, {
        what: () => `${seeder.name} to be listed as a seed; seen ${JSON.stringify(seen)}`,
        timeoutMs: WAIT_MS,
      });
      const leech = await startClient(leecher, `${label}-leech`, family);
      const target = join(scratch.path, `${label}-data`);
      mkdirSync(target, { recursive: true });
      const transfer = await leech.leech(source, target);
      await transfer.waitUntilComplete(TRANSFER_TIMEOUT_MS);
      await waitFor(async () => (await counts(url, torrent.infoHash))?.downloads === 1, {
        what: () => `the completion to be counted; seen ${JSON.stringify(seen)}`,
        timeoutMs: WAIT_MS,
      });
      const mine = seen.filter(
        (announce) => announce.protocol === protocol && announce.refused === undefined,
      );
      expect(
        mine.some((announce) => announce.host === seed.endpoint.host && announce.port === seed.endpoint.port),
      ).toBe(true);
      expect(
        mine.some((announce) => announce.port === leech.endpoint.port && announce.event === 'started'),
      ).toBe(true);
      expect(server.stats()[protocol].malformed).toBe(0);
    });
  }
});
