// The two hash tables of the hot path against a Map, over any mix of what is put in and taken out.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COUNT, MeterTable, TOKENS } from '../../../dht/meter-table.ts';
import { OpenQueries } from '../../../dht/open-queries.ts';
import type { OpenQuery } from '../../../dht/transactions.ts';

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

describe('MeterTable', () => {
  it('keeps each key apart: words, local endpoints, IPv6', () => {
    const keys = fc.oneof(
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      fc.integer({ min: 2 ** 49, max: 2 ** 49 + 2 ** 48 }),
      fc.integer({ min: -(2 ** 53) + 1, max: -(2 ** 33) }),
    );
    fc.assert(
      fc.property(fc.uniqueArray(keys, { maxLength: 300 }), (list) => {
        const table = new MeterTable();
        for (const [i, key] of list.entries()) {
          expect(table.find(key)).toBe(-1);
          const at = table.add(key);
          table.cells[at + COUNT] = 1;
          table.cells[at + TOKENS] = i;
        }
        expect(table.size).toBe(list.length);
        for (const [i, key] of list.entries()) expect(table.cells[table.find(key) + TOKENS]).toBe(i);
        table.clear();
        for (const key of list) expect(table.find(key)).toBe(-1);
      }),
    );
  });
});
