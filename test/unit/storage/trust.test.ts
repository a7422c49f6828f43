// Which pieces survive: exact looks, the batch in which a process was killed, a crash of the machine, foreign hands.
import { describe, expect, test } from 'vitest';
import { Bitfield } from '../../../core/base/bitfield.ts';
import { FileMap } from '../../../core/storage/file-map.ts';
import type { JournalRecord } from '../../../core/storage/journal.ts';
import { type FileStamp, JournalState } from '../../../core/storage/journal-state.ts';
import type { StoreConfig } from '../../../core/storage/store-config.ts';
import { type FileLook, judge } from '../../../core/storage/trust.ts';

/** Four pieces of 10: file 0 holds pieces 0, 1 and half of 2; file 1 the rest. */
const config: StoreConfig = {
  directory: '/t',
  files: [25, 15].map((length, i) => ({
    path: `f${i}`,
    length,
    offset: i * 25,
    kind: 'file',
    isExecutable: false,
    linkText: undefined,
  })),
  totalLength: 40,
  pieceLength: 10,
  pieceCount: 4,
  segmentBytes: 10,
  pieceHashes: new Uint8Array(80),
  partPath: '/s/part',
};
const map = new FileMap(config);
const MS = 1_000_000n;

const stamp = (file: number, mtimeMs: number, size = file === 0 ? 25 : 15): FileStamp => ({
  file,
  size,
  mtimeNs: BigInt(mtimeMs) * MS,
  inode: BigInt(100 + file),
});

function stateOf(...list: readonly (readonly [JournalRecord, number])[]): JournalState {
  const state = new JournalState(4, 2);
  state.apply({ kind: 'open', bootId: 'now', root: '/t/x' }, 0);
  for (const [record, timeMs] of list) state.apply(record, timeMs);
  return state;
}

function verdict(
  state: JournalState | undefined,
  looks: readonly FileLook[],
  boot = 'now',
  root = '/t/x',
  inPart: readonly number[] = [],
) {
  const part = new Bitfield(2);
  for (const file of inPart) part.set(file);
  const trust = judge(config, map, part, state, looks, { bootId: boot, root });
  const list = (field: Bitfield): number[] => [0, 1, 2, 3].filter((piece) => field.has(piece));
  return { have: list(trust.have), unknown: list(trust.unknown), changed: trust.changedFiles };
}

const written: readonly (readonly [JournalRecord, number])[] = [
  [{ kind: 'intent', pieces: [0, 1, 2] }, 990],
  [{ kind: 'stamps', stamps: [stamp(0, 1000), stamp(1, 1000)] }, 1001],
  [{ kind: 'pieces', pieces: [0, 1, 2] }, 1001],
];

describe('trust in a journal', () => {
  test('files that look as they were left are believed, and what is missing is known to be missing', () => {
    expect(verdict(stateOf(...written), [stamp(0, 1000), stamp(1, 1000)])).toEqual({
      have: [0, 1, 2],
      unknown: [],
      changed: [],
    });
  });

  test('in another place a file must be the very same one', () => {
    const state = stateOf(...written);
    const copied = [stamp(0, 1000), { ...stamp(1, 1000), inode: 7n }];
    expect(verdict(state, copied).have).toEqual([0, 1, 2]);
    expect(verdict(state, copied, 'now', '/elsewhere').have).toEqual([0, 1]);
    expect(verdict(state, [stamp(0, 1000), stamp(1, 1000)], 'now', '/elsewhere').have).toEqual([0, 1, 2]);
  });

  test('the part file does not vouch for a file that lay beside it, nor a file for what the part file held', () => {
    const part = { ...stamp(2, 1000, 40) };
    const inPlace = stateOf(...written, [{ kind: 'stamps', stamps: [part] }, 1001]);
    // Since then file 0 went, and nobody wants it: its bytes would be looked for in the part file, which never had them.
    expect(verdict(inPlace, [undefined, stamp(1, 1000), part], 'now', '/t/x', [0])).toEqual({
      have: [],
      unknown: [],
      changed: [0],
    });
    const beside = stateOf([{ kind: 'inPart', bits: Uint8Array.of(0x80) }, 980], ...written, [
      { kind: 'stamps', stamps: [part] },
      1001,
    ]);
    expect(verdict(beside, [undefined, stamp(1, 1000), part], 'now', '/t/x', [0]).have).toEqual([0, 1, 2]);
    expect(verdict(beside, [stamp(0, 1000), stamp(1, 1000), part]).have).toEqual([]);
  });

  test('a changed file costs exactly its own pieces', () => {
    expect(verdict(stateOf(...written), [stamp(0, 1000), stamp(1, 1002)])).toEqual({
      have: [0, 1],
      unknown: [2, 3],
      changed: [1],
    });
    expect(verdict(stateOf(...written), [stamp(0, 1000), stamp(1, 1000, 14)])).toEqual({
      have: [0, 1],
      unknown: [2],
      changed: [1],
    });
    expect(verdict(stateOf(...written), [undefined, stamp(1, 1000)])).toEqual({
      have: [],
      unknown: [],
      changed: [0],
    });
  });

  test('without a journal everything that lies there must be hashed', () => {
    expect(verdict(undefined, [stamp(0, 1), undefined]).unknown).toEqual([0, 1]);
  });

  test('killed in a batch: its files may be a little newer, and its pieces are looked at', () => {
    const state = stateOf(...written, [{ kind: 'intent', pieces: [3] }, 2000]);
    const looks = (mtimeMs: number, inode = 101n) => [stamp(0, 1000), { ...stamp(1, mtimeMs), inode }];
    expect(verdict(state, looks(2005))).toEqual({ have: [0, 1, 2], unknown: [3], changed: [] });
    expect(verdict(state, looks(3001)).have).toEqual([0, 1]);
    expect(verdict(state, looks(999)).have).toEqual([0, 1]);
    expect(verdict(state, looks(2005, 55n)).have).toEqual([0, 1]);
    // File 0 is not in the batch: no grace for it.
    expect(verdict(state, [stamp(0, 2005), stamp(1, 1000)]).have).toEqual([]);
  });

  test('after a crash of the machine only flushed pieces count', () => {
    const state = stateOf(
      [{ kind: 'stamps', stamps: [stamp(0, 1000), stamp(1, 1000)] }, 1001],
      [{ kind: 'pieces', pieces: [0, 3] }, 1001],
      [{ kind: 'mark' }, 1002],
      [{ kind: 'synced' }, 1003],
      [{ kind: 'stamps', stamps: [stamp(0, 1500)] }, 1501],
      [{ kind: 'pieces', pieces: [1] }, 1501],
    );
    for (const mtimeMs of [1000, 1200, 1500]) {
      expect(verdict(state, [stamp(0, mtimeMs), stamp(1, 1000)], 'later')).toEqual({
        have: [0, 3],
        unknown: [1],
        changed: [],
      });
    }
    expect(verdict(state, [stamp(0, 900), stamp(1, 1000)], 'later').have).toEqual([3]);
    expect(verdict(state, [stamp(0, 9000), stamp(1, 1000)], 'later').have).toEqual([3]);
    expect(verdict(state, [stamp(0, 1500), stamp(1, 1000)]).have).toEqual([0, 1, 3]);
  });

  test('an interrupted check goes on with what it had not hashed', () => {
    const unchecked = new Bitfield(4);
    unchecked.set(1);
    unchecked.set(3);
    const state = stateOf(
      [{ kind: 'unchecked', bits: unchecked.bytes }, 1],
      [{ kind: 'stamps', stamps: [stamp(0, 1000), stamp(1, 1000)] }, 2],
      [{ kind: 'revoke', pieces: [1] }, 2],
      [{ kind: 'pieces', pieces: [0] }, 2],
    );
    expect(verdict(state, [stamp(0, 1000), stamp(1, 1000)])).toEqual({
      have: [0],
      unknown: [3],
      changed: [],
    });
  });
});
