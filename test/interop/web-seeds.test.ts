// tt downloads from nginx: alone, over IPv6 and TLS, after redirects, beside a BitTorrent seed; others download from nginx what tt made.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { sha256OfTree } from '../support/hash.ts';
import { writePayload } from '../support/payload.ts';
import { runOk } from '../support/process.ts';
import { makeTempDir } from '../support/temp.ts';
import { waitFor } from '../support/wait.ts';
import { aria2 } from './support/aria2.ts';
import { libtorrent } from './support/libtorrent.ts';
import { nextHosts } from './support/network.ts';
import { Nginx, type NginxOptions } from './support/nginx.ts';
import { skipsFor } from './support/requirements.ts';
import { describeTorrent } from './support/torrents.ts';
import { runTt } from './support/tt.ts';

const TRANSFER_TIMEOUT_MS = 150_000;
/** libtorrent says "complete" while its last writes are still on their way to the file. */
const FLUSH_TIMEOUT_MS = 10_000;
const ODD_NAMES = ['a b.bin', '100% #1?&+.bin', 'ünï/漢字 (2).bin', "deep/er/it's;.bin", 'x:y=[z].bin'];

describe.skipIf(skipsFor('nginx', 'libtorrent', 'aria2'))('web seeds', () => {
  const scratch = makeTempDir('tt-web-');
  const servers: Nginx[] = [];
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    scratch.remove();
  });
  let count = 0;

  const serve = async (options: Partial<NginxOptions> & { root: string }): Promise<Nginx> => {
    const stateDir = join(scratch.path, `nginx${count++}`);
    const server = await Nginx.start({ stateDir, host: nextHosts().v4, ...options });
    servers.push(server);
    return server;
  };

  /** Content below `root`, and a torrent of it that names `webSeeds`. */
  const make = async (
    name: string,
    files: Readonly<Record<string, number>>,
    webSeeds: readonly string[] = [],
  ) => {
    const root = join(scratch.path, `root${count++}`);
    for (const [file, length] of Object.entries(files)) writePayload(join(root, name, file), length, file);
    const content = join(root, name);
    return { root, content, ...(await torrentOf(content, webSeeds)) };
  };

  const torrentOf = async (content: string, webSeeds: readonly string[]) => {
    const torrentFile = join(scratch.path, `t${count++}.torrent`);
    const seeds = webSeeds.flatMap((url) => ['-w', url]);
    const made = await runTt(
      ['create', content, '-q', '-o', torrentFile, '--piece-length', '64KiB', ...seeds],
      {
        home: join(scratch.path, 'home'),
      },
    );
    expect(made.code, made.stderr).toBe(0);
    return { torrentFile, sha256: sha256OfTree(content) };
  };

  const download = (
    torrent: string,
    out: string,
    args: readonly string[],
    env: Record<string, string> = {},
  ) =>
    runTt(
      [
        'download',
        torrent,
        '-o',
        out,
        '--no-lsd',
        '--no-relays',
        '--port',
        '0',
        '--json',
        '--timeout',
        '140s',
        ...args,
      ],
      { home: join(scratch.path, `home${count++}`), timeoutMs: TRANSFER_TIMEOUT_MS, env },
    );

  const tree = Object.fromEntries(ODD_NAMES.map((name, i) => [name, 700_000 + i * 100_001]));

  test('a tree with odd names, and small files by the hundred, from nginx alone', async () => {
    const small = Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [`many/${i}.txt`, (i * 37) % 900]),
    );
    const { root, torrentFile, sha256 } = await make('a tree', { ...tree, ...small });
    const server = await serve({ root });
    const out = join(scratch.path, 'out-tree');
    const result = await download(torrentFile, out, ['--web-seed', server.url]);
    expect(result.code, result.stderr).toBe(0);
    expect(sha256OfTree(join(out, 'a tree'))).toBe(sha256);
    const { torrents } = JSON.parse(result.stdout) as {
      torrents: { wastedBytes: object; sources: object[] }[];
    };
    expect(torrents[0]?.wastedBytes).toEqual({ duplicate: 0, failedHash: 0, unrequested: 0 });
    expect(torrents[0]?.sources).toMatchObject([{ kind: 'web-seed', name: server.url }]);
  });

  test('a single file over IPv6, in few requests', async () => {
    const { content } = await make('folder', { 'big.bin': 40_000_000 });
    const server = await serve({ root: content, host: nextHosts().v6 });
    const single = await torrentOf(join(content, 'big.bin'), []);
    const out = join(scratch.path, 'out-v6');
    const result = await download(single.torrentFile, out, ['--web-seed', server.url]);
    expect(result.code, result.stderr).toBe(0);
    expect(sha256OfTree(join(out, 'big.bin'))).toBe(single.sha256);
    // BEP 19: servers do not like thousands of requests for one file.
    expect(readFileSync(server.accessLog, 'utf8').split('\n').length).toBeLessThan(60);
  });

  test('https: with a certificate that holds; without one that is said, and nothing is downloaded', async () => {
    const { root, torrentFile, sha256 } = await make('secret', { 'a.bin': 3_000_000 });
    const host = nextHosts().v4;
    const [key, certificate] = [join(scratch.path, 'key.pem'), join(scratch.path, 'cert.pem')];
    await runOk('openssl', [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=tt', '-keyout', key],
      ...['-out', certificate, '-addext', `subjectAltName=IP:${host}`],
    ]);
    const server = await serve({ root, host, tls: { certificate, key } });
    const refused = await download(torrentFile, join(scratch.path, 'out-refused'), [
      ...['--web-seed', server.url, '--timeout', '5s'],
    ]);
    expect(refused.code).toBe(3);
    expect(refused.stdout).toContain('its certificate does not hold');
    const out = join(scratch.path, 'out-tls');
    const trusted = { NODE_EXTRA_CA_CERTS: certificate };
    const result = await download(torrentFile, out, ['--web-seed', server.url], trusted);
    expect(result.code, result.stderr).toBe(0);
    expect(sha256OfTree(join(out, 'secret'))).toBe(sha256);
  });

  test('a server that sends elsewhere is asked once', async () => {
    const { root, torrentFile, sha256 } = await make('moved', tree);
    const mirror = await serve({ root });
    const empty = join(scratch.path, 'empty');
    mkdirSync(empty);
    const server = await serve({
      root: empty,
      directives: `return 302 ${mirror.url.replace(/\/$/, '')}$request_uri;`,
    });
    const out = join(scratch.path, 'out-moved');
    const result = await download(torrentFile, out, ['--web-seed', server.url]);
    expect(result.code, result.stderr).toBe(0);
    expect(sha256OfTree(join(out, 'moved'))).toBe(sha256);
    expect(readFileSync(server.accessLog, 'utf8').trim().split('\n')).toHaveLength(1);
  });

  test('beside a BitTorrent seed: both give, each byte once', async () => {
    const { root, content, torrentFile } = await make('both', { 'a.bin': 12_000_000, 'b.bin': 12_000_000 });
    const server = await serve({ root, directives: 'limit_rate 2m;' });
    const facts = await describeTorrent(torrentFile);
    const seeder = await libtorrent.start({
      family: 'v4',
      encryption: 'preferred',
      stateDir: join(scratch.path, 'lt'),
      settings: { upload_rate_limit: 2 << 20 },
    });
    try {
      await seeder.seed({ torrentFile, infoHash: facts.info_hash, name: 'both' }, root);
      const { host, port } = seeder.endpoint;
      const out = join(scratch.path, 'out-both');
      const result = await download(torrentFile, out, [
        '--web-seed',
        server.url,
        '--peer',
        `${host}:${port}`,
      ]);
      expect(result.code, result.stderr).toBe(0);
      expect(sha256OfTree(join(out, 'both'))).toBe(sha256OfTree(content));
      const fromWeb = readFileSync(server.accessLog, 'utf8')
        .split('\n')
        .reduce((sum, line) => sum + Number(/ 206 (\d+)/.exec(line)?.[1] ?? 0), 0);
      expect(fromWeb).toBeGreaterThan(1_000_000);
      expect(fromWeb).toBeLessThan(23_000_000);
      const { torrents } = JSON.parse(result.stdout) as {
        torrents: { wastedBytes: { duplicate: number } }[];
      };
      // The endgame may ask both for the last blocks.
      expect(torrents[0]?.wastedBytes.duplicate).toBeLessThan(2_400_000);
    } finally {
      await seeder.stop();
    }
  });

  for (const kind of [libtorrent, aria2]) {
    test(`${kind.name} downloads from nginx by a torrent that tt made`, async () => {
      const host = nextHosts();
      const { root, content } = await make(`by ${kind.name}`, tree);
      const server = await serve({ root, host: host.v4 });
      const { torrentFile, sha256 } = await torrentOf(content, [server.url]);
      const client = await kind.start({
        family: 'v4',
        encryption: 'preferred',
        stateDir: join(scratch.path, kind.name),
      });
      try {
        const facts = await describeTorrent(torrentFile);
        expect(facts.web_seeds).toEqual([server.url]);
        const out = join(scratch.path, `out-${kind.name}`);
        const transfer = await client.leech(
          { torrentFile, infoHash: facts.info_hash, name: facts.name },
          out,
        );
        await transfer.waitUntilComplete(TRANSFER_TIMEOUT_MS);
        await waitFor(() => sha256OfTree(join(out, facts.name)) === sha256, {
          what: `the bytes of ${kind.name}`,
          timeoutMs: FLUSH_TIMEOUT_MS,
        });
      } finally {
        await client.stop();
      }
    });
  }

  test('what a torrent names on this network is refused, and used where the user names it as well', async () => {
    const { root } = await make('local', { 'a.bin': 100_000 });
    const server = await serve({ root });
    const named = await torrentOf(join(root, 'local'), [server.url]);
    const refused = await download(named.torrentFile, join(scratch.path, 'out-local'), ['--timeout', '3s']);
    expect(refused.code).toBe(3);
    expect(refused.stdout).toContain('where torrents and redirects may not send tt');
    const off = await download(named.torrentFile, join(scratch.path, 'out-off'), [
      '--no-web-seeds',
      '--timeout',
      '1s',
    ]);
    expect(off.stdout).not.toContain('may not send');
    const result = await download(named.torrentFile, join(scratch.path, 'out-named'), [
      '--web-seed',
      server.url,
    ]);
    expect(result.code, result.stderr).toBe(0);
  });
});
