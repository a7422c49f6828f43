// Downloads from web servers: good ones, odd ones, hostile ones, and together with peers.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { parseInfo } from '../../../core/metainfo/parse-info.ts';
import type { AddTorrentOptions, SessionEvent } from '../../../core/session/session-api.ts';
import type { FilePriority } from '../../../core/session/snapshot.ts';
import { writePayload } from '../../support/payload.ts';
import { waitFor } from '../../support/wait.ts';
import { addressOf, type Made, sameContent, untilEvent, World } from './support.ts';
import { type WebRequest, WebServer } from './web-server.ts';

const FILES = { 'a b#?.bin': 300_000, 'deep/é%.bin': 70_001, 'empty.txt': 0, 'c.bin': 1_500_000 };
const NAMES = Object.keys(FILES);
const TOTAL = 1_870_001;

interface Download {
  readonly events: SessionEvent[];
  readonly completed: Promise<unknown>;
  readonly session: Awaited<ReturnType<World['session']>>;
  readonly directory: string;
}

async function download(
  world: World,
  made: Made,
  options: Partial<AddTorrentOptions>,
  session?: Parameters<World['session']>[1],
): Promise<Download> {
  const leech = await world.session('leech', session);
  const events: SessionEvent[] = [];
  leech.subscribe((event) => events.push(event));
  const completed = untilEvent(leech, 'completed');
  completed.catch(() => {});
  const directory = world.path('out');
  await leech.add({ source: { metainfo: made.metainfo }, directory, ...options });
  return { events, completed, session: leech, directory };
}

/** As hybrid torrents have it (BEP 47): every file begins a piece, and zeros fill the one before. */
function padded(world: World, files: Readonly<Record<string, number>>): Made {
  const directory = world.path('padded');
  const parts: Buffer[] = [];
  const entries = Object.entries(files).flatMap(([name, length]) => {
    writePayload(join(directory, 'it', name), length, name);
    const padding = (PIECE - (length % PIECE)) % PIECE;
    parts.push(readFileSync(join(directory, 'it', name)), Buffer.alloc(padding));
    return [
      { length, path: [name] },
      { attr: 'p', length: padding, path: ['.pad', String(padding)] },
    ];
  });
  const content = Buffer.concat(parts);
  const hashes: Buffer[] = [];
  for (let at = 0; at < content.length; at += PIECE)
    hashes.push(
      createHash('sha1')
        .update(content.subarray(at, at + PIECE))
        .digest(),
    );
  const info = { files: entries, name: 'it', 'piece length': PIECE, pieces: Buffer.concat(hashes) };
  const parsed = parseInfo(encodeBencode(info));
  if (!parsed.ok) throw new Error(parsed.reason.what);
  return { metainfo: parsed.value, directory };
}
const PIECE = 32_768;

const errorsOf = (events: readonly SessionEvent[]): string[] =>
  events.flatMap((event) => (event.kind === 'source-error' ? [event.message] : []));

describe('a web seed', () => {
  it('is all a download needs, and is shown as what it is', async () => {
    await using world = new World();
    const made = await world.make(FILES, { pieceLength: 32_768 });
    await using server = await WebServer.start(made.directory, (request) => request.serve());
    const { completed, session, directory, events } = await download(world, made, { webSeeds: [server.url] });
    await completed;
    expect(sameContent(made, directory, NAMES)).toBe(true);
    const [torrent] = session.snapshot().torrents;
    expect(torrent).toMatchObject({ state: 'seeding', downloadedBytes: TOTAL });
    expect(torrent?.wastedBytes).toEqual({ duplicate: 0, failedHash: 0, unrequested: 0 });
    const connected = events.find((event) => event.kind === 'peer-connected');
    expect(connected).toMatchObject({ address: server.url, transport: 'web' });
    // Done: it is let go, and stays known.
    await waitFor(() => events.some((event) => event.kind === 'peer-disconnected'), {
      what: 'the web seed to be let go',
      timeoutMs: 30_000,
    });
    expect(session.snapshot().torrents[0]?.peers).toEqual([]);
    expect(session.snapshot().torrents[0]?.sources).toMatchObject([
      { kind: 'web-seed', name: server.url, state: 'idle', message: undefined },
    ]);
    expect(session.snapshot().torrents[0]?.account?.bytes).toMatchObject({ downloaded: TOTAL });
    expect(session.snapshot().torrents[0]?.account?.bytes.protocolReceived).toBeGreaterThan(100);
    for (const { fields } of server.requests) expect(fields.get('accept-encoding')).toBe('identity');
  });

  it('is asked only for what is wanted, later for more', async () => {
    await using world = new World();
    const made = await world.make(FILES, { pieceLength: 16_384 });
    await using server = await WebServer.start(made.directory, (request) => request.serve());
    const only = made.metainfo.files.map(({ path }): FilePriority => (path.at(-1) === 'a b#?.bin' ? 4 : 0));
    const { completed, session, directory } = await download(world, made, {
      webSeeds: [server.url],
      filePriorities: () => only,
    });
    await completed;
    const asked = (name: string): number =>
      server.requests.reduce(
        (sum, { path, first, last }) => sum + (path.endsWith(name) ? last + 1 - first : 0),
        0,
      );
    expect(asked('a b#?.bin')).toBe(300_000);
    expect(asked('c.bin')).toBeLessThan(2 * 16_384);
    const again = untilEvent(session, 'completed');
    const { infoHash } = session.snapshot().torrents[0] as { infoHash: string };
    for (const [file, priority] of only.entries())
      if (priority === 0)
        await session.command({ kind: 'set-file-priority', torrent: infoHash, file, priority: 4 });
    await again;
    await waitFor(() => sameContent(made, directory, NAMES), { what: 'the rest', timeoutMs: 30_000 });
  });

  it('is asked for no padding', async () => {
    await using world = new World();
    const files = { a: 20_000, b: 5_000, c: 40_000 };
    const made = padded(world, files);
    await using server = await WebServer.start(made.directory, (request) => request.serve());
    const { completed, directory } = await download(world, made, { webSeeds: [server.url] });
    await completed;
    expect(sameContent(made, directory, Object.keys(files))).toBe(true);
    expect(new Set(server.requests.map(({ path }) => path))).toEqual(new Set(['/it/a', '/it/b', '/it/c']));
  });

  it('of this machine is asked only when the user names it, and never after a redirect from elsewhere', async () => {
    await using world = new World();
    const made = await world.make(FILES);
    await using server = await WebServer.start(made.directory, (request) => request.serve());
    const metainfo = {
      ...made.metainfo,
      webSeeds: [server.url, `http://localhost:${server.port}/`, 'ftp://h/'],
    };
    const { events, session } = await download(world, { ...made, metainfo }, {});
    await waitFor(() => errorsOf(events).length === 2, { what: 'two refusals', timeoutMs: 30_000 });
    for (const message of errorsOf(events)) expect(message).toContain('--web-seed');
    expect(server.connections).toBe(0);
    expect(
      session
        .snapshot()
        .torrents[0]?.sources.map(({ state }) => state)
        .sort(),
    ).toEqual(['disabled', 'error', 'error']);
  });

  it('is off where the user says so', async () => {
    await using world = new World();
    const made = await world.make(FILES);
    const metainfo = { ...made.metainfo, webSeeds: ['http://127.0.0.1:1/'] };
    const { session } = await download(world, { ...made, metainfo }, { useWebSeeds: false });
    expect(session.snapshot().torrents[0]?.sources).toEqual([]);
  });

  it('keeps to the download limit', async () => {
    await using world = new World();
    const made = await world.make({ x: 600_000 });
    await using server = await WebServer.start(made.directory, (request) => request.serve());
    const { completed, session } = await download(
      world,
      made,
      { webSeeds: [server.url] },
      { downLimit: 300_000 },
    );
    await completed;
    expect(session.snapshot().torrents[0]?.account?.time.limit).toBeGreaterThan(0);
  });

  it('can be paused, and goes on where it was', async () => {
    await using world = new World();
    const made = await world.make(FILES, { pieceLength: 32_768 });
    let isHeld = true;
    await using server = await WebServer.start(made.directory, (request) => {
      // Half of the first answer, and then nothing, until it is asked anew.
      if (!isHeld) request.serve();
      else {
        const { first, last, file = Buffer.alloc(0) } = request;
        const fields = {
          'Content-Range': `bytes ${first}-${last}/${file.length}`,
          'Content-Length': String(last + 1 - first),
        };
        request.answer(
          '206 Partial Content',
          fields,
          file.subarray(first, first + Math.floor((last - first) / 2)),
        );
      }
    });
    const { completed, session, directory } = await download(world, made, { webSeeds: [server.url] });
    const { infoHash: torrent } = made.metainfo;
    const name = Buffer.from(torrent).toString('hex');
    await waitFor(() => (session.snapshot().torrents[0]?.downloadedBytes ?? 0) > 0, {
      what: 'bytes',
      timeoutMs: 30_000,
    });
    await session.command({ kind: 'pause', torrent: name });
    expect(session.snapshot().torrents[0]?.peers).toEqual([]);
    isHeld = false;
    await session.command({ kind: 'resume', torrent: name });
    await completed;
    expect(sameContent(made, directory, NAMES)).toBe(true);
  });
});

describe('beside peers', () => {
  it('takes over from a web seed that goes silent, and the other way round', async () => {
    await using world = new World();
    const made = await world.make(FILES, { pieceLength: 16_384 });
    const seed = await world.seed(made);
    await using server = await WebServer.start(made.directory, (request, count) => {
      if (count < 3) request.serve();
    });
    const both = { webSeeds: [server.url], peers: [addressOf(seed)] };
    const { completed, directory } = await download(world, made, both);
    await completed;
    expect(sameContent(made, directory, NAMES)).toBe(true);
  });

  it('is banned for wrong bytes; what it spoilt comes from others', async () => {
    await using world = new World();
    const made = await world.make(FILES, { pieceLength: 65_536 });
    const seed = await world.seed(made, { upLimit: 2_000_000 });
    await using server = await WebServer.start(made.directory, ({ first, last, file, answer }) => {
      const bytes = Buffer.from(file?.subarray(first, last + 1) ?? []);
      for (let at = 5; at < bytes.length; at += 30_000) bytes[at] = (bytes[at] as number) ^ 1;
      answer('206 Partial Content', { 'Content-Range': `bytes ${first}-${last}/${file?.length}` }, bytes);
    });
    const { completed, directory, events, session } = await download(world, made, { webSeeds: [server.url] });
    await waitFor(() => events.some((event) => event.kind === 'peer-banned'), {
      what: 'the ban',
      timeoutMs: 30_000,
    });
    const { host, port } = addressOf(seed);
    const { infoHash: torrent } = session.snapshot().torrents[0] as { infoHash: string };
    await session.command({ kind: 'add-peer', torrent, host, port });
    await completed;
    expect(sameContent(made, directory, NAMES)).toBe(true);
    expect(events.find((event) => event.kind === 'peer-banned')).toMatchObject({ host: server.url });
    expect(session.snapshot().torrents[0]?.sources[0]).toMatchObject({
      state: 'error',
      message: 'given up: it sent wrong data',
    });
  });
});

describe('servers that do as they like', () => {
  const odd: Readonly<Record<string, (request: WebRequest, count: number) => void>> = {
    'one byte at a time': (request) => {
      const { first, last, file = Buffer.alloc(0), socket } = request;
      if (file.length > 100_000) {
        request.serve();
        return;
      }
      request.answer('206 P', {
        'Content-Range': `bytes ${first}-${last}/${file.length}`,
        'Content-Length': String(last + 1 - first),
      });
      socket.setNoDelay(true);
      const end = Math.min(last + 1, first + 300);
      for (let at = first; at < end; at++) socket.write(file.subarray(at, at + 1));
      socket.write(file.subarray(end, last + 1));
    },
    'chunked, in chunks of 1000': ({ first, last, file = Buffer.alloc(0), socket }) => {
      socket.write(
        `HTTP/1.1 206 P\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes ${first}-${last}/*\r\n\r\n`,
      );
      for (let at = first; at <= last; at += 1000) {
        const chunk = file.subarray(at, Math.min(last + 1, at + 1000));
        socket.write(`${chunk.length.toString(16)}\r\n`);
        socket.write(chunk);
        socket.write('\r\n');
      }
      socket.write('0\r\n\r\n');
    },
    'whole files, whatever is asked for': ({ file = Buffer.alloc(0), answer }) => answer('200 OK', {}, file),
    'hangs up after every answer': (request) => {
      request.serve();
      request.socket.end();
    },
    'hangs up in the middle of every other answer': (request, count) => {
      if (count % 2 === 0) return request.serve();
      const { first, last, file = Buffer.alloc(0), socket } = request;
      request.answer('206 P', {
        'Content-Range': `bytes ${first}-${last}/${file.length}`,
        'Content-Length': String(last + 1 - first),
      });
      socket.end(file.subarray(first, first + Math.ceil((last - first) * 0.7)));
    },
    'sends each request elsewhere first': (request) => {
      if (request.path.startsWith('/moved')) request.answer('404 Not Found');
      else if (request.fields.get('host')?.startsWith('localhost') === true) request.serve();
      else
        request.answer('302 Found', {
          Location: `http://localhost:${request.socket.localPort}${encodeURI(request.path).replaceAll('#', '%23').replaceAll('?', '%3F')}`,
        });
    },
  };

  it.each(Object.keys(odd))('%s: the download is right all the same', async (name) => {
    await using world = new World();
    const made = await world.make(FILES, { pieceLength: 32_768 });
    await using server = await WebServer.start(made.directory, odd[name] as (typeof odd)[string]);
    const { completed, directory, session } = await download(world, made, { webSeeds: [server.url] });
    await completed;
    expect(sameContent(made, directory, NAMES)).toBe(true);
    expect(session.snapshot().torrents[0]?.wastedBytes.failedHash).toBe(0);
  });

  const hostile: Readonly<Record<string, [(request: WebRequest) => void, RegExp]>> = {
    gzip: [
      (r) =>
        r.answer(
          '206 P',
          { 'Content-Encoding': 'gzip', 'Content-Range': `bytes ${r.first}-${r.last}/${r.file?.length}` },
          'x',
        ),
      /compresses/,
    ],
    'a redirect to itself': [
      (r) => r.answer('302 Found', { Location: '?' }),
      /more than 5 redirects|HTTP status|redirects/,
    ],
    garbage: [({ socket }) => socket.write('\0\x01\x02garbage\r\n\r\n\r\n'), /not an HTTP/],
    'a head without end': [
      ({ socket }) => socket.write(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(100_000)}`),
      /a head of more/,
    ],
    'other bytes than asked for': [
      (r) =>
        r.answer('206 P', { 'Content-Range': `bytes ${r.first + 1}-${r.last + 1}/${r.file?.length}` }, 'x'),
      /where/,
    ],
    'a wrong length': [
      (r) => r.answer('206 P', { 'Content-Range': `bytes ${r.first}-${r.last}/${r.file?.length}` }, 'x'),
      /a length of 1/,
    ],
    nothing: [({ socket }) => socket.end(), /closes the connection without an answer/],
    'another size': [
      (r) => r.answer('206 P', { 'Content-Range': `bytes ${r.first}-${r.last}/7` }, 'x'),
      /has 7 bytes/,
    ],
    'not found': [(r) => r.answer('404 Not Found'), /HTTP status 404/],
    'come back later': [(r) => r.answer('503 Busy', { 'Retry-After': '100' }), /HTTP status 503/],
  };
  it.each(Object.keys(hostile))('%s: said in one line; a peer brings it', async (name) => {
    await using world = new World();
    const made = await world.make({ x: 400_000 }, { pieceLength: 32_768 });
    const [handle, words] = hostile[name] as [(request: WebRequest) => void, RegExp];
    await using server = await WebServer.start(made.directory, handle);
    const { completed, directory, events, session } = await download(world, made, { webSeeds: [server.url] });
    await waitFor(() => errorsOf(events).length > 0, { what: 'an error', timeoutMs: 30_000 });
    expect(errorsOf(events)[0]).toMatch(words);
    expect(errorsOf(events)[0]).not.toContain('\n');
    expect(server.requests.length).toBeLessThan(10);
    const seed = await world.seed(made);
    const { infoHash: torrent } = session.snapshot().torrents[0] as { infoHash: string };
    await session.command({ kind: 'add-peer', torrent, ...addressOf(seed) });
    await completed;
    expect(sameContent(made, directory, ['x'])).toBe(true);
  });
});
