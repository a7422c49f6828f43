import { describe, expect, it } from 'vitest';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { latin1, utf8 } from '../../../core/base/bytes.ts';
import { endpointKey } from '../../../core/base/endpoint.ts';
import { infoHashOf } from '../../../core/base/ids.ts';
import {
  decodeAnnounceReply,
  decodeScrapeReply,
  encodeAnnounceQuery,
  encodeScrapeQuery,
  escapeBytes,
} from '../../../tracker/http-codec.ts';
import type { AnnounceReply } from '../../../tracker/messages.ts';
import fc from '../../support/property.ts';
import { announceRequest, hex, infoHash, readCapture, readVectors } from './material.ts';

interface Vectors {
  readonly url_encoding: { readonly info_hash: string; readonly query_value: string };
  readonly responses: readonly {
    readonly hex: string;
    readonly note: string;
    readonly peers?: readonly string[];
  }[];
}
const vectors = readVectors<Vectors>('bep23');

function replyTo(body: Uint8Array): AnnounceReply {
  const decoded = decodeAnnounceReply(body);
  if (!decoded.ok) throw new Error(decoded.reason.what);
  if (decoded.value.kind !== 'reply') throw new Error(decoded.value.failure.message);
  return decoded.value.reply;
}

function vector(note: string): Uint8Array {
  const found = vectors.responses.find((response) => response.note.includes(note));
  if (found === undefined) throw new Error(`no vector "${note}"`);
  return hex(found.hex);
}

describe('announce query', () => {
  it('escapes raw bytes', () => {
    expect(escapeBytes(hex(vectors.url_encoding.info_hash))).toBe(vectors.url_encoding.query_value);
  });

  it('says everything a tracker may ask', () => {
    const query = encodeAnnounceQuery(announceRequest({ trackerId: utf8('x y'), corrupt: 7, key: 0xab }));
    expect(query).toBe(
      `info_hash=${'%01'.repeat(20)}&peer_id=${'%02'.repeat(20)}&port=6881&uploaded=0&downloaded=0&left=1000&corrupt=7` +
        '&key=000000AB&event=started&numwant=50&compact=1&no_peer_id=1&supportcrypto=1&trackerid=x%20y',
    );
    expect(encodeAnnounceQuery(announceRequest({ event: undefined }))).not.toContain('event');
  });
});

describe('announce reply', () => {
  it('gives the peers of every vector', () => {
    const withPeers = vectors.responses.filter((response) => response.peers !== undefined);
    expect(withPeers.length).toBe(3);
    for (const { hex: text, peers } of withPeers) {
      const reply = replyTo(hex(text));
      const all = [...reply.peers.map(endpointKey), ...reply.namedPeers.map((p) => `${p.host}:${p.port}`)];
      expect(all).toEqual(peers);
    }
  });

  it('reads peers6 beside peers', () => {
    expect(replyTo(vector('peers6')).peers.map(endpointKey)).toEqual([
      '105.105.105.105:28784',
      '[6969:6969:6969:6969:6969:6969:6969:6969]:28784',
    ]);
  });

  it('reads the optional keys', () => {
    expect(replyTo(vector('all the optional keys'))).toEqual({
      intervalMs: 60_000,
      minIntervalMs: 30_000,
      peers: [],
      namedPeers: [],
      seeds: 1,
      leechers: 2,
      downloads: undefined,
      warning: 'slow down',
      externalHost: '203.0.113.1',
      trackerId: utf8('x'),
    });
  });

  it('tells refusals, and when to come back (BEP 31)', () => {
    expect(decodeAnnounceReply(vector('failure'))).toMatchObject({
      value: {
        kind: 'failure',
        failure: { message: 'not authorised', retryInMs: undefined, fromTracker: true },
      },
    });
    expect(decodeAnnounceReply(vector('BEP 31'))).toMatchObject({
      value: { failure: { message: 'busy', retryInMs: 5 * 60_000 } },
    });
    expect(
      decodeAnnounceReply(encodeBencode({ 'failure reason': 'gone', 'retry in': 'never' })),
    ).toMatchObject({ value: { failure: { retryInMs: 'never' } } });
  });

  it('uses what is whole of a ragged list and leaves nonsense out', () => {
    expect(replyTo(vector('not a multiple of 6')).peers.map(endpointKey)).toEqual(['105.105.105.105:28784']);
    expect(replyTo(vector('interval is nonsense')).intervalMs).toBeUndefined();
    expect(replyTo(vector('no interval')).intervalMs).toBeUndefined();
  });

  it('bounds what one reply can make us do', () => {
    const compact = new Uint8Array(6 * 5000).map((_, i) => (i % 6) + 1);
    expect(replyTo(encodeBencode({ peers: compact })).peers.length).toBe(1000);
    const named = Array.from({ length: 100 }, (_, i) => ({ ip: `h${i}.example`, port: 1 }));
    expect(replyTo(encodeBencode({ peers: named })).namedPeers.length).toBe(8);
    expect(replyTo(encodeBencode({ interval: 2 ** 50, peers: '' })).intervalMs).toBe(7 * 24 * 3600_000);
  });

  it('makes one printable line of what a tracker says', () => {
    const said = `\u001b[31mboo\r\nhoo\u202e${'x'.repeat(500)}`;
    const decoded = decodeAnnounceReply(encodeBencode({ 'failure reason': said }));
    const message = decoded.ok && decoded.value.kind === 'failure' ? decoded.value.failure.message : '';
    expect(message.length).toBe(200);
    expect(message).toMatch(/^\[31mboo hoo x+…$/);
  });

  it('reads what a real opentracker said', () => {
    const heads = readCapture('http-tracker')
      .map(latin1)
      .filter((text) => text.startsWith('HTTP/1.1 200'));
    const replies = heads.map((text) =>
      replyTo(Uint8Array.from(text.split('\r\n\r\n')[1] as string, (c) => c.charCodeAt(0))),
    );
    expect(replies.map((reply) => [reply.seeds, reply.leechers, reply.peers.length])).toEqual([
      [1, 1, 2],
      [2, 0, 2],
      [1, 0, 0],
    ]);
    expect(replies[0]?.minIntervalMs).toBe(921_000);
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void decodeAnnounceReply(bytes)));
    const value = fc.oneof(
      fc.integer(),
      fc.uint8Array({ maxLength: 40 }),
      fc.constant([{ ip: '::1', port: -1 }]),
    );
    const keys = [
      'peers',
      'peers6',
      'interval',
      'min interval',
      'failure reason',
      'retry in',
      'external ip',
      'complete',
    ];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), value), (dict) => {
        expect(decodeAnnounceReply(encodeBencode(dict)).ok).toBe(true);
      }),
    );
  });
});

describe('scrape', () => {
  it('asks for several and finds each by its bytes', () => {
    const known = infoHashOf(hex('000102030405060708090a0b0c0d0e0f10111213'));
    expect(encodeScrapeQuery([known, infoHash(0x41)])).toBe(
      `info_hash=%00%01%02%03%04%05%06%07%08%09%0A%0B%0C%0D%0E%0F%10%11%12%13&info_hash=${'A'.repeat(20)}`,
    );
    const { response } = readVectors<{ response: { hex: string } }>('bep48');
    expect(decodeScrapeReply(hex(response.hex), [infoHash(9), known])).toEqual({
      ok: true,
      value: { kind: 'reply', entries: [undefined, { seeds: 5, downloads: 50, leechers: 10 }] },
    });
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (b) => void decodeScrapeReply(b, [infoHash()])));
  });
});
