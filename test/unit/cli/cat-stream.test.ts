// `tt cat` without a session: order, ranges, waiting for pieces, and holding the swarm back for a slow reader.

import { describe, expect, it } from 'vitest';
import { parseByteRange } from '../../../cli/base/parse.ts';
import { type ByteRange, CatStream, piecesOf, rangeOf } from '../../../cli/transfer/cat-stream.ts';
import fc from '../../support/property.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function range(text: string, length: number): ByteRange | undefined {
  const parsed = parseByteRange(text);
  if (!parsed.ok) throw new Error(parsed.reason.what);
  return rangeOf(parsed.value, length);
}

describe('ranges', () => {
  it('read as in HTTP', () => {
    expect(range('0-499', 1000)).toEqual({ first: 0, end: 500 });
    expect(range('500-', 1000)).toEqual({ first: 500, end: 1000 });
    expect(range('-500', 1000)).toEqual({ first: 500, end: 1000 });
    expect(range('-5000', 1000)).toEqual({ first: 0, end: 1000 });
    expect(range('999-9999', 1000)).toEqual({ first: 999, end: 1000 });
    expect(range('1000-', 1000)).toBeUndefined();
    for (const wrong of ['', '-', '-0', '5-4', 'a-b', '1-2-3', '0x1-2', '1.5-2', '5'])
      expect(parseByteRange(wrong).ok, wrong).toBe(false);
  });

  it('touch just the pieces that hold them', () => {
    fc.assert(
      fc.property(
        fc.nat(10_000),
        fc.nat(5_000),
        fc.integer({ min: 1, max: 5_000 }),
        fc.integer({ min: 1, max: 700 }),
        (offset, first, length, pieceLength) => {
          const found = piecesOf(offset, { first, end: first + length }, pieceLength);
          expect(found.first * pieceLength).toBeLessThanOrEqual(offset + first);
          expect((found.first + 1) * pieceLength).toBeGreaterThan(offset + first);
          expect(found.end * pieceLength).toBeGreaterThanOrEqual(offset + first + length);
          expect((found.end - 1) * pieceLength).toBeLessThan(offset + first + length);
        },
      ),
    );
    expect(piecesOf(5, { first: 0, end: 0 }, 16)).toEqual({ first: 0, end: 0 });
  });
});

function rig(offset: number, length: number, pieceLength: number, wanted?: ByteRange) {
  const pieceCount = Math.ceil((offset + length) / pieceLength);
  const written: number[] = [];
  const fetching: boolean[] = [];
  let release: (() => void) | undefined;
  let isSlow = false;
  const stream = new CatStream({
    offset,
    range: wanted ?? { first: 0, end: length },
    pieceLength,
    pieceCount,
    port: {
      read: async (position, into) => {
        for (let i = 0; i < into.length; i++) into[i] = (position + i) & 0xff;
      },
      write: async (bytes) => {
        if (isSlow)
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        written.push(bytes.length);
      },
      setFetching: (isOn) => fetching.push(isOn),
    },
  });
  return {
    stream,
    written,
    fetching,
    pieceCount,
    total: () => written.reduce((sum, bytes) => sum + bytes, 0),
    slow: (on: boolean) => {
      isSlow = on;
    },
    release: () => release?.(),
  };
}

describe('the stream', () => {
  it('goes as far as pieces reach without a gap, whatever their order', async () => {
    const { stream, total } = rig(5, 95, 10);
    const ended = stream.run();
    stream.addPiece(2);
    stream.addPiece(9);
    await settled();
    expect(total()).toBe(0);
    stream.addPiece(0);
    await settled();
    expect(total()).toBe(5);
    stream.addPiece(1);
    await settled();
    expect(total()).toBe(25);
    for (const piece of [8, 7, 6, 5, 4, 3]) stream.addPiece(piece);
    expect(await ended).toBe(true);
    expect(total()).toBe(95);
  });

  it('takes what is there already, and of a range nothing else', async () => {
    const { stream, total } = rig(0, 100, 10, { first: 35, end: 62 });
    stream.addPieces(Uint8Array.of(0b0001_1110, 0));
    expect(await stream.run()).toBe(true);
    expect(total()).toBe(27);
  });

  it('an empty range is done at once; a stopped one is not', async () => {
    expect(await rig(0, 100, 10, { first: 5, end: 5 }).stream.run()).toBe(true);
    const { stream } = rig(0, 100, 10);
    const ended = stream.run();
    stream.stop();
    expect(await ended).toBe(false);
  });

  it('holds the swarm back for a slow reader, and lets it go on', async () => {
    const MIB = 1 << 20;
    const { stream, fetching, slow, release, pieceCount, total } = rig(0, 200 * MIB, 4 * MIB);
    slow(true);
    const ended = stream.run();
    for (let piece = 0; piece < 16; piece++) stream.addPiece(piece);
    await settled();
    expect(fetching).toEqual([]);
    for (let piece = 16; piece < 20; piece++) stream.addPiece(piece);
    expect(fetching).toEqual([false]);
    for (let i = 0; i < 60; i++) {
      release();
      await settled();
    }
    expect(total()).toBe(60 * MIB);
    expect(fetching).toEqual([false, true]);
    slow(false);
    release();
    for (let piece = 20; piece < pieceCount; piece++) stream.addPiece(piece);
    expect(await ended).toBe(true);
    expect(total()).toBe(200 * MIB);
  });
});
