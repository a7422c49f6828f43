// When a source that is told "nobody took it" tries again.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import { infoHashOf, peerIdOf } from '../../../core/base/ids.ts';
import type { PeerSearch } from '../../../core/base/peer-source.ts';
import type { AnnounceOptions, AnnounceResult } from '../../../dht/base/results.ts';
import { DhtSource } from '../../../dht/io/dht-source.ts';
import type { DhtMachine } from '../../../dht/machine.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const contact = { id: new Uint8Array(20), address: { host: '127.0.0.1', port: 1, family: 4 as const } };

/** A node whose announces end as told, one after the other; the last answer holds for all that follow. */
function announcer(...takers: number[]): { search: PeerSearch; announces: () => number } {
  let count = 0;
  const machine = {
    snapshot: () => ({ families: [{ good: 1 }] }),
    announce: (_: unknown, options: AnnounceOptions) => {
      const accepted = Array(takers[Math.min(count++, takers.length - 1)]).fill(contact);
      setTimeout(() =>
        options.onAnnounced?.({ closest: [contact], peers: [], accepted } as unknown as AnnounceResult),
      );
      return { isDone: false, cancel: () => {} };
    },
  } as unknown as DhtMachine;
  const source = new DhtSource({
    node: { run: (command) => command(machine, Date.now()), ready: Promise.resolve() },
    clock: { nowMs: () => Date.now() },
    rng: seededRng(1),
  });
  const search = source.open(
    {
      infoHash: infoHashOf(new Uint8Array(20)),
      peerId: peerIdOf(new Uint8Array(20)),
      isPrivate: false,
      trackerTiers: [],
      dhtNodes: [],
      listenPort: () => 6000,
      transfer: () => ({ downloaded: 0, uploaded: 0, left: 0, corrupt: 0 }),
      wanted: () => 0,
    },
    { onPeers: () => {} },
  );
  return { search: search as PeerSearch, announces: () => count };
}

it('announces again soon, then ever more rarely, while no node takes it', async () => {
  const { search, announces } = announcer(0);
  await vi.advanceTimersByTimeAsync(4_000);
  expect(announces()).toBe(1);
  expect(search.status()[0]?.message).toMatch(/took/);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(announces()).toBe(2);
  await vi.advanceTimersByTimeAsync(8_000);
  expect(announces()).toBe(2);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(announces()).toBe(3);
});

it('leaves it at one for a quarter of an hour once somebody took it', async () => {
  const { search, announces } = announcer(0, 1);
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  expect(announces()).toBe(2);
  expect(search.status()[0]).toMatchObject({ state: 'ok', message: undefined });
  await vi.advanceTimersByTimeAsync(6 * 60_000);
  expect(announces()).toBe(3);
});
