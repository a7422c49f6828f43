import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import { compareDistance, Id160, randomIdAt } from '../../../dht/base/node-id.ts';
import { OUR_TABLE, type TablePolicy } from '../../../dht/base/options.ts';
import { GOOD_MS, RoutingTable } from '../../../dht/table/routing-table.ts';
import fc from '../../support/property.ts';

const NOW_MS = 5_000_000;

interface Known {
  readonly id: Id160;
  readonly address: DhtAddress;
}

function members(table: RoutingTable): Known[] {
  return [...table.members()].map((slot) => ({ id: table.slab.id(slot), address: table.slab.address(slot) }));
}

const policies: readonly TablePolicy[] = [
  OUR_TABLE,
  { ...OUR_TABLE, topBuckets: [] },
  { ...OUR_TABLE, digitBits: 2, topBuckets: [] },
  { ...OUR_TABLE, digitBits: 4 },
];

describe('RoutingTable', () => {
  it('finds the same closest nodes as sorting all of them does', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.constantFrom(...policies),
        fc.integer({ min: 1, max: 20 }),
        (seed, policy, count) => {
          const rng = seededRng(seed);
          const own = Id160.random(rng);
          const table = new RoutingTable(4, own, policy);
          for (let i = 0; i < 300; i++) {
            const id =
              rng.next() < 0.5 ? Id160.random(rng) : randomIdAt(own, Math.floor(rng.next() * 20), rng);
            table.offer(id, DhtAddress.v4((60 << 24) + i * 256, 1), 50, NOW_MS);
          }
          const all = members(table);
          for (const target of [own, Id160.random(rng), randomIdAt(own, 6, rng), (all[0] as Known).id]) {
            const found = table.closest(target, count, 'good', NOW_MS);
            const got = Array.from({ length: found }, (_, i) => table.slab.id(table.chosenAt(i)).key);
            const expected = [...all].sort((x, y) => compareDistance(target, x.id, y.id)).slice(0, count);
            expect(got).toEqual(expected.map((one) => one.id.key));
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('finds the same while it is asked all the time, whoever comes, goes or falls silent meanwhile', () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(...policies), (seed, policy) => {
        const rng = seededRng(seed);
        const own = Id160.random(rng);
        const table = new RoutingTable(4, own, policy);
        for (let round = 0; round < 4; round++) {
          for (let i = 0; i < 60; i++) {
            const id =
              rng.next() < 0.5 ? Id160.random(rng) : randomIdAt(own, Math.floor(rng.next() * 20), rng);
            const heardMs = rng.next() < 0.2 ? NOW_MS - 2 * GOOD_MS : NOW_MS;
            table.offer(id, DhtAddress.v4((60 << 24) + (round * 60 + i) * 256, 1), 50, heardMs);
          }
          // Often enough that the table takes itself for busy; then some go, and it is asked at once again.
          for (let i = 0; i < 200; i++) table.closest(Id160.random(rng), 8, 'good', NOW_MS);
          for (const isAfterLosses of [false, true]) {
            if (isAfterLosses)
              for (const one of members(table).slice(0, 10))
                for (let i = 0; i < policy.maxFailures; i++) table.fail(one.id, one.address, NOW_MS);
            const good = [...table.members()].filter((slot) => table.isGood(slot, NOW_MS));
            for (const target of [own, Id160.random(rng), randomIdAt(own, 6, rng)]) {
              const found = table.closest(target, 8, 'good', NOW_MS);
              const got = Array.from({ length: found }, (_, i) => table.slab.id(table.chosenAt(i)).key);
              const expected = good
                .map((slot) => table.slab.id(slot))
                .sort((x, y) => compareDistance(target, x, y));
              expect(got).toEqual(expected.slice(0, 8).map((id) => id.key));
            }
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('keeps its invariants under any mix of answers, failures and lies', () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(...policies), (seed, policy) => {
        const rng = seededRng(seed);
        const own = Id160.random(rng);
        const table = new RoutingTable(4, own, policy);
        const everybody: Known[] = [];
        for (let step = 0; step < 600; step++) {
          const nowMs = NOW_MS + step * 1000;
          const one = everybody[Math.floor(rng.next() * everybody.length)];
          const what = rng.next();
          if (one === undefined || what < 0.6) {
            const id = randomIdAt(own, Math.floor(rng.next() ** 2 * 24), rng);
            const fresh = {
              id,
              address: DhtAddress.v4((60 << 24) + Math.floor(rng.next() * 50_000), 1 + (step % 3)),
            };
            everybody.push(fresh);
            table.offer(fresh.id, fresh.address, rng.next() * 300, nowMs);
          } else if (what < 0.8) table.offer(one.id, one.address, rng.next() * 300, nowMs);
          else if (what < 0.95) table.fail(one.id, one.address, nowMs);
          else table.evictAddress(one.address, nowMs);
          const now = members(table);
          expect(table.size).toBe(now.length);
          if (step % 20 !== 0) continue;
          expect(new Set(now.map((known) => known.id.key)).size).toBe(now.length);
          expect(new Set(now.map((known) => known.address.w0)).size).toBe(now.length);
          for (const bucket of table.buckets()) {
            expect(bucket.members.length).toBeLessThanOrEqual(bucket.capacity);
            expect(bucket.spares.length).toBeLessThanOrEqual(policy.spares);
            const ids = bucket.members.map((slot) => table.slab.id(slot));
            for (const id of ids)
              expect(Math.floor(id.sharedBits(own) / policy.digitBits)).toBe(bucket.level);
          }
        }
      }),
      { numRuns: 20 },
    );
  });

  it('always holds the 8 nearest to itself of all that ever answered', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const rng = seededRng(seed);
        const own = Id160.random(rng);
        const table = new RoutingTable(4, own, { ...OUR_TABLE, topBuckets: [] });
        const all: Id160[] = [];
        for (let i = 0; i < 400; i++) {
          const id = Id160.random(rng);
          all.push(id);
          table.offer(id, DhtAddress.v4((60 << 24) + i * 256, 1), 50, NOW_MS);
        }
        const nearest = all.sort((x, y) => compareDistance(own, x, y)).slice(0, 8);
        for (const id of nearest) expect(table.find(id)).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 50 },
    );
  });
});
