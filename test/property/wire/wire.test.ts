import { describe, expect, it } from 'vitest';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { Bitfield } from '../../../core/base/bitfield.ts';
import { concatBytes, toHex, writeU32 } from '../../../core/base/bytes.ts';
import { seededRng } from '../../../core/base/clock.ts';
import { MseInitiator, MseResponder } from '../../../core/transport/mse.ts';
import { decodeExtendedHandshake } from '../../../core/wire/extended-handshake.ts';
import { decodeMetadataMessage } from '../../../core/wire/ut-metadata.ts';
import { decodePex, encodePex } from '../../../core/wire/ut-pex.ts';
import fc from '../../support/property.ts';
import { INFO_HASH, newPeer, remoteHandshake, shakenPeer } from '../../support/wire.ts';

const PIECES = 20;
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const u32 = fc.oneof(fc.nat(PIECES), fc.nat(0xffffffff), fc.constantFrom(0, 16384, 0x7fffffff, 0xffffffff));

/** Frames with a true length prefix and any id: what a parser meets once the framing is right. */
const frame = fc
  .tuple(
    fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 20), fc.nat(255)),
    fc.oneof(
      bytes(40),
      fc.tuple(u32, u32, u32).map((words) => {
        const all = new Uint8Array(12);
        for (const [i, word] of words.entries()) writeU32(all, i * 4, word);
        return all;
      }),
      fc.tuple(fc.nat(6), fc.dictionary(fc.string({ maxLength: 4 }), fc.nat())).map(([id, dict]) => {
        const ascii = Object.fromEntries(
          Object.entries(dict).filter(([key]) => /^[ -~]*$/.test(key) && key !== '__proto__'),
        );
        return concatBytes([Uint8Array.of(id), encodeBencode(ascii)]);
      }),
    ),
  )
  .map(([id, body]) => {
    const head = new Uint8Array(5);
    writeU32(head, 0, body.length + 1);
    head[4] = id;
    return concatBytes([head, body]);
  });

function cut(all: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; at < all.length; i++) {
    const size = 1 + ((cuts[i % cuts.length] ?? 1) % 64);
    parts.push(all.slice(at, at + size));
    at += size;
  }
  return parts;
}

describe('PeerWire', () => {
  it('never throws, and says the same however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 12 }),
        fc.array(fc.nat(63), { minLength: 1, maxLength: 8 }),
        fc.constantFrom(undefined, PIECES),
        fc.boolean(),
        (frames, cuts, pieceCount, fast) => {
          const all = concatBytes(frames);
          const whole = shakenPeer(pieceCount, { fast });
          whole.wire.receive(all);
          const pieces = shakenPeer(pieceCount, { fast });
          for (const part of cut(all, cuts)) {
            pieces.wire.receive(part);
            part.fill(0xee);
          }
          expect(pieces.seen.calls).toEqual(whole.seen.calls);
          whole.wire.flush();
          pieces.wire.flush();
          expect(toHex(pieces.sink.take())).toBe(toHex(whole.sink.take()));
          if (pieceCount === undefined) whole.wire.setPieceCount(PIECES);
          const violations = whole.seen.calls.filter((call) => call.startsWith('violation'));
          expect(violations.length).toBeLessThanOrEqual(1);
          if (violations.length === 1) expect(whole.seen.calls.at(-1)).toBe(violations[0]);
          for (const call of whole.seen.calls) {
            const match =
              /^(?:have|request|cancel|reject|suggest|allowed fast|dont have|block start) (\d+)/.exec(call);
            if (match !== null) expect(Number(match[1])).toBeLessThan(PIECES);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it('survives raw noise before and after the handshake', () => {
    fc.assert(
      fc.property(bytes(200), fc.boolean(), (noise, isShaken) => {
        const peer = isShaken ? shakenPeer(PIECES) : newPeer();
        peer.wire.receive(noise);
        peer.wire.close();
      }),
      { numRuns: 500 },
    );
  });

  it('reads what it writes', () => {
    const command = fc.oneof(
      fc.tuple(fc.constant('have'), fc.nat(PIECES - 1)),
      fc.tuple(
        fc.constantFrom('request', 'cancel', 'reject'),
        fc.nat(PIECES - 1),
        fc.nat(2 ** 30),
        fc.integer({ min: 1, max: 131072 }),
      ),
      fc.tuple(
        fc.constant('piece'),
        fc.nat(PIECES - 1),
        fc.nat(2 ** 30),
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
      ),
      fc.tuple(fc.constantFrom('suggest', 'allowed fast'), fc.nat(PIECES - 1)),
      fc.tuple(fc.constant('port'), fc.integer({ min: 1, max: 65535 })),
      fc.tuple(fc.constant('flush')),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        const { wire, sink } = shakenPeer(PIECES);
        const expected: string[] = [];
        for (const [name, ...rest] of commands) {
          const [piece, begin, third] = rest as [number, number, number & Uint8Array];
          if (name === 'flush') wire.flush();
          else if (name === 'piece') {
            wire.sendPiece(piece, begin, third);
            expected.push(`block start ${piece} ${begin} ${third.length}`);
            expected.push(`block end ${piece} ${begin} ${third.length} ${toHex(third.subarray(0, 16))}`);
          } else {
            if (name === 'have') wire.sendHave(piece);
            else if (name === 'request') wire.sendRequest(piece, begin, third);
            else if (name === 'cancel') wire.sendCancel(piece, begin, third);
            else if (name === 'reject') wire.sendReject(piece, begin, third);
            else if (name === 'suggest') wire.sendSuggest(piece);
            else if (name === 'allowed fast') wire.sendAllowedFast(piece);
            else wire.sendPort(piece);
            expected.push([name, ...rest].join(' '));
          }
        }
        wire.flush();
        const reader = shakenPeer(PIECES);
        reader.wire.receive(sink.take());
        expect(reader.seen.calls).toEqual(expected);
      }),
    );
  });

  it('checks bitfields of any length for any piece count, late or early', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), bytes(10), (pieceCount, body) => {
        const head = new Uint8Array(5);
        writeU32(head, 0, body.length + 1);
        head[4] = 5;
        const message = concatBytes([head, body]);
        const late = shakenPeer(pieceCount);
        late.wire.receive(message);
        const early = shakenPeer();
        early.wire.receive(message);
        early.wire.setPieceCount(pieceCount);
        const field = Bitfield.fromWire(pieceCount, body);
        const verdict = (calls: readonly string[]): string => (calls[0] ?? 'nothing').split(' ')[0] as string;
        if (!field.ok) {
          expect([verdict(late.seen.calls), verdict(early.seen.calls)]).toEqual(['violation', 'violation']);
          return;
        }
        expect(late.seen.calls).toEqual([`bitfield ${toHex(body)}`]);
        expect(early.seen.calls).toEqual([
          field.value.isFull ? 'have all' : field.value.count === 0 ? 'have none' : `bitfield ${toHex(body)}`,
        ]);
      }),
    );
  });
});

describe('decoders', () => {
  const decoders = { decodeExtendedHandshake, decodeMetadataMessage, decodePex };
  for (const [name, decode] of Object.entries(decoders)) {
    it(`${name} never throws`, () => {
      fc.assert(
        fc.property(bytes(300), (input) => {
          decode(input);
        }),
      );
      fc.assert(
        fc.property(fc.stringMatching(/^d[0-9:a-z.ile-]{0,80}e$/), (text) => {
          decode(new TextEncoder().encode(text));
        }),
      );
    });
  }

  it('whatever our handshake decoder lets through, the package takes too', () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        fc.integer(),
        fc.string({ maxLength: 6, unit: 'binary-ascii' }),
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(
          fc.constantFrom('m', 'v', 'toString', 'constructor', 'ut_pex', 'length', 'x'),
          tie('any'),
        ),
      ),
    })).any;
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('m', 'v', 'p', 'hasOwnProperty', 'yourip', 'toString'), value),
        (dict) => {
          const payload = encodeBencode(dict as never);
          const head = new Uint8Array(6);
          writeU32(head, 0, payload.length + 2);
          head[4] = 20;
          const peer = shakenPeer(PIECES);
          peer.wire.receive(concatBytes([head, payload]));
          expect(peer.seen.calls).toHaveLength(1);
          expect(peer.seen.calls[0]).toMatch(/^extended handshake/);
        },
      ),
    );
  });

  it('PEX is read as written', () => {
    const endpoint = fc.record({
      host: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((parts) => parts.join('.')),
      port: fc.integer({ min: 1, max: 65535 }),
    });
    const flags = {
      prefersEncryption: fc.boolean(),
      isSeed: fc.boolean(),
      supportsUtp: fc.boolean(),
      supportsHolepunch: fc.boolean(),
      isReachable: fc.boolean(),
    };
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.record({ endpoint, ...flags }), {
          maxLength: 50,
          selector: (peer) => peer.endpoint.host,
        }),
        fc.array(endpoint, { maxLength: 50 }),
        (added, dropped) => {
          expect(decodePex(encodePex({ added, dropped }))).toEqual({ ok: true, value: { added, dropped } });
        },
      ),
    );
  });
});

describe('MSE', () => {
  const options = { rng: seededRng(1), policy: 'prefer' } as const;
  it('survives any bytes in any cut, and ends in bounded memory', () => {
    fc.assert(
      fc.property(fc.array(bytes(300), { maxLength: 8 }), fc.boolean(), (parts, isResponder) => {
        const machine = isResponder
          ? new MseResponder({ ...options, findTorrent: () => INFO_HASH })
          : new MseInitiator({ ...options, infoHash: INFO_HASH });
        let fed = 0;
        for (const part of parts) {
          const step = machine.receive(part);
          fed += part.length;
          if (step.kind !== 'more') return;
        }
        // Noise cannot keep a machine waiting beyond key, longest pad and mark.
        expect(fed).toBeLessThan(96 + 512 + 20);
      }),
      { numRuns: 60 },
    );
  });

  it('knows plain handshakes in any cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(63), { minLength: 1, maxLength: 5 }), (cuts) => {
        const machine = new MseResponder({ ...options, findTorrent: () => undefined });
        for (const part of cut(remoteHandshake(), cuts)) {
          const step = machine.receive(part);
          if (step.kind === 'more') continue;
          expect(step.kind).toBe('plain');
          return;
        }
        throw new Error('not recognised');
      }),
      { numRuns: 50 },
    );
  });
});
