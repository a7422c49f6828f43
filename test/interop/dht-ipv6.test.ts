// The DHT over IPv6 with Transmission, aria2, libtorrent and our own nodes: torrents move with nothing but it. Transmission and aria2 take
// part at global unicast addresses only, so that this network has some, each in a /48 of its own (BEP 42 and limits count by subnet).
// It is a network of its own: where there are global addresses, libtorrent takes no part in a DHT at the others' private ones.
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LoopbackDht, loopbackDht } from '../support/dht-loopback.ts';
import { makeTempDir } from '../support/temp.ts';
import { aria2 } from './support/aria2.ts';
import type { Client, ClientOptions, Endpoint, Source } from './support/client.ts';
import { LibtorrentClient, libtorrent } from './support/libtorrent.ts';
import { expectContent, sharedTorrent } from './support/matrix.ts';
import { networkCommands } from './support/network.ts';
import { skipsFor } from './support/requirements.ts';
import { transmission } from './support/transmission.ts';
import { tt } from './support/tt.ts';

/** Transmission does nothing in a DHT of fewer than nine nodes. */
const OUR_NODES = 10;
const HOSTS = 24;
/** Transmission asks which of its addresses would be used to reach a host in there, and takes part at that one. */
const TRANSMISSION_PROBE = '2001:1890::/32';
const TIMEOUT_MS = 150_000;
const ALL_TIMEOUT_MS = 6 * TIMEOUT_MS + 100_000;
const OWN_NETWORK = 'TT_INTEROP_GLOBAL_IPV6';
const VITEST = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
const isInside = process.env[OWN_NETWORK] !== undefined;

const ip = (...args: string[]): void => void execFileSync('ip', ['-6', ...args]);
const hostNumber = (n: number): string => `2001:db8:${(0x100 + n).toString(16)}::1`;

const isMissing = skipsFor('libtorrent', 'transmission', 'aria2');

/** Outside, one test makes the network and runs this file in it; inside, the tests proper. */
const outside = (): void => {
  test('works with Transmission, aria2 and libtorrent, in a network of its own', {
    timeout: ALL_TIMEOUT_MS,
  }, async () => {
    const self = fileURLToPath(import.meta.url);
    const vitest = [process.execPath, VITEST, 'run', '--config', 'vitest.interop.config.ts', self];
    const script = [...networkCommands(), `exec ${vitest.map((word) => `'${word}'`).join(' ')}`].join('\n');
    // A worker's own variables would make the program inside take itself for one.
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST')),
    );
    const child = spawn('unshare', ['--net', '--fork', '--kill-child', 'sh', '-ec', script], {
      env: { ...env, [OWN_NETWORK]: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes) => {
        output += bytes;
      });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code, output).toBe(0);
  });
};

const inside = (): void => {
  const scratch = makeTempDir('tt-interop-dht6-');
  const running: { stop(): Promise<void> }[] = [];
  let net: LoopbackDht;
  let entries: readonly Endpoint[];
  let count = OUR_NODES;

  beforeAll(async () => {
    for (let n = 0; n < HOSTS; n++) ip('addr', 'add', `${hostNumber(n)}/128`, 'dev', 'lo', 'nodad');
    net = await loopbackDht(Array.from({ length: OUR_NODES }, (_, n) => hostNumber(n)));
    entries = net.nodes.map((node, n) => ({ host: hostNumber(n), port: node.port(6) as number }));
  });

  afterAll(async () => {
    await Promise.all(running.map((client) => client.stop()));
    await net?.close();
    for (let n = 0; n < HOSTS; n++) ip('addr', 'del', `${hostNumber(n)}/128`, 'dev', 'lo');
    scratch.remove();
  });

  const options = (): ClientOptions => {
    const v6 = hostNumber(count);
    return {
      family: 'v6',
      encryption: 'preferred',
      hosts: { v4: '127.0.0.1', v6 },
      stateDir: join(scratch.path, `client-${count++}`),
      dht: entries,
    };
  };

  const keep = async <T extends Client>(client: Promise<T>): Promise<T> => {
    const started = await client;
    running.push(started);
    return started;
  };

  const startTransmission = (): Promise<Client> => {
    const chosen = options();
    ip('route', 'replace', TRANSMISSION_PROBE, 'dev', 'lo', 'src', chosen.hosts?.v6 as string);
    return keep(transmission.start(chosen));
  };
  const startAria2 = (): Promise<Client> => keep(aria2.start(options()));
  const startLibtorrent = (): Promise<Client> => keep(libtorrent.start(options()));
  const startTt = (): Promise<Client> =>
    keep(tt.start({ ...options(), extraArgs: ['--dht', '--no-pex', ...net.bootstrap] }));

  const moves = async (
    name: string,
    startSeed: () => Promise<Client>,
    startLeech: () => Promise<Client>,
    label: string,
  ): Promise<void> => {
    const torrent = sharedTorrent(name);
    const { infoHash, torrentFile } = torrent;
    const seed = await startSeed();
    await seed.seed({ infoHash, name: torrent.name, torrentFile }, torrent.parentDir);
    const leech = await startLeech();
    const out = join(scratch.path, `${label}-out`);
    const magnet: Source = { infoHash, name: torrent.name, magnet: `magnet:?xt=urn:btih:${infoHash}` };
    const transfer = await leech.leech(magnet, out);
    // libtorrent asks every quarter of an hour, and once before it knows anybody.
    const nudge = setInterval(() => {
      for (const one of [seed, leech])
        if (one instanceof LibtorrentClient) void one.call('dht_announce', { info_hash: infoHash });
    }, 2_000);
    try {
      await transfer.waitUntilComplete(TIMEOUT_MS);
    } finally {
      clearInterval(nudge);
    }
    await expectContent(torrent, out, leech.name);
  };

  // One after the other: the address that Transmission finds is the one of whoever started last.
  test('a bare magnet: tt from Transmission', () => moves('single-b.bin', startTransmission, startTt, 'a'));
  test('a bare magnet: Transmission from tt', () => moves('single-a.bin', startTt, startTransmission, 'b'));
  test('a bare magnet: tt from aria2', () => moves('tree a', startAria2, startTt, 'c'));
  test('a bare magnet: aria2 from tt', () => moves('swarm.bin', startTt, startAria2, 'd'));
  test('a bare magnet: tt from libtorrent', () => moves('tree-b', startLibtorrent, startTt, 'e'));
  test('a bare magnet: libtorrent from tt', () => moves('single-a.bin', startTt, startLibtorrent, 'f'));
};

describe.skipIf(isMissing)('the DHT of four programs over IPv6', isInside ? inside : outside);
