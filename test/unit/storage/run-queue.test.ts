// The work of a check, cut into runs that threads take by themselves.
import { expect, test } from 'vitest';
import { RunQueue } from '../../../core/storage/run-queue.ts';
import type { StoreConfig } from '../../../core/storage/store-config.ts';

const PIECE = 100;
/** Ten pieces, the last of 50 bytes. */
const config = { pieceLength: PIECE, pieceCount: 10, totalLength: 950 } as StoreConfig;

function runsOf(queue: RunQueue): number[][] {
  const runs: number[][] = [];
  for (let run = queue.take(); run >= 0; run = queue.take()) runs.push([...queue.piecesOf(run)]);
  return runs;
}

test('a run ends with the piece that reaches its bytes, the last one with the last piece', () => {
  const pieces = Array.from({ length: 10 }, (_, piece) => piece);
  expect(runsOf(RunQueue.of(config, pieces, 250))).toEqual([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]);
  expect(runsOf(RunQueue.of(config, [7, 3, 9], 1))).toEqual([[7], [3], [9]]);
  expect(runsOf(RunQueue.of(config, [7, 3, 9], 1_000))).toEqual([[7, 3, 9]]);
  expect(runsOf(RunQueue.of(config, [], 250))).toEqual([]);
});

test('each run goes to one taker, whoever holds the shared memory; none after a stop', () => {
  const pieces = Array.from({ length: 10 }, (_, piece) => piece);
  const here = RunQueue.of(config, pieces, 100);
  const there = new RunQueue(here.shared);
  const taken: number[] = [];
  for (let i = 0; i < 3; i++) taken.push(here.take(), there.take());
  expect(taken).toEqual([0, 1, 2, 3, 4, 5]);
  there.stop();
  expect([here.take(), there.take(), here.take()]).toEqual([-1, -1, -1]);
});
