// The most overdue contacts against a sort of all of them.

import { expect, it } from 'vitest';
import { MostOverdue } from '../../../dht/table/most-overdue.ts';
import fc from '../../support/property.ts';

it('holds the earliest, in order, whatever order they come in', () => {
  const contacts = fc.uniqueArray(fc.record({ slot: fc.nat(200), atMs: fc.integer({ min: -3, max: 3 }) }), {
    selector: ({ slot }) => slot,
    maxLength: 40,
  });
  const held = new MostOverdue(5);
  fc.assert(
    fc.property(contacts, (list) => {
      held.clear();
      for (const { slot, atMs } of list) held.add(slot, atMs);
      const sorted = [...list].sort((x, y) => x.atMs - y.atMs || x.slot - y.slot).slice(0, 5);
      expect(Array.from({ length: held.size }, (_, i) => held.slotAt(i))).toEqual(
        sorted.map(({ slot }) => slot),
      );
      expect(held.isOverfull).toBe(list.length > 5);
    }),
  );
});
