import { describe, expect, it } from 'vitest';
import { decodeBencode } from '../../../core/base/bencode.ts';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { seededRng } from '../../../core/base/clock.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import { idForAddress, isValidId } from '../../../dht/base/bep42.ts';
import { compareDistance, Id160 } from '../../../dht/base/node-id.ts';
import { KrpcMessage } from '../../../dht/krpc/krpc.ts';
import { Composer } from '../../../dht/krpc/krpc-compose.ts';
import { MAX_TID_BYTES, scanKrpc } from '../../../dht/krpc/krpc-scan.ts';
import { announceQuery, getPeersQuery, putQuery, targetQuery } from '../../../dht/krpc/queries.ts';
import { decodeState } from '../../../dht/storage/state.ts';
import fc from '../../support/property.ts';

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const some = (most: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: most });
const tids = fc.uint8Array({ maxLength: MAX_TID_BYTES });
const message = new KrpcMessage();
const out = new Composer();

describe('scanKrpc', () => {
  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(some(300), fc.boolean(), (body, isDict) => {
        const datagram = isDict ? Uint8Array.of(0x64, ...body, 0x65) : body;
        expect(['ok', 'foreign', 'malformed']).toContain(scanKrpc(datagram, message));
      }),
    );
  });

  it('accepts only what the strict decoder accepts, order of keys aside', () => {
    const alphabet = [
      'd',
      'l',
      'i',
      'e',
      '1:a',
      '1:r',
      '1:q',
      '1:t',
      '1:y',
      '2:id',
      '4:ping',
      '1:x',
      '0:',
      '5',
      '-',
      '20:abcdefghij0123456789',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...alphabet), { maxLength: 30 }), (parts) => {
        const datagram = new TextEncoder().encode(`d1:ad2:id20:abcdefghij0123456789${parts.join('')}`);
        if (scanKrpc(datagram, message) === 'ok') {
          const decoded = decodeBencode(datagram, { allowUnsorted: true });
          // The one thing it does not look for is a key twice among those it does not know.
          if (!decoded.ok) expect(decoded.reason.what).toContain('twice');
        }
      }),
    );
  });

  it('reads back replies of any content', () => {
    fc.assert(
      fc.property(
        tids,
        bytes(20),
        some(208),
        some(20),
        fc.array(fc.constantFrom(6, 18, 5).chain(bytes), { maxLength: 20 }),
        fc.bigInt({ min: 0n, max: 999_999_999n }),
        (t, id, nodes, token, values, seq) => {
          const datagram = encodeBencode({
            r: { id, nodes, token, values, seq: Number(seq), v: [id, { x: 1 }] },
            t,
            y: 'r',
          });
          expect(scanKrpc(datagram, message)).toBe('ok');
          expect(message.kind).toBe('reply');
          expect(message.copy(message.tid)).toEqual(t);
          expect(message.copy(message.id)).toEqual(id);
          expect(message.copy(message.nodes)).toEqual(nodes);
          expect(message.copy(message.token)).toEqual(token);
          expect(message.bigint(message.seq)).toBe(seq);
          expect(message.copy(message.v)).toEqual(encodeBencode([id, { x: 1 }]));
        },
      ),
    );
  });

  it('reads back every query we make, which is canonical bencode', () => {
    fc.assert(
      fc.property(
        bytes(20),
        bytes(20),
        tids,
        some(8),
        fc.integer({ min: 1, max: 65535 }),
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        some(40),
        (own, aim, t, version, port, a, b, readOnly, token) => {
          const frame = { ownId: Id160.of(own), readOnly, version };
          const target = Id160.of(aim);
          const item = {
            kind: 'mutable',
            target: aim,
            v: encodeBencode([port]),
            publicKey: new Uint8Array(32).fill(port),
            salt: token,
            seq: BigInt(port),
            signature: new Uint8Array(64).fill(port),
          } as const;
          const made = [
            targetQuery(out, frame, 'get', target, a ? 'both' : undefined, t).slice(),
            getPeersQuery(out, frame, target, { noSeeds: a, scrape: b, want: undefined }, t).slice(),
            announceQuery(out, frame, target, { port, impliedPort: a, isSeed: b }, token, t).slice(),
            putQuery(out, frame, item, a ? 7n : undefined, token, t).slice(),
          ];
          for (const datagram of made) {
            expect(decodeBencode(datagram).ok).toBe(true);
            expect(scanKrpc(datagram, message)).toBe('ok');
            expect(message.copy(message.id)).toEqual(own);
            expect(message.copy(message.tid)).toEqual(t);
            expect(message.readOnly).toBe(readOnly);
          }
          expect(message.bigint(message.seq)).toBe(BigInt(port));
          expect(message.copy(message.v)).toEqual(item.v);
        },
      ),
    );
  });
});

describe('ids and addresses', () => {
  it('have the distances of the bytes', () => {
    const byBytes = (target: Uint8Array, x: Uint8Array, y: Uint8Array): number => {
      for (let i = 0; i < 20; i++) {
        const difference =
          ((x[i] as number) ^ (target[i] as number)) - ((y[i] as number) ^ (target[i] as number));
        if (difference !== 0) return difference;
      }
      return 0;
    };
    fc.assert(
      fc.property(bytes(20), bytes(20), bytes(20), (target, x, y) => {
        expect(Math.sign(compareDistance(Id160.of(target), Id160.of(x), Id160.of(y)))).toBe(
          Math.sign(byBytes(target, x, y)),
        );
        expect(Id160.of(x).toBytes()).toEqual(x);
      }),
    );
  });

  it('survive their compact form and their text', () => {
    fc.assert(
      fc.property(fc.constantFrom(6, 18).chain(bytes), (compact) => {
        const family = compact.length === 6 ? 4 : 6;
        const address = DhtAddress.fromCompact(family, compact, 0);
        const again = new Uint8Array(compact.length);
        expect(address.writeCompact(again, 0)).toBe(compact.length);
        expect(again).toEqual(compact);
        const parsed = DhtAddress.of({ host: address.host, port: Math.max(1, address.port) });
        if (parsed?.family === family) expect(parsed.ip()).toEqual(address.ip());
      }),
    );
  });

  it('make BEP 42 ids for any address', () => {
    const rng = seededRng(1);
    fc.assert(
      fc.property(fc.constantFrom(6, 18).chain(bytes), (compact) => {
        const address = DhtAddress.fromCompact(compact.length === 6 ? 4 : 6, compact, 0);
        expect(isValidId(idForAddress(address, rng), address)).toBe(true);
      }),
    );
  });
});

describe('decodeState', () => {
  it('never throws', () => {
    fc.assert(fc.property(some(200), (body) => void decodeState(body)));
    fc.assert(
      fc.property(some(60), some(80), some(90), (id, nodes, nodes6) => {
        expect(decodeState(encodeBencode({ format: 1, id, nodes, nodes6 })).ok).toBe(true);
      }),
    );
  });
});
