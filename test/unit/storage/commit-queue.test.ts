import { describe, expect, test } from 'vitest';
import { CommitQueue } from '../../../core/storage/commit-queue.ts';
import { NUMBERS_PER_COMMIT, STATUS } from '../../../core/storage/disk-messages.ts';
import type { StorePort } from '../../../core/storage/disk-workers.ts';
import { SlotBuffers, SlotMemory } from '../../../core/storage/slots.ts';

const MIB = 1 << 20;

/** A disk thread that answers when it is told to. */
function bench(segments: number) {
  const slots = new SlotBuffers(new SlotMemory(segments * MIB), MIB);
  const messages: number[][] = [];
  const said: boolean[] = [];
  const port = { commit: (numbers: readonly number[]) => messages.push([...numbers]) };
  const queue = new CommitQueue({
    slots,
    port: () => port as unknown as StorePort,
    onPiece: () => {},
    onBehind: (isBehind) => said.push(isBehind),
  });
  const answer = (): void => {
    const numbers: number[] = [];
    const message = messages.shift() ?? [];
    for (let at = 0; at < message.length; at += NUMBERS_PER_COMMIT)
      numbers.push(message[at + 2] as number, STATUS.ok);
    queue.handleOutcomes({
      kind: 'outcomes',
      store: 1,
      isAnswer: true,
      numbers,
      digests: [],
      undone: [],
      fault: undefined,
      hashMs: 0,
    });
  };
  return { slots, queue, messages, said, answer };
}

describe('what waits for the disk thread', () => {
  test('more than 12 MiB of it is said once, and once more when the thread has caught up', () => {
    const { slots, queue, messages, said, answer } = bench(20);
    for (let piece = 0; piece < 12; piece++) queue.add(piece, 0, slots.acquire(), MIB, false);
    expect([queue.isBehind, said]).toEqual([false, []]);
    for (let piece = 12; piece < 20; piece++) queue.add(piece, 0, slots.acquire(), MIB, false);
    expect([queue.isBehind, said]).toEqual([true, [true]]);
    queue.flush();
    while (queue.isBehind) answer();
    expect(said).toEqual([true, false]);
    expect(queue.size).toBeGreaterThan(0);
    while (messages.length > 0) answer();
    expect([queue.size, slots.inUse, said]).toEqual([0, 0, [true, false]]);
  });
});
