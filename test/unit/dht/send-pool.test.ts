// Copies of datagrams that the system may still need.
import { expect, it } from 'vitest';
import { SendPool } from '../../../dht/io/send-pool.ts';

const message = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

it('gives copies of the length and content asked for, also of what is longer than any message', () => {
  const pool = new SendPool(() => true);
  for (const length of [0, 1, 68, 287, 1024, 1025, 4096])
    expect(new Uint8Array(pool.copy(message(length, length)))).toEqual(message(length, length));
});

it('uses its buffers again once the system has all', () => {
  const pool = new SendPool(() => true);
  const copies = Array.from({ length: 1000 }, () => pool.copy(message(287, 1)));
  expect(new Set(copies.map(({ buffer, byteOffset }) => [buffer, byteOffset].join())).size).toBeLessThan(20);
  expect(new Set(copies.map(({ buffer }) => buffer)).size).toBe(1);
});

it('leaves alone what the system does not have yet', () => {
  let isAllSent = true;
  const pool = new SendPool(() => isAllSent);
  for (let i = 0; i < 5; i++) pool.copy(message(100, 0));
  isAllSent = false;
  const waiting = Array.from({ length: 100 }, (_, i) => pool.copy(message(100 + (i % 3), i)));
  isAllSent = true;
  waiting.forEach((copy, i) => {
    expect(new Uint8Array(copy)).toEqual(message(100 + (i % 3), i));
  });
});

it("is nobody else's buffer: the original may change", () => {
  const pool = new SendPool(() => true);
  const original = message(50, 7);
  const copy = pool.copy(original);
  original.fill(8);
  expect(copy[0]).toBe(7);
});
