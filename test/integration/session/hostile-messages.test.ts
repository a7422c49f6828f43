// Messages that no honest peer sends, against a session as leecher and as seeder, in the clear and encrypted.
import { describe, expect, it } from 'vitest';
import { concatBytes, writeU32 } from '../../../core/base/bytes.ts';
import { liveBytes } from '../../support/live-memory.ts';
import { within } from '../../support/wait.ts';
import { expectSmall, PATIENCE_MS, Scene } from './hostile-world.ts';
import { frame } from './raw-peer.ts';

const MEBIBYTE = 1 << 20;

/** A frame that announces `length` bytes, whatever follows. */
function announced(length: number, ...body: number[]): Uint8Array {
  const bytes = new Uint8Array(4 + body.length);
  writeU32(bytes, 0, length);
  bytes.set(body, 4);
  return bytes;
}

function extended(id: number, text: string | Uint8Array): Uint8Array {
  return frame(20, Uint8Array.of(id), typeof text === 'string' ? new TextEncoder().encode(text) : text);
}

/** In a torrent of 31 pieces of 32 KiB, the last one short: 4 bytes of bitfield. */
const PIECES = 31;

const VIOLATIONS: readonly [name: string, bytes: Uint8Array, reason: RegExp][] = [
  ['a length of 0xffffffff', announced(0xffffffff, 7), /piece message of 4294967295/],
  ['a length of 0x7fffffff', announced(0x7fffffff, 5), /bitfield of/],
  ['an unknown id of 16 MiB', announced(16 * MEBIBYTE, 99), /message 99/],
  ['an extended message of 2 GiB', announced(0x7fffffff, 20), /extended message of/],
  ['a have without its piece', announced(1, 4), /have message of 1/],
  ['a have too long', announced(6, 4, 0, 0, 0, 0, 0), /have message of 6/],
  ['a request without fields', announced(1, 6), /message 6 of 1/],
  ['a request too long', announced(14, 6), /message 6 of 14/],
  ['a piece without fields', announced(1, 7), /piece message of 1/],
  ['a choke with a body', announced(2, 0, 0), /message 0 of 2/],
  ['an unchoke with a body', announced(2, 1, 0), /message 1 of 2/],
  ['a port of one byte', announced(2, 9, 0), /port message/],
  ['a have-all with a body', announced(2, 14, 0), /message 14 of 2/],
  ['a suggestion without its piece', announced(1, 13), /message 13 of 1/],
  ['a bitfield too short', frame(5, Uint8Array.of(0xff)), /bitfield of 1/],
  ['a bitfield too long', frame(5, new Uint8Array(5)), /bitfield of 5/],
  ['a bitfield with spare bits set', frame(5, Uint8Array.of(0, 0, 0, 1)), /spare|bits/],
  ['have-none over and over', concatBytes(Array.from({ length: 50 }, () => frame(15))), /too many|have/],
  ['a have out of range', frame(4, PIECES), /have of piece 31/],
  ['a have of piece 4294967295', frame(4, 0xffffffff), /have of piece/],
  ['a request of a piece out of range', frame(6, PIECES, 0, 16_384), /request of piece/],
  ['a request of 2 GiB', frame(6, 0, 0, 0x80000000), /request of 2147483648/],
  ['a request of nothing', frame(6, 0, 0, 0), /request of 0/],
  ['a request beyond the piece', frame(6, 0, 32_768, 16_384), /protocol-violation/],
  ['a request across the end of the piece', frame(6, 0, 32_767, 2), /protocol-violation/],
  ['a request from offset 4294967295', frame(6, 0, 0xffffffff, 16_384), /protocol-violation/],
  ['a block of a piece out of range', frame(7, PIECES, 0, new Uint8Array(16)), /block of piece/],
  ['a block of 129 KiB', announced(9 + 129 * 1024, 7), /piece message of/],
  ['an extended handshake of `l-3:`', extended(0, 'l-3:'), /extended handshake/],
  ['an extended handshake that ends early', extended(0, 'd1:md'), /extended handshake/],
  ['an extended handshake nested 20,000 deep', extended(0, 'l'.repeat(20_000)), /extended handshake/],
  [
    'an extended handshake of 20,000 keys',
    extended(
      0,
      `d${Array.from({ length: 20_000 }, (_, i) => `5:${String(i).padStart(5, '0')}i0e`).join('')}e`,
    ),
    /extended/,
  ],
  ['a string longer than its message', extended(0, 'd1:v99999999999:'), /extended handshake/],
  [
    'a thousand extended handshakes',
    concatBytes(Array.from({ length: 1000 }, () => extended(0, 'de'))),
    /too many/,
  ],
  ['lt_donthave of one byte', extended(3, 'x'), /lt_donthave/],
  ['lt_donthave out of range', extended(3, Uint8Array.of(0xff, 0xff, 0xff, 0xff)), /dont-have/],
  ['ut_metadata that is no dictionary', extended(1, 'i1e'), /ut_metadata/],
  ['ut_metadata of a negative piece', extended(1, 'd8:msg_typei0e5:piecei-1ee'), /ut_metadata/],
  ['ut_metadata of 30 KiB', extended(1, new Uint8Array(30 * 1024)), /ut_metadata/],
  ['ut_pex that is no dictionary', extended(2, 'l-3:'), /ut_pex/],
  [
    'ut_pex ten times at once',
    concatBytes(Array.from({ length: 10 }, () => extended(2, 'de'))),
    /ut_pex messages/,
  ],
  ['another handshake', new TextEncoder().encode('\x13BitTorrent protocol'), /message 84|message|extended/],
];

/** Odd, but no reason to part: BEP 3, 6 and 10 ask to ignore them. */
const ODDITIES: readonly [name: string, bytes: Uint8Array][] = [
  ['keep-alives', new Uint8Array(4 * 1000)],
  ['an unknown id', frame(99, new Uint8Array(300))],
  ['an unknown extended id', extended(77, 'whatever')],
  ['a cancel of what was never asked', frame(8, 0, 0, 16_384)],
  ['a cancel out of range', frame(8, 0xffffffff, 0xffffffff, 0xffffffff)],
  ['a reject of what was never asked', frame(16, 0, 0, 16_384)],
  ['a reject off the grid', frame(16, 3, 5, 0xffffffff)],
  ['a reject out of range', frame(16, 0xffffffff, 1, 1)],
  ['a suggestion out of range', frame(13, 0xffffffff)],
  ['allowed-fast out of range', frame(17, 0xffffffff)],
  ['an empty block', frame(7, 0, 0)],
  ['a DHT port of 0', frame(9, Uint8Array.of(0, 0))],
  ['100 MB of metadata, announced', extended(0, 'd1:md11:ut_metadatai1ee13:metadata_sizei104857600ee')],
  [
    'an extended handshake of odd types',
    extended(0, 'd1:m3:abc1:pi-5e4:reqqi99999999999e1:vi5e6:yourip3:abce'),
  ],
  ['an extension called toString', extended(0, 'd1:md8:toStringi1e11:constructori2e9:__proto__i3eee')],
];

describe.each([
  ['leecher', 'plain'],
  ['leecher', 'encrypted'],
  ['seeder', 'plain'],
  ['seeder', 'encrypted'],
] as const)('a session as %s, %s', (role, encryption) => {
  const encrypted = encryption === 'encrypted';

  it('ends every peer that breaks the protocol, says why, and serves honest ones', {
    timeout: 120_000,
  }, async () => {
    await using scene = await Scene.open(role);
    expect(scene.pieceCount).toBe(PIECES);
    const start = liveBytes();
    for (const [name, bytes, reason] of VIOLATIONS) {
      const peer = await scene.greet({ encrypted });
      peer.send(bytes);
      await scene.expectGone(peer, reason).catch((error: unknown) => {
        throw new Error(`${name}: ${String(error)}`);
      });
    }
    expectSmall(start, 64 * MEBIBYTE);
    expect(scene.session.snapshot().torrents[0]?.peers).toEqual([]);
    await scene.expectHonestTransfer();
  });

  it('keeps peers that are merely odd', { timeout: 60_000 }, async () => {
    await using scene = await Scene.open(role);
    for (const [name, bytes] of ODDITIES) {
      const peer = await scene.greet({ encrypted });
      peer.send(extended(0, 'd1:md11:ut_metadatai5eee'), bytes);
      peer.send(extended(0, 'd1:md11:ut_metadatai5eee'), extended(1, 'd8:msg_typei0e5:piecei0ee'));
      // Whoever gets an answer is still there.
      const answer = async (): Promise<Uint8Array> => {
        for (;;) {
          const body = await peer.frameWithId(20);
          if (body[0] === 5) return body;
        }
      };
      const body = await within(answer(), PATIENCE_MS, `an answer after ${name}`);
      expect(body.length).toBeGreaterThan(300);
      peer.socket.destroy();
    }
    await scene.expectHonestTransfer();
  });
});
