// The journal's promise: whatever happens to its bytes, it never vouches for a piece that was not written into it.

import { describe, expect, test } from 'vitest';
import { concatBytes } from '../../../core/base/bytes.ts';
import {
  encodeHeader,
  encodeRecord,
  encodeSnapshot,
  type JournalRecord,
  loadJournal,
} from '../../../core/storage/journal.ts';
import type { FileStamp } from '../../../core/storage/journal-state.ts';
import fc from '../../support/property.ts';

const PIECES = 40;
const FILES = 5;
const identity = { infoHash: new Uint8Array(20).fill(7), pieceCount: PIECES, fileCount: FILES };

const pieces = fc.array(fc.nat(PIECES - 1), { maxLength: 6 });
const bitfield = (size: number) =>
  fc.uint8Array({ minLength: Math.ceil(size / 8), maxLength: Math.ceil(size / 8) }).map((bytes) => {
    const spare = bytes.length * 8 - size;
    bytes[bytes.length - 1] = ((bytes.at(-1) as number) >> spare) << spare;
    return bytes;
  });
const stamp: fc.Arbitrary<FileStamp> = fc.record({
  file: fc.nat(FILES),
  size: fc.maxSafeNat(),
  mtimeNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  inode: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
});
const record: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.record({
    kind: fc.constant('open' as const),
    bootId: fc.constantFrom('boot-a', 'boot-b'),
    root: fc.constantFrom('/x', '/a\nb'),
  }),
  fc.record({ kind: fc.constantFrom('pieces' as const, 'intent' as const, 'revoke' as const), pieces }),
  fc.record({ kind: fc.constantFrom('have' as const, 'unchecked' as const), bits: bitfield(PIECES) }),
  fc.record({ kind: fc.constant('inPart' as const), bits: bitfield(FILES) }),
  fc.record({ kind: fc.constant('stamps' as const), stamps: fc.array(stamp, { maxLength: 4 }) }),
  fc.record({ kind: fc.constantFrom('mark' as const, 'synced' as const, 'clean' as const) }),
);
const records = fc.array(fc.tuple(record, fc.nat(2 ** 40)), { maxLength: 12 });

function encode(list: readonly (readonly [JournalRecord, number])[]): { bytes: Uint8Array; ends: number[] } {
  const header = encodeHeader(identity);
  const parts = [header.bytes];
  const ends = [header.bytes.length];
  let crc = header.crc;
  for (const [item, timeMs] of list) {
    const encoded = encodeRecord(item, timeMs, crc);
    parts.push(encoded.bytes);
    ends.push((ends.at(-1) as number) + encoded.bytes.length);
    crc = encoded.crc;
  }
  return { bytes: concatBytes(parts), ends };
}

/** Everything a state says, comparable. */
function picture(bytes: Uint8Array): unknown {
  const state = loadJournal(bytes, identity)?.state;
  return (
    state && {
      boot: [state.bootId, state.root],
      have: [...state.have.bytes],
      durable: [...state.durable.bytes],
      unchecked: [...state.unchecked.bytes],
      inPart: [...state.inPart.bytes],
      stamps: [...state.stamps.values()].sort((a, b) => a.file - b.file),
      durableStamps: [...state.durableStamps.values()].sort((a, b) => a.file - b.file),
      intent: state.openIntent,
      clean: state.isClean,
      timeMs: state.lastTimeMs,
    }
  );
}

describe('resume journal', () => {
  test('every torn prefix loads to exactly its whole records', () => {
    fc.assert(
      fc.property(records, fc.nat(), (list, cut) => {
        const { bytes, ends } = encode(list);
        const length = cut % (bytes.length + 1);
        const whole = ends.filter((end) => end <= length).length - 1;
        const torn = loadJournal(bytes.subarray(0, length), identity);
        if (whole < 0) expect(torn).toBeUndefined();
        else {
          expect(torn?.goodBytes).toBe(ends[whole]);
          expect(picture(bytes.subarray(0, length))).toEqual(picture(encode(list.slice(0, whole)).bytes));
        }
      }),
    );
  });

  test('a damaged byte ends the journal there and invents nothing', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.integer({ min: 1, max: 255 }), (list, at, flip) => {
        const { bytes, ends } = encode(list);
        const place = at % bytes.length;
        bytes[place] = (bytes[place] as number) ^ flip;
        const before = ends.filter((end) => end <= place).length - 1;
        if (before < 0) expect(loadJournal(bytes, identity)).toBeUndefined();
        else expect(picture(bytes)).toEqual(picture(encode(list.slice(0, before)).bytes));
      }),
    );
  });

  test('a snapshot loads to the same state', () => {
    fc.assert(
      fc.property(records, (list) => {
        const { bytes } = encode([...list, [{ kind: 'stamps', stamps: [] }, 5]]);
        const state = loadJournal(bytes, identity)?.state;
        if (state === undefined) throw new Error('no state');
        const snapshot = encodeSnapshot(identity, state, 5).bytes;
        const again = picture(snapshot) as { clean: boolean };
        expect({ ...again, clean: false }).toEqual({ ...(picture(bytes) as object), clean: false });
      }),
    );
  });

  test('a record of another journal does not fit in, nor does another torrent open it', () => {
    const first = encode([[{ kind: 'pieces', pieces: [1] }, 1]]);
    const second = encode([
      [{ kind: 'pieces', pieces: [2] }, 1],
      [{ kind: 'pieces', pieces: [3] }, 2],
    ]);
    const spliced = concatBytes([first.bytes, second.bytes.subarray(second.ends[1])]);
    expect(loadJournal(spliced, identity)?.state.have.count).toBe(1);
    expect(loadJournal(first.bytes, { ...identity, infoHash: new Uint8Array(20) })).toBeUndefined();
    expect(loadJournal(first.bytes, { ...identity, pieceCount: 41 })).toBeUndefined();
  });

  test('any bytes at all load to something or nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        loadJournal(bytes, identity);
        loadJournal(concatBytes([encodeHeader(identity).bytes, bytes]), identity);
      }),
    );
  });

  test('only what was marked before a sync is durable', () => {
    const { bytes } = encode([
      [{ kind: 'pieces', pieces: [1, 2] }, 1],
      [{ kind: 'mark' }, 2],
      [{ kind: 'pieces', pieces: [3] }, 3],
      [{ kind: 'revoke', pieces: [2] }, 3],
      [{ kind: 'synced' }, 4],
    ]);
    const state = loadJournal(bytes, identity)?.state;
    expect([1, 2, 3].map((piece) => state?.durable.has(piece))).toEqual([true, false, false]);
    expect([1, 2, 3].map((piece) => state?.have.has(piece))).toEqual([true, false, true]);
  });
});
