import { describe, expect, it } from 'vitest';
import { toHex, utf8 } from '../../../core/base/bytes.ts';
import { endpointKey } from '../../../core/base/endpoint.ts';
import { infoHashOf, peerIdOf } from '../../../core/base/ids.ts';
import type { AnnounceEvent } from '../../../tracker/messages.ts';
import {
  decodeUdpRequest,
  encodeAnnounceReply,
  encodeConnectReply,
  encodeErrorReply,
  encodeScrapeReply,
} from '../../../tracker/server-udp-codec.ts';
import {
  decodeUdpReply,
  encodeAnnounceRequest,
  encodeConnectRequest,
  encodeScrapeRequest,
} from '../../../tracker/udp-codec.ts';
import fc from '../../support/property.ts';
import { announceRequest, hex, infoHash, peerId, readCapture, readVectors } from './material.ts';

interface Vectors {
  readonly packets: readonly { readonly name: string; readonly hex: string }[];
  readonly must_drop: readonly { readonly note: string; readonly hex: string }[];
}
const vectors = readVectors<Vectors>('bep15');
const packet = (name: string): string => vectors.packets.find((p) => p.name === name)?.hex ?? '';
const TRANSACTION = 0x1122aabb;
const CONNECTION = hex('0102030405060708');

describe('what a client sends', () => {
  it('is what the vectors say', () => {
    expect(toHex(encodeConnectRequest(TRANSACTION))).toBe(packet('connect request'));
    const request = announceRequest({
      infoHash: infoHashOf(hex('000102030405060708090a0b0c0d0e0f10111213')),
      peerId: peerIdOf(utf8('-TT0001-abcdefghijkl')),
      left: 1_000_000,
      uploaded: 5,
      numwant: -1,
    });
    expect(toHex(encodeAnnounceRequest(CONNECTION, TRANSACTION, request, ''))).toBe(
      packet('announce request'),
    );
    expect(toHex(encodeScrapeRequest(CONNECTION, TRANSACTION, [request.infoHash]))).toBe(
      packet('scrape request'),
    );
  });

  it('is what a server reads, URL data of any length included (BEP 41)', () => {
    const events: (AnnounceEvent | undefined)[] = [undefined, 'started', 'completed', 'stopped'];
    fc.assert(
      fc.property(
        fc.record({
          left: fc.nat(Number.MAX_SAFE_INTEGER),
          uploaded: fc.nat(Number.MAX_SAFE_INTEGER),
          downloaded: fc.nat(Number.MAX_SAFE_INTEGER),
          key: fc.nat(0xffff_ffff),
          port: fc.nat(65535),
          numwant: fc.nat(1000),
          event: fc.constantFrom(...events),
        }),
        fc.string({ unit: fc.constantFrom(...'/az09?=&%'), maxLength: 700 }).map((rest) => `/${rest}`),
        (fields, path) => {
          const request = announceRequest(fields);
          const decoded = decodeUdpRequest(encodeAnnounceRequest(CONNECTION, TRANSACTION, request, path));
          const { corrupt: _, trackerId: __, ...sent } = request;
          expect(decoded).toEqual({
            ok: true,
            value: {
              ...sent,
              action: 'announce',
              transactionId: TRANSACTION,
              connectionId: CONNECTION,
              ip: new Uint8Array(4),
              urlTarget: path === '/' ? '' : path,
            },
          });
        },
      ),
    );
  });

  it('skips no-ops and unknown options, and stops at the end option', () => {
    const plain = encodeAnnounceRequest(CONNECTION, 1, announceRequest(), '');
    const urlOf = (options: string): string | undefined => {
      const decoded = decodeUdpRequest(hex(toHex(plain) + options));
      return decoded.ok && decoded.value.action === 'announce' ? decoded.value.urlTarget : undefined;
    };
    const dir = toHex(utf8('/dir?a=b&c=d'));
    expect(urlOf(`020c${dir}`)).toBe('/dir?a=b&c=d');
    expect(urlOf(`020c${dir}010100`)).toBe('/dir?a=b&c=d');
    expect(urlOf('0200')).toBe('');
    expect(urlOf('0903aabbcc01020161000202')).toBe('a');
    expect(urlOf('02016102ff62')).toBe('a');
  });
});

describe('what a tracker sends', () => {
  it('is read as the vectors say', () => {
    expect(decodeUdpReply(hex(packet('connect response')), 4)).toEqual({
      ok: true,
      value: { transactionId: TRANSACTION, action: 'connect', connectionId: CONNECTION },
    });
    const announce = decodeUdpReply(hex(packet('announce response')), 4);
    expect(announce).toMatchObject({
      value: { action: 'announce', reply: { intervalMs: 1_800_000, leechers: 3, seeds: 2 } },
    });
    if (announce.ok && announce.value.action === 'announce') {
      expect(announce.value.reply.peers.map(endpointKey)).toEqual(['192.0.2.1:6881', '198.51.100.7:80']);
    }
    expect(decodeUdpReply(hex(packet('scrape response')), 4)).toMatchObject({
      value: { action: 'scrape', entries: [{ seeds: 1, downloads: 2, leechers: 3 }] },
    });
    expect(decodeUdpReply(hex(packet('error response')), 4)).toMatchObject({
      value: { action: 'error', message: 'unregistered torrent' },
    });
  });

  it('is dropped when it is not what was asked for, or short', () => {
    const [other, short, short19, cut] = vectors.must_drop.map((item) => decodeUdpReply(hex(item.hex), 4));
    expect(other).toMatchObject({ value: { transactionId: TRANSACTION - 1 } });
    expect(short?.ok).toBe(false);
    expect(short19?.ok).toBe(false);
    expect(cut).toMatchObject({ value: { reply: { peers: [{ host: '192.0.2.1', port: 6881 }] } } });
  });

  it('comes back from our own server as it was', () => {
    const counts = { seeds: 4, leechers: 9, downloads: 2 };
    const peers = [{ peerId: peerId(), ip: hex('20010db8000000000000000000000005'), port: 5 }];
    const reply = encodeAnnounceReply(7, { intervalSeconds: 60, counts, peers });
    expect(decodeUdpReply(reply, 6)).toMatchObject({
      value: {
        transactionId: 7,
        reply: { intervalMs: 60_000, seeds: 4, leechers: 9, peers: [{ host: '2001:db8::5', port: 5 }] },
      },
    });
    expect(decodeUdpReply(encodeConnectReply(7, CONNECTION), 4)).toMatchObject({
      value: { transactionId: 7, connectionId: CONNECTION },
    });
    expect(decodeUdpReply(encodeScrapeReply(7, [counts, undefined]), 4)).toMatchObject({
      value: { entries: [counts, { seeds: 0, leechers: 0, downloads: 0 }] },
    });
    expect(decodeUdpReply(encodeErrorReply(7, 'no'), 4)).toMatchObject({
      value: { action: 'error', message: 'no' },
    });
  });

  it('never makes either side throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(4), (bytes, action) => {
        if (bytes.length > 11) {
          bytes.set([0, 0, 0, action], 0);
          decodeUdpReply(bytes, 4);
          bytes.set([0, 0, 0, action], 8);
        }
        decodeUdpReply(bytes, 6);
        decodeUdpRequest(bytes);
      }),
    );
  });
});

describe('a recorded libtorrent and opentracker', () => {
  it('are understood on both sides', () => {
    const packets = readCapture('udp-tracker');
    const requests = packets.filter((_, i) => i % 2 === 0).map((p) => decodeUdpRequest(p));
    const replies = packets.filter((_, i) => i % 2 === 1).map((p) => decodeUdpReply(p, 4));
    const announces = requests
      .slice(1)
      .map((r) => (r.ok && r.value.action === 'announce' ? r.value : undefined));
    expect(announces.map((a) => [a?.event, a?.left, a?.urlTarget])).toEqual([
      ['started', 60_000, '/announce'],
      ['completed', 0, '/announce'],
      ['stopped', 0, '/announce'],
    ]);
    const seen = replies.map((r) => (r.ok && r.value.action === 'announce' ? r.value.reply : undefined));
    expect(seen.map((r) => r?.peers.length)).toEqual([undefined, 2, 2, 0]);
    expect(
      replies.map(
        (r, i) => r.ok && requests[i]?.ok && r.value.transactionId === requests[i]?.value.transactionId,
      ),
    ).toEqual([true, true, true, true]);
  });

  it('scrape at most what one datagram holds', () => {
    const many = encodeScrapeRequest(
      CONNECTION,
      1,
      Array.from({ length: 100 }, () => infoHash()),
    );
    const decoded = decodeUdpRequest(many);
    expect(decoded.ok && decoded.value.action === 'scrape' && decoded.value.infoHashes.length).toBe(74);
  });
});
