import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Bitfield } from '../../../core/base/bitfield.ts';
import { concatBytes, fromHex, toHex, utf8 } from '../../../core/base/bytes.ts';
import {
  exchange,
  INFO_HASH,
  newPeer,
  ownHandshake,
  remoteHandshake,
  shakenPeer,
} from '../../support/wire.ts';

interface Vectors {
  handshake: { info_hash: string; peer_id: string; reserved: string; hex: string };
  messages: { name: string; hex: string; [key: string]: unknown }[];
  must_close_or_ignore: { note: string; hex: string }[];
}
const vectors = JSON.parse(
  readFileSync(new URL('../../../fixtures/vectors/bep03-peerwire.json', import.meta.url), 'utf8'),
) as Vectors;

function bytes(hex: string): Uint8Array {
  return fromHex(hex) as Uint8Array;
}
function message(name: string): Uint8Array {
  return bytes((vectors.messages.find((m) => m.name === name) as { hex: string }).hex);
}

const EXPECTED: Record<string, string[]> = {
  keepalive: ['keepalive'],
  choke: ['choke'],
  unchoke: ['unchoke'],
  interested: ['interested'],
  'not interested': ['not interested'],
  have: ['have 7'],
  bitfield: ['bitfield a040'],
  request: ['request 1 16384 16384'],
  piece: ['block start 1 0 4', 'block end 1 0 4 00112233'],
  cancel: ['cancel 1 0 16384'],
  port: ['port 6881'],
  suggest: ['suggest 3'],
  'have all': ['have all'],
  'have none': ['have none'],
  reject: ['reject 1 0 16384'],
  'allowed fast': ['allowed fast 5'],
  'extended handshake': [
    'extended handshake {"extensionIds":{"ut_metadata":3,"ut_pex":1},"metadataSize":31235}',
  ],
};

describe('receiving', () => {
  it('reads the handshake', () => {
    const peer = newPeer();
    peer.wire.receive(bytes(vectors.handshake.hex));
    expect(peer.seen.calls).toEqual([
      `handshake ${vectors.handshake.info_hash} ${toHex(utf8(vectors.handshake.peer_id))} ${vectors.handshake.reserved}`,
    ]);
  });

  for (const { name, hex } of vectors.messages) {
    it(`reads ${name}, whole and byte by byte`, () => {
      const whole = shakenPeer(10);
      whole.wire.receive(bytes(hex));
      expect(whole.seen.calls).toEqual(EXPECTED[name]);
      const cut = shakenPeer(10);
      const reused = new Uint8Array(1);
      for (const byte of bytes(hex)) {
        reused[0] = byte;
        cut.wire.receive(reused);
      }
      expect(cut.seen.calls).toEqual(EXPECTED[name]);
    });
  }

  it('keeps the order of its own and the package’s frames in one read', () => {
    const order = [
      'unchoke',
      'have',
      'interested',
      'request',
      'port',
      'cancel',
      'extended handshake',
      'piece',
      'choke',
    ];
    const peer = shakenPeer(10);
    peer.wire.receive(concatBytes(order.map(message)));
    expect(peer.seen.calls).toEqual(order.flatMap((name) => EXPECTED[name] as string[]));
  });

  for (const { note, hex } of vectors.must_close_or_ignore) {
    it(`survives: ${note}`, () => {
      const peer = shakenPeer(10);
      peer.wire.receive(bytes(hex));
      if (note.startsWith('unknown id')) {
        peer.wire.receive(message('have'));
        expect(peer.seen.calls).toEqual(['have 7']);
      } else {
        expect(peer.seen.calls).toHaveLength(1);
        expect(peer.seen.calls[0]).toMatch(/^violation /);
        peer.wire.receive(message('have'));
        expect(peer.seen.calls).toHaveLength(1);
      }
    });
  }

  it('refuses another protocol at the first wrong byte', () => {
    const peer = newPeer();
    peer.wire.receive(utf8('\x13Bit'));
    expect(peer.seen.calls).toEqual([]);
    peer.wire.receive(utf8('X'));
    expect(peer.seen.calls).toEqual(['violation not a BitTorrent handshake']);
  });

  it('refuses an answer for another torrent', () => {
    const peer = newPeer();
    peer.wire.sendHandshake(ownHandshake({ infoHash: new Uint8Array(20).fill(9) }));
    peer.wire.receive(remoteHandshake());
    expect(peer.seen.calls).toEqual(['violation handshake for another torrent']);
  });

  it('refuses BEP 6 messages of a peer without BEP 6', () => {
    for (const name of ['suggest', 'have all', 'have none', 'reject', 'allowed fast']) {
      const peer = shakenPeer(10, { fast: false });
      peer.wire.receive(message(name));
      expect(peer.seen.calls[0]).toMatch(/^violation .*without the fast extension/);
    }
  });

  it('takes later bitfields in place of haves, as aria2 sends them, but not without end', () => {
    const peer = shakenPeer(10);
    peer.wire.receive(message('have none'));
    // As long as one have: one for each of the ten pieces, and one to begin with.
    for (let i = 0; i < 11; i++) peer.wire.receive(message('bitfield'));
    expect(peer.seen.calls.map((call) => call.split(' ')[0])).toEqual([
      'have',
      ...Array.from({ length: 11 }, () => 'bitfield'),
    ]);
    peer.wire.receive(message('bitfield'));
    expect(peer.seen.calls.at(-1)).toBe('violation too many bitfields');
  });

  it('takes fewer for its pieces in a large torrent', () => {
    const pieceCount = 1024;
    const peer = shakenPeer(pieceCount);
    const bitfield = concatBytes([bytes('0000008105'), new Uint8Array(pieceCount / 8)]);
    const most = 2 + Math.ceil(pieceCount / 10);
    for (let i = 0; i < most; i++) peer.wire.receive(bitfield);
    expect(peer.seen.calls).toHaveLength(most);
    peer.wire.receive(bitfield);
    expect(peer.seen.calls.at(-1)).toBe('violation too many bitfields');
  });
});

describe('blocks', () => {
  it('go to the target, cut anywhere, from a buffer that is reused', () => {
    const payload = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
    const frame = concatBytes([bytes('00001391070000000200004000'), payload]);
    for (const size of [1, 7, 13, 14, 1000, 5013]) {
      const peer = shakenPeer(10);
      const read = new Uint8Array(size);
      for (let at = 0; at < frame.length; at += size) {
        const part = frame.subarray(at, at + size);
        read.set(part);
        peer.wire.receive(read, part.length);
        read.fill(0xee);
      }
      expect(peer.seen.calls.map((call) => call.slice(0, 26))).toEqual([
        'block start 2 16384 5000',
        'block end 2 16384 5000 000',
      ]);
      expect(toHex((peer.seen.blocks[0] as Uint8Array).subarray(1, 5001))).toBe(toHex(payload));
    }
  });

  it('that nobody wants are skipped and counted', () => {
    const peer = shakenPeer(10);
    peer.seen.takesBlocks = false;
    peer.wire.receive(concatBytes([message('piece'), message('have')]));
    expect(peer.seen.calls).toEqual(['block start 1 0 4', 'have 7']);
    expect(peer.wire.skippedBytes).toBe(4);
  });

  it('are aborted when the connection ends within one', () => {
    const peer = shakenPeer(10);
    peer.wire.receive(message('piece').subarray(0, 15));
    peer.wire.close();
    peer.wire.close();
    expect(peer.seen.calls).toEqual(['block start 1 0 4', 'block aborted 1 0 4']);
  });

  it('end the connection when out of range or too long', () => {
    const outside = shakenPeer(10);
    outside.wire.receive(bytes('0000000d070000000a0000000000112233'));
    expect(outside.seen.calls).toEqual(['violation block of piece 10 of 10']);
    const long = shakenPeer(10);
    long.wire.receive(bytes('0002000a07'));
    expect(long.seen.calls).toEqual(['violation piece message of 131082 bytes']);
  });

  it('stop at once when the handler closes from within', () => {
    const peer = shakenPeer(10);
    peer.seen.onHave = () => peer.wire.close();
    peer.wire.receive(concatBytes([message('have'), message('unchoke'), message('have')]));
    expect(peer.seen.calls).toEqual([]);
    peer.wire.sendHave(3);
    peer.wire.flush();
    expect(peer.sink.writes).toEqual([]);
  });
});

describe('sending', () => {
  it('composes what the vectors say, in one write', () => {
    const peer = shakenPeer(10);
    const half = new Bitfield(10);
    for (const piece of [0, 2, 9]) half.set(piece);
    const { wire } = peer;
    const steps: [string, () => void][] = [
      ['bitfield', () => wire.sendPieces(half)],
      ['unchoke', () => wire.sendUnchoke()],
      ['choke', () => wire.sendChoke()],
      ['interested', () => wire.sendInterested()],
      ['not interested', () => wire.sendNotInterested()],
      ['have', () => wire.sendHave(7)],
      ['request', () => wire.sendRequest(1, 16384, 16384)],
      ['cancel', () => wire.sendCancel(1, 0, 16384)],
      ['reject', () => wire.sendReject(1, 0, 16384)],
      ['port', () => wire.sendPort(6881)],
      ['suggest', () => wire.sendSuggest(3)],
      ['allowed fast', () => wire.sendAllowedFast(5)],
      ['keepalive', () => wire.sendKeepAlive()],
      ['have all', () => wire.sendPieces(Bitfield.full(10))],
      ['have none', () => wire.sendPieces(new Bitfield(10))],
    ];
    peer.sink.pendings = 0;
    for (const [, send] of steps) send();
    expect(wire.pendingBytes).toBeGreaterThan(0);
    expect(peer.sink.writes).toHaveLength(0);
    wire.flush();
    expect(peer.sink.pendings).toBe(1);
    expect(peer.sink.writes).toHaveLength(1);
    expect(toHex(peer.sink.take())).toBe(toHex(concatBytes(steps.map(([name]) => message(name)))));
  });

  it('writes a block as head and view, in order with the rest', () => {
    const peer = shakenPeer(10);
    const block = bytes('00112233');
    let sent = 0;
    peer.wire.sendHave(7);
    peer.wire.sendPiece(1, 0, block, () => sent++);
    peer.wire.sendUnchoke();
    peer.wire.flush();
    expect(peer.sink.writes.map(toHex)).toEqual([
      toHex(message('have')) + toHex(message('piece').subarray(0, 13)),
      '00112233',
      toHex(message('unchoke')),
    ]);
    expect(peer.sink.writes[1]).toBe(block);
    expect(sent).toBe(1);
  });

  it('never touches bytes that it has handed over', () => {
    const peer = shakenPeer(10);
    const kept: [Uint8Array, string][] = [];
    for (let round = 0; round < 2000; round++) {
      for (let i = 0; i <= round % 40; i++) peer.wire.sendRequest(round, i, 16384);
      peer.wire.flush();
      const write = peer.sink.writes.at(-1) as Uint8Array;
      kept.push([write, toHex(write)]);
    }
    for (const [write, before] of kept) expect(toHex(write)).toBe(before);
  });

  it('says nothing of pieces to a peer without BEP 6 when there are none', () => {
    const peer = shakenPeer(10, { fast: false });
    peer.wire.sendPieces(new Bitfield(10));
    peer.wire.sendReject(1, 0, 16384);
    peer.wire.sendAllowedFast(1);
    peer.wire.sendSuggest(1);
    expect(peer.wire.pendingBytes).toBe(0);
    peer.wire.sendPieces(Bitfield.full(10));
    peer.wire.flush();
    expect(toHex(peer.sink.take())).toBe('0000000305ffc0');
  });
});

describe('two wires', () => {
  it('shake hands, extended too, in any split', () => {
    for (const size of [1, 3, 68, 4096]) {
      const out = newPeer(10);
      const incoming = newPeer();
      incoming.seen.onHandshakeDo = () => {
        incoming.wire.setPieceCount(10);
        incoming.wire.sendHandshake(
          ownHandshake({ extensions: ['lt_donthave'], extended: { uploadOnly: true } }),
        );
        incoming.wire.sendPieces(Bitfield.full(10));
      };
      out.wire.sendHandshake(ownHandshake());
      exchange(out, incoming, (all) => {
        const parts: Uint8Array[] = [];
        for (let at = 0; at < all.length; at += size) parts.push(all.slice(at, at + size));
        return parts;
      });
      expect(out.wire.hasFast && incoming.wire.hasFast).toBe(true);
      expect(out.seen.calls.slice(1)).toEqual([
        'extended handshake {"extensionIds":{"lt_donthave":3},"uploadOnly":true}',
        'have all',
      ]);
      expect(incoming.seen.calls.slice(1)).toEqual([
        'extended handshake {"extensionIds":{"lt_donthave":3,"upload_only":4,"ut_metadata":1,"ut_pex":2},"client":"tt test","requestQueue":500}',
      ]);
      expect(out.wire.peerTakes('ut_pex')).toBe(false);
      expect(out.wire.sendExtended('ut_pex', new Uint8Array(1))).toBe(false);
      expect(out.wire.sendDontHave(4)).toBe(true);
      expect(incoming.wire.sendExtended('ut_metadata', utf8('hello'))).toBe(true);
      incoming.wire.sendExtendedHandshake({ uploadOnly: false });
      exchange(out, incoming);
      expect(incoming.seen.calls.at(-1)).toBe('dont have 4');
      expect(out.seen.calls.slice(-2)).toEqual([
        `extended ut_metadata ${toHex(utf8('hello'))}`,
        'extended handshake {"extensionIds":{"lt_donthave":3},"uploadOnly":false}',
      ]);
    }
  });

  it('carry our reserved bits: extension protocol, fast, and DHT only if there is one', () => {
    for (const [dht, last] of [
      [true, '05'],
      [false, '04'],
    ] as const) {
      const peer = newPeer();
      peer.wire.sendHandshake(ownHandshake({ dht }));
      peer.wire.flush();
      const handshake = peer.sink.take();
      expect(handshake).toHaveLength(68);
      expect(toHex(handshake.subarray(20, 28))).toBe(`00000000001000${last}`);
      expect(toHex(handshake.subarray(28, 48))).toBe(toHex(INFO_HASH));
    }
  });
});

describe('before the piece count is known', () => {
  it('holds a bitfield and haves, and checks them when it is', () => {
    const peer = shakenPeer();
    peer.wire.receive(
      concatBytes([message('bitfield'), message('have'), message('allowed fast'), message('piece')]),
    );
    expect(peer.seen.calls).toEqual([]);
    expect(peer.wire.skippedBytes).toBe(4);
    peer.wire.setPieceCount(10);
    expect(peer.seen.calls).toEqual(['bitfield a140', 'allowed fast 5']);
  });

  it('holds have-all less what was taken back', () => {
    const peer = shakenPeer();
    peer.wire.receive(message('have all'));
    peer.wire.receive(bytes('00000006140300000001'));
    peer.wire.setPieceCount(3);
    expect(peer.seen.calls).toEqual(['bitfield a0']);
  });

  it('hands on the bitfield of a seed without BEP 6 as what it was, not as a have-all that such a peer may not say', () => {
    for (const [field, told] of [
      ['0000000305ffc0', 'bitfield ffc0'],
      ['00000003050000', 'bitfield 0000'],
    ] as const) {
      const peer = shakenPeer(undefined, { fast: false });
      peer.wire.receive(bytes(field));
      peer.wire.setPieceCount(10);
      expect(peer.seen.calls).toEqual([told]);
    }
  });

  it('finds the liar', () => {
    for (const lie of ['0000000304ffff', '00000003057fff', '0000000504000000ff']) {
      const peer = shakenPeer();
      peer.wire.receive(bytes(lie));
      peer.wire.setPieceCount(10);
      expect(peer.seen.calls).toHaveLength(1);
      expect(peer.seen.calls[0]).toMatch(/^violation/);
    }
  });

  it('never holds more than a torrent can need', () => {
    const peer = shakenPeer();
    peer.wire.receive(bytes('0000000504ffffffff'));
    expect(peer.seen.calls).toEqual(['violation have of piece 4294967295']);
    const big = shakenPeer();
    big.wire.receive(bytes('0008000205'));
    expect(big.seen.calls).toEqual(['violation bitfield of 524289 bytes']);
  });

  it('answers requests with a reject under BEP 6', () => {
    const peer = shakenPeer();
    peer.wire.receive(message('request'));
    peer.wire.flush();
    expect(toHex(peer.sink.take())).toBe('0000000d10000000010000400000004000');
  });
});
