// The word-wise bit search against the plain one.

import { expect, test } from 'vitest';
import { Bitfield } from '../../../core/base/bitfield.ts';
import { countCommonBits, nextCommonBit, visitCommonBits } from '../../../core/pieces/bit-scan.ts';
import fc from '../../support/property.ts';

const pairs = fc.integer({ min: 1, max: 3000 }).chain((size) => {
  const indices = fc.uniqueArray(fc.integer({ min: 0, max: size - 1 }), { maxLength: 40 });
  return fc.record({ size: fc.constant(size), a: indices, b: indices, both: indices });
});

test('finds what both have', () => {
  fc.assert(
    fc.property(pairs, fc.integer({ min: 0, max: 3100 }), ({ size, a, b, both }, from) => {
      const left = new Bitfield(size);
      const right = new Bitfield(size);
      for (const index of [...a, ...both]) left.set(index);
      for (const index of [...b, ...both]) right.set(index);
      const common = Array.from({ length: size }, (_, index) => index).filter(
        (index) => left.has(index) && right.has(index),
      );
      expect(nextCommonBit(left.bytes, right.bytes, from)).toBe(common.find((index) => index >= from) ?? -1);
      expect(countCommonBits(left.bytes, right.bytes)).toBe(common.length);
      const visited: number[] = [];
      visitCommonBits(left.bytes, right.bytes, (index) => visited.push(index) > 0);
      expect(visited).toEqual(common);
      const firstTwo: number[] = [];
      visitCommonBits(left.bytes, right.bytes, (index) => firstTwo.push(index) < 2);
      expect(firstTwo).toEqual(common.slice(0, 2));
    }),
    { numRuns: 500 },
  );
});

test('finds what both have in views that are not aligned', () => {
  const memory = new Uint8Array(1001);
  const view = memory.subarray(1);
  view[900] = 0x10;
  expect(nextCommonBit(view, view, 5)).toBe(7203);
});
