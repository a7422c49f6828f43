// The simulator's own parts: order of events, addresses, ideal tables, distributions, hashes.

import { expect, test } from 'vitest';
import { compareDistance, Id160 } from '../../dht/base/node-id.ts';
import { mean, normalQuantiles, stream } from '../../dht/sim/chance.ts';
import { EventQueue } from '../../dht/sim/event-queue.ts';
import { attackerAddress, hostAddress, hostOf } from '../../dht/sim/hosts.ts';
import { CALIBRATION_NETWORK, Network, REAL_NETWORK } from '../../dht/sim/latency.ts';
import { hostIds, Population } from '../../dht/sim/population.ts';
import { TraceHash } from '../../dht/sim/trace-hash.ts';
import fc from '../support/property.ts';

test('events come by time, at one instant by the order they were scheduled', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 200 }), fc.nat(100), (times, pops) => {
      const queue = new EventQueue(0);
      const expected: { at: number; order: number }[] = [];
      const taken: { at: number; order: number }[] = [];
      times.forEach((time, order) => {
        // Some are taken in between, so that the heap is not only built and emptied.
        if (order % 7 === pops % 7 && queue.pop(Number.POSITIVE_INFINITY))
          taken.push({ at: queue.nowUs, order: queue.event.a });
        const at = Math.max(time, queue.nowUs);
        queue.push(time, 3, order, order - 500, order * 2, `event ${order}`);
        expected.push({ at, order });
      });
      while (queue.pop(Number.POSITIVE_INFINITY)) {
        expect(queue.event.ref).toBe(`event ${queue.event.a}`);
        expect(queue.event.b).toBe(queue.event.a - 500);
        taken.push({ at: queue.nowUs, order: queue.event.a });
      }
      expect(taken).toEqual([...expected].sort((x, y) => x.at - y.at || x.order - y.order));
      expect(queue.size).toBe(0);
    }),
  );
});

test('nothing after the limit is taken, and the past counts as now', () => {
  const queue = new EventQueue(100);
  queue.push(50, 0, 1, 0, 0, undefined);
  queue.push(300, 0, 2, 0, 0, undefined);
  expect(queue.pop(200)).toBe(true);
  expect(queue.nowUs).toBe(100);
  expect(queue.pop(200)).toBe(false);
  queue.advanceTo(200);
  expect([queue.nowUs, queue.nextUs]).toEqual([200, 300]);
});

test('host numbers and addresses are a bijection, attackers are outside of it', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 28 - 1), (host) => {
      const address = hostAddress(host);
      expect(hostOf(address)).toBe(host);
      expect(address.scope).toBe('global');
    }),
  );
  expect(hostOf(attackerAddress(5, 3))).toBe(-1);
  const subnets = new Set(Array.from({ length: 10_000 }, (_, host) => hostAddress(host).w0 >>> 8));
  expect(subnets.size).toBeGreaterThan(9_900);
});

const HOSTS = Array.from({ length: 500 }, (_, host) => host);
const SHAPES = [
  { k: 8, digitBits: 1, topBuckets: [] },
  { k: 8, digitBits: 1, topBuckets: [32, 16] },
  { k: 4, digitBits: 2, topBuckets: [] },
] as const;

test.each(SHAPES)('an ideal table has min(capacity, population) of every part of the space: %o', (shape) => {
  const population = new Population(7, hostIds(7, 500), shape, HOSTS);
  const own = population.id(3);
  const counts = new Map<string, number>();
  const part = (id: Id160): string => {
    const level = Math.floor(id.sharedBits(own) / shape.digitBits);
    return `${level}:${id.bits(level * shape.digitBits, shape.digitBits)}`;
  };
  const all = new Map<string, number>();
  for (let host = 0; host < 500; host++) {
    if (host !== 3) all.set(part(population.id(host)), (all.get(part(population.id(host))) ?? 0) + 1);
  }
  const members = new Set<number>();
  population.table(own, 3, (host) => {
    members.add(host);
    counts.set(part(population.id(host)), (counts.get(part(population.id(host))) ?? 0) + 1);
  });
  const expected = [...all].map(([key, count]): [string, number] => {
    const capacity = Math.max(shape.k, shape.topBuckets[Number(key.split(':')[0])] ?? 0);
    return [key, Math.min(capacity, count)];
  });
  expect(new Map([...counts].sort())).toEqual(new Map(expected.sort()));
  const rng = stream(1, 'workload');
  for (let i = 0; i < 50; i++) {
    const target = Id160.random(rng);
    const byDistance = [...members].sort((x, y) =>
      compareDistance(target, population.id(x), population.id(y)),
    );
    expect(population.closestInTable(3, target, 8)).toEqual(byDistance.slice(0, 8));
    const everybody = HOSTS.filter((host) => host % 3 > 0);
    everybody.sort((x, y) => compareDistance(target, population.id(x), population.id(y)));
    expect(population.closest(target, 8, (host) => host % 3 > 0)).toEqual(everybody.slice(0, 8));
  }
});

test('round trips have the median and the spread that were asked for, and belong to the pair', () => {
  const network = new Network(1, CALIBRATION_NETWORK);
  const logs = Array.from({ length: 20_000 }, (_, i) => Math.log(network.roundTripMs(i, i + 1_000_000)));
  const center = mean(logs);
  expect(Math.exp(center)).toBeCloseTo(120, -1);
  expect(Math.sqrt(mean(logs.map((log) => (log - center) ** 2)))).toBeCloseTo(0.6, 1);
  expect(network.roundTripMs(5, 9)).toBe(network.roundTripMs(9, 5));
  expect(network.travelUs(5, 9, 100, 0)).toBe(Math.round(network.roundTripMs(5, 9) * 500));
  expect(network.travelUs(5, 9, 1473, 0)).toBe(-1);
  const z = normalQuantiles(1000);
  expect(z[500]).toBeCloseTo(0, 2);
  expect(z[841]).toBeCloseTo(1, 1);
});

test('loss is what was asked for, bad spells included', () => {
  const bursts = { everyMs: 9_000, lastMs: 1_000, lossShare: 1 };
  const network = new Network(1, { ...REAL_NETWORK, lossShare: 0.1, bursts });
  let lost = 0;
  let inRow = 0;
  let longest = 0;
  for (let i = 0; i < 50_000; i++) {
    const isLost = network.travelUs(1, 2, 100, i * 20_000) < 0;
    inRow = isLost ? inRow + 1 : 0;
    longest = Math.max(longest, inRow);
    if (isLost) lost++;
  }
  // One tenth of the time is bad; of the rest a tenth is lost.
  expect(lost / 50_000).toBeGreaterThan(0.15);
  expect(lost / 50_000).toBeLessThan(0.23);
  // Independent loss of a fifth would hardly ever take 30 in a row.
  expect(longest).toBeGreaterThan(30);
});

test('streams of one seed are independent, and repeat', () => {
  const draws = (name: 'ids' | 'loss', index: number): number[] => {
    const rng = stream(5, name, index);
    return [rng.next(), rng.next(), rng.next()];
  };
  expect(draws('ids', 0)).toEqual(draws('ids', 0));
  expect(draws('ids', 0)).not.toEqual(draws('loss', 0));
  expect(draws('ids', 0)).not.toEqual(draws('ids', 1));
});

test('the trace hash tells one changed byte, order and time', () => {
  const hashOf = (...parts: (number | Uint8Array)[]): string => {
    const hash = new TraceHash();
    for (const part of parts) typeof part === 'number' ? hash.addTime(part) : hash.addBytes(part);
    return hash.toString();
  };
  const bytes = Uint8Array.of(1, 2, 3, 4, 5);
  const hashes = [
    hashOf(1, bytes),
    hashOf(bytes, 1),
    hashOf(2 ** 40 + 1, bytes),
    hashOf(1, Uint8Array.of(1, 2, 3, 4, 6)),
    hashOf(1, Uint8Array.of(1, 2, 3, 4, 5, 0)),
  ];
  expect(new Set(hashes).size).toBe(hashes.length);
  expect(hashOf(1, bytes)).toBe(hashes[0]);
});
