// Small parts of a node: ids, deadlines, round trips, what others say of us, how many there are.
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import { idForAddress, isValidId } from '../../../dht/base/bep42.ts';
import { type Deadline, DeadlineHeap } from '../../../dht/base/deadline-heap.ts';
import { compareDistance, Id160, randomIdAt } from '../../../dht/base/node-id.ts';
import { OUR_LOOKUP } from '../../../dht/base/options.ts';
import { RoundTrips } from '../../../dht/krpc/round-trips.ts';
import { ExternalAddress } from '../../../dht/node/external-address.ts';
import { LookupCache } from '../../../dht/table/lookup-cache.ts';
import { NetworkSize } from '../../../dht/table/network-size.ts';
import { address, hex, nthAddress, vectors } from './material.ts';

const MINUTE_MS = 60_000;
const NOW_MS = 10_000_000;
const rng = seededRng(7);

describe('ids', () => {
  it('orders by XOR distance, the top bit included', () => {
    const target = Id160.of(new Uint8Array(20));
    const near = Id160.of(hex(`7f${'ff'.repeat(19)}`));
    const far = Id160.of(hex(`80${'00'.repeat(19)}`));
    expect(compareDistance(target, near, far)).toBeLessThan(0);
    expect(compareDistance(far, near, far)).toBeGreaterThan(0);
    expect(near.sharedBits(far)).toBe(0);
    expect(near.sharedBits(near)).toBe(160);
    expect(target.sharedBits(near)).toBe(1);
  });

  it('draws ids at a chosen depth', () => {
    const base = Id160.random(rng);
    for (const depth of [0, 1, 7, 8, 9, 31, 32, 100, 159])
      expect(randomIdAt(base, depth, rng).sharedBits(base), String(depth)).toBe(depth);
  });
});

describe('BEP 42', () => {
  const { valid, invalid, exempt, not_exempt: notExempt } = vectors('bep42');

  it('knows the published ids', () => {
    for (const { ip, node_id: id } of valid) expect(isValidId(Id160.of(hex(id)), address(ip)), ip).toBe(true);
    for (const { ip, node_id: id, why } of invalid)
      expect(isValidId(Id160.of(hex(id)), address(ip)), why).toBe(false);
  });

  it('makes ids that fit, for both families', () => {
    for (const host of ['124.31.75.21', '1.2.3.4', '2001:db8:1:2::5', '2a00:1450::1']) {
      const id = idForAddress(address(host), rng);
      expect(isValidId(id, address(host)), host).toBe(true);
      const bytes = id.toBytes();
      bytes[0] = (bytes[0] as number) ^ 1;
      expect(isValidId(Id160.of(bytes), address(host)), host).toBe(false);
    }
  });

  it('exempts local networks and nothing else', () => {
    const id = Id160.of(new Uint8Array(20));
    for (const host of [...exempt, '::1', 'fe80::1', 'fd00::1'])
      expect(isValidId(id, address(host)), host).toBe(true);
    for (const host of notExempt) expect(isValidId(id, address(host)), host).toBe(false);
  });
});

describe('DeadlineHeap', () => {
  it('gives items back in order, whatever is moved and removed meanwhile', () => {
    const heap = new DeadlineHeap<Deadline>();
    const draws = seededRng(5);
    const items = Array.from({ length: 500 }, (): Deadline => ({ dueMs: 0, heapAt: -1 }));
    for (const item of items) heap.set(item, draws.next() * 1000);
    for (const item of items.slice(0, 100)) heap.set(item, draws.next() * 1000);
    for (const item of items.slice(100, 200)) heap.remove(item);
    const expected = [...items.slice(0, 100), ...items.slice(200)]
      .map((item) => item.dueMs)
      .sort((x, y) => x - y);
    const got: number[] = [];
    for (let item = heap.popDue(2000); item !== undefined; item = heap.popDue(2000)) got.push(item.dueMs);
    expect(got).toEqual(expected);
    expect(heap.nextMs).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('RoundTrips', () => {
  const { stall } = OUR_LOOKUP;

  it('stalls at 600 ms until it has seen 64, then at p90 or p10 + 100 ms', () => {
    const trips = new RoundTrips();
    for (let i = 0; i < 63; i++) trips.add(100);
    expect(trips.stallMs(stall, 0)).toBe(600);
    trips.add(100);
    expect(trips.stallMs(stall, 0)).toBe(225);
    for (let i = 0; i < 20; i++) trips.add(900);
    expect(trips.stallMs(stall, 0)).toBeGreaterThan(850);
    expect(trips.stallMs(stall, 40)).toBe(75);
    expect(trips.stallMs(stall, 200)).toBe(300);
  });

  it('forgets: a network that becomes slow is believed within a few hundred answers', () => {
    const trips = new RoundTrips();
    for (let i = 0; i < 1000; i++) trips.add(50);
    for (let i = 0; i < 400; i++) trips.add(800);
    expect(trips.stallMs(stall, 0)).toBeGreaterThan(800);
  });
});

describe('ExternalAddress', () => {
  it('is what most subnets see, one voice each', () => {
    const votes = new ExternalAddress(4);
    for (let i = 0; i < 50; i++) votes.vote(address(`5.5.5.${i}`), address('9.9.9.9'));
    expect(votes.address).toBeUndefined();
    for (let i = 0; i < 4; i++) votes.vote(nthAddress(i), address('8.8.4.4', 7));
    expect(votes.address?.host).toBe('8.8.4.4');
    expect(votes.vote(nthAddress(9), address('8.8.4.4', 7))).toBe(false);
    votes.vote(nthAddress(10), address('192.168.1.1'));
    expect(votes.address?.host).toBe('8.8.4.4');
  });

  it('changes when the majority does', () => {
    const votes = new ExternalAddress(4);
    for (let i = 0; i < 10; i++) votes.vote(nthAddress(i), address('8.8.4.4'));
    for (let i = 0; i < 10; i++) votes.vote(nthAddress(i), address('7.7.7.7'));
    expect(votes.address?.host).toBe('7.7.7.7');
  });
});

describe('NetworkSize', () => {
  const sorted = (count: number, draws = seededRng(11)): number[] =>
    Array.from({ length: count }, () => draws.next()).sort((x, y) => x - y);

  it('comes within a fifth after some lookups', () => {
    const size = new NetworkSize();
    const draws = seededRng(4);
    for (let i = 0; i < 40; i++) size.learn(sorted(20_000, draws).slice(0, 8));
    expect(size.nodes).toBeGreaterThan(15_000);
    expect(size.nodes).toBeLessThan(27_000);
  });

  it('calls a crowd near the target a crowd, and honest neighbourhoods honest', () => {
    const size = new NetworkSize();
    const draws = seededRng(4);
    for (let i = 0; i < 20; i++) size.learn(sorted(10_000, draws).slice(0, 8));
    for (let i = 0; i < 200; i++) expect(size.denseCount(sorted(10_000, draws).slice(0, 8))).toBe(0);
    const crowd = Array.from({ length: 8 }, (_, i) => (i + 1) * 1e-7);
    expect(size.denseCount(crowd)).toBe(8);
    expect(size.denseCount([...crowd.slice(0, 5), 3e-4, 4e-4, 5e-4])).toBeGreaterThanOrEqual(5);
  });
});

describe('LookupCache', () => {
  it('knows the neighbourhood of a recent target, and forgets it', () => {
    const cache = new LookupCache();
    const target = Id160.random(rng);
    const nodes = [{ id: randomIdAt(target, 20, rng), address: nthAddress(1), roundTripMs: 5 }];
    cache.put(target, nodes, NOW_MS);
    expect(cache.near(target, 8, NOW_MS)).toEqual(nodes);
    expect(cache.near(randomIdAt(target, 17, rng), 8, NOW_MS)).toEqual(nodes);
    expect(cache.near(randomIdAt(target, 3, rng), 8, NOW_MS)).toEqual([]);
    expect(cache.near(target, 8, NOW_MS + 60 * MINUTE_MS)).toEqual([]);
  });
});
