// Sessions that reach each other by uTP on real loopback sockets, alone and raced with TCP.
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { OpenDatagramPort } from '../../../core/base/datagram-port.ts';
import type { Session } from '../../../core/session/session.ts';
import { systemClock, systemRng } from '../../../core/session/system.ts';
import type { ByteStream } from '../../../core/transport/byte-stream.ts';
import { DatagramUtp } from '../../../core/transport/utp-stack.ts';
import { SharedPort } from '../../../dht/io/shared-port.ts';
import { waitFor } from '../../support/wait.ts';
import { addressOf, type Made, sameContent, untilEvent, World } from './support.ts';

const FILES = { 'a.bin': 300_000, 'deep/b.bin': 70_000, 'empty.txt': 0, 'c.bin': 3_500_000 };
const NAMES = Object.keys(FILES);

function udp(host: string): OpenDatagramPort {
  const isV6 = host.includes(':');
  const port = new SharedPort({ families: [isV6 ? 6 : 4], bindV4: host, bindV6: host });
  return (number) => port.open(number);
}

const over = (host: string) => ({ bindAddresses: [host], openDatagramPort: udp(host) });

/** Who is connected when the first piece is there; two seeds part. */
function transportOf(session: Session): Promise<string | undefined> {
  return untilEvent(session, 'piece').then(() => session.snapshot().torrents[0]?.peers[0]?.transport);
}

/** Downloads all of it from the seed. @returns by what the first piece came */
async function fetched(leech: Session, seed: Session, made: Made, directory: string): Promise<unknown> {
  const transport = transportOf(leech);
  const completed = untilEvent(leech, 'completed');
  await leech.add({ source: { metainfo: made.metainfo }, directory, peers: [addressOf(seed)] });
  await completed;
  return transport;
}

describe('a session with uTP', () => {
  it.each([
    ['127.0.0.1', 'prefer'],
    ['127.0.0.1', 'require'],
    ['127.0.0.1', 'off'],
    ['::1', 'prefer'],
  ] as const)('downloads over it alone: %s, encryption %s', async (host, encryption) => {
    await using world = new World();
    const made = await world.make(FILES);
    const seed = await world.seed(made, { ...over(host), tcp: false, encryption });
    expect(seed.snapshot().listen).toMatchObject([{ transport: 'utp', host }]);
    const leech = await world.session('leech', { ...over(host), tcp: false, encryption });
    const directory = world.path('out');
    expect(await fetched(leech, seed, made, directory)).toBe('utp');
    expect(sameContent(made, directory, NAMES)).toBe(true);
    expect(seed.snapshot().listen[0]?.incomingCount).toBe(1);
  });

  it('takes TCP where both work', async () => {
    await using world = new World();
    const made = await world.make(FILES);
    const seed = await world.seed(made, over('127.0.0.1'));
    const leech = await world.session('leech', over('127.0.0.1'));
    expect(await fetched(leech, seed, made, world.path('out'))).toBe('tcp');
    expect(seed.snapshot().listen.map(({ transport }) => transport)).toEqual(['tcp', 'utp']);
    expect(new Set(seed.snapshot().listen.map(({ port }) => port)).size).toBe(1);
  });

  it('takes uTP where TCP does not answer', async () => {
    await using world = new World();
    const made = await world.make(FILES);
    const seed = await world.seed(made, { ...over('127.0.0.1'), tcp: false });
    const leech = await world.session('leech', over('127.0.0.1'));
    expect(await fetched(leech, seed, made, world.path('out'))).toBe('utp');
  });

  it('serves private torrents too', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 200_000 }, { isPrivate: true });
    const seed = await world.seed(made, { ...over('127.0.0.1'), tcp: false });
    const leech = await world.session('leech', { ...over('127.0.0.1'), tcp: false });
    expect(await fetched(leech, seed, made, world.path('out'))).toBe('utp');
  });

  it('opens no UDP port behind a proxy', async () => {
    await using world = new World();
    let isOpened = false;
    const session = await world.session('proxied', {
      proxy: 'socks5://127.0.0.1:9',
      openDatagramPort: (number) => {
        isOpened = true;
        return udp('127.0.0.1')(number);
      },
    });
    expect(isOpened).toBe(false);
    expect(session.snapshot().listen).toEqual([]);
  });

  it('takes any UDP port when the number is taken', async () => {
    await using world = new World();
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as { port: number };
    const taken = await udp('127.0.0.1')(port);
    await new Promise((done) => server.close(done));
    const session = await world.session('one', { ...over('127.0.0.1'), portRange: [port, port] });
    const [tcp, utp] = session.snapshot().listen;
    expect(tcp?.port).toBe(port);
    expect(utp?.port).toBeGreaterThan(0);
    expect(utp?.port).not.toBe(port);
    await taken.close();
  });
});

describe('the uTP stack', () => {
  async function stack(): Promise<DatagramUtp> {
    return new DatagramUtp({ port: await udp('127.0.0.1')(0), clock: systemClock, rng: systemRng });
  }

  it('hands bytes both ways, waits for its reader, and ends in an orderly way', async () => {
    const [a, b] = [await stack(), await stack()];
    const incoming = new Promise<ByteStream>((resolve) => b.listen(resolve));
    const dialled = await a.connect({ host: '127.0.0.1', port: b.port(4) }, { timeoutMs: 5_000 });
    const sent = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 7) >>> 3);
    let isSent = false;
    dialled.events = { onBytes: () => {}, onDrain: () => {}, onClose: () => {} };
    dialled.write(sent, () => {
      isSent = true;
    });
    const stream = await incoming;
    const chunks: Uint8Array[] = [];
    let error: Error | undefined | 'open' = 'open';
    stream.pause();
    stream.events = {
      onBytes: (bytes) => chunks.push(bytes.slice()),
      onDrain: () => {},
      onClose: (reason) => {
        error = reason;
      },
    };
    // The window of a reader that pauses fills; the rest stays with the sender.
    await waitFor(() => dialled.queuedBytes < sent.length - 500_000, {
      what: 'the window to fill',
      timeoutMs: 20_000,
    });
    expect(chunks).toEqual([]);
    expect(isSent).toBe(false);
    stream.resume();
    await waitFor(() => isSent && Buffer.concat(chunks).length === sent.length, {
      what: 'all bytes',
      timeoutMs: 20_000,
    });
    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
    dialled.destroy();
    await waitFor(() => error !== 'open', { what: 'the end', timeoutMs: 20_000 });
    expect(error).toBeUndefined();
    await Promise.all([a.close(), b.close()]);
  });

  it('gives up when the time is over, and when it is told to', async () => {
    const [a, b] = [await stack(), await stack()];
    const to = { host: '127.0.0.1', port: b.port(4) };
    await expect(a.connect(to, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    await expect(a.connect(to, { timeoutMs: 5_000, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORT_ERR',
    });
    await Promise.all([a.close(), b.close()]);
    await expect(a.connect(to, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'ABORT_ERR' });
  });
});
