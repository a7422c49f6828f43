// Everything a user may give as SOURCE, from real files and a real server on loopback, the hostile kinds included.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../../core/base/bytes.ts';
import { type LoadedSource, loadSource, sourceKindOf } from '../../../core/metainfo/io/load-source.ts';
import { PARSE_LIMITS } from '../../../core/metainfo/limits.ts';
import { CUT_SHORT_HINT } from '../../../core/metainfo/magnet.ts';
import { makeTempDir } from '../../support/temp.ts';

const torrentPath = new URL('../../../fixtures/torrents/webtorrent-fixtures/leaves.torrent', import.meta.url)
  .pathname;
const torrentBytes = readFileSync(torrentPath);
const HASH = 'd2474e86c95b19b8bcfdb92bc12c9d44667cfa36';
const dir = makeTempDir('tt-source-');
afterAll(() => dir.remove());

function hashOf(source: LoadedSource): string {
  return toHex('metainfo' in source ? source.metainfo.infoHash : source.magnet.infoHash);
}

async function* parts(...chunks: (string | Uint8Array)[]): AsyncGenerator<string | Uint8Array> {
  yield* chunks;
}

describe('kinds', () => {
  it.each([
    ['-', 'stdin'],
    [`magnet:?xt=urn:btih:${HASH}`, 'magnet'],
    ['HTTP://x/', 'url'],
    [HASH, 'hash'],
    ['2JDU5BWJLMM3RPH5XEV4CLE5IRTHZ6RW', 'hash'],
    ['ab'.repeat(32), 'hash'],
    [`1220${'ab'.repeat(32)}`, 'hash'],
    [`./${HASH}`, 'path'],
    ['a.torrent', 'path'],
    ['ab'.repeat(19), 'path'],
    ['', 'path'],
  ])('%s is a %s', (text, kind) => expect(sourceKindOf(text)).toBe(kind));
});

describe('hashes and links', () => {
  it.each([
    HASH,
    HASH.toUpperCase(),
    ` ${HASH}\n`,
    '2jdu5bwjlmm3rph5xev4cle5irthz6rw',
    `magnet:?xt=urn:btih:${HASH}`,
  ])('%j', async (text) => expect(hashOf(await loadSource(text))).toBe(HASH));

  it('64 digits are a v2 hash', async () => {
    const source = await loadSource('ab'.repeat(32));
    expect('magnet' in source && [source.magnet.hasV1, hashOf(source)]).toEqual([false, 'ab'.repeat(20)]);
  });

  it('a link that lost everything after & is told apart', async () => {
    await expect(loadSource('magnet:?dn=name')).rejects.toMatchObject({
      slug: 'bad-torrent',
      hint: CUT_SHORT_HINT,
    });
    await expect(loadSource('magnet:?dn=name&tr=x')).rejects.toMatchObject({
      slug: 'bad-torrent',
      hint: undefined,
    });
  });
});

describe('files', () => {
  function put(name: string, bytes: Uint8Array | string): string {
    const path = join(dir.path, name);
    writeFileSync(path, bytes);
    return path;
  }

  it('a path, a file: URL, a name with blanks around it', async () => {
    expect(hashOf(await loadSource(torrentPath))).toBe(HASH);
    expect(hashOf(await loadSource(pathToFileURL(torrentPath).href))).toBe(HASH);
    expect(hashOf(await loadSource(put(' odd .torrent ', torrentBytes)))).toBe(HASH);
  });

  it.each([
    ['empty', '', /is empty$/],
    ['page.torrent', '<!DOCTYPE html><p>log in', /web page/],
    [
      'cut.torrent',
      torrentBytes.subarray(0, 300),
      /cut.torrent" is not a usable torrent: bencode .* ends early/,
    ],
    ['l-3.torrent', 'l-3:', /unexpected byte/],
  ])('%s is refused in one line', async (name, bytes, message) => {
    const loading = loadSource(put(name, bytes));
    await expect(loading).rejects.toMatchObject({ name: 'OperationError', slug: 'bad-torrent' });
    await expect(loading).rejects.toThrow(message);
  });

  it('a URL of another kind is no path', async () => {
    await expect(loadSource('ftp://example.org/a.torrent')).rejects.toMatchObject({
      slug: 'bad-torrent',
      message: expect.stringContaining('ftp:// is not supported'),
    });
  });

  it('says what is wrong with the path', async () => {
    await expect(loadSource(join(dir.path, 'none.torrent'))).rejects.toMatchObject({
      slug: 'disk',
      code: 'ENOENT',
    });
    mkdirSync(join(dir.path, 'folder'));
    await expect(loadSource(join(dir.path, 'folder'))).rejects.toThrow(/is a folder/);
  });

  it('reads no more than the limit of an endless file', async () => {
    await expect(loadSource('/dev/zero')).rejects.toThrow(/too large/);
  });
});

describe('standard input', () => {
  it('carries a torrent, a link or a hash', async () => {
    const loaded = (...chunks: (string | Uint8Array)[]) => loadSource('-', { stdin: parts(...chunks) });
    expect(hashOf(await loaded(torrentBytes.subarray(0, 100), torrentBytes.subarray(100)))).toBe(HASH);
    expect(hashOf(await loaded(`magnet:?xt=urn:btih:${HASH}&dn=x\n`))).toBe(HASH);
    expect(hashOf(await loaded(`${HASH}\n`))).toBe(HASH);
    await expect(loaded()).rejects.toThrow('standard input is empty');
    await expect(loaded('hello')).rejects.toThrow(/standard input is not a usable torrent/);
  });

  it('is bounded, and left when told to', async () => {
    const chunk = new Uint8Array(1 << 20);
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield chunk;
    }
    await expect(loadSource('-', { stdin: endless() })).rejects.toThrow(/too large/);
    async function* silent(): AsyncGenerator<Uint8Array> {
      await new Promise(() => {});
      yield chunk;
    }
    const abort = new AbortController();
    const loading = loadSource('-', { stdin: silent(), signal: abort.signal });
    abort.abort(new Error('stop'));
    await expect(loading).rejects.toThrow('stop');
  });
});

describe.skipIf(process.platform === 'win32')('a named pipe', () => {
  it('is read whatever comes first, writer or reader, and left when told to', async () => {
    const pipe = join(dir.path, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const abort = new AbortController();
    const loading = loadSource(pipe, { signal: abort.signal });
    abort.abort(new Error('stop'));
    try {
      await expect(loading).rejects.toThrow('stop');
    } finally {
      closeSync(openSync(pipe, constants.O_RDWR)); // nobody waits for a writer after this
    }
    const [source] = await Promise.all([loadSource(pipe), writeFile(pipe, torrentBytes)]);
    expect(hashOf(source)).toBe(HASH);
  });

  it('that nobody has written to yet keeps no signal waiting', async () => {
    const pipe = join(dir.path, 'silent');
    execFileSync('mkfifo', [pipe]);
    const abort = new AbortController();
    const loading = loadSource(pipe, { signal: abort.signal });
    setImmediate(() => setImmediate(() => abort.abort(new Error('stop'))));
    try {
      await expect(loading).rejects.toThrow('stop');
    } finally {
      closeSync(openSync(pipe, constants.O_RDWR));
    }
  });
});

describe('http', () => {
  let server: Server;
  let origin: string;
  const routes = new Map<string, (response: ServerResponse, request: IncomingMessage) => void>();

  beforeAll(async () => {
    server = createServer((request, response) => {
      const route = routes.get(request.url ?? '');
      if (route !== undefined) route(response, request);
      else response.writeHead(404).end('no');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const redirect = (location: string) => (response: ServerResponse) => {
    response.writeHead(302, { location }).end();
  };

  it('fetches a torrent, plain, compressed, or behind redirects', async () => {
    routes.set('/t', (response) => response.end(torrentBytes));
    routes.set('/gz', (response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(torrentBytes)),
    );
    routes.set('/r1', redirect('/r2'));
    routes.set('/r2', redirect(`${origin}/t`));
    for (const path of ['/t', '/gz', '/r1']) expect(hashOf(await loadSource(origin + path))).toBe(HASH);
  });

  it('follows a redirect to a magnet link', async () => {
    routes.set('/m', redirect(`magnet:?xt=urn:btih:${HASH}&dn=x`));
    const source = await loadSource(`${origin}/m`);
    expect('magnet' in source && source.magnet.displayName).toBe('x');
  });

  it('says name and password of a URL to its own host only, and in no message', async () => {
    const seen: (string | undefined)[] = [];
    const elsewhere = createServer((request, response) => {
      note(response, request);
      response.end(torrentBytes);
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    const other = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/other`;
    const note = (_response: ServerResponse, request: IncomingMessage) =>
      void seen.push(request.headers.authorization);
    routes.set('/secret', (response, request) => {
      note(response, request);
      response.writeHead(302, { location: '/own' }).end();
    });
    routes.set('/own', (response, request) => {
      note(response, request);
      response.writeHead(302, { location: other }).end();
    });
    routes.set('/broken', (response) => response.end('nothing'));
    const withSecret = origin.replace('http://', 'http://me:s%40cret@');
    expect(hashOf(await loadSource(`${withSecret}/secret#x`))).toBe(HASH);
    const basic = `Basic ${Buffer.from('me:s@cret').toString('base64')}`;
    expect(seen).toEqual([basic, basic, undefined]);
    for (const path of ['/none', '/broken'])
      await expect(loadSource(withSecret + path)).rejects.toThrow(
        expect.objectContaining({ message: expect.not.stringMatching(/me:|cret/) }),
      );
    elsewhere.closeAllConnections();
    elsewhere.close();
  });

  it('says in one line that a server does not speak TLS', async () => {
    await expect(loadSource(`${origin.replace('http:', 'https:')}/t`)).rejects.toMatchObject({
      slug: 'network',
      message: expect.stringMatching(/^cannot fetch "https:[^\n]*" *: it does not speak TLS there[^\n]*$/),
    });
  });

  it('takes a link from a file or an answer as from standard input', async () => {
    const link = `magnet:?xt=urn:btih:${HASH}&dn=x\n`;
    const path = join(dir.path, 'kept.magnet');
    writeFileSync(path, link);
    routes.set('/link', (response) => response.end(link));
    for (const source of [path, `${origin}/link`]) {
      const loaded = await loadSource(source);
      expect('magnet' in loaded && loaded.magnet.displayName).toBe('x');
    }
  });

  it.each([
    ['/none', 'network', /HTTP status 404/],
    ['/packed', 'bad-torrent', /compressed with gzip/],
    ['/loop', 'network', /more than 5 redirects/],
    ['/file', 'network', /redirects to "file:/],
    ['/page', 'bad-torrent', /web page/],
    ['/bomb', 'bad-torrent', /too large/],
    ['/badgz', 'network', /cannot fetch/],
    ['/drop', 'network', /cannot fetch/],
  ])('%s is %s', async (path, slug, message) => {
    routes.set('/loop', redirect('/loop'));
    routes.set('/file', redirect('file:///etc/passwd'));
    routes.set('/page', (response) => response.end('<html>'));
    // 100 MiB of zeros in 100 KB.
    routes.set('/bomb', (response) =>
      response
        .writeHead(200, { 'content-encoding': 'gzip' })
        .end(gzipSync(new Uint8Array(PARSE_LIMITS.maxTorrentBytes + (36 << 20)))),
    );
    routes.set('/packed', (response) => response.end(gzipSync(torrentBytes)));
    routes.set('/badgz', (response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('not gzip'),
    );
    routes.set('/drop', (response) => response.destroy());
    const loading = loadSource(origin + path);
    await expect(loading).rejects.toMatchObject({ name: 'OperationError', slug });
    await expect(loading).rejects.toThrow(message);
  });

  it('gives up on a server that keeps silent, or drips, or when told to', async () => {
    routes.set('/silent', () => {});
    routes.set('/drip', (response) => {
      response.write('d');
    });
    for (const path of ['/silent', '/drip'])
      await expect(loadSource(origin + path, { timeoutMs: 50 })).rejects.toMatchObject({ slug: 'timeout' });
    const abort = new AbortController();
    routes.set('/abort', () => abort.abort(new Error('stop')));
    await expect(loadSource(`${origin}/abort`, { signal: abort.signal })).rejects.toThrow('stop');
  });

  it('says why a port of another protocol is not asked', async () => {
    await expect(loadSource('http://127.0.0.1:25/a.torrent')).rejects.toMatchObject({
      slug: 'network',
      message: expect.stringContaining('another protocol'),
    });
  });

  it('says when nothing listens', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    await expect(loadSource(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({
      slug: 'network',
      code: 'ECONNREFUSED',
    });
  });
});
