// Pins what protocol-wire.ts relies on inside bittorrent-protocol 5.0.9, private methods included. When one of these
// fails after an update of the package, read its source again before anything else.
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { concatBytes, toHex, utf8 } from '../../../core/base/bytes.ts';
import { type ProtocolEvents, ProtocolWire } from '../../../core/wire/protocol-wire.ts';
import { INFO_HASH, remoteHandshake } from '../../support/wire.ts';

function build(): { wire: ProtocolWire; seen: string[]; out: Uint8Array[] } {
  const seen: string[] = [];
  const out: Uint8Array[] = [];
  const events: ProtocolEvents = {
    onBitfieldBytes: (bytes) => seen.push(`bitfield ${toHex(bytes)}`),
    onHaveAll: () => seen.push('have all'),
    onHaveNone: () => seen.push('have none'),
    onExtendedPayload: (name, payload) => seen.push(`${name} ${toHex(payload)}`),
  };
  return { wire: new ProtocolWire(events, (bytes) => out.push(bytes.slice())), seen, out };
}

const own = {
  infoHash: INFO_HASH,
  peerId: new Uint8Array(20),
  dht: true,
  extensionNames: { 1: 'ut_metadata' },
  extended: { v: 'x' },
};

afterEach(() => vi.useRealTimers());

describe('bittorrent-protocol', () => {
  it('is the version that was read', () => {
    const manifest = JSON.parse(
      readFileSync(
        new URL('../../../node_modules/bittorrent-protocol/package.json', import.meta.url),
        'utf8',
      ),
    ) as { version: string };
    expect(manifest.version).toBe('5.0.9');
  });

  it('pushes synchronously and in order, and sets no timer', () => {
    vi.useFakeTimers();
    const { wire, out } = build();
    wire.sendHandshake(own);
    expect(out).toHaveLength(1);
    wire.receive(remoteHandshake());
    // Its extended handshake goes out within the parsing of theirs.
    expect(toHex(concatBytes(out.slice(1)))).toBe(
      `000000201400${toHex(utf8('d1:md11:ut_metadatai1ee1:v1:xe'))}`,
    );
    const before = out.length;
    wire.unchoke();
    wire.interested();
    wire.port(6881);
    wire.haveAll();
    wire.suggest(1);
    wire.allowedFast(2);
    wire.bitfield(Uint8Array.of(0x80));
    wire.extended(7, Uint8Array.of(1, 2));
    expect(toHex(concatBytes(out.slice(before)))).toBe(
      '0000000101' +
        '0000000102' +
        '00000003091ae1' +
        '000000010e' +
        '000000050d00000001' +
        '000000051100000002' +
        '000000020580' +
        '00000004140701' +
        '02',
    );
    expect(vi.getTimerCount()).toBe(0);
  });

  it('says a state once', () => {
    const { wire, out } = build();
    wire.choke();
    wire.notInterested();
    expect(out).toEqual([]);
    wire.unchoke();
    wire.unchoke();
    wire.choke();
    wire.choke();
    wire.interested();
    wire.interested();
    wire.notInterested();
    expect(toHex(concatBytes(out))).toBe('00000001010000000100' + '00000001020000000103');
  });

  it('answers an incoming handshake with its extended handshake right behind', () => {
    const { wire, out } = build();
    wire.receive(remoteHandshake());
    expect(out).toEqual([]);
    expect(wire.peerHasExtended).toBe(true);
    wire.sendHandshake(own);
    expect(out[0]).toHaveLength(68);
    expect(toHex(concatBytes(out).subarray(68, 74))).toBe('000000201400');
    expect(wire.hasFast).toBe(true);
  });

  it('delivers events within receive, whole frame by whole frame', () => {
    const { wire, seen } = build();
    wire.sendHandshake(own);
    wire.receive(remoteHandshake());
    wire.receive(Uint8Array.of(0, 0, 0, 2, 5, 0xa0));
    expect(seen).toEqual(['bitfield a0']);
    wire.receive(Uint8Array.of(0, 0, 0, 1, 14));
    wire.receive(Uint8Array.of(0, 0, 0, 1, 15));
    wire.receive(Uint8Array.of(0, 0, 0, 4, 20, 1, 5, 6));
    // An id that we did not give out comes as a number, and the handshake's event with a dictionary: both are ignored.
    wire.receive(Uint8Array.of(0, 0, 0, 4, 20, 9, 5, 6));
    expect(seen).toEqual(['bitfield a0', 'have all', 'have none', 'ut_metadata 0506']);
  });

  it('has BEP 6 only when both sides offer it', () => {
    const { wire } = build();
    wire.sendHandshake(own);
    wire.receive(remoteHandshake({ fast: false }));
    expect(wire.hasFast).toBe(false);
  });
});
