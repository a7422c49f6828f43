// A file system that fails at the n-th call, for every n: nothing is reported before it is written and journaled, a
// retry finishes the work, and a process that dies at the fault leaves a journal that tells the truth.
import realFs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Bitfield } from '../../../core/base/bitfield.ts';
import { FdCache } from '../../../core/storage/fd-cache.ts';
import { FileMap } from '../../../core/storage/file-map.ts';
import { encodeSnapshot, loadJournal } from '../../../core/storage/journal.ts';
import { JournalState } from '../../../core/storage/journal-state.ts';
import { JournalWriter } from '../../../core/storage/journal-writer.ts';
import { type Commit, PieceStore } from '../../../core/storage/piece-store.ts';
import type { DiskFs } from '../../../core/storage/safe-files.ts';
import { scanFiles } from '../../../core/storage/scan.ts';
import { storeConfigOf } from '../../../core/storage/store-config.ts';
import { StoreFiles } from '../../../core/storage/store-files.ts';
import { judge } from '../../../core/storage/trust.ts';
import { type MadeTorrent, makeTorrent, sha1, temporaryFolder, wrongFiles } from './support.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder.remove());

const FAILING = [
  'openSync',
  'writeSync',
  'readSync',
  'fstatSync',
  'mkdirSync',
  'renameSync',
  'lstatSync',
] as const;
const CODES = ['ENOSPC', 'EIO', 'EROFS'];

/** @param failAt number of the call that fails, counted over all kinds; a failing write may be a short one first */
function failingFs(failAt: number): {
  readonly fs: DiskFs;
  readonly state: { calls: number; isOn: boolean };
} {
  const state = { calls: 0, isOn: true };
  const fs: Record<string, unknown> = { ...realFs };
  for (const name of FAILING) {
    const real = realFs[name] as (...args: unknown[]) => unknown;
    fs[name] = (...args: unknown[]) => {
      state.calls++;
      if (state.isOn && state.calls >= failAt) {
        // A disk that fills up takes a part of the last write.
        if (name === 'writeSync' && state.calls === failAt && (args[3] as number) > 1) {
          return real(args[0], args[1], args[2], (args[3] as number) >> 1, args[4]);
        }
        const code = CODES[failAt % CODES.length] as string;
        throw Object.assign(new Error(`${code}: made up`), { code });
      }
      return real(...args);
    };
  }
  return { fs: fs as DiskFs, state };
}

interface Rig {
  readonly store: PieceStore;
  readonly files: StoreFiles;
  readonly journal: JournalWriter;
}

function rig(torrent: MadeTorrent, root: string, fs: DiskFs): Rig {
  const config = storeConfigOf(
    torrent.metainfo,
    join(root, 'target'),
    undefined,
    join(root, 'state', 'part'),
  );
  const map = new FileMap(config);
  const count = config.files.length;
  const inPart = new Bitfield(count);
  inPart.set(1);
  const files = new StoreFiles({
    config,
    map,
    storeId: 1,
    fds: new FdCache(2),
    isWanted: (file) => file !== 1,
    inPart,
    existing: new Bitfield(count),
    fs,
  });
  const identity = { infoHash: torrent.metainfo.infoHash, pieceCount: config.pieceCount, fileCount: count };
  const state = new JournalState(config.pieceCount, count);
  state.apply({ kind: 'open', bootId: 'test', root: '/' }, 1);
  state.inPart = inPart;
  const start = {
    path: join(root, 'state', 'journal'),
    identity,
    snapshot: encodeSnapshot(identity, state, 1).bytes,
  };
  const journal = new JournalWriter(start, fs);
  return { store: new PieceStore(config, map, files, journal), files, journal };
}

const torrent = makeTorrent(
  [
    { path: ['x', 'a'], length: 150_000 },
    { path: ['b'], length: 70_000 },
    { path: ['void'], length: 0 },
    { path: ['y', 'c'], length: 1_100_000 },
  ],
  1_310_720 / 2 + 393_216 + 65_536,
);

/** The second piece is short; the first has two segments, given backwards, with a second batch after it. */
function batches(): Commit[][] {
  const { layout } = torrent.metainfo;
  const commit = (piece: number, segment: number, slot: number): Commit => {
    const size = layout.pieceSize(piece);
    const at = segment * (1 << 20);
    const start = layout.pieceOffset(piece) + at;
    const bytes = torrent.payload.slice(start, start + Math.min(1 << 20, size - at));
    return { piece, segment, slot, bytes, wantBlockDigests: false };
  };
  return [[commit(0, 1, 0)], [commit(1, 0, 1), commit(0, 0, 2)]];
}

/** What a next process would believe must be true on disk. */
async function believed(root: string): Promise<number[]> {
  const config = storeConfigOf(
    torrent.metainfo,
    join(root, 'target'),
    undefined,
    join(root, 'state', 'part'),
  );
  const map = new FileMap(config);
  const identity = { infoHash: torrent.metainfo.infoHash, pieceCount: 2, fileCount: 4 };
  let bytes: Uint8Array;
  try {
    bytes = realFs.readFileSync(join(root, 'state', 'journal'));
  } catch {
    return [];
  }
  const state = loadJournal(bytes, identity)?.state;
  if (state === undefined) return [];
  const trust = judge(config, map, state.inPart, state, await scanFiles(config, false), {
    bootId: 'test',
    root: '/',
  });
  const pieces = [0, 1].filter((piece) => trust.have.has(piece));
  for (const piece of pieces) {
    const size = torrent.metainfo.layout.pieceSize(piece);
    const data = new Uint8Array(size);
    for (const span of map.spans(piece * config.pieceLength, size)) {
      const isPart = state.inPart.has(span.file);
      const path = isPart ? config.partPath : join(config.directory, config.files[span.file]?.path ?? '');
      const fd = realFs.openSync(path, 'r');
      const position = isPart ? piece * config.pieceLength + span.at : span.fileOffset;
      realFs.readSync(fd, data, span.at, span.length, position);
      realFs.closeSync(fd);
    }
    const due = torrent.metainfo.pieceHashes.subarray(piece * 20, piece * 20 + 20);
    expect(Buffer.from(sha1(data)).equals(Buffer.from(due))).toBe(true);
  }
  return pieces;
}

test('a fault at any call', async () => {
  let failAt = 1;
  for (let isDone = false; !isDone; failAt++) {
    const root = join(folder.path, `${failAt}`);
    const { fs, state } = failingFs(failAt);
    const { store, files, journal } = rig(torrent, root, fs);
    const good: number[] = [];
    let waiting: Commit[] = [];
    let faults = 0;
    const take = (batch: ReturnType<PieceStore['process']>): void => {
      for (const outcome of batch.outcomes) if (outcome.status === 'ok') good.push(outcome.piece);
      for (const outcome of batch.outcomes) expect(outcome.status).not.toBe('bad');
      waiting.push(...batch.undone);
      if (batch.fault !== undefined) faults++;
    };
    for (const batch of batches()) {
      if (faults > 0) waiting.push(...batch);
      else take(store.process(batch));
    }
    const trusted = await believed(root);
    for (const piece of good) expect(trusted, `fault at call ${failAt}`).toContain(piece);
    isDone = faults === 0;

    state.isOn = false;
    files.reset();
    take(store.process([]));
    const again = waiting;
    waiting = [];
    take(store.process(again));
    expect(waiting).toEqual([]);
    expect(good.sort(), `fault at call ${failAt}`).toEqual([0, 1]);
    expect(await believed(root), `fault at call ${failAt}`).toEqual([0, 1]);
    expect(await wrongFiles(torrent, join(root, 'target'))).toEqual(['content/b']);
    files.close();
    journal.close();
    realFs.rmSync(root, { recursive: true });
  }
  expect(failAt).toBeGreaterThan(30);
});
