import { describe, expect, it } from 'vitest';
import { decodeDict } from '../../../core/base/bencode.ts';
import { textOf } from '../../../core/base/bytes.ts';
import { parseIp } from '../../../core/base/endpoint.ts';
import { infoHashOf, peerIdOf } from '../../../core/base/ids.ts';
import { ConnectionIds } from '../../../tracker/connection-ids.ts';
import {
  decodeAnnounceReply,
  decodeScrapeReply,
  encodeAnnounceQuery,
  encodeScrapeQuery,
} from '../../../tracker/http-codec.ts';
import {
  decodeAnnounceQuery,
  decodeScrapeQuery,
  encodeHttpAnnounceReply,
  encodeHttpFailure,
  encodeHttpScrapeReply,
} from '../../../tracker/server-http-codec.ts';
import fc from '../../support/property.ts';
import { announceRequest, hex, infoHash, peerId, readCapture } from './material.ts';

const id20 = fc.uint8Array({ minLength: 20, maxLength: 20 });

describe('HTTP requests', () => {
  it('are read as our client writes them, whatever the bytes of the hashes', () => {
    fc.assert(
      fc.property(id20, id20, fc.nat(65535), fc.nat(Number.MAX_SAFE_INTEGER), (hash, peer, port, left) => {
        const request = announceRequest({ infoHash: infoHashOf(hash), peerId: peerIdOf(peer), port, left });
        expect(decodeAnnounceQuery(encodeAnnounceQuery(request))).toMatchObject({
          ok: true,
          value: { infoHash: hash, peerId: peer, port, left, event: 'started', numwant: 50, isCompact: true },
        });
        expect(decodeScrapeQuery(encodeScrapeQuery([request.infoHash, infoHash()]))).toEqual({
          ok: true,
          value: [hash, infoHash()],
        });
      }),
    );
  });

  it('are read as libtorrent writes them', () => {
    const lines = readCapture('http-tracker')
      .map(textOf)
      .filter((text) => text.startsWith('GET '));
    const queries = lines.map((text) => text.split(' ')[1]?.split('?')[1] ?? '');
    const decoded = queries.map((query) => decodeAnnounceQuery(query));
    expect(decoded.map((d) => d.ok && [d.value.event, d.value.left, d.value.port])).toEqual([
      ['started', 60_000, 6881],
      ['completed', 0, 6881],
      ['stopped', 0, 6881],
    ]);
    const keys = new Set(decoded.map((d) => d.ok && d.value.key));
    expect(keys.size).toBe(1);
    expect(keys.has(0)).toBe(false);
  });

  it.each([
    ['', 'missing info_hash'],
    ['info_hash=abc', 'invalid info_hash'],
    [`info_hash=${'a'.repeat(20)}`, 'missing peer_id'],
    [`info_hash=${'a'.repeat(20)}&peer_id=${'b'.repeat(20)}&port=70000`, 'missing or invalid port'],
    ['info_hash=%zz', 'malformed query'],
    ['a&'.repeat(5000), 'malformed query'],
  ])('are refused with a reason: %s', (query, what) => {
    expect(decodeAnnounceQuery(query)).toEqual({ ok: false, reason: { what } });
  });

  it('never make the server throw', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('info_hash=', '&', '%', '4', 'a', '=', 'é', '\u0001') }),
        (query) => {
          decodeAnnounceQuery(query);
          decodeScrapeQuery(query);
        },
      ),
    );
  });
});

describe('HTTP replies', () => {
  const v4 = { peerId: peerId(4), ip: parseIp('192.0.2.4') as Uint8Array, port: 4 };
  const v6 = { peerId: peerId(6), ip: parseIp('2001:db8::6') as Uint8Array, port: 6 };
  const reply = {
    intervalSeconds: 900,
    minIntervalSeconds: 60,
    counts: { seeds: 1, leechers: 2, downloads: 3 },
    peers: [v6, v4],
    isCompact: true,
    withPeerIds: true,
    externalIp: hex('cb007101'),
  };

  it.each([true, false])('give both families and what the client should know (compact: %s)', (isCompact) => {
    const decoded = decodeAnnounceReply(encodeHttpAnnounceReply({ ...reply, isCompact }));
    expect(decoded).toMatchObject({
      value: {
        reply: {
          intervalMs: 900_000,
          minIntervalMs: 60_000,
          seeds: 1,
          leechers: 2,
          downloads: 3,
          externalHost: '203.0.113.1',
        },
      },
    });
    const peers = decoded.ok && decoded.value.kind === 'reply' ? [...decoded.value.reply.peers] : [];
    expect(peers.sort((a, b) => a.port - b.port)).toEqual([
      { host: '192.0.2.4', port: 4 },
      { host: '2001:db8::6', port: 6 },
    ]);
  });

  it('carry peer ids in dictionaries unless told not to', () => {
    const first = (withPeerIds: boolean): boolean => {
      const dict = decodeDict(encodeHttpAnnounceReply({ ...reply, isCompact: false, withPeerIds }));
      const peers = dict.ok ? dict.value.list('peers') : undefined;
      return (
        JSON.stringify(
          peers?.map(
            (peer) => 'has' in (peer as object) && (peer as { has(n: string): boolean }).has('peer id'),
          ),
        ) === '[true,true]'
      );
    };
    expect([first(true), first(false)]).toEqual([true, false]);
  });

  it('scrape by hash, failures in words', () => {
    const file = { infoHash: infoHash(0xff), counts: reply.counts };
    expect(decodeScrapeReply(encodeHttpScrapeReply([file, file]), [infoHash(0xff), infoHash(1)])).toEqual({
      ok: true,
      value: { kind: 'reply', entries: [reply.counts, undefined] },
    });
    expect(decodeAnnounceReply(encodeHttpFailure('no'))).toMatchObject({
      value: { failure: { message: 'no' } },
    });
  });
});

describe('connection ids', () => {
  const ip = hex('c0000201');
  const MINUTE_MS = 60_000;
  const ids = new ConnectionIds(new Uint8Array(32).fill(1));

  it('are good for their address for two minutes at least and three at most', () => {
    for (const startMs of [0, 59_999, 12_345_678]) {
      const issued = ids.issue(ip, startMs);
      expect(issued.length).toBe(8);
      expect(ids.isValid(issued, ip, startMs + 2 * MINUTE_MS)).toBe(true);
      expect(ids.isValid(issued, ip, startMs + 3 * MINUTE_MS)).toBe(false);
      expect(ids.isValid(issued, hex('c0000202'), startMs)).toBe(false);
    }
  });

  it('depend on the secret', () => {
    const others = new ConnectionIds(new Uint8Array(32).fill(2));
    expect(others.isValid(ids.issue(ip, 0), ip, 0)).toBe(false);
    expect(ids.isValid(hex('0000041727101980'), ip, 0)).toBe(false);
  });
});
