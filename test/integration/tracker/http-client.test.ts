import type http from 'node:http';
import zlib from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { type AnnounceOnceOptions, announceOnce, scrapeOnce } from '../../../tracker/io/once.ts';
import { TrackerClient } from '../../../tracker/io/tracker-client.ts';
import { parseTrackerUrl } from '../../../tracker/tracker-url.ts';
import { waitFor } from '../../support/wait.ts';
import { announceRequest } from '../../unit/tracker/material.ts';
import { clientOptions, HASH, probe, ScriptedHttp } from './servers.ts';

const GOOD = encodeBencode({ interval: 1800, complete: 3, peers: Uint8Array.of(192, 0, 2, 1, 0x1a, 0xe1) });
const open: ScriptedHttp[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function serve(answer: http.RequestListener): Promise<ScriptedHttp> {
  const server = await ScriptedHttp.start(answer);
  open.push(server);
  return server;
}

/** What is said of the tracker: its first peer, or the one line of its failure. */
async function ask(url: string, changes: Partial<AnnounceOnceOptions> = {}): Promise<string | undefined> {
  const result = await announceOnce({ ...probe, url, ...changes });
  expect(result.families.length).toBe(1);
  const [family] = result.families;
  expect(result.ok).toBe(family?.error === undefined);
  expect(family?.error ?? '').not.toMatch(/\n/);
  return family?.error ?? family?.peers[0];
}

describe('an honest tracker', () => {
  it('gets what BEP 3 asks for, over a connection that ends with the reply', async () => {
    const server = await serve((_, response) => response.end(GOOD));
    expect(await ask(server.url, { port: 6881 })).toBe('192.0.2.1:6881');
    const [first, last] = server.requests;
    expect(first?.headers).toMatchObject({
      'user-agent': 'tt-test/1',
      host: `127.0.0.1:${server.port}`,
      connection: 'close',
      'accept-encoding': 'gzip',
    });
    expect(server.query(0).get('event')).toBe('started');
    expect(last?.url).toContain('event=stopped');
    expect(server.query(0).get('key')).toBe(server.query(1).get('key'));
    await waitFor(() => server.sockets.size === 0, { what: 'the connections to end', timeoutMs: 5_000 });
  });

  it.each([
    ['gzip', zlib.gzipSync(GOOD)],
    ['x-gzip', zlib.gzipSync(GOOD)],
    ['deflate', zlib.deflateSync(GOOD)],
    ['deflate', zlib.deflateRawSync(GOOD)],
    ['identity', GOOD],
  ])('may answer in %s', async (encoding, body) => {
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(body);
    });
    expect(await ask(server.url)).toBe('192.0.2.1:6881');
  });

  it('may redirect, and a password stays with the host it was typed for', async () => {
    const target = await serve((_, response) => response.end(GOOD));
    const first = await serve((request, response) => {
      const query = request.url?.split('?')[1];
      const location = request.url?.startsWith('/old/') ? `/new/announce?${query}` : `${target.url}?${query}`;
      response.writeHead(302, { location }).end();
    });
    expect(await ask(`http://me:secret@127.0.0.1:${first.port}/old/announce`)).toBe('192.0.2.1:6881');
    const secret = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    expect(first.requests.map((request) => request.headers.authorization)).toEqual([secret, secret]);
    expect(target.requests[0]?.headers.authorization).toBeUndefined();
    expect(target.query(0).get('port')).toBe('0');
  });

  it('may give its reason with a status of its own', async () => {
    const server = await serve((_, response) =>
      response.writeHead(403).end(encodeBencode({ 'failure reason': 'unregistered torrent' })),
    );
    expect(await ask(server.url)).toBe('unregistered torrent');
  });

  it('may be scraped', async () => {
    const server = await serve((request, response) => {
      const isScrape = request.url?.startsWith('/scrape?info_hash=');
      response.end(
        isScrape ? Buffer.from(`d5:filesd20:${Buffer.from(HASH).toString('latin1')}d8:completei4eeee`) : 'x',
      );
    });
    const result = await scrapeOnce({ ...clientOptions, url: server.url, infoHashes: [HASH] });
    expect(result).toMatchObject({ ok: true, families: [{ torrents: [{ known: true, seeds: 4 }] }] });
    const none = await scrapeOnce({
      ...clientOptions,
      url: `http://127.0.0.1:${server.port}/a`,
      infoHashes: [HASH],
    });
    expect(none.families[0]?.error).toBe('this tracker URL has no scrape (BEP 48)');
  });
});

describe('a hostile tracker', () => {
  const endless: http.RequestListener = (_, response) => {
    const chunk = Buffer.alloc(64 * 1024, 'i');
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  };
  const status = (
    code: number,
    headers: http.OutgoingHttpHeaders = {},
    body: string | Uint8Array = '',
  ): http.RequestListener => {
    return (_, response) => response.writeHead(code, headers).end(body);
  };
  const bomb = zlib.gzipSync(Buffer.alloc(100 << 20));

  it.each<[string, http.RequestListener, string | RegExp]>([
    ['an endless body', endless, 'reply larger than 512 KiB'],
    [
      'a huge length',
      (_, r) => r.writeHead(200, { 'content-length': 1e12 }).write('d'),
      'reply larger than 512 KiB',
    ],
    [
      'a gzip bomb',
      status(200, { 'content-encoding': 'gzip' }, bomb),
      'reply inflates to more than 1024 KiB',
    ],
    [
      'damaged gzip',
      status(200, { 'content-encoding': 'gzip' }, zlib.gzipSync(GOOD).subarray(0, 25)),
      'compressed reply is damaged',
    ],
    [
      'another encoding',
      status(200, { 'content-encoding': 'br' }, 'x'),
      'reply in a content encoding that was not asked for',
    ],
    ['a redirect loop', (q, r) => r.writeHead(302, { location: q.url ?? '' }).end(), 'more than 5 redirects'],
    [
      'a redirect to UDP',
      status(302, { location: 'udp://127.0.0.1:1/announce' }),
      'redirected to something other than http or https',
    ],
    [
      'a redirect to a file',
      status(302, { location: 'file:///etc/passwd' }),
      'redirected to something other than http or https',
    ],
    [
      'a redirect to nonsense',
      status(302, { location: 'http://[' }),
      'redirected to something that is not a URL',
    ],
    [
      'garbage',
      status(200, {}, 'hello\u0000\u001b[2J'),
      /^not a tracker's reply: bencode has an unexpected byte/,
    ],
    ['nothing at all', status(200), "not a tracker's reply: bencode ends early"],
    ['a list', status(200, {}, 'le'), "not a tracker's reply: bencoded value is not a dictionary"],
    ['deep nesting', status(200, {}, 'l'.repeat(100_000)), "not a tracker's reply: bencode deeper than 8"],
    ['an error page', status(503, {}, '<html>sorry</html>'), 'HTTP status 503'],
    ['headers without end', status(200, { x: 'y'.repeat(20_000) }), 'reply headers too large'],
    [
      'half a reply',
      (_, r) => {
        r.writeHead(200, { 'content-length': 99 }).write('d8:');
        setImmediate(() => r.destroy());
      },
      /^connection closed|^aborted/,
    ],
    ['a closed connection', (q) => q.socket.destroy(), /^connection closed/],
    ['another protocol', (q) => q.socket.end('SSH-2.0-OpenSSH_9\r\n'), /./],
  ])('%s costs one line', async (_, answer, expected) => {
    const server = await serve(answer);
    const said = await ask(server.url);
    if (typeof expected === 'string') expect(said).toBe(expected);
    else expect(said).toMatch(expected);
    await waitFor(() => server.sockets.size === 0, { what: 'the connection to be cut', timeoutMs: 5_000 });
  });

  it.each<[string, http.RequestListener]>([
    ['says nothing', () => {}],
    [
      'drips headers',
      (q) => {
        q.socket.write('HTTP/1.1 200 OK\r\nA:');
        const t = setInterval(() => q.socket.write('b'), 20);
        q.socket.on('close', () => clearInterval(t));
      },
    ],
    [
      'drips its body',
      (_, r) => {
        r.writeHead(200);
        const t = setInterval(() => r.write('d'), 20);
        r.on('close', () => clearInterval(t));
      },
    ],
  ])('%s: given up at the deadline', async (_, answer) => {
    const server = await serve(answer);
    expect(await ask(server.url, { timeoutMs: 300 })).toBe('no complete answer within 300 ms');
    await waitFor(() => server.sockets.size === 0, { what: 'the connection to be cut', timeoutMs: 5_000 });
  });

  it('that is not there is said to be so', async () => {
    const server = await ScriptedHttp.start(() => {});
    const { url } = server;
    await server.close();
    expect(await ask(url)).toBe('connection refused');
  });

  it('cannot make a torrent call other services of this machine', async () => {
    const server = await serve((_, response) => response.end(GOOD));
    const client = new TrackerClient(clientOptions);
    const messages: unknown[] = [];
    for (const path of ['/admin/delete', '/announce/../admin', '/api?x=/announce']) {
      const url = parseTrackerUrl(`http://127.0.0.1:${server.port}${path}`);
      if (!url.ok) throw new Error(url.reason.what);
      await client.announce(url.value, announceRequest, {}, ({ result }) => messages.push(result));
    }
    client.close();
    const refused = { message: 'a tracker on this machine must have a path ending in announce' };
    expect(messages).toMatchObject([refused, refused, refused]);
    expect(server.requests).toEqual([]);
  });
});

describe('address families', () => {
  it('are both announced to for a name that has both (BEP 7)', async () => {
    const v6 = await ScriptedHttp.start((_, response) => response.end(GOOD), '::1');
    open.push(v6);
    const v4 = new ScriptedHttp((_, response) => response.end(GOOD));
    await new Promise<void>((resolve) => v4.server.listen(v6.port, '127.0.0.1', resolve));
    open.push(v4);
    const url = `http://localhost:${v6.port}/announce`;
    const result = await announceOnce({ ...probe, url });
    expect(result.families.map((item) => [item.family, item.from, item.error])).toEqual([
      [4, '127.0.0.1', undefined],
      [6, '::1', undefined],
    ]);
    expect(
      (await announceOnce({ ...probe, url, families: [6] })).families.map((item) => item.family),
    ).toEqual([6]);
    const bound = await announceOnce({ ...probe, url, bindAddresses: ['127.0.0.7'] });
    expect(bound.families.map((item) => item.family)).toEqual([4]);
    expect(v4.clients).toEqual(['127.0.0.1', '127.0.0.7']);
    expect(v4.requests[0]?.headers.host).toBe(`localhost:${v6.port}`);
  });

  it('do not spoil each other', async () => {
    const server = await serve((_, response) => response.end(GOOD));
    const result = await announceOnce({ ...probe, url: `http://localhost:${server.port}/announce` });
    expect(result.ok).toBe(true);
    expect(result.families.map((item) => item.error)).toEqual([undefined, 'connection refused']);
  });
});
