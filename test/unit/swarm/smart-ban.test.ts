// Who sent bad data: certainty bans, suspicion only watches.
import { describe, expect, it } from 'vitest';
import { SmartBan } from '../../../core/swarm/smart-ban.ts';

const DIGEST_BYTES = 20;

function digests(...values: number[]): Uint8Array {
  return Uint8Array.from({ length: values.length * DIGEST_BYTES }, (_, index) =>
    index % DIGEST_BYTES === DIGEST_BYTES - 1
      ? (values[(index - DIGEST_BYTES + 1) / DIGEST_BYTES] as number)
      : 0,
  );
}

describe('smart ban', () => {
  it('is certain of a sole supplier, also over several connections of one host', () => {
    expect(new SmartBan().noteFailure(0, ['a', 'a', 'a'], digests(1, 2, 3))).toEqual(['a']);
  });

  it('suspects all suppliers, and convicts who differs once the piece passes', () => {
    const ban = new SmartBan();
    expect(ban.noteFailure(5, ['a', 'b', 'c'], digests(1, 9, 3))).toEqual([]);
    expect([ban.isWatching(5), ban.isSuspect('a'), ban.isSuspect('b'), ban.isSuspect('d')]).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(ban.noteSuccess(5, digests(1, 2, 3))).toEqual(['b']);
    expect([ban.isWatching(5), ban.isSuspect('a'), ban.isSuspect('c')]).toEqual([false, false, false]);
  });

  it('remembers several failures of a piece, and convicts each liar', () => {
    const ban = new SmartBan();
    ban.noteFailure(5, ['a', 'b', 'c'], digests(1, 9, 3));
    ban.noteFailure(5, ['d', 'a', 'c'], digests(8, 2, 3));
    expect(ban.noteSuccess(5, digests(1, 2, 3))).toEqual(['b', 'd']);
  });

  it('keeps a suspect of two pieces under watch until both have passed', () => {
    const ban = new SmartBan();
    ban.noteFailure(1, ['a', 'b'], digests(1, 9));
    ban.noteFailure(2, ['a', 'c'], digests(1, 9));
    ban.noteSuccess(1, digests(1, 2));
    expect(ban.isSuspect('a')).toBe(true);
    ban.noteSuccess(2, digests(1, 2));
    expect(ban.isSuspect('a')).toBe(false);
  });

  it('convicts nobody without digests, nor of blocks whose sender is unknown', () => {
    const ban = new SmartBan();
    expect(ban.noteFailure(1, [undefined, undefined], digests(1, 9))).toEqual([]);
    ban.noteFailure(1, ['a', undefined], digests(1, 9));
    expect(ban.noteSuccess(1, digests(1, 2))).toEqual([]);
    ban.noteFailure(1, ['a', 'b'], digests(1, 9));
    expect(ban.noteSuccess(1, undefined)).toEqual([]);
    expect(ban.isWatching(1)).toBe(false);
  });

  it('is bounded, however often pieces fail', () => {
    const ban = new SmartBan();
    for (let time = 0; time < 20; time++) ban.noteFailure(1, ['a', `b${time}`], digests(1, 9));
    expect(ban.noteSuccess(1, digests(1, 2))).toHaveLength(8);
    for (let piece = 0; piece < 2000; piece++) ban.noteFailure(piece, ['a', 'b'], digests(1, 9));
    expect(ban.isWatching(1023)).toBe(true);
    expect(ban.isWatching(1024)).toBe(false);
  });
});
