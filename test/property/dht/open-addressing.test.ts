// The two hash tables of the hot path against a Map, over any mix of what is put in and taken out.

import { describe, expect, it } from 'vitest';
import { OpenQueries } from '../../../dht/krpc/open-queries.ts';
import type { OpenQuery } from '../../../dht/krpc/transactions.ts';
import { COUNT, FILLED_AT, MeterTable, TOKENS } from '../../../dht/node/meter-table.ts';
import fc from '../../support/property.ts';

/** Few distinct ones with few distinct low bits, so that they collide. */
const tids = fc.integer({ min: 0, max: 40 }).map((n) => ((n % 5) | (n << 24)) - 2 ** 28);

describe('OpenQueries', () => {
  it('finds what is in, and nothing else', () => {
    const steps = fc.array(fc.record({ tid: tids, isAdded: fc.boolean() }), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (list) => {
        const table = new OpenQueries();
        const model = new Map<number, OpenQuery>();
        for (const { tid, isAdded } of list) {
          if (!isAdded) {
            table.delete(tid);
            model.delete(tid);
          } else if (!model.has(tid)) {
            const query = { tid } as OpenQuery;
            table.add(query);
            model.set(tid, query);
          }
          expect(table.size).toBe(model.size);
        }
        for (let n = 0; n <= 40; n++) {
          const tid = ((n % 5) | (n << 24)) - 2 ** 28;
          expect(table.get(tid)).toBe(model.get(tid));
        }
        expect(new Set(table.all())).toEqual(new Set(model.values()));
      }),
    );
  });
});

const LIFETIME_MS = 10_000;

describe('MeterTable', () => {
  it('keeps each key apart: words, local endpoints, IPv6', () => {
    const keys = fc.oneof(
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      fc.integer({ min: 2 ** 49, max: 2 ** 49 + 2 ** 48 }),
      fc.integer({ min: -(2 ** 53) + 1, max: -(2 ** 33) }),
    );
    fc.assert(
      fc.property(fc.uniqueArray(keys, { maxLength: 300 }), (list) => {
        const table = new MeterTable(2 ** 16, LIFETIME_MS);
        const take = (key: number, nowMs: number): number => {
          const at = table.take(key, nowMs);
          if (table.cells[at + COUNT] === 0) table.cells[at + TOKENS] = -1;
          table.cells[at + COUNT] = 1;
          table.cells[at + FILLED_AT] = nowMs;
          return at;
        };
        for (const [i, key] of list.entries()) {
          const at = take(key, 0);
          expect(table.cells[at + TOKENS]).toBe(-1);
          table.cells[at + TOKENS] = i;
        }
        expect(table.size).toBe(list.length);
        for (const [i, key] of list.entries()) {
          const at = take(key, LIFETIME_MS - 1);
          expect(table.cells[at + TOKENS]).toBe(i);
        }
        // Silent for too long: as if never seen, and their room is given back.
        const laterMs = LIFETIME_MS * 100;
        for (const key of list) {
          const at = take(key, laterMs);
          expect(table.cells[at + TOKENS]).toBe(-1);
        }
      }),
    );
  });

  it('takes no more room than it may, and forgets those longest silent', () => {
    const table = new MeterTable(64, LIFETIME_MS);
    for (let key = 0; key < 10_000; key++) {
      const at = table.take(key, key);
      table.cells[at + COUNT] = 1;
      table.cells[at + FILLED_AT] = key;
    }
    expect(table.size).toBe(64);
    // Of four in a set the last is never the one that goes.
    expect(table.cells[table.take(9_999, 9_999) + COUNT]).toBe(1);
  });
});
