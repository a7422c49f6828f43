// `tt dht ...` from the real program, against a DHT of real nodes on loopback; then torrents with nothing but the DHT.
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../core/base/bytes.ts';
import { type LoopbackDht, loopbackDht } from '../support/dht-loopback.ts';
import { freePort } from '../support/ports.ts';
import { type RunResult, run } from '../support/process.ts';
import { json, launcher, makePlace, payload, TIMEOUT_MS } from './support.ts';

const place = makePlace();
const { tt } = place;
const HASH = '0123456789abcdef0123456789abcdef01234567';
const OTHER_HASH = 'ff'.repeat(20);
const NODES = 9;
const ON_LOOPBACK = ['--interface', '127.0.0.1'];

let net: LoopbackDht;
const dht = (...args: string[]): Promise<RunResult> => tt('dht', ...args, ...net.bootstrap, ...ON_LOOPBACK);

beforeAll(async () => {
  net = await loopbackDht(Array.from({ length: NODES }, () => '127.0.0.1'));
}, TIMEOUT_MS);

afterAll(() => net?.close());

describe('asking', () => {
  it('ping: an answer, silence, a bad address', async () => {
    const silent = `127.0.0.1:${await freePort()}`;
    const one = json(await tt('dht', 'ping', net.entry, silent, '--timeout', '4s', '--json', ...ON_LOOPBACK));
    const ids = net.nodes.map((node) =>
      toHex(node.machine.snapshot(node.now()).families[0]?.id as Uint8Array),
    );
    expect(one).toMatchObject({
      reason: 'done',
      answers: [
        { asked: net.entry, ok: true, id: ids[0], client: 'tt 0001' },
        { asked: silent, ok: false },
      ],
    });
    expect((await tt('dht', 'ping', silent, '--timeout', '1s', ...ON_LOOPBACK)).code).toBe(3);
    expect((await tt('dht', 'ping', '127.0.0.1')).code).toBe(2);
  });

  it('lookup: the closest nodes, every query of the way, a picture', async () => {
    const result = json(await dht('lookup', HASH, '--trace', '--json'));
    const closest = result['closest'] as { id: string }[];
    const distance = (id: string): bigint => BigInt(`0x${id}`) ^ BigInt(`0x${HASH}`);
    const all = net.nodes
      .map((node) => toHex(node.machine.snapshot(node.now()).families[0]?.id as Uint8Array))
      .sort((a, b) => (distance(a) < distance(b) ? -1 : 1));
    expect(closest.map(({ id }) => id)).toEqual(all.slice(0, 8));
    const trace = result['trace'] as { query: number; source: string; address: string }[];
    expect(trace.length).toBeGreaterThanOrEqual(8);
    expect(trace.map(({ query }) => query)).toEqual(trace.map((_, i) => i));
    const shown = await dht('lookup', HASH, '--trace');
    expect(shown.stdout).toMatch(/^ *# +AT +ASKED +BITS +HOP +WHY +WHAT CAME OF IT$/m);
    expect(shown.stdout).toMatch(/own table, .*answered in \d+ ms: \d+ nodes?, tt 0001/);
    expect(shown.stdout).toMatch(/^ +#\d+ {2}127\.0\.0\.1:\d+ +\d+ ms {2}├─*● +\d+$/m);
  });

  it('announce and get-peers: told, then found; nothing found is code 3', async () => {
    expect((await dht('get-peers', OTHER_HASH)).code).toBe(3);
    expect((await dht('announce', HASH)).code).toBe(2);
    const told = json(await dht('announce', HASH, '--port', '4444', '--seed', '--json'));
    expect(told).toMatchObject({ reason: 'done', port: 4444, attempted: 8 });
    expect((told['accepted'] as unknown[]).length).toBeGreaterThan(0);
    const found = await dht('get-peers', `magnet:?xt=urn:btih:${HASH}`);
    expect(found.code).toBe(0);
    expect(found.stdout).toBe('127.0.0.1:4444');
    const events = (await dht('get-peers', HASH, '--events')).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.find(({ event }) => event === 'peers')).toMatchObject({ peers: ['127.0.0.1:4444'] });
    expect(events.at(-1)).toMatchObject({ event: 'result', reason: 'done', peers: ['127.0.0.1:4444'] });
  });

  it('scrape: an estimate with its error', async () => {
    await dht('announce', HASH, '--port', '4444', '--seed');
    const result = json(await dht('scrape', HASH, '--json'));
    expect(result).toMatchObject({ reason: 'done', seeds: { saturated: false } });
    expect(Math.round((result['seeds'] as { count: number }).count)).toBe(1);
    expect((await dht('scrape', HASH)).stdout).toMatch(/^About 1 seed \(± \d/);
    expect((await dht('scrape', OTHER_HASH)).code).toBe(3);
  });

  it('sample: the info hashes that are stored', async () => {
    await dht('announce', HASH, '--port', '4444');
    const result = await dht('sample', HASH);
    expect(result.code).toBe(0);
    expect(result.stdout.split('\n')).toContain(HASH);
  });

  it('put and get, immutable: the target that BEP 44 gives', async () => {
    const put = await dht('put', 'Hello World!');
    expect(put.stdout).toBe('e5f96f6f38320f0f33959cb4d3d656452117aadb');
    expect((await dht('get', 'e5f96f6f38320f0f33959cb4d3d656452117aadb')).stdout).toBe('Hello World!');
    expect((await dht('get', OTHER_HASH)).code).toBe(3);
    expect((await dht('put', 'x'.repeat(1001))).code).toBe(2);
    expect((await dht('put', 'x', '--seq', '1')).code).toBe(2);
  });

  it('put and get, mutable: one target, rising versions, cas, a salt apart', async () => {
    const first = json(await dht('put', 'one', '--key', 'my.key', '--salt', 'a', '--json'));
    expect(first).toMatchObject({ kind: 'mutable', seq: '1', reason: 'done' });
    expect(statSync(`${place.path}/my.key`).mode & 0o777).toBe(0o600);
    const second = json(await dht('put', 'two', '--key', 'my.key', '--salt', 'a', '--json'));
    expect(second).toMatchObject({ seq: '2', target: first['target'], key: first['key'] });
    const got = await dht('get', first['key'] as string, '--salt', 'a');
    expect(got.stdout).toBe('two');
    const old = json(await dht('put', 'old', '--key', 'my.key', '--salt', 'a', '--seq', '1', '--json'));
    expect(old).toMatchObject({ reason: 'timeout', errors: { 302: 8 } });
    const swap = json(
      await dht('put', 'x', '--key', 'my.key', '--salt', 'a', '--seq', '9', '--cas', '1', '--json'),
    );
    expect(swap).toMatchObject({ reason: 'timeout', errors: { 301: 8 } });
    expect((await dht('get', first['key'] as string)).code).toBe(3);
  });

  it('2 usage: ids and keys that are none; 3 when nobody is there; 6 when the port is taken', async () => {
    expect((await dht('lookup', 'abc')).code).toBe(2);
    writeFileSync(`${place.path}/bad.key`, 'no key');
    expect((await dht('put', 'x', '--key', 'bad.key')).code).toBe(2);
    // Neither a device without an end nor a directory is a key, and neither is a bug.
    expect(await dht('put', 'x', '--key', '/dev/zero')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/does not hold a private key/),
    });
    expect(await dht('put', 'x', '--key', '.')).toMatchObject({
      code: 8,
      stderr: expect.stringMatching(/--key: cannot read /),
    });
    const last = ['--key', 'my.key', '--salt', 'last'];
    expect((await dht('put', 'x', ...last, '--seq', String(2n ** 63n - 1n))).code).toBe(0);
    expect(await dht('put', 'y', ...last)).toMatchObject({
      code: 9,
      stderr: expect.stringMatching(/the last sequence number there is/),
    });
    const nobody = await tt(
      ...['dht', 'lookup', HASH, '--bootstrap', `127.0.0.1:${await freePort()}`, '--timeout', '1s'],
      ...ON_LOOPBACK,
    );
    expect(nobody.code).toBe(3);
    expect(nobody.stderr).toContain('no DHT node answered');
    const port = net.entry.split(':')[1] as string;
    expect((await tt('dht', 'node', '--port', port, ...net.bootstrap, ...ON_LOOPBACK)).code).toBe(6);
    const behindProxy = await run(process.execPath, [launcher, 'dht', 'lookup', HASH], {
      env: { ...place.env, TT_PROXY: 'socks5://127.0.0.1:1' },
      timeoutMs: TIMEOUT_MS,
    });
    expect(behindProxy.code).toBe(9);
  });
});

describe('a node', () => {
  it('joins, says how it goes, keeps its nodes, ends with its numbers', async () => {
    const node = place.start('dht', 'node', '--events', '--port', '0', ...net.bootstrap, ...ON_LOOPBACK);
    const joined = JSON.parse(await node.waitForLine(/"event":"joined"/, TIMEOUT_MS)) as { nodes: number };
    expect(joined.nodes).toBeGreaterThanOrEqual(8);
    const statistics = await node.waitForLine(/"event":"statistics"/, TIMEOUT_MS);
    expect(JSON.parse(statistics)).toMatchObject({ offline: false, families: [{ family: 4 }] });
    await node.stop('SIGINT');
    const { code } = await node.exited;
    expect(code).toBe(130);
    const kept = readdirSync(`${place.path}/home/cache`);
    expect(kept.filter((name) => /^dht-[0-9a-f]{8}\.dat$/.test(name))).toHaveLength(1);
  });

  it('--json prints its numbers when --timeout ends it', async () => {
    const result = await tt(
      ...['dht', 'node', '--json', '--port', '0', '--timeout', '1s', ...net.bootstrap, ...ON_LOOPBACK],
    );
    expect(json(result)).toMatchObject({ reason: 'done', readOnly: false, ports: [{ family: 4 }] });
  });
});

describe('torrents with nothing but the DHT', () => {
  const DHT = ['--dht', '--no-lsd', '--no-pex', '--port', '0'];

  it(
    'seed announces, a bare info hash finds it and downloads',
    async () => {
      mkdirSync(`${place.path}/data`);
      const bytes = payload(300_000);
      writeFileSync(`${place.path}/data/a.bin`, bytes);
      const seed = place.start(
        ...['seed', 'data', '--events', '--interface', '127.0.0.1', ...DHT, ...net.bootstrap],
      );
      const line = await seed.waitForLine(/"event":"seeding"/, TIMEOUT_MS);
      const { torrent } = JSON.parse(line) as { torrent: string };
      const result = await tt(
        ...['download', torrent, '-o', 'got', '--json', '--timeout', '40s', '--interface', '127.0.0.1'],
        ...[...DHT, ...net.bootstrap],
      );
      expect(json(result)).toMatchObject({ reason: 'done', exitCode: 0 });
      expect(readFileSync(`${place.path}/got/data/a.bin`).equals(bytes)).toBe(true);
      await seed.stop('SIGINT');
    },
    TIMEOUT_MS,
  );

  it('nobody reachable: nothing fails for it, nothing waits for it', async () => {
    const dead = `127.0.0.1:${await freePort()}`;
    const result = await tt(
      ...['download', HASH, '--json', '--timeout', '1s', '--interface', '127.0.0.1', ...DHT],
      ...['--bootstrap', dead],
    );
    expect(json(result)).toMatchObject({ reason: 'timeout' });
    expect((await tt('download', HASH, '--bootstrap', 'nonsense')).code).toBe(2);
  });
});
