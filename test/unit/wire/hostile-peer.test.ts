// Inputs that end or choke clients built on bittorrent-protocol and its extensions alone: here they cost the sender its
// connection and us nothing.
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8, writeU32 } from '../../../core/base/bytes.ts';
import { infoHashOf } from '../../../core/base/ids.ts';
import { MetadataFetch } from '../../../core/wire/metadata-fetch.ts';
import { decodeMetadataMessage } from '../../../core/wire/ut-metadata.ts';
import { shakenPeer, type TestPeer } from '../../support/wire.ts';

function extended(id: number, payload: Uint8Array): Uint8Array {
  const head = new Uint8Array(6);
  writeU32(head, 0, payload.length + 2);
  head[4] = 20;
  head[5] = id;
  return concatBytes([head, payload]);
}

function expectViolation(peer: TestPeer, pattern: RegExp): void {
  expect(peer.wire.isClosed).toBe(true);
  expect(peer.seen.calls).toHaveLength(1);
  expect(peer.seen.calls[0]).toMatch(pattern);
}

describe('a hostile peer', () => {
  it('that sends an extended handshake of `l-3:` (which never returns in the bencode package)', () => {
    for (const poison of ['l-3:', 'd1:ml-3:', 'd1:md11:ut_metadatal-3:ee', 'd1:vl-3:e', 'l', 'i1e', '']) {
      const peer = shakenPeer(10);
      peer.wire.receive(extended(0, utf8(poison)));
      expectViolation(peer, /^violation extended/);
    }
  });

  it('that nests or repeats keys', () => {
    for (const [payload, pattern] of [
      [`d1:a${'l'.repeat(60_000)}${'e'.repeat(60_000)}e`, /deeper/],
      ['d1:v1:a1:v1:be', /twice/],
    ] as const) {
      const peer = shakenPeer(10);
      peer.wire.receive(extended(0, utf8(payload)));
      expectViolation(peer, pattern);
    }
  });

  it('that names keys which an object has by itself (which end or alter what the package decodes into)', () => {
    for (const payload of [
      'd1:md1:ad8:toStringi1eeee',
      'd9:__proto__d1:mi1ee1:md1:ai1eee',
      'd1:md9:__proto__i1e8:toStringi2eee',
      'd1:md11:constructorle8:toStringdeee',
    ]) {
      const peer = shakenPeer(10);
      peer.wire.receive(extended(0, utf8(payload)));
      expect(peer.seen.calls).toEqual(['extended handshake {"extensionIds":{}}']);
      for (const name of ['__proto__', 'toString', 'constructor', 'a', 'hasOwnProperty'])
        expect(peer.wire.peerTakes(name)).toBe(false);
    }
  });

  it('that sends a metadata piece 99 (which ends ut_metadata with a RangeError)', () => {
    const data = utf8('d8:msg_typei1e5:piecei99e10:total_sizei20000eexxxx');
    const peer = shakenPeer(10);
    peer.wire.receive(extended(1, data));
    expect(peer.wire.isClosed).toBe(false);
    const message = decodeMetadataMessage(data);
    const fetch = new MetadataFetch<string>(infoHashOf(new Uint8Array(20)));
    fetch.addPeer('liar', 20_000);
    fetch.poll(0);
    if (!message.ok || message.value.kind !== 'data') throw new Error('not decoded');
    let reason: string | undefined;
    for (let i = 0; i < 100 && reason === undefined; i++)
      reason = fetch.handleMessage('liar', message.value, 1);
    expect(reason).toMatch(/nobody asked/);
  });

  it('that announces a frame of 0x7fffffff bytes and keeps sending', () => {
    for (const id of [20, 5, 21, 99, 255]) {
      const peer = shakenPeer(10);
      peer.wire.receive(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, id));
      expectViolation(peer, /bytes/);
      for (let i = 0; i < 100; i++) peer.wire.receive(new Uint8Array(65536));
      expect(peer.seen.calls).toHaveLength(1);
    }
  });

  it('that announces 0xffffffff bytes, which is no keep-alive', () => {
    const peer = shakenPeer(10);
    peer.wire.receive(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 20));
    expectViolation(peer, /4294967295/);
  });

  it('that asks for 2 GiB ten thousand times', () => {
    const request = new Uint8Array(17);
    writeU32(request, 0, 13);
    request[4] = 6;
    writeU32(request, 13, 2 ** 31);
    const peer = shakenPeer(10);
    for (let i = 0; i < 10_000; i++) peer.wire.receive(request);
    expectViolation(peer, /request of 2147483648 bytes/);
  });

  it('that asks without end while we have nothing yet', () => {
    const request = new Uint8Array(17);
    writeU32(request, 0, 13);
    request[4] = 6;
    writeU32(request, 13, 16384);
    const peer = shakenPeer();
    for (let i = 0; i < 10_000; i++) peer.wire.receive(request);
    expectViolation(peer, /flood of requests/);
  });

  it('that sends a long frame byte by byte costs linear time and only what came', () => {
    const peer = shakenPeer(10);
    const frame = extended(2, new Uint8Array(60_000));
    const one = new Uint8Array(1);
    for (const byte of frame) {
      one[0] = byte;
      peer.wire.receive(one);
    }
    expect(peer.seen.calls).toHaveLength(1);
    expect(peer.seen.calls[0]).toMatch(/^extended ut_pex 0000/);
  });

  it('that sends more than an extension may hold, or for one that we do not offer', () => {
    const peer = shakenPeer(10);
    peer.wire.receive(extended(77, utf8('whatever')));
    peer.wire.receive(extended(5, utf8('holepunch, not offered')));
    expect(peer.seen.calls).toEqual([]);
    peer.wire.receive(extended(3, new Uint8Array(5)));
    expectViolation(peer, /lt_donthave message of 5 bytes/);
  });

  it('that repeats its extended handshake without end', () => {
    const peer = shakenPeer(10);
    for (let i = 0; i < 1000; i++) peer.wire.receive(extended(0, utf8('de')));
    expect(peer.seen.calls).toHaveLength(65);
    expect(peer.seen.calls.at(-1)).toMatch(/too many extended handshakes/);
  });

  it('whose dont-have is out of range or cut', () => {
    for (const payload of [Uint8Array.of(0, 0, 0, 10), Uint8Array.of(0, 0, 1)]) {
      const peer = shakenPeer(10);
      peer.wire.receive(extended(3, payload));
      expectViolation(peer, /dont-?have/);
    }
  });
});
