import { describe, expect, it } from 'vitest';
import { copyBytes } from '../../../core/base/bytes.ts';

describe('copyBytes', () => {
  const source = Uint8Array.of(1, 2, 3, 4, 5);
  for (const [name, buffer] of [
    ['plain', new ArrayBuffer(8)],
    ['shared', new SharedArrayBuffer(8)],
  ] as const) {
    it(`copies a part to its place in ${name} memory, views on both sides`, () => {
      const target = new Uint8Array(buffer, 1, 6);
      copyBytes(source.subarray(1), 1, 3, target, 2);
      expect([...target]).toEqual([0, 0, 3, 4, 0, 0]);
      copyBytes(source, 0, 5, target, 4);
      expect([...new Uint8Array(buffer)]).toEqual([0, 0, 0, 3, 4, 1, 2, 0]);
    });
  }
});
