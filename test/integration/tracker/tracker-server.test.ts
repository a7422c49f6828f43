import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { readU32, textOf, writeU32 } from '../../../core/base/bytes.ts';
import { infoHashOf } from '../../../core/base/ids.ts';
import { encodeAnnounceQuery } from '../../../tracker/http-codec.ts';
import { announceOnce, scrapeOnce } from '../../../tracker/io/once.ts';
import { TrackerServer, type TrackerServerOptions } from '../../../tracker/serve/tracker-server.ts';
import {
  ACTION_ERROR,
  decodeUdpReply,
  encodeAnnounceRequest,
  encodeConnectRequest,
  encodeScrapeRequest,
} from '../../../tracker/udp-codec.ts';
import { waitFor } from '../../support/wait.ts';
import { announceRequest, infoHash, peerId } from '../../unit/tracker/material.ts';
import { clientOptions, HASH, probe } from './servers.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listen(changes: Partial<TrackerServerOptions> = {}): Promise<TrackerServer> {
  const server = await TrackerServer.listen({ ...clientOptions, host: 'localhost', port: 0, ...changes });
  closers.push(() => server.close());
  return server;
}

/** A bare socket, for what no decent client sends. */
class BareUdp {
  readonly socket = dgram.createSocket('udp4');
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
    closers.push(() => this.socket.close());
  }

  async ask(packet: Uint8Array): Promise<Buffer> {
    const reply = once(this.socket, 'message');
    this.socket.send(packet, this.#port, '127.0.0.1');
    const [bytes] = (await reply) as [Buffer];
    return bytes;
  }

  async connect(): Promise<Uint8Array> {
    const decoded = decodeUdpReply(await this.ask(encodeConnectRequest(1)), 4);
    if (!decoded.ok || decoded.value.action !== 'connect') throw new Error('no connection id');
    return decoded.value.connectionId;
  }
}

describe('the server', () => {
  it('has one port for HTTP and UDP, IPv4 and IPv6, and gives it back', async () => {
    const server = await listen();
    const ports = new Set(server.listening.map((item) => item.port));
    expect(ports.size).toBe(1);
    expect(server.listening.map((item) => `${item.protocol} ${item.host}`).sort()).toEqual([
      'http 127.0.0.1',
      'http ::1',
      'udp 127.0.0.1',
      'udp ::1',
    ]);
    const { port } = server;
    await expect(listen({ port })).rejects.toThrow(`tracker cannot listen: port ${port} is taken`);
    await server.close();
    const again = await listen({ port, host: '127.0.0.1', udp: false });
    expect(again.urls('192.0.2.1')).toEqual([`http://192.0.2.1:${port}/announce`]);
    await expect(listen({ host: 'example.org' })).rejects.toThrow('example.org is not an IP address');
  });

  it('closes with connections open', async () => {
    const server = await listen();
    const socket = net.connect(server.httpPort, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('GET /announce HTTP/1.1\r\n');
    // Cut off with a reset or an end, as the system likes.
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await server.close();
    await closed;
  });

  it('has half of its connections at the most held by one address that says nothing, and gets them back', async () => {
    const places = 8;
    const server = await listen({ host: '127.0.0.1', httpConnections: places });
    const silent = Array.from({ length: 2 * places }, () => net.connect(server.httpPort, '127.0.0.1'));
    const closed = silent.map((socket) => {
      socket.on('error', () => {});
      return new Promise((resolve) => socket.once('close', resolve));
    });
    try {
      let left = silent.length;
      await new Promise<void>((enough) => {
        for (const one of closed) void one.then(() => --left === places / 2 && enough());
      });
      for (const socket of silent) socket.destroy();
      await Promise.all(closed);
      // The server hears of it a little later.
      const isServed = (): Promise<boolean> =>
        fetch(`http://127.0.0.1:${server.httpPort}/`).then(
          () => true,
          () => false,
        );
      await waitFor(isServed, { what: 'room for others', timeoutMs: 30_000 });
    } finally {
      for (const socket of silent) socket.destroy();
    }
  });

  it('serves HTTP and UDP from one memory, counts, and shows both', async () => {
    const server = await listen({ host: '127.0.0.1' });
    const [http, udp] = server.urls('127.0.0.1') as [string, string];
    const announce = (query: Parameters<typeof announceRequest>[0]): Promise<Response> =>
      fetch(`${http}?${encodeAnnounceQuery(announceRequest({ infoHash: HASH, ...query }))}`);
    await announce({ port: 1000, left: 0, peerId: peerId(1) });
    await announce({ port: 1001, peerId: peerId(3) });
    await announce({ port: 1001, peerId: peerId(3), left: 0, event: 'completed' });
    const viaUdp = await announceOnce({ ...probe, url: udp });
    expect([...(viaUdp.families[0]?.peers ?? [])].sort()).toEqual(['127.0.0.1:1000', '127.0.0.1:1001']);
    for (const url of [http, udp]) {
      const scraped = await scrapeOnce({ ...clientOptions, url, infoHashes: [infoHash(3), HASH] });
      expect(scraped.families[0]?.torrents.map((t) => [t.seeds, t.leechers, t.downloads])).toEqual([
        [0, 0, 0],
        [2, 0, 1],
      ]);
    }
    const stats = await fetch(`http://127.0.0.1:${server.httpPort}/stats`);
    expect(stats.headers.get('content-type')).toBe('application/json');
    expect(await stats.json()).toEqual({ ...server.stats() });
    expect(server.stats()).toMatchObject({
      schema: 'tt/1',
      torrents: 1,
      entries: 2,
      seedEntries: 2,
      http: { announces: 3, scrapes: 1, refused: 0, malformed: 0 },
      udp: { announces: 1, scrapes: 1, connects: 2, refused: 0, malformed: 0 },
    });
  });

  it('answers in dictionaries when asked to', async () => {
    const server = await listen({ host: '127.0.0.1' });
    const ask = async (port: number, id: number): Promise<string> => {
      const query = encodeAnnounceQuery(announceRequest({ port, peerId: peerId(id) }));
      const response = await fetch(
        `${server.urls('127.0.0.1')[0]}?${query.replace('compact=1', 'compact=0')}`,
      );
      return response.text();
    };
    await ask(1000, 65);
    expect(await ask(1001, 66)).toContain('5:peersld2:ip9:127.0.0.14:porti1000eee');
  });

  it('serves only listed torrents when there is a list', async () => {
    const server = await listen({ allowList: [HASH], host: '127.0.0.1' });
    for (const url of server.urls('127.0.0.1')) {
      const listed = await announceOnce({ ...probe, url });
      const other = await announceOnce({ ...probe, url, infoHash: infoHashOf(new Uint8Array(20)) });
      expect([listed.ok, other.families[0]?.error]).toEqual([
        true,
        'this tracker does not serve that torrent',
      ]);
    }
    expect(server.stats()).toMatchObject({ torrents: 0, http: { refused: 1 }, udp: { refused: 1 } });
  });

  it('believes an ip parameter from this machine', async () => {
    const server = await listen({ host: '127.0.0.1' });
    const url = server.urls('127.0.0.1')[0] as string;
    await fetch(`${url}?${encodeAnnounceQuery(announceRequest({ infoHash: HASH }))}&ip=192.0.2.77`);
    expect((await announceOnce({ ...probe, url })).families[0]?.peers).toEqual(['192.0.2.77:6881']);
  });

  it('explains itself over HTTP', async () => {
    const server = await listen({ host: '127.0.0.1' });
    const base = `http://127.0.0.1:${server.httpPort}`;
    expect((await fetch(`${base}/`)).status).toBe(404);
    const posted = await fetch(`${base}/announce`, { method: 'POST', body: 'x' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect(await (await fetch(`${base}/announce`)).text()).toBe('d14:failure reason17:missing info_hashe');
    expect(await (await fetch(`${base}/scrape`)).text()).toContain('a scrape needs at least one info_hash');
    expect(server.stats().http.malformed).toBe(2);
  });

  it('drops what is not HTTP', async () => {
    const server = await listen({ host: '127.0.0.1' });
    const socket = net.connect(server.httpPort, '127.0.0.1');
    const closed = once(socket, 'close');
    socket.on('error', () => {});
    socket.end('\u0016\u0003\u0001garbage\r\n\r\n');
    await closed;
    expect(server.stats().http.malformed).toBe(1);
  });
});

describe('the UDP server to strangers', () => {
  it('sends nothing longer than what it got, and lists nobody', async () => {
    const server = await listen({ host: '127.0.0.1' });
    const udp = new BareUdp(server.port);
    const forged = new Uint8Array(8).fill(7);
    const packets = [
      encodeConnectRequest(5),
      encodeAnnounceRequest(forged, 5, announceRequest(), ''),
      encodeScrapeRequest(forged, 5, [HASH]),
    ];
    for (const packet of packets) {
      const reply = await udp.ask(packet);
      expect(reply.length).toBeLessThanOrEqual(packet.length);
      expect(readU32(reply, 4)).toBe(5);
    }
    expect(server.stats()).toMatchObject({ entries: 0, udp: { refused: 2, announces: 0, scrapes: 0 } });
  });

  it('answers nonsense with silence', async () => {
    const server = await listen({ host: '127.0.0.1' });
    const udp = new BareUdp(server.port);
    const wrongAction = encodeConnectRequest(5);
    writeU32(wrongAction, 8, 9);
    const wrongMagic = encodeConnectRequest(5);
    writeU32(wrongMagic, 0, 1);
    for (const packet of [new Uint8Array(0), new Uint8Array(15), wrongAction, wrongMagic]) {
      udp.socket.send(packet, server.port, '127.0.0.1');
    }
    // The next reply is that of the next good packet: nothing came before it.
    expect(readU32(await udp.ask(encodeConnectRequest(77)), 4)).toBe(77);
    expect(server.stats().udp.malformed).toBe(4);
  });

  it('takes a connection id from its own address for minutes, and refuses in words', async () => {
    let nowMs = 0;
    const server = await listen({ host: '127.0.0.1', clock: { nowMs: () => nowMs } });
    const udp = new BareUdp(server.port);
    const id = await udp.connect();
    const announce = encodeAnnounceRequest(id, 6, announceRequest(), '');
    nowMs = 119_000;
    expect(readU32(await udp.ask(announce), 0)).toBe(1);
    nowMs = 181_000;
    const late = await udp.ask(announce);
    expect(readU32(late, 0)).toBe(ACTION_ERROR);
    expect(textOf(late.subarray(8))).toBe('unknown connection id');
  });
});
