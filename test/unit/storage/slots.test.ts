import { describe, expect, test } from 'vitest';
import { SlotBuffers, SlotMemory } from '../../../core/storage/slots.ts';

describe('slots', () => {
  test('the session bound holds, every slot is its own memory, and a free slot is announced once', () => {
    let announced = 0;
    const slots = new SlotBuffers(new SlotMemory(3 << 20), 256 << 10, () => announced++);
    const held: number[] = [];
    for (let slot = slots.acquire(); slot >= 0; slot = slots.acquire()) held.push(slot);
    expect(held.length).toBe(12);
    held.forEach((slot, i) => {
      slots.view(slot).fill(i);
    });
    held.forEach((slot, i) => {
      expect([slots.view(slot)[0], slots.view(slot).at(-1)]).toEqual([i, i]);
    });
    slots.release(held[5] as number);
    slots.release(held[6] as number);
    expect(announced).toBe(1);
    expect(slots.acquire()).toBeGreaterThanOrEqual(0);
    expect(slots.inUse).toBe(11);
  });

  test('a slot is released once', () => {
    const slots = new SlotBuffers(new SlotMemory(1 << 20), 1 << 19);
    const slot = slots.acquire();
    slots.release(slot);
    expect(() => slots.release(slot)).toThrow();
  });

  test('one torrent that holds everything leaves another its reserve', () => {
    const memory = new SlotMemory(2 << 20);
    const greedy = new SlotBuffers(memory, 1 << 20);
    while (greedy.acquire() >= 0);
    expect(greedy.inUse).toBe(2);
    const other = new SlotBuffers(memory, 1 << 20);
    expect([other.acquire(), other.acquire()]).toEqual([0, 1]);
    expect(other.acquire()).toBe(-1);
  });

  test('memory that one torrent gives back serves another', () => {
    const memory = new SlotMemory(4 << 20);
    const first = new SlotBuffers(memory, 1 << 20);
    while (first.acquire() >= 0);
    let woken = 0;
    const second = new SlotBuffers(memory, 1 << 20, () => woken++);
    second.acquire();
    second.acquire();
    expect(second.acquire()).toBe(-1);
    first.release(0);
    expect(woken).toBe(1);
    expect(second.acquire()).toBe(2);
    first.dispose();
    expect(memory.allocatedBytes).toBe(6 << 20);
    expect(memory.trim().length).toBe(3);
    expect(memory.allocatedBytes).toBe(3 << 20);
    expect(second.acquire()).toBe(3);
  });
});
