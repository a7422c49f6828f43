import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import { parseIp } from '../../../core/base/endpoint.ts';
import {
  type ServedAnnounce,
  type ServiceAnnounce,
  TrackerService,
} from '../../../tracker/serve/tracker-service.ts';
import { infoHash, peerId } from './material.ts';

function announce(
  from: string,
  claimed: string | undefined,
  changes: Partial<ServiceAnnounce> = {},
): ServiceAnnounce {
  return {
    protocol: 'http',
    infoHash: infoHash(),
    peerId: peerId(),
    key: 0,
    sourceIp: parseIp(from) as Uint8Array,
    claimedIp: claimed === undefined ? undefined : parseIp(claimed),
    port: 6881,
    left: 1,
    event: 'started',
    numwant: undefined,
    families: [4, 6],
    maxPeers: 200,
    ...changes,
  };
}

function newService(changes: { intervalSeconds?: number } = {}) {
  const seen: ServedAnnounce[] = [];
  let nowMs = 0;
  const service = new TrackerService({
    clock: { nowMs: () => nowMs },
    rng: seededRng(8),
    onAnnounce: (served) => seen.push(served),
    ...changes,
  });
  const pass = (seconds: number): void => {
    nowMs += seconds * 1000;
  };
  return { service, seen, pass };
}

describe('the tracker service', () => {
  it('believes a claimed address only from this machine', () => {
    const { service, seen } = newService();
    for (const from of ['127.0.0.1', '::1', '192.168.1.5', '192.0.2.1', '2001:db8::1']) {
      service.announce(announce(from, '203.0.113.66'));
    }
    expect(seen.map((served) => served.host)).toEqual([
      '203.0.113.66',
      '203.0.113.66',
      '192.168.1.5',
      '192.0.2.1',
      '2001:db8::1',
    ]);
  });

  it('forgets a peer after two intervals without a word', () => {
    const { service, pass } = newService({ intervalSeconds: 100 });
    service.announce(announce('192.0.2.1', undefined));
    pass(199);
    service.expire();
    expect(service.stats()).toMatchObject({ entries: 1, uptimeSeconds: 199 });
    pass(1);
    service.expire();
    expect(service.stats()).toMatchObject({ entries: 0, torrents: 0 });
    expect([service.intervalSeconds, service.minIntervalSeconds]).toEqual([100, 60]);
  });

  it('gives 50 peers to who names no number, and never more than fit', () => {
    const { service } = newService();
    for (let port = 1; port <= 300; port++) {
      service.announce(announce('192.0.2.1', undefined, { port, peerId: peerId(port % 250) }));
    }
    const given = (changes: Partial<ServiceAnnounce>): number | undefined => {
      const result = service.announce(
        announce('198.51.100.1', undefined, { peerId: peerId(255), ...changes }),
      );
      return result.ok ? result.peers.length : undefined;
    };
    expect(given({})).toBe(50);
    expect(given({ numwant: 0 })).toBe(0);
    expect(given({ numwant: 10_000 })).toBeLessThanOrEqual(200);
    expect(given({ numwant: 10_000, maxPeers: 74 })).toBe(74);
  });
});
