import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../../core/base/bytes.ts';
import { seededRng } from '../../../core/base/clock.ts';
import {
  decodeHolepunch,
  encodeHolepunch,
  encodeHolepunchError,
  PUNCH_ERRORS,
} from '../../../core/wire/ut-holepunch.ts';

const bytes = (hex: string): Uint8Array => fromHex(hex.replaceAll(' ', '')) as Uint8Array;

describe('ut_holepunch (BEP 55)', () => {
  it('sends 12 bytes with IPv4 and 24 with IPv6, error code included', () => {
    expect(toHex(encodeHolepunch('rendezvous', { host: '203.0.113.7', port: 6881 }))).toBe(
      toHex(bytes('00 00 cb007107 1ae1 00000000')),
    );
    expect(toHex(encodeHolepunch('connect', { host: '2001:db8::5', port: 51413 }))).toBe(
      toHex(bytes('01 01 20010db8000000000000000000000005 c8d5 00000000')),
    );
  });

  it('takes the long form and the one without error code', () => {
    const endpoint = { host: '203.0.113.7', port: 6881 };
    for (const hex of ['00 00 cb007107 1ae1 00000000', '00 00 cb007107 1ae1']) {
      expect(decodeHolepunch(bytes(hex))).toEqual({ ok: true, value: { kind: 'rendezvous', endpoint } });
    }
    const six = decodeHolepunch(bytes('01 01 20010db8000000000000000000000005 c8d5'));
    expect(six).toEqual({
      ok: true,
      value: { kind: 'connect', endpoint: { host: '2001:db8::5', port: 51413 } },
    });
  });

  it('an error needs its code', () => {
    expect(decodeHolepunch(bytes('02 00 cb007107 1ae1 00000002'))).toEqual({
      ok: true,
      value: { kind: 'error', endpoint: { host: '203.0.113.7', port: 6881 }, code: 2 },
    });
    expect(decodeHolepunch(bytes('02 00 cb007107 1ae1')).ok).toBe(false);
  });

  it('an error echoes the rendezvous byte for byte, the family it was written in included', () => {
    const mapped = bytes('00 01 00000000000000000000ffffcb007107 1ae1');
    expect(decodeHolepunch(mapped)).toEqual({
      ok: true,
      value: { kind: 'rendezvous', endpoint: { host: '203.0.113.7', port: 6881 } },
    });
    expect(toHex(encodeHolepunchError(mapped, PUNCH_ERRORS.noSuchPeer))).toBe(
      toHex(bytes('02 01 00000000000000000000ffffcb007107 1ae1 00000001')),
    );
  });

  it('refuses other lengths and address types, and ignores types of the future', () => {
    for (const hex of [
      '',
      '00',
      '00 02 cb007107 1ae1',
      '00 00 cb007107',
      '00 00 cb007107 1ae1 0000',
      '01 01 cb007107 1ae1 00000000',
    ]) {
      expect(decodeHolepunch(bytes(hex)).ok, hex).toBe(false);
    }
    expect(decodeHolepunch(bytes('03 00 ff'))).toEqual({ ok: true, value: { kind: 'unknown' } });
  });

  it('throws on no bytes whatever', () => {
    const rng = seededRng(55);
    for (let i = 0; i < 20_000; i++) {
      const payload = Uint8Array.from(
        { length: Math.floor(rng.next() * 30) },
        () => rng.next() * (i % 2 ? 4 : 256),
      );
      decodeHolepunch(payload);
    }
  });
});
