import { expect, test } from 'vitest';
import { FileMap, PADDING } from '../../../core/storage/file-map.ts';
import type { StoreConfig } from '../../../core/storage/store-config.ts';
import fc from '../../support/property.ts';

const layouts = fc.record({
  lengths: fc.array(fc.tuple(fc.nat(30), fc.boolean()), { minLength: 1, maxLength: 12 }),
  pieceLength: fc.integer({ min: 1, max: 20 }),
});

function configOf(lengths: readonly (readonly [number, boolean])[], pieceLength: number): StoreConfig {
  let offset = 0;
  const files = lengths.map(([length, isPadding], i) => {
    const file = {
      path: `${i}`,
      length,
      offset,
      kind: isPadding ? ('padding' as const) : ('file' as const),
      isExecutable: false,
      linkText: undefined,
    };
    offset += length;
    return file;
  });
  return {
    directory: '/',
    files,
    totalLength: offset,
    pieceLength,
    pieceCount: Math.ceil(offset / pieceLength),
    segmentBytes: pieceLength,
    pieceHashes: new Uint8Array(0),
    partPath: '/p',
  };
}

test('spans cover any range byte by byte, as a plain walk over the files does', () => {
  fc.assert(
    fc.property(layouts, fc.nat(), fc.nat(), ({ lengths, pieceLength }, a, b) => {
      const config = configOf(lengths, pieceLength);
      if (config.totalLength === 0) return;
      const walk: [number, number][] = [];
      config.files.forEach((file, index) => {
        for (let i = 0; i < file.length; i++) walk.push(file.kind === 'padding' ? [PADDING, i] : [index, i]);
      });
      const offset = a % config.totalLength;
      const length = b % (config.totalLength - offset + 1);
      const seen: [number, number][] = [];
      for (const span of new FileMap(config).spans(offset, length)) {
        expect(span.at).toBe(seen.length);
        for (let i = 0; i < span.length; i++) seen.push([span.file, span.fileOffset + i]);
      }
      expect(seen).toEqual(walk.slice(offset, offset + length));
    }),
  );
});

test('pieces of a file and files of a piece agree', () => {
  fc.assert(
    fc.property(layouts, ({ lengths, pieceLength }) => {
      const config = configOf(lengths, pieceLength);
      const map = new FileMap(config);
      config.files.forEach((file, index) => {
        const { first, end } = map.piecesOfFile(index);
        for (let piece = 0; piece < config.pieceCount; piece++) {
          const isIn = file.kind === 'file' && map.filesOfPiece(piece).includes(index);
          if (file.kind === 'file') expect(piece >= first && piece < end).toBe(isIn);
        }
      });
    }),
  );
});
