// Relays are looked for in all shards, however long each lookup takes.
import { expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import { RelaySearch } from '../../../core/relay/client-search.ts';
import { SHARD_COUNT } from '../../../core/relay/keys.ts';
import { RelayPool } from '../../../core/relay/relay-pool.ts';

const KEY = new Uint8Array(32).fill(7);

it('comes to every shard before one of them is asked again, and then to the one that waits longest', () => {
  const asked: number[] = [];
  const running = new Map<number, number>();
  const search = new RelaySearch(new RelayPool(seededRng(1)), (shard) => {
    asked.push(shard);
    running.set(shard, nowMs + 12_000);
  });
  let nowMs = 0;
  for (; asked.length < 2 * SHARD_COUNT && nowMs < 600_000; nowMs += 1_000) {
    for (const [shard, doneMs] of running)
      if (doneMs <= nowMs && running.delete(shard)) search.handleDone(shard, nowMs);
    search.poll(KEY, nowMs);
    expect(running.size).toBeLessThanOrEqual(4);
  }
  expect(new Set(asked.slice(0, SHARD_COUNT)).size).toBe(SHARD_COUNT);
  expect(asked.slice(SHARD_COUNT, 2 * SHARD_COUNT)).toEqual(asked.slice(0, SHARD_COUNT));
});
