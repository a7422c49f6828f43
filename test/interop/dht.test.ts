// One DHT of libtorrent, Transmission, aria2 and our own nodes on a private network: what one stores the others find, both ways, and
// torrents move with nothing but the DHT. Ours is the entry: they learn of each other through it.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '../../core/base/bytes.ts';
import { publicKeyOf } from '../../core/base/ed25519.ts';
import { type LoopbackDht, loopbackDht } from '../support/dht-loopback.ts';
import { makeTempDir } from '../support/temp.ts';
import { waitFor } from '../support/wait.ts';
import { aria2 } from './support/aria2.ts';
import type { Client, Endpoint, Source } from './support/client.ts';
import { LibtorrentClient, type LibtorrentEvent, libtorrent } from './support/libtorrent.ts';
import { expectContent, sharedTorrent } from './support/matrix.ts';
import { type Family, nextHosts } from './support/network.ts';
import { skipsFor } from './support/requirements.ts';
import { transmission } from './support/transmission.ts';
import { runTt, tt } from './support/tt.ts';

/** Transmission does nothing in a DHT of fewer than nine nodes. */
const OUR_NODES = 10;
const LIBTORRENT_NODES = 3;
/** Transmission enters slowly, aria2 asks in rounds of seconds. */
const SLOW_TIMEOUT_MS = 150_000;
const QUICK_TIMEOUT_MS = 60_000;

interface DhtEvent extends LibtorrentEvent {
  readonly hash?: string;
  readonly peers?: readonly string[];
  readonly target?: string;
  readonly key?: string;
  readonly seq?: number;
  readonly value?: string;
  readonly samples?: readonly string[];
}

/** ed25519 keys as libtorrent takes them: the seed already hashed and clamped. */
function expandedKey(seed: Uint8Array): string {
  const key = createHash('sha512').update(seed).digest();
  key[0] = (key[0] as number) & 248;
  key[31] = ((key[31] as number) & 63) | 64;
  return key.toString('hex');
}

describe.skipIf(skipsFor('libtorrent', 'transmission', 'aria2'))('one DHT of four programs', () => {
  const scratch = makeTempDir('tt-interop-dht-');
  const running: { stop(): Promise<void> }[] = [];
  let net: LoopbackDht;
  let net6: LoopbackDht;
  let entries: readonly Endpoint[];
  let entries6: readonly Endpoint[];
  const foreign: LibtorrentClient[] = [];
  let count = 0;

  const stateDir = (label: string): string => join(scratch.path, `${label}-${++count}`);

  const keep = async <T extends Client>(client: Promise<T>): Promise<T> => {
    const started = await client;
    running.push(started);
    return started;
  };

  const common = (label: string, family: Family = 'v4') => ({
    family,
    encryption: 'preferred' as const,
    stateDir: stateDir(label),
    dht: family === 'v4' ? entries : entries6,
  });

  const dht = async (...args: string[]) => {
    const { v4 } = nextHosts();
    const waits = ['--timeout', '60s'];
    const result = await runTt(['dht', ...args, ...net.bootstrap, ...waits, '--interface', v4, '--json'], {
      home: stateDir('tt'),
      timeoutMs: 90_000,
    });
    if (result.code !== 0) process.stderr.write(`tt dht ${args.join(' ')}: ${result.stderr}\n`);
    return JSON.parse(result.stdout) as Record<string, unknown> & { readonly reason: string };
  };

  const ttTransfer = (label: string, family: Family = 'v4') => {
    const { bootstrap } = family === 'v4' ? net : net6;
    return keep(tt.start({ ...common(label, family), extraArgs: ['--dht', '--no-pex', ...bootstrap] }));
  };

  /** What libtorrent reports after `ask`, asked again until it fits: its own lookups may come before it knows everybody. */
  const report = async (
    client: LibtorrentClient,
    ask: () => Promise<unknown>,
    fits: (event: DhtEvent) => boolean,
    what: string,
  ): Promise<DhtEvent> => {
    let found: DhtEvent | undefined;
    let askAgainAt = 0;
    await waitFor(
      async () => {
        if (Date.now() >= askAgainAt) {
          askAgainAt = Date.now() + 2_000;
          await ask();
        }
        found = client.events.find((event) => fits(event as DhtEvent)) as DhtEvent | undefined;
        return found !== undefined;
      },
      { what: () => `${what}\n${client.process.tail()}`, timeoutMs: QUICK_TIMEOUT_MS },
    );
    return found as DhtEvent;
  };

  const first = (): LibtorrentClient => foreign[0] as LibtorrentClient;

  beforeAll(async () => {
    const hosts = Array.from({ length: OUR_NODES }, () => nextHosts());
    net = await loopbackDht(hosts.map(({ v4 }) => v4));
    net6 = await loopbackDht(hosts.map(({ v6 }) => v6));
    entries = hosts.map(({ v4 }, i) => ({ host: v4, port: net.nodes[i]?.port(4) as number }));
    entries6 = hosts.map(({ v6 }, i) => ({ host: v6, port: net6.nodes[i]?.port(6) as number }));
    const started = Array.from({ length: LIBTORRENT_NODES }, (_, i) =>
      keep(libtorrent.start(common(`lt${i}`))),
    );
    foreign.push(...(await Promise.all(started)));
    for (const client of foreign) {
      await waitFor(
        async () => ((await client.call('dht_state')) as { nodes: number }).nodes >= LIBTORRENT_NODES,
        {
          what: 'libtorrent to enter our DHT',
          timeoutMs: QUICK_TIMEOUT_MS,
        },
      );
    }
  });

  afterAll(async () => {
    await Promise.all(running.map((client) => client.stop()));
    await Promise.all([net?.close(), net6?.close()]);
    scratch.remove();
  });

  test.concurrent('their nodes are in our table, and ours looks theirs up', async () => {
    let named: readonly string[] = [];
    const met = async (): Promise<boolean> => {
      const found = await dht('lookup', 'aa'.repeat(20), '--trace');
      const trace = found['trace'] as { client: string; answeredAtMs?: number }[];
      // Transmission signs nothing.
      named = trace
        .filter(({ answeredAtMs }) => answeredAtMs !== undefined)
        .map(({ client }) => client.slice(0, 2));
      return named.includes('tt') && named.includes('LT');
    };
    // Ours hand out whom they have verified: theirs came a moment ago.
    await waitFor(met, {
      what: () => `nodes of both kinds to answer, only these do: ${named}`,
      timeoutMs: QUICK_TIMEOUT_MS,
      everyMs: 500,
    });
  });

  test.concurrent('peers: we announce, libtorrent finds; libtorrent announces, we find', async () => {
    const ours = '11'.repeat(20);
    const told = await dht('announce', ours, '--port', '4321');
    expect(told).toMatchObject({ reason: 'done' });
    const asker = foreign[1] as LibtorrentClient;
    await report(
      asker,
      () => asker.call('dht_get_peers', { info_hash: ours }),
      ({ event, hash, peers }) =>
        event === 'dht_get_peers_reply' &&
        hash === ours &&
        peers?.some((peer) => peer.endsWith(':4321')) === true,
      'libtorrent to find our announce',
    );

    const theirs = '22'.repeat(20);
    await first().add({ magnet: `magnet:?xt=urn:btih:${theirs}`, dir: stateDir('lt-announce') });
    let peers: readonly string[] = [];
    await waitFor(
      async () => {
        await first().call('dht_announce', { info_hash: theirs });
        peers = (await dht('get-peers', theirs))['peers'] as string[];
        return peers.length > 0;
      },
      { what: 'libtorrent to announce', timeoutMs: QUICK_TIMEOUT_MS, everyMs: 500 },
    );
    expect(peers).toEqual([`${first().endpoint.host}:${first().endpoint.port}`]);
    const scraped = await dht('scrape', theirs);
    expect(scraped).toMatchObject({ reason: 'done' });
    expect(scraped['filters'] as number).toBeGreaterThan(0);
    expect(Math.round((scraped['peers'] as { count: number }).count)).toBe(1);
  });

  test.concurrent('immutable items, both ways', async () => {
    const put = await dht('put', 'from tt');
    const target = put['target'] as string;
    expect(put).toMatchObject({ reason: 'done' });
    const asker = foreign[2] as LibtorrentClient;
    const got = await report(
      asker,
      () => asker.call('dht_get', { target }),
      (event) => event.event === 'dht_immutable_item' && event.target === target,
      'libtorrent to get our item',
    );
    expect(got.value).toBe('from tt');

    const theirs = (await first().call('dht_put', { value: 'from libtorrent' })) as { target: string };
    await waitFor(async () => (await dht('get', theirs.target))['text'] === 'from libtorrent', {
      what: 'the item of libtorrent',
      timeoutMs: QUICK_TIMEOUT_MS,
      everyMs: 500,
    });
  });

  test.concurrent('mutable items, both ways', async () => {
    const keyFile = join(scratch.path, 'our.key');
    const put = await dht('put', 'signed by tt', '--key', keyFile, '--salt', 's', '--seq', '7');
    expect(put).toMatchObject({ reason: 'done', seq: '7' });
    const asker = foreign[2] as LibtorrentClient;
    const got = await report(
      asker,
      () => asker.call('dht_get_mutable', { public: put['key'], salt: 's' }),
      (event) => event.event === 'dht_mutable_item' && event.key === put['key'] && event.seq === 7,
      'libtorrent to get our signed item',
    );
    expect(got.value).toBe('signed by tt');

    const seed = new Uint8Array(32).fill(7);
    const key = toHex(publicKeyOf(seed));
    await first().call('dht_put_mutable', {
      secret: expandedKey(seed),
      public: key,
      value: 'signed by libtorrent',
      salt: 't',
    });
    await waitFor(async () => (await dht('get', key, '--salt', 't'))['text'] === 'signed by libtorrent', {
      what: 'the signed item of libtorrent',
      timeoutMs: QUICK_TIMEOUT_MS,
      everyMs: 500,
    });
    // Ours goes over theirs: the same key, the next sequence number.
    const sameKey = join(scratch.path, 'same.key');
    writeFileSync(sameKey, toHex(seed));
    const over = await dht('put', 'changed by tt', '--key', sameKey, '--salt', 't');
    expect(over).toMatchObject({ reason: 'done', key });
    expect(Number(over['seq'])).toBeGreaterThanOrEqual(1);
  });

  test.concurrent('samples, both ways', async () => {
    const hash = '33'.repeat(20);
    await dht('announce', hash, '--port', '4322');
    const ours = new Set(entries.map((entry) => `${entry.host}:${entry.port}`));
    let holder = '';
    const sampled = async (): Promise<boolean> => {
      const { replies } = (await dht('sample', hash)) as unknown as {
        replies: readonly { from: { address: string }; samples: readonly string[] }[];
      };
      const holders = replies.filter(({ from, samples }) => ours.has(from.address) && samples.includes(hash));
      holder = holders[0]?.from.address ?? '';
      return holder !== '';
    };
    await waitFor(sampled, { what: 'samples', timeoutMs: QUICK_TIMEOUT_MS, everyMs: 500 });
    const asker = foreign[1] as LibtorrentClient;
    const [host, port] = holder.split(':');
    await report(
      asker,
      () => asker.call('dht_sample', { host, port: Number(port), target: hash }),
      ({ event, samples }) => event === 'dht_sample_infohashes' && (samples?.length ?? 0) > 0,
      'libtorrent to sample our node',
    );
  });

  const magnetOf = (name: string): Source => {
    const { infoHash, name: content } = sharedTorrent(name);
    return { infoHash, name: content, magnet: `magnet:?xt=urn:btih:${infoHash}` };
  };
  const torrentOf = (name: string): Source => {
    const { infoHash, name: content, torrentFile } = sharedTorrent(name);
    return { infoHash, name: content, torrentFile };
  };

  const moves = async (
    name: string,
    from: Promise<Client>,
    to: Promise<Client>,
    label: string,
  ): Promise<void> => {
    const torrent = sharedTorrent(name);
    const out = join(scratch.path, `${label}-out`);
    const seed = await from;
    await seed.seed(torrentOf(name), torrent.parentDir);
    const leech = await to;
    const transfer = await leech.leech(magnetOf(name), out);
    // libtorrent asks every quarter of an hour, and once before it knows anybody.
    const nudge = setInterval(() => {
      if (leech instanceof LibtorrentClient) void leech.call('dht_announce', { info_hash: torrent.infoHash });
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
    moves('single-b.bin', keep(transmission.start(common('tr-a'))), ttTransfer('tt-a'), 'a'));

  test.concurrent('a bare magnet: Transmission from tt', () =>
    moves('single-a.bin', ttTransfer('tt-b'), keep(transmission.start(common('tr-b'))), 'b'));

  test.concurrent('a bare magnet: aria2 from tt', () =>
    moves('swarm.bin', ttTransfer('tt-c'), keep(aria2.start(common('ar-c'))), 'c'));

  test.concurrent('a bare magnet: tt from aria2', () =>
    moves('tree a', keep(aria2.start(common('ar-d'))), ttTransfer('tt-d'), 'd'));

  test.concurrent('a bare magnet over IPv6: tt from libtorrent', () =>
    moves('tree-b', keep(libtorrent.start(common('lt-e', 'v6'))), ttTransfer('tt-e', 'v6'), 'e'));

  test.concurrent('a bare magnet over IPv6: libtorrent from tt', () =>
    moves('single-a.bin', ttTransfer('tt-f', 'v6'), keep(libtorrent.start(common('lt-f', 'v6'))), 'f'));
});
