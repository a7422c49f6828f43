// All peer traffic through a SOCKS5 proxy, or none at all.
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import { parseProxy } from '../../../core/transport/proxy-url.ts';
import { waitFor, within } from '../../support/wait.ts';
import { PATIENCE_MS } from './hostile-world.ts';
import { addressOf, sameContent, untilEvent, World } from './support.ts';
import { WebServer } from './web-server.ts';

interface Proxy extends AsyncDisposable {
  readonly url: string;
  readonly destinations: string[];
  /** user:password pairs that came. */
  readonly logins: string[];
}

/** RFC 1928 and 1929, as much as a client that connects needs. */
async function startProxy(
  answer: 'works' | 'refuses' | 'wants-login' | 'is-silent' | 'babbles',
): Promise<Proxy> {
  const destinations: string[] = [];
  const logins: string[] = [];
  const sockets = new Set<net.Socket>();
  const take = async (socket: net.Socket, length: number): Promise<Buffer> => {
    for (;;) {
      const bytes = socket.read(length) as Buffer | null;
      if (bytes !== null) return bytes;
      if (socket.destroyed || socket.readableEnded) throw new Error('closed');
      await new Promise((resolve) => {
        socket.once('readable', resolve);
        socket.once('close', resolve);
      });
    }
  };
  const serve = async (socket: net.Socket): Promise<void> => {
    if (answer === 'is-silent') return;
    if (answer === 'babbles') {
      socket.write('HTTP/1.1 400 Bad Request\r\n\r\n');
      return;
    }
    const [, methodCount] = await take(socket, 2);
    const methods = await take(socket, methodCount as number);
    if (answer === 'wants-login') {
      if (!methods.includes(2)) {
        socket.end(Buffer.of(5, 0xff));
        return;
      }
      socket.write(Buffer.of(5, 2));
      const user = (await take(socket, (await take(socket, 2))[1] as number)).toString();
      const password = (await take(socket, (await take(socket, 1))[0] as number)).toString();
      logins.push(`${user}:${password}`);
      socket.write(Buffer.of(1, 0));
    } else socket.write(Buffer.of(5, 0));
    const kind = (await take(socket, 4))[3];
    let host: string;
    if (kind === 1) host = (await take(socket, 4)).join('.');
    else if (kind === 4) host = (await take(socket, 16)).toString('hex').replace(/(.{4})(?=.)/g, '$1:');
    else host = (await take(socket, (await take(socket, 1))[0] as number)).toString();
    const port = (await take(socket, 2)).readUInt16BE();
    destinations.push(`${host} ${port}`);
    if (answer === 'refuses') {
      socket.end(Buffer.of(5, 5, 0, 1, 0, 0, 0, 0, 0, 0));
      return;
    }
    // A name that only the proxy knows.
    const onward = net.connect(port, host.endsWith('.invalid') ? '127.0.0.1' : host);
    sockets.add(onward);
    onward.on('error', () => socket.destroy());
    onward.on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    await new Promise((resolve) => onward.once('connect', resolve));
    socket.write(Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
    socket.pipe(onward).pipe(socket);
  };
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket).catch(() => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `socks5://127.0.0.1:${port}`,
    destinations,
    logins,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('a session behind a proxy', () => {
  it.each(['works', 'wants-login'] as const)(
    'downloads through it alone and listens nowhere (it %s)',
    async (kind) => {
      await using world = new World();
      await using proxy = await startProxy(kind);
      const made = await world.make({ 'a.bin': 2_000_000 });
      const seed = await world.seed(made);
      const url = kind === 'works' ? proxy.url : proxy.url.replace('//', '//me%40home:p%3Ass@');
      const leech = await world.session('leech', { proxy: url, lsd: true });
      const directory = world.path('out');
      const completed = untilEvent(leech, 'completed');
      await leech.add({ source: { metainfo: made.metainfo }, directory, peers: [addressOf(seed)] });
      await within(completed, PATIENCE_MS, 'the download');
      expect(sameContent(made, directory, ['a.bin'])).toBe(true);
      expect(proxy.destinations).toEqual([`127.0.0.1 ${addressOf(seed).port}`]);
      if (kind === 'wants-login') expect(proxy.logins).toEqual(['me@home:p:ss']);
      const snapshot = leech.snapshot();
      expect(snapshot.listen).toEqual([]);
      expect(snapshot.torrents[0]?.sources).toEqual([]);
    },
  );

  it('hands IPv6 addresses to it, and looks up no names', async () => {
    await using world = new World();
    await using proxy = await startProxy('refuses');
    const made = await world.make({ 'a.bin': 1000 });
    const leech = await world.session('leech', { proxy: proxy.url, encryption: 'off' });
    const told = untilEvent(leech, 'source-error');
    await leech.add({
      source: { metainfo: made.metainfo },
      directory: world.path('out'),
      peers: [
        { host: '2001:db8::7', port: 7 },
        { host: 'peer.invalid', port: 8 },
        { host: '10.0.0.9', port: 9 },
      ],
    });
    expect(await told).toMatchObject({
      source: 'peer.invalid',
      message: expect.stringMatching(/not looked up/),
    });
    await waitFor(() => proxy.destinations.length === 2, { what: 'both', timeoutMs: PATIENCE_MS });
    expect(proxy.destinations.sort()).toEqual(['10.0.0.9 9', '2001:0db8:0000:0000:0000:0000:0000:0007 7']);
  });

  it.each([
    ['nobody there', undefined, /cannot be reached: ECONNREFUSED/],
    ['another service', 'babbles', /proxy 127.0.0.1:/],
    ['one that wants a login', 'wants-login', /proxy 127.0.0.1:/],
  ] as const)('says once what is wrong with the proxy: %s', async (_, kind, message) => {
    await using world = new World();
    const closed = await startProxy('works');
    await closed[Symbol.asyncDispose]();
    await using proxy = kind === undefined ? closed : await startProxy(kind);
    const made = await world.make({ 'a.bin': 1000 });
    const leech = await world.session('leech', { proxy: proxy.url });
    const errors: string[] = [];
    leech.subscribe(
      (event) => event.kind === 'source-error' && errors.push(`${event.source}: ${event.message}`),
    );
    await leech.add({
      source: { metainfo: made.metainfo },
      directory: world.path('out'),
      peers: Array.from({ length: 5 }, (_, i) => ({ host: '10.0.0.1', port: i + 1 })),
    });
    await waitFor(() => errors.length > 0, { what: 'the message', timeoutMs: PATIENCE_MS });
    expect(errors[0]).toMatch(message);
    expect(errors[0]).toMatch(/^proxy: /);
    expect(new Set(errors).size).toBe(errors.length);
    // Peers are not to blame: nobody was parked.
    expect(leech.snapshot().torrents[0]?.candidateCount).toBeGreaterThan(0);
  });

  it.each(['works', 'wants-login'] as const)(
    'fetches from web seeds through it alone, and leaves their names to it (it %s)',
    async (kind) => {
      await using world = new World();
      await using proxy = await startProxy(kind);
      const made = await world.make({ 'a.bin': 2_000_000, 'b.bin': 70_001 });
      await using server = await WebServer.start(made.directory, (request) => request.serve());
      const url = kind === 'works' ? proxy.url : proxy.url.replace('//', '//me%40home:p%3Ass@');
      const leech = await world.session('leech', { proxy: url });
      const directory = world.path('out');
      const completed = untilEvent(leech, 'completed');
      const connected = untilEvent(leech, 'peer-connected');
      const webSeeds = [`http://seed.invalid:${server.port}/`];
      await leech.add({ source: { metainfo: made.metainfo }, directory, webSeeds });
      await within(completed, PATIENCE_MS, 'the download');
      expect(await connected).toMatchObject({ address: webSeeds[0], transport: 'web' });
      expect(sameContent(made, directory, ['a.bin', 'b.bin'])).toBe(true);
      expect(new Set(proxy.destinations)).toEqual(new Set([`seed.invalid ${server.port}`]));
      // Nothing came around it.
      expect(server.connections).toBe(proxy.destinations.length);
      for (const { fields } of server.requests)
        expect(fields.get('host')).toBe(`seed.invalid:${server.port}`);
      if (kind === 'wants-login') expect(new Set(proxy.logins)).toEqual(new Set(['me@home:p:ss']));
    },
  );

  it('is no way around: a web seed that it does not reach is not reached', async () => {
    await using world = new World();
    await using proxy = await startProxy('refuses');
    const made = await world.make({ 'a.bin': 2_000_000 });
    await using server = await WebServer.start(made.directory, (request) => request.serve());
    const leech = await world.session('leech', { proxy: proxy.url });
    const told = untilEvent(leech, 'source-error', ({ source }) => source === server.url);
    const source = { metainfo: made.metainfo };
    await leech.add({ source, directory: world.path('out'), webSeeds: [server.url] });
    expect((await within(told, PATIENCE_MS, 'the error')).message).toMatch(
      /^proxy 127.0.0.1.*ConnectionRefused/,
    );
    expect(proxy.destinations).toContain(`127.0.0.1 ${server.port}`);
    expect(server.connections).toBe(0);
  });

  it('closes at once while the proxy keeps silent', async () => {
    await using world = new World();
    await using proxy = await startProxy('is-silent');
    const made = await world.make({ 'a.bin': 1000 });
    const leech = await world.session('leech', { proxy: proxy.url });
    const peers = [{ host: '10.0.0.1', port: 1 }];
    await leech.add({ source: { metainfo: made.metainfo }, directory: world.path('out'), peers });
    await within(leech.close(), PATIENCE_MS, 'the close');
  });
});

it('names what is wrong with a proxy URL', async () => {
  for (const url of [
    'nonsense',
    'http://h:1',
    'socks5://',
    'socks5://h:0',
    'socks5://h:99999',
    'socks5://%zz@h',
  ]) {
    expect(() => parseProxy(url), url).toThrow(/proxy/);
  }
  expect(parseProxy('socks5://[::1]')).toMatchObject({ host: '::1', port: 1080 });
  await using world = new World();
  await expect(world.session('s', { proxy: 'ftp://x' })).rejects.toThrow(/not supported/);
});
