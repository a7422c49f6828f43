import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import { formatIp, parseIp } from '../../../core/base/endpoint.ts';
import {
  type Announcement,
  type AnnounceResult,
  type ListedPeer,
  type SwarmLimits,
  SwarmStore,
} from '../../../tracker/swarm-store.ts';
import fc from '../../support/property.ts';

const LIFETIME_MS = 1_000;
const bytes = (fill: number): Uint8Array => new Uint8Array(20).fill(fill);
const ipOf = (text: string): Uint8Array => parseIp(text) as Uint8Array;

function newStore(limits: Partial<SwarmLimits> = {}): SwarmStore {
  const all = { maxTorrents: 100, maxPeersPerTorrent: 100, maxEntriesPerAddress: 100, ...limits };
  return new SwarmStore({ rng: seededRng(3), lifetimeMs: LIFETIME_MS, limits: all });
}

function from(ip: string, port: number, changes: Partial<Announcement> = {}): Announcement {
  return {
    infoHash: bytes(1),
    peerId: bytes(port % 256),
    key: 0,
    ip: ipOf(ip),
    port,
    left: 10,
    event: undefined,
    numwant: 50,
    families: [4, 6],
    ...changes,
  };
}

function peersOf(result: AnnounceResult): string[] {
  if (!result.ok) throw new Error(result.message);
  return result.peers.map((peer: ListedPeer) => `${formatIp(peer.ip)} ${peer.port}`).sort();
}

describe('a swarm', () => {
  it('gives everybody but oneself, by family', () => {
    const store = newStore();
    store.announce(0, from('192.0.2.1', 1));
    store.announce(0, from('2001:db8::2', 2));
    store.announce(0, from('192.0.2.3', 3));
    expect(peersOf(store.announce(0, from('192.0.2.3', 3)))).toEqual(['192.0.2.1 1', '2001:db8::2 2']);
    expect(peersOf(store.announce(0, from('192.0.2.3', 3, { families: [6] })))).toEqual(['2001:db8::2 2']);
    expect(peersOf(store.announce(0, from('192.0.2.3', 3, { numwant: 1 }))).length).toBe(1);
    expect(peersOf(store.announce(0, from('192.0.2.3', 3, { infoHash: bytes(2) })))).toEqual([]);
  });

  it('does not give oneself under another address, nor seeds to seeds', () => {
    const store = newStore();
    store.announce(0, from('192.0.2.1', 1, { left: 0 }));
    store.announce(0, from('2001:db8::1', 1, { left: 0 }));
    expect(peersOf(store.announce(0, from('192.0.2.1', 1, { left: 0 })))).toEqual([]);
    expect(peersOf(store.announce(0, from('192.0.2.2', 2, { left: 0 })))).toEqual([]);
    expect(peersOf(store.announce(0, from('192.0.2.3', 3))).length).toBe(3);
  });

  it('counts a dual-stack peer once', () => {
    const store = newStore();
    store.announce(0, from('192.0.2.1', 1, { left: 0 }));
    store.announce(0, from('2001:db8::1', 1, { left: 0 }));
    store.announce(0, from('192.0.2.2', 2));
    expect(store.scrape(bytes(1))).toEqual({ seeds: 1, leechers: 1, downloads: 0 });
    store.announce(0, from('192.0.2.1', 1, { event: 'stopped' }));
    expect(store.scrape(bytes(1))).toEqual({ seeds: 1, leechers: 1, downloads: 0 });
    store.announce(0, from('2001:db8::1', 1, { event: 'stopped' }));
    expect(store.scrape(bytes(1))).toEqual({ seeds: 0, leechers: 1, downloads: 0 });
  });

  it('counts a completion once, however often and over whatever it is told', () => {
    const store = newStore();
    store.announce(0, from('192.0.2.1', 1));
    store.announce(0, from('2001:db8::1', 1));
    for (const ip of ['192.0.2.1', '192.0.2.1', '2001:db8::1']) {
      store.announce(0, from(ip, 1, { event: 'completed', left: 0 }));
    }
    expect(store.scrape(bytes(1))).toEqual({ seeds: 1, leechers: 0, downloads: 1 });
  });

  it('keeps loopback peers to this machine', () => {
    const store = newStore();
    store.announce(0, from('127.0.0.1', 1));
    expect(peersOf(store.announce(0, from('192.0.2.2', 2)))).toEqual([]);
    expect(peersOf(store.announce(0, from('::1', 3)))).toEqual(['127.0.0.1 1', '192.0.2.2 2']);
  });

  it('lists no peer that cannot be dialed', () => {
    const store = newStore();
    store.announce(0, from('192.0.2.1', 1));
    expect(peersOf(store.announce(0, from('192.0.2.2', 0, { peerId: bytes(9) })))).toEqual(['192.0.2.1 1']);
    expect(store.entries).toBe(1);
  });
});

describe('other people', () => {
  it('cannot remove or take over an entry of another address', () => {
    const store = newStore();
    store.announce(0, from('192.0.2.1', 1, { key: 77 }));
    store.announce(0, from('198.51.100.9', 1, { event: 'stopped', key: 77 }));
    store.announce(0, from('198.51.100.9', 1, { key: 78 }));
    expect(peersOf(store.announce(0, from('192.0.2.5', 5)))).toEqual(['192.0.2.1 1', '198.51.100.9 1']);
  });

  it('but a peer with its key moves', () => {
    const store = newStore();
    store.announce(0, from('192.0.2.1', 1, { key: 77 }));
    store.announce(0, from('2001:db8::1', 1, { key: 77 }));
    store.announce(0, from('198.51.100.9', 1, { key: 77 }));
    expect(peersOf(store.announce(0, from('192.0.2.5', 5)))).toEqual(['198.51.100.9 1', '2001:db8::1 1']);
  });
});

describe('bounds', () => {
  it('forget who does not come back', () => {
    const store = newStore();
    store.announce(0, from('192.0.2.1', 1));
    store.announce(600, from('192.0.2.2', 2));
    expect(peersOf(store.announce(LIFETIME_MS, from('192.0.2.3', 3)))).toEqual(['192.0.2.2 2']);
    store.expire(LIFETIME_MS);
    expect(store.entries).toBe(2);
    store.expire(LIFETIME_MS * 2);
    expect([store.entries, store.torrents]).toEqual([0, 0]);
  });

  it('hold for entries of one address, an IPv6 /64 being one', () => {
    const store = newStore({ maxEntriesPerAddress: 2 });
    for (const port of [1, 2]) expect(store.announce(0, from('2001:db8::1', port)).ok).toBe(true);
    expect(store.announce(0, from('2001:db8::2', 3))).toEqual({
      ok: false,
      message: 'too many peers from your address',
    });
    expect(store.announce(0, from('2001:db8::1', 2)).ok).toBe(true);
    expect(store.announce(0, from('2001:db8:0:1::2', 3)).ok).toBe(true);
    store.announce(0, from('2001:db8::1', 1, { event: 'stopped' }));
    expect(store.announce(0, from('2001:db8::2', 3)).ok).toBe(true);
  });

  it('hold for torrents: quiet ones go, living ones stay', () => {
    const store = newStore({ maxTorrents: 2 });
    store.announce(0, from('192.0.2.1', 1, { infoHash: bytes(1) }));
    store.announce(0, from('192.0.2.1', 1, { infoHash: bytes(2) }));
    expect(store.announce(1, from('192.0.2.1', 1, { infoHash: bytes(3) }))).toEqual({
      ok: false,
      message: 'this tracker is full',
    });
    store.announce(1, from('192.0.2.1', 1, { infoHash: bytes(2), event: 'stopped' }));
    expect(store.announce(1, from('192.0.2.1', 1, { infoHash: bytes(3) })).ok).toBe(true);
    expect(store.torrents).toBe(2);
  });

  it('hold for peers of one torrent, and newcomers still get in', () => {
    const store = newStore({ maxPeersPerTorrent: 5 });
    for (let port = 1; port <= 50; port++) store.announce(0, from(`192.0.2.${port}`, port));
    expect(store.entries).toBe(5);
    expect(peersOf(store.announce(0, from('192.0.3.1', 99, { event: 'stopped' })))).toEqual([]);
    expect(store.scrape(bytes(1))).toEqual({ seeds: 0, leechers: 5, downloads: 0 });
  });
});

describe('any course of announces', () => {
  it('leaves counters equal to what a plain count gives', () => {
    const announce = fc.record({
      hash: fc.integer({ min: 1, max: 2 }),
      ip: fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1'),
      port: fc.integer({ min: 0, max: 3 }),
      peer: fc.integer({ min: 1, max: 3 }),
      left: fc.integer({ min: 0, max: 1 }),
      key: fc.integer({ min: 0, max: 1 }),
      event: fc.constantFrom(undefined, 'started' as const, 'completed' as const, 'stopped' as const),
      waitMs: fc.constantFrom(0, 0, 0, 300),
    });
    fc.assert(
      fc.property(fc.array(announce, { maxLength: 80 }), (steps) => {
        const store = newStore({ maxPeersPerTorrent: 4, maxEntriesPerAddress: 6 });
        let nowMs = 0;
        for (const step of steps) {
          nowMs += step.waitMs;
          store.expire(nowMs);
          const { hash, ip, port, peer, left, key, event } = step;
          store.announce(
            nowMs,
            from(ip, port, { infoHash: bytes(hash), peerId: bytes(peer), left, key, event }),
          );
          const counts = [1, 2].map((fill) => {
            const ask = from('203.0.113.9', 0, { infoHash: bytes(fill), peerId: bytes(99), numwant: 99 });
            const result = store.announce(nowMs, ask);
            if (!result.ok) throw new Error(result.message);
            const all = new Set(result.peers.map((p) => p.peerId[0]));
            const forSeed = store.announce(nowMs, { ...ask, left: 0 });
            if (!forSeed.ok) throw new Error(forSeed.message);
            const leeching = new Set(forSeed.peers.map((p) => `${p.ip.join()} ${p.port}`));
            const seeds = result.peers.filter((p) => !leeching.has(`${p.ip.join()} ${p.port}`));
            const seedPeers = new Set(seeds.map((p) => p.peerId[0])).size;
            expect(result.counts).toMatchObject({ seeds: seedPeers, leechers: all.size - seedPeers });
            return [result.peers.length, seeds.length];
          });
          expect([store.entries, store.seedEntries]).toEqual([
            (counts[0]?.[0] ?? 0) + (counts[1]?.[0] ?? 0),
            (counts[0]?.[1] ?? 0) + (counts[1]?.[1] ?? 0),
          ]);
        }
      }),
    );
  });
});
