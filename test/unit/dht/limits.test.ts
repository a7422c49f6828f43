// What keeps strangers in bounds: queries per address, and the keyed hash behind tokens.
import { describe, expect, it } from 'vitest';
import { toHex } from '../../../core/base/bytes.ts';
import { OUR_LIMITS } from '../../../dht/base/options.ts';
import { Throttle } from '../../../dht/node/throttle.ts';
import { siphash, siphashWords } from '../../../dht/storage/siphash.ts';

const MINUTE_MS = 60_000;
const NOW_MS = 10_000_000;

describe('Throttle', () => {
  it('lets a burst of ten pass, then two a second', () => {
    const throttle = new Throttle(OUR_LIMITS);
    const admitted = (nowMs: number): number => {
      let count = 0;
      while (throttle.admit(1, nowMs)) count++;
      return count;
    };
    expect(admitted(NOW_MS)).toBe(10);
    expect(admitted(NOW_MS + 1000)).toBe(2);
    expect(admitted(NOW_MS + 60_000)).toBe(10);
    expect(throttle.admit(2, NOW_MS)).toBe(true);
  });

  it('bans a flood for five minutes', () => {
    const throttle = new Throttle(OUR_LIMITS);
    for (let i = 0; i < 51; i++) throttle.admit(1, NOW_MS + i * 100);
    expect(throttle.isBanned(1, NOW_MS + 6_000)).toBe(true);
    expect(throttle.isBanned(2, NOW_MS + 6_000)).toBe(false);
    expect(throttle.isBanned(1, NOW_MS + 6 * MINUTE_MS)).toBe(false);
  });

  it('remembers a bounded number of addresses', () => {
    const throttle = new Throttle(OUR_LIMITS);
    for (let i = 0; i < 100_000; i++) throttle.admit(i, NOW_MS);
    expect(throttle.size).toBeLessThanOrEqual(OUR_LIMITS.maxAddresses);
  });
});

describe('SipHash-2-4', () => {
  it('gives the published values', () => {
    const count = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i);
    const key = new Int32Array(count(16).buffer as ArrayBuffer);
    const published = {
      0: '310e0edd47db6f72',
      1: 'fd67dc93c539f874',
      8: '6224939a79f5f593',
      15: 'e545be4961ca29a1',
      63: '724506eb4c328a95',
    };
    for (const [length, expected] of Object.entries(published)) {
      const padded = new Uint8Array(siphashWords(Number(length)) * 4);
      padded.set(count(Number(length)));
      padded[padded.length - 1] = Number(length);
      const out = new Int32Array(2);
      siphash(key, new Int32Array(padded.buffer), out);
      expect(toHex(new Uint8Array(out.buffer)), length).toBe(expected);
    }
  });
});
