// The wire format of uTP (BEP 29): vectors, a capture of others, and what must be refused.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../../core/base/bytes.ts';
import {
  emptyView,
  padded,
  readPacket,
  ST_DATA,
  ST_FIN,
  ST_RESET,
  ST_STATE,
  ST_SYN,
  writeHeader,
} from '../../../core/transport/utp/packet.ts';
import { PathMtu } from '../../../core/transport/utp/path-mtu.ts';

describe('the wire format', () => {
  const good = [
    ['41001234000f4240000000000001000000010000', { type: ST_SYN, connectionId: 4660, seq: 1 }],
    [
      '21001234001e8480000f3e5800100000fffe0001',
      { type: ST_STATE, seq: 65534, ack: 1, windowBytes: 1 << 20 },
    ],
    ['0100123500200b200000000a001000000002fffd68656c6c6f', { type: ST_DATA, seq: 2, payloadAt: 20 }],
    ['21011234002191c00000000b00100000fffe0002000485000000', { sackAt: 22, sackBytes: 4, payloadAt: 26 }],
    // A mask of 3 bytes, as libtorrent sends them.
    ['2101000100000000000000000000000000010000000301020304', { sackAt: 22, sackBytes: 3, payloadAt: 25 }],
    ['010712350000000100000001000000010003000100027a7a78', { payloadAt: 24, sackBytes: 0 }],
    ['1100123500000001000000010000000100040001', { type: ST_FIN }],
    ['3100123400000001000000010000000000050004', { type: ST_RESET }],
  ] as const;
  it.each(good)('reads %s', (hex, expected) => {
    const view = emptyView();
    expect(readPacket(fromHex(hex) as Uint8Array, view)).toBe(true);
    expect(view).toMatchObject(expected);
  });

  it.each([
    ['version 2', '4200000100000000000000000000000000010000'],
    ['type 5', '5100000100000000000000000000000000010000'],
    ['19 bytes', '21000001000000000000000000000000000100'],
    ['an extension past the end', '210100010000000000000000000000000001000000ff01'],
    ['KRPC', toHex(new TextEncoder().encode('d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe'))],
  ])('refuses %s', (_name, hex) => {
    expect(readPacket(fromHex(hex) as Uint8Array, emptyView())).toBe(false);
  });

  it('reads the headers of a captured conversation of two libtorrents', () => {
    const path = new URL('../../../fixtures/captures/utp-libtorrent-headers.jsonl', import.meta.url);
    const lines = readFileSync(path, 'utf8').trim().split('\n');
    let count = 0;
    for (const line of lines) {
      const record = JSON.parse(line) as { type: string; conn_id: number; header_hex: string } & Record<
        'seq' | 'ack' | 'wnd' | 'ts' | 'ts_diff',
        number
      >;
      const bytes = fromHex(record.header_hex) as Uint8Array;
      // Of packets with extensions only the fixed part was kept.
      if (bytes[1] !== 0) continue;
      count++;
      const view = emptyView();
      expect(readPacket(bytes, view)).toBe(true);
      expect(view).toMatchObject({
        type: ['DATA', 'FIN', 'STATE', 'RESET', 'SYN'].indexOf(record.type),
        connectionId: record.conn_id,
        seq: record.seq,
        ack: record.ack,
        windowBytes: record.wnd,
        timestampUs: record.ts,
        delayUs: record.ts_diff,
      });
    }
    expect(count).toBeGreaterThan(200);
  });

  it('pads to any size without touching the payload', () => {
    const plain = new Uint8Array(23);
    writeHeader(plain, ST_DATA, 7, 9, { timestampUs: 1, delayUs: 0, windowBytes: 1, ack: 8 });
    plain.set([1, 2, 3], 20);
    for (let size = plain.length + 12; size < 1_600; size++) {
      const longer = padded(plain, size);
      const view = emptyView();
      expect(longer.length).toBe(size);
      expect(readPacket(longer, view)).toBe(true);
      // libutp looks at the first extension, and knows 1 and 2.
      expect(longer[1]).toBe(2);
      expect([...longer.subarray(view.payloadAt)]).toEqual([1, 2, 3]);
    }
  });
});

describe('the search for the largest datagram', () => {
  it('begins at the top, guesses what tunnels leave, then halves; three losses count as one failure', () => {
    const mtu = new PathMtu(4);
    const tried: number[] = [];
    for (let i = 0; i < 60 && mtu.probeBytes(0) > 0; i++) {
      const bytes = mtu.probeBytes(0);
      tried.push(bytes);
      mtu.handleSent();
      expect(mtu.probeBytes(0)).toBe(0);
      if (bytes <= 1_300) mtu.handleArrived(bytes);
      else mtu.handleLost(bytes, 0);
    }
    expect(tried.slice(0, 7)).toEqual([1472, 1472, 1472, 1400, 1400, 1400, 974]);
    expect(mtu.provenBytes).toBeGreaterThan(1_300 - 24);
    expect(mtu.provenBytes).toBeLessThanOrEqual(1_300);
    // The route may get better.
    expect(mtu.probeBytes(11 * 60_000)).toBe(1472);
  });

  it('asks for no probe that padding cannot make', () => {
    const mtu = new PathMtu(6);
    mtu.handleArrived(1_445);
    expect(mtu.probeBytes(0)).toBe(0);
    mtu.raiseCeiling(65_535);
    expect(mtu.probeBytes(0)).toBe(65_487);
  });
});
