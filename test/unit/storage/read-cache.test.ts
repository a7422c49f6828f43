// The cache alone, with reads that the test completes by hand.
import { describe, expect, test } from 'vitest';
import { DiskFaultError } from '../../../core/storage/disk-error.ts';
import { ReadCache, ReadMemory } from '../../../core/storage/read-cache.ts';

const SEGMENT = 64;

function setup(segments: number) {
  const memory = new ReadMemory(segments * SEGMENT);
  const pending: { offset: number; finish: (error?: Error) => Promise<void> }[] = [];
  const cache = new ReadCache({
    memory,
    pieceLength: 2 * SEGMENT,
    segmentBytes: SEGMENT,
    totalLength: 100 * SEGMENT + 10,
    path: '/t',
    readBytes: (offset, into) =>
      new Promise((resolve, reject) => {
        pending.push({
          offset,
          finish: async (error) => {
            for (let i = 0; i < into.length; i++) into[i] = (offset + i) & 0xff;
            if (error === undefined) resolve();
            else reject(error);
            await Promise.resolve();
            await Promise.resolve();
          },
        });
      }),
  });
  const got: { view: Uint8Array | undefined; error: Error | undefined; release: () => void }[] = [];
  const read = (piece: number, begin: number, length: number) =>
    cache.read(piece, begin, length, (error, view, release) =>
      got.push({ view, error, release: release ?? (() => {}) }),
    );
  const bytes = (from: number, length: number) => Array.from({ length }, (_, i) => (from + i) & 0xff);
  return { memory, pending, cache, got, read, bytes };
}

describe('read cache', () => {
  test('readers of one window share one read; the next one is served at once', async () => {
    const { pending, got, read, bytes } = setup(4);
    read(1, 0, 16);
    read(1, 16, 16);
    expect(pending.length).toBe(1);
    expect(pending[0]?.offset).toBe(2 * SEGMENT);
    await pending[0]?.finish();
    expect(got.map(({ view }) => [...(view ?? [])])).toEqual([bytes(128, 16), bytes(144, 16)]);
    read(1, 40, 8);
    expect([...(got[2]?.view ?? [])]).toEqual(bytes(168, 8));
    expect(pending.length).toBe(1);
  });

  test('a window in use is never given away; with none to spare a read goes past the cache', async () => {
    const { memory, pending, got, read, bytes } = setup(2);
    read(0, 0, 8);
    read(1, 0, 8);
    for (const item of pending.splice(0)) await item.finish();
    read(2, 0, 8);
    await pending.shift()?.finish();
    expect([...(got[2]?.view ?? [])]).toEqual(bytes(256, 8));
    expect(memory.usedBytes).toBe(2 * SEGMENT);
    expect([...(got[0]?.view ?? [])]).toEqual(bytes(0, 8));
    got[0]?.release();
    got[0]?.release();
    read(3, 0, 8);
    await pending.shift()?.finish();
    expect([...(got[1]?.view ?? [])]).toEqual(bytes(128, 8));
    expect([...(got[3]?.view ?? [])]).toEqual(bytes(384, 8));
    expect(memory.usedBytes).toBe(2 * SEGMENT);
  });

  test('a failed read reaches everybody who waits, and the next one tries again', async () => {
    const { memory, pending, got, read } = setup(2);
    read(0, 0, 8);
    read(0, 8, 8);
    await pending.shift()?.finish(new DiskFaultError({ code: 'EIO', path: '/t/f', action: 'read' }));
    expect(got.map(({ error }) => error?.message)).toEqual(Array(2).fill(expect.stringContaining('/t/f')));
    expect(memory.usedBytes).toBe(0);
    read(0, 0, 8);
    expect(pending.length).toBe(1);
  });

  test('closing returns all memory once the last view is released', async () => {
    const { memory, pending, cache, got, read } = setup(4);
    read(0, 0, 8);
    read(1, 0, 8);
    await pending.shift()?.finish();
    cache.close();
    expect(memory.usedBytes).toBe(2 * SEGMENT);
    got[0]?.release();
    await pending.shift()?.finish();
    got[1]?.release();
    expect(memory.usedBytes).toBe(0);
  });

  test('a range across two windows and the short last one', async () => {
    const { pending, got, read, bytes } = setup(4);
    read(0, 60, 8);
    read(50, 0, 10);
    for (const item of pending.splice(0)) await item.finish();
    expect([...(got[0]?.view ?? [])]).toEqual(bytes(60, 8));
    expect([...(got[1]?.view ?? [])]).toEqual(bytes(6400, 10));
  });

  test('a piece that is forgotten gives its memory back at once, or when its last user leaves', async () => {
    const { memory, pending, cache, got, read } = setup(4);
    read(0, 0, 16);
    await pending[0]?.finish();
    got[0]?.release();
    read(1, 0, 16);
    await pending[1]?.finish();
    expect(memory.usedBytes).toBe(2 * SEGMENT);
    cache.forgetPiece(0);
    cache.forgetPiece(1);
    expect(memory.usedBytes).toBe(SEGMENT);
    got[1]?.release();
    expect(memory.usedBytes).toBe(0);
  });
});
