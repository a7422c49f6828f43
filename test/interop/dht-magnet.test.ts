// Torrents move with nothing but the DHT between libtorrent, Transmission, aria2 and tt. The network is these tests' own: aria2 keeps the
// nodes of programs that only ask and are gone (BEP 43), waits ten seconds for each of them, and finds nobody where many came and went.
import { afterAll, beforeAll, describe, test } from 'vitest';
import { aria2 } from './support/aria2.ts';
import type { Client, Source } from './support/client.ts';
import { DhtWorld } from './support/dht-world.ts';
import { LibtorrentClient, libtorrent } from './support/libtorrent.ts';
import { expectContent, sharedTorrent } from './support/matrix.ts';
import type { Family } from './support/network.ts';
import { skipsFor } from './support/requirements.ts';
import { transmission } from './support/transmission.ts';
import { type TtClient, tt } from './support/tt.ts';

/** Transmission enters slowly, aria2 asks in rounds of seconds. */
const SLOW_TIMEOUT_MS = 150_000;

describe.skipIf(skipsFor('libtorrent', 'transmission', 'aria2'))(
  'bare magnets in a DHT of four programs',
  () => {
    let world: DhtWorld;

    beforeAll(async () => {
      world = await DhtWorld.open();
    });

    afterAll(() => world?.close());

    const ttTransfer = (label: string, family: Family = 'v4'): Promise<TtClient> => {
      const extraArgs = ['--dht', '--no-pex', ...world[family].bootstrap];
      return world.keep(tt.start({ ...world.options(label, family), extraArgs }));
    };

    const magnetOf = (name: string): Source => {
      const { infoHash, name: content } = sharedTorrent(name);
      return { infoHash, name: content, magnet: `magnet:?xt=urn:btih:${infoHash}` };
    };
    const torrentOf = (name: string): Source => {
      const { infoHash, name: content, torrentFile } = sharedTorrent(name);
      return { infoHash, name: content, torrentFile };
    };

    /** `from` has the torrent, `to` knows its hash. */
    const moves = async (
      name: string,
      from: Promise<Client>,
      to: Promise<Client>,
      label: string,
    ): Promise<void> => {
      const torrent = sharedTorrent(name);
      const out = world.folder(`${label}-out`);
      const seed = await from;
      await seed.seed(torrentOf(name), torrent.parentDir);
      const leech = await to;
      const transfer = await leech.leech(magnetOf(name), out);
      // libtorrent asks every quarter of an hour, and once before it knows anybody.
      const nudge = setInterval(() => {
        if (leech instanceof LibtorrentClient)
          void leech.call('dht_announce', { info_hash: torrent.infoHash });
      }, 2_000);
      try {
        await transfer.waitUntilComplete(SLOW_TIMEOUT_MS);
      } catch (error) {
        const stories = [seed, leech].map((client) => `--- ${client.name}\n${client.story?.() ?? ''}`);
        throw new Error(stories.join('\n'), { cause: error });
      } finally {
        clearInterval(nudge);
      }
      await expectContent(torrent, out, leech.name);
    };

    test.concurrent('a bare magnet: tt from Transmission', () =>
      moves('single-b.bin', world.keep(transmission.start(world.options('tr-a'))), ttTransfer('tt-a'), 'a'));

    test.concurrent('a bare magnet: Transmission from tt', () =>
      moves('single-a.bin', ttTransfer('tt-b'), world.keep(transmission.start(world.options('tr-b'))), 'b'));

    test.concurrent('a bare magnet: aria2 from tt', () =>
      moves('swarm.bin', ttTransfer('tt-c'), world.keep(aria2.start(world.options('ar-c'))), 'c'));

    test.concurrent('a bare magnet: tt from aria2', () =>
      moves('tree a', world.keep(aria2.start(world.options('ar-d'))), ttTransfer('tt-d'), 'd'));

    test.concurrent('a bare magnet over IPv6: tt from libtorrent', () =>
      moves(
        'tree-b',
        world.keep(libtorrent.start(world.options('lt-e', 'v6'))),
        ttTransfer('tt-e', 'v6'),
        'e',
      ));

    test.concurrent('a bare magnet over IPv6: libtorrent from tt', () =>
      moves(
        'single-a.bin',
        ttTransfer('tt-f', 'v6'),
        world.keep(libtorrent.start(world.options('lt-f', 'v6'))),
        'f',
      ));
  },
);
