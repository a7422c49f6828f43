// One DHT of libtorrent's and our own nodes on a private network: what one stores the others find, both ways.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '../../core/base/bytes.ts';
import { publicKeyOf } from '../../core/base/ed25519.ts';
import { waitFor } from '../support/wait.ts';
import { DhtWorld } from './support/dht-world.ts';
import type { LibtorrentClient, LibtorrentEvent } from './support/libtorrent.ts';
import { nextHosts } from './support/network.ts';
import { skipsFor } from './support/requirements.ts';
import { runTt } from './support/tt.ts';

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

describe.skipIf(skipsFor('libtorrent'))('one DHT of two programs', () => {
  let world: DhtWorld;

  const dht = async (...args: string[]) => {
    const { v4 } = nextHosts();
    const waits = ['--timeout', '60s'];
    const result = await runTt(
      ['dht', ...args, ...world.v4.bootstrap, ...waits, '--interface', v4, '--json'],
      {
        home: world.folder('tt'),
        timeoutMs: 90_000,
      },
    );
    if (result.code !== 0) process.stderr.write(`tt dht ${args.join(' ')}: ${result.stderr}\n`);
    return JSON.parse(result.stdout) as Record<string, unknown> & { readonly reason: string };
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

  const first = (): LibtorrentClient => world.foreign[0] as LibtorrentClient;

  beforeAll(async () => {
    world = await DhtWorld.open();
  });

  afterAll(() => world?.close());

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
    const asker = world.foreign[1] as LibtorrentClient;
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
    await first().add({ magnet: `magnet:?xt=urn:btih:${theirs}`, dir: world.folder('lt-announce') });
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
    const asker = world.foreign[2] as LibtorrentClient;
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
    const keyFile = join(world.folder('keys'), 'our.key');
    const put = await dht('put', 'signed by tt', '--key', keyFile, '--salt', 's', '--seq', '7');
    expect(put).toMatchObject({ reason: 'done', seq: '7' });
    const asker = world.foreign[2] as LibtorrentClient;
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
    const sameKey = join(world.folder('keys'), 'same.key');
    writeFileSync(sameKey, toHex(seed));
    const over = await dht('put', 'changed by tt', '--key', sameKey, '--salt', 't');
    expect(over).toMatchObject({ reason: 'done', key });
    expect(Number(over['seq'])).toBeGreaterThanOrEqual(1);
  });

  test.concurrent('samples, both ways', async () => {
    const hash = '33'.repeat(20);
    await dht('announce', hash, '--port', '4322');
    const ours = new Set(world.entries.v4.map((entry) => `${entry.host}:${entry.port}`));
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
    const asker = world.foreign[1] as LibtorrentClient;
    const [host, port] = holder.split(':');
    await report(
      asker,
      () => asker.call('dht_sample', { host, port: Number(port), target: hash }),
      ({ event, samples }) => event === 'dht_sample_infohashes' && (samples?.length ?? 0) > 0,
      'libtorrent to sample our node',
    );
  });
});
