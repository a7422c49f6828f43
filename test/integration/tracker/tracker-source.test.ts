import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import type { Log } from '../../../core/base/log.ts';
import type { PeerSearch } from '../../../core/base/peer-source.ts';
import { TrackerSource, type TrackerSourceOptions } from '../../../tracker/io/tracker-source.ts';
import { TrackerServer } from '../../../tracker/serve/tracker-server.ts';
import type { ServedAnnounce } from '../../../tracker/serve/tracker-service.ts';
import { waitFor } from '../../support/wait.ts';
import {
  clientOptions,
  Heard,
  ScriptedHttp,
  ScriptedUdp,
  type TorrentChanges,
  torrentWith,
} from './servers.ts';

const GOOD = encodeBencode({ interval: 1800, peers: Uint8Array.of(192, 0, 2, 1, 0x1a, 0xe1) });
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serveTracker(): Promise<{ tracker: TrackerServer; seen: ServedAnnounce[] }> {
  const seen: ServedAnnounce[] = [];
  const tracker = await TrackerServer.listen({
    ...clientOptions,
    host: 'localhost',
    port: 0,
    onAnnounce: (announce) => seen.push(announce),
  });
  closers.push(() => tracker.close());
  return { tracker, seen };
}

async function serveHttp(...args: Parameters<typeof ScriptedHttp.start>): Promise<ScriptedHttp> {
  const server = await ScriptedHttp.start(...args);
  closers.push(() => server.close());
  return server;
}

function openSearch(
  tiers: readonly (readonly string[])[],
  changes: TorrentChanges & { options?: Partial<TrackerSourceOptions> } = {},
): { search: PeerSearch; heard: Heard; source: TrackerSource } {
  const source = new TrackerSource({ ...clientOptions, ...changes.options });
  closers.push(() => source.close());
  const heard = new Heard();
  const search = source.open(torrentWith(tiers, changes), heard);
  if (search === undefined) throw new Error('no search');
  return { search, heard, source };
}

function until(what: string, ask: () => boolean): Promise<unknown> {
  return waitFor(ask, { what, timeoutMs: 10_000 });
}

describe('a torrent among trackers', () => {
  it('that are all dead is six lines of warning', async () => {
    const tiers = Array.from({ length: 30 }, (_, i) => [`http://127.0.0.1:1/announce${i}`]);
    const warnings: string[] = [];
    const log: Log = (level, message) => void (level === 'warn' && warnings.push(message));
    const { search } = openSearch(tiers, { options: { log } });
    await until('all of them to fail', () => search.status().every(({ state }) => state === 'error'));
    await search.stop(0);
    expect(warnings).toHaveLength(6);
    expect(warnings[5]).toMatch(/^25 more of 30 trackers have trouble/);
  });

  it.each([0, 1])(
    'finds peers over both families, and is told, and tells, all there is (url %i)',
    async (which) => {
      const { tracker, seen } = await serveTracker();
      const url = tracker.urls('localhost')[which] as string;
      const first = openSearch([[url]], { peer: 1, port: 1111 });
      await until(
        'the first to be listed',
        () => first.search.status()[0]?.state === 'ok' && seen.length === 2,
      );
      const second = openSearch([[url]], { peer: 2, port: 2222, left: undefined });
      await until('its peers', () => new Set(second.heard.peers.map((peer) => peer.host)).size === 2);
      expect(second.heard.peers).toContainEqual({ host: '127.0.0.1', port: 1111 });
      expect(second.heard.peers).toContainEqual({ host: '::1', port: 1111 });
      if (which === 0) expect(second.heard.external.sort()).toEqual(['127.0.0.1', '::1']);
      await until('the reply to count', () => second.search.status()[0]?.state === 'ok');
      expect(second.search.status()).toMatchObject([
        { kind: 'tracker', name: url, tier: 0, leechers: 2, seeds: 0 },
      ]);

      first.search.completed();
      await until(
        'the completion',
        () => seen.filter((announce) => announce.event === 'completed').length === 2,
      );
      await first.search.stop(5_000);
      await second.search.stop(5_000);
      const events = seen.map((announce) => `${announce.port} ${announce.event} ${announce.host}`);
      for (const host of ['127.0.0.1', '::1']) {
        const own = events
          .filter((event) => event.endsWith(` ${host}`))
          .map((event) => event.split(' ').slice(0, 2).join(' '));
        expect(own).toEqual([
          '1111 started',
          '2222 started',
          '1111 completed',
          '1111 stopped',
          '2222 stopped',
        ]);
      }
      // An unknown size is not nothing: that would make a seed of us.
      expect(seen.find((announce) => announce.port === 2222)?.left).toBeGreaterThan(0);
      expect(tracker.stats().entries).toBe(0);
    },
  );

  it('does not wait for a dead tracker before asking the next tier', async () => {
    const dead = await ScriptedUdp.start(() => {});
    closers.push(() => dead.close());
    const alive = await serveHttp((_, response) => response.end(GOOD));
    const { search, heard } = openSearch([[dead.url], [alive.url]]);
    await until('peers of the second tier', () => heard.peers.length === 1);
    expect(search.status().map((line) => line.state)).toEqual(['working', 'ok']);
    await search.stop(50);
  });

  it('goes on at once after a refused connection', async () => {
    const gone = await ScriptedHttp.start(() => {});
    const { url } = gone;
    await gone.close();
    const alive = await serveHttp((_, response) => response.end(GOOD));
    const { search, heard } = openSearch([[url, 'wss://nothing.example/'], [alive.url]]);
    await until('peers of the second tier', () => heard.peers.length === 1);
    const lines = search.status().map((line) => `${line.state}: ${line.message}`);
    expect(lines.sort()).toEqual([
      'disabled: wss:// trackers are not supported',
      'error: connection refused',
      'ok: undefined',
    ]);
  });

  it('stops within its time whatever the tracker does', async () => {
    const silent = await serveHttp(() => {});
    const { search } = openSearch([[silent.url]]);
    await until('the first announce', () => silent.requests.length === 1);
    await search.stop(50);
    // `started` may have arrived: the farewell was sent all the same.
    expect(silent.query(1).get('event')).toBe('stopped');
    await until('the connections to be cut', () => silent.sockets.size === 0);
    expect(await search.stop(50)).toBeUndefined();
    search.refresh();
    search.completed();
    expect(silent.requests.length).toBe(2);
  });

  it('asks again on refresh as soon as the tracker allows, and gives its id back', async () => {
    const body = encodeBencode({ interval: 1800, peers: '', 'tracker id': 'abc' });
    const server = await serveHttp((_, response) => response.end(body));
    const { search } = openSearch([[server.url]], { options: { minIntervalMs: 0 } });
    await until('the first reply', () => search.status()[0]?.state === 'ok');
    search.refresh();
    await until('the second', () => server.requests.length === 2);
    expect(server.query(1).get('trackerid')).toBe('abc');
    expect(server.query(1).has('event')).toBe(false);
    expect(
      ['uploaded', 'downloaded', 'left', 'port', 'compact'].map((name) => server.query(1).get(name)),
    ).toEqual(['6', '5', '7', '1111', '1']);
  });

  it('resolves the few peers a tracker names by host', async () => {
    const peers = [{ ip: 'peer.localhost', port: 5 }];
    const server = await serveHttp((_, response) => response.end(encodeBencode({ peers })));
    const { heard } = openSearch([[server.url]]);
    await until('the addresses', () => heard.peers.length === 2);
    expect(heard.peers).toEqual([
      { host: '127.0.0.1', port: 5 },
      { host: '::1', port: 5 },
    ]);
  });

  it('adds trackers of the user after its own, but not to a private torrent', async () => {
    const server = await serveHttp((_, response) => response.end(GOOD));
    const options = { extraTiers: [[server.url]] };
    const { heard } = openSearch([], { options });
    await until('peers', () => heard.peers.length === 1);
    const source = new TrackerSource({ ...clientOptions, ...options });
    expect(source.open(torrentWith([], { isPrivate: true }), new Heard())).toBeUndefined();
    expect(new TrackerSource(clientOptions).open(torrentWith([[]]), new Heard())).toBeUndefined();
  });
});

describe('through a proxy', () => {
  it('names go to the proxy unresolved, and UDP goes nowhere', async () => {
    const server = await serveHttp((_, response) => response.end(GOOD));
    const asked: string[] = [];
    const connect = async (destination: { host: string; port: number }): Promise<net.Socket> => {
      asked.push(`${destination.host}:${destination.port}`);
      const socket = net.connect(server.port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    };
    const tiers = [['udp://tracker.example:80/announce'], ['http://tracker.example:8080/announce']];
    const { search, heard } = openSearch(tiers, { options: { connect } });
    await until('peers', () => heard.peers.length === 1);
    expect(asked).toEqual(['tracker.example:8080']);
    expect(server.requests[0]?.headers.host).toBe('tracker.example:8080');
    expect(search.status()[0]).toMatchObject({ state: 'disabled', message: 'the proxy does not carry UDP' });
  });
});
