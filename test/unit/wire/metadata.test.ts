import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../../core/base/bytes.ts';
import { type InfoHash, infoHashOf } from '../../../core/base/ids.ts';
import { MetadataFetch } from '../../../core/wire/metadata-fetch.ts';
import { MetadataServe } from '../../../core/wire/metadata-serve.ts';
import {
  decodeMetadataMessage,
  encodeMetadataData,
  encodeMetadataReject,
  encodeMetadataRequest,
  MAX_METADATA_BYTES,
  type MetadataMessage,
} from '../../../core/wire/ut-metadata.ts';

const vectors = JSON.parse(
  readFileSync(new URL('../../../fixtures/vectors/bep09-10-11.json', import.meta.url), 'utf8'),
) as { metadata: { hex: string; tail_hex: string; note: string }[] };

function infoOf(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 255);
}
function hashOf(info: Uint8Array): InfoHash {
  return infoHashOf(createHash('sha1').update(info).digest());
}

/** A peer in a test: what it holds, and what it does with a request. */
interface Server {
  readonly size: number;
  answer(piece: number): Uint8Array | undefined;
}
const honest = (info: Uint8Array): Server => ({
  size: info.length,
  answer: (piece) => encodeMetadataData(info, piece),
});
const silent = (size: number): Server => ({ size, answer: () => undefined });
const rejecting = (size: number): Server => ({ size, answer: encodeMetadataReject });

interface Run {
  readonly liars: string[];
  readonly closed: Map<string, string>;
  readonly asked: Map<string, number>;
  readonly nowMs: number;
}

/** Virtual time: an answer takes 10 ms; jumps to the next deadline when nothing moves. */
function run(fetch: MetadataFetch<string>, servers: Map<string, Server>, untilMs = 600_000): Run {
  const liars: string[] = [];
  const closed = new Map<string, string>();
  const asked = new Map<string, number>();
  let nowMs = 0;
  for (const [name, server] of servers) fetch.addPeer(name, server.size);
  while (nowMs < untilMs && fetch.result === undefined) {
    const requests = fetch.poll(nowMs);
    liars.push(...fetch.pollLiars());
    let hasMoved = false;
    for (const { peer, piece } of requests) {
      asked.set(peer, (asked.get(peer) ?? 0) + 1);
      const reply = servers.get(peer)?.answer(piece);
      if (reply === undefined || closed.has(peer)) continue;
      const message = decodeMetadataMessage(reply);
      if (!message.ok) throw new Error(message.reason.what);
      const reason = fetch.handleMessage(
        peer,
        message.value as Exclude<MetadataMessage, { kind: 'request' }>,
        nowMs + 10,
      );
      hasMoved = true;
      if (reason !== undefined) {
        closed.set(peer, reason);
        fetch.removePeer(peer);
      }
    }
    if (hasMoved) nowMs += 10;
    else {
      const next = fetch.nextTimeoutMs(nowMs);
      if (next === undefined) break;
      expect(next).toBeGreaterThan(nowMs);
      nowMs = next;
    }
  }
  liars.push(...fetch.pollLiars());
  return { liars, closed, asked, nowMs };
}

describe('ut_metadata messages', () => {
  for (const { hex, tail_hex, note } of vectors.metadata) {
    it(`reads: ${note}`, () => {
      const message = decodeMetadataMessage(fromHex(hex) as Uint8Array);
      if (!message.ok) throw new Error(message.reason.what);
      if (message.value.kind === 'data') {
        expect(message.value).toMatchObject({ piece: 0, totalSize: 34256 });
        expect(toHex(message.value.bytes)).toBe(tail_hex);
      } else {
        expect(message.value.kind).toBe({ request: 'request', reject: 'reject' }[note] ?? 'unknown');
      }
    });
  }

  it('writes what the vectors say', () => {
    expect(toHex(encodeMetadataRequest(0))).toBe(vectors.metadata[0]?.hex);
    expect(toHex(encodeMetadataReject(0))).toBe(vectors.metadata[2]?.hex);
  });
});

describe('MetadataFetch', () => {
  for (const length of [1, 16384, 16385, 200_000]) {
    it(`gets ${length} bytes from one peer`, () => {
      const info = infoOf(length);
      const fetch = new MetadataFetch<string>(hashOf(info));
      const { liars } = run(fetch, new Map([['a', honest(info)]]));
      expect(toHex(fetch.result as Uint8Array)).toBe(toHex(info));
      expect(liars).toEqual([]);
      expect(fetch.nextTimeoutMs(0)).toBeUndefined();
    });
  }

  it('spreads the pieces over its peers and bounds what is in flight', () => {
    const info = infoOf(40 * 16384);
    const fetch = new MetadataFetch<string>(hashOf(info));
    for (const name of ['a', 'b', 'c']) fetch.addPeer(name, info.length);
    const requests = fetch.poll(0);
    expect(requests).toHaveLength(24);
    expect(new Set(requests.map(({ piece }) => piece)).size).toBe(24);
    expect(fetch.poll(0)).toEqual([]);
  });

  it('asks idle peers for what a slow one holds up', () => {
    const info = infoOf(3 * 16384);
    const fetch = new MetadataFetch<string>(hashOf(info));
    const { nowMs } = run(
      fetch,
      new Map([
        ['slow', silent(info.length)],
        ['good', honest(info)],
      ]),
    );
    expect(fetch.result).toBeDefined();
    expect(nowMs).toBeLessThan(1000);
  });

  it('names the one who sent false bytes among honest peers, and nobody else', () => {
    const info = infoOf(100_000);
    const fetch = new MetadataFetch<string>(hashOf(info));
    const { liars } = run(
      fetch,
      new Map([
        ['a', honest(info)],
        ['liar', honest(infoOf(100_000, 2))],
        ['b', honest(info)],
      ]),
    );
    expect(toHex(fetch.result as Uint8Array)).toBe(toHex(info));
    expect(liars).toEqual(['liar']);
  });

  it('names several, also when they are more than the honest', () => {
    const info = infoOf(100_000);
    const fetch = new MetadataFetch<string>(hashOf(info));
    const servers = new Map<string, Server>();
    for (let i = 0; i < 7; i++) servers.set(`liar ${i}`, honest(infoOf(100_000, 2 + i)));
    servers.set('good', honest(info));
    const { liars } = run(fetch, servers);
    expect(fetch.result).toBeDefined();
    expect(liars).not.toContain('good');
    expect(liars.length).toBeGreaterThan(2);
  });

  it('names a sole supplier of false bytes at once', () => {
    const fetch = new MetadataFetch<string>(hashOf(infoOf(50_000)));
    const { liars } = run(fetch, new Map([['liar', honest(infoOf(50_000, 2))]]));
    expect(fetch.result).toBeUndefined();
    expect(liars).toEqual(['liar']);
  });

  it('is not led astray by false sizes, however many and however large', () => {
    const info = infoOf(60_000);
    const fetch = new MetadataFetch<string>(hashOf(info));
    const servers = new Map<string, Server>();
    for (let i = 0; i < 10; i++) servers.set(`liar ${i}`, silent(61_000 + i * 1000));
    servers.set('huge', silent(100 << 20));
    servers.set('good', honest(info));
    const { asked, nowMs } = run(fetch, servers);
    expect(fetch.result).toBeDefined();
    expect(asked.get('huge')).toBeUndefined();
    expect(nowMs).toBeLessThan(120_000);
  });

  it('refuses data of another total or length, and data nobody asked for', () => {
    const info = infoOf(60_000);
    const message = (changes: object): Exclude<MetadataMessage, { kind: 'request' }> =>
      ({ kind: 'data', piece: 0, totalSize: 60_000, bytes: info.subarray(0, 16384), ...changes }) as never;
    const start = (): MetadataFetch<string> => {
      const fetch = new MetadataFetch<string>(hashOf(info));
      fetch.addPeer('a', 60_000);
      fetch.poll(0);
      return fetch;
    };
    expect(start().handleMessage('a', message({ totalSize: 60_001 }), 1)).toMatch(/60001/);
    expect(start().handleMessage('a', message({ bytes: info.subarray(0, 100) }), 1)).toMatch(/100 bytes/);
    expect(start().handleMessage('a', message({ piece: 3, bytes: info.subarray(0, 16384) }), 1)).toMatch(
      /16384/,
    );
    const flood = start();
    for (let i = 0; i < 17; i++) expect(flood.handleMessage('a', message({}), 1)).toBeUndefined();
    expect(flood.handleMessage('a', message({}), 1)).toMatch(/nobody asked/);
  });

  it('comes back to peers that reject or fall silent, later and later', () => {
    const info = infoOf(20_000);
    const fetch = new MetadataFetch<string>(hashOf(info));
    const { asked, nowMs } = run(
      fetch,
      new Map([
        ['rejects', rejecting(20_000)],
        ['silent', silent(20_000)],
      ]),
      300_000,
    );
    expect(nowMs).toBeGreaterThanOrEqual(300_000);
    for (const count of asked.values()) {
      expect(count).toBeGreaterThan(6);
      expect(count).toBeLessThan(40);
    }
  });

  it('takes a late answer, and goes on when a peer leaves', () => {
    const info = infoOf(20_000);
    const fetch = new MetadataFetch<string>(hashOf(info));
    fetch.addPeer('a', info.length);
    expect(fetch.poll(0)).toHaveLength(2);
    fetch.poll(9_000);
    const first = decodeMetadataMessage(encodeMetadataData(info, 0));
    if (first.ok) fetch.handleMessage('a', first.value as never, 9_500);
    expect(fetch.progress).toEqual({ receivedBytes: 10_000, totalBytes: 20_000 });
    fetch.addPeer('b', info.length);
    fetch.removePeer('a');
    expect(fetch.poll(9_500)).toEqual([{ peer: 'b', piece: 1 }]);
    fetch.addPeer('b', undefined);
    const second = decodeMetadataMessage(encodeMetadataData(info, 1));
    if (second.ok) fetch.handleMessage('b', second.value as never, 9_600);
    expect(toHex(fetch.result as Uint8Array)).toBe(toHex(info));
  });

  it('keeps what honest peers sent when a mixed copy fails', () => {
    const info = infoOf(10 * 16384);
    const fetch = new MetadataFetch<string>(hashOf(info));
    const { asked } = run(
      fetch,
      new Map([
        ['good', honest(info)],
        ['liar', honest(infoOf(10 * 16384, 2))],
      ]),
    );
    expect(fetch.result).toBeDefined();
    // 8 of the mixed copy, and the 5 of 10 that came from the liar.
    expect(asked.get('good')).toBe(13);
  });

  it('lets the largest claims go when liars fill the memory', () => {
    const fetch = new MetadataFetch<number>(hashOf(infoOf(10)));
    const block = new Uint8Array(16384);
    const pieces = MAX_METADATA_BYTES / 16384;
    const sizeOf = (peer: number): number => MAX_METADATA_BYTES - peer * 16384;
    for (let peer = 0; peer < 5; peer++) fetch.addPeer(peer, sizeOf(peer));
    // All of them send all but one piece.
    for (let round = 0; round < pieces; round++) {
      for (const { peer, piece } of fetch.poll(0)) {
        if (piece === 0) continue;
        const message = { kind: 'data', piece, totalSize: sizeOf(peer), bytes: block } as const;
        expect(fetch.handleMessage(peer, message, 0)).toBeUndefined();
      }
    }
    const later = new Map<number, number>();
    for (const { peer } of fetch.poll(100_000)) later.set(peer, (later.get(peer) ?? 0) + 1);
    for (const { peer } of fetch.poll(200_000)) later.set(peer, (later.get(peer) ?? 0) + 1);
    expect(later.get(0)).toBeGreaterThan(1);
    expect([1, 2, 3, 4].map((peer) => later.get(peer))).toEqual([1, 1, 1, 1]);
  });

  it('asks nobody for sizes that no torrent has', () => {
    const fetch = new MetadataFetch<string>(hashOf(infoOf(10)));
    fetch.addPeer('a', 0);
    fetch.addPeer('b', MAX_METADATA_BYTES + 1);
    fetch.addPeer('c', undefined);
    expect(fetch.poll(0)).toEqual([]);
  });
});

describe('MetadataServe', () => {
  const info = infoOf(40_000);

  it('serves its pieces and rejects others', () => {
    const serve = new MetadataServe<string>(info);
    expect(toHex(serve.handleRequest('a', 2, 0) as Uint8Array)).toBe(toHex(encodeMetadataData(info, 2)));
    expect(toHex(serve.handleRequest('a', 3, 0) as Uint8Array)).toBe(toHex(encodeMetadataReject(3)));
  });

  it('rejects until it knows', () => {
    const serve = new MetadataServe<string>();
    expect(toHex(serve.handleRequest('a', 0, 0) as Uint8Array)).toBe(toHex(encodeMetadataReject(0)));
    serve.setInfo(info);
    expect(toHex(serve.handleRequest('a', 0, 0) as Uint8Array)).toBe(toHex(encodeMetadataData(info, 0)));
  });

  it('gives one peer three copies, then rejects, then has it dropped', () => {
    const serve = new MetadataServe<string>(info);
    const replies: (Uint8Array | undefined)[] = [];
    for (let i = 0; i < 1000; i++) replies.push(serve.handleRequest('greedy', i % 3, 0));
    const data = replies.filter((reply) => reply !== undefined && reply.length > 1000);
    expect(data).toHaveLength(9);
    expect(replies.at(-1)).toBeUndefined();
    expect(serve.handleRequest('other', 0, 0)?.length).toBeGreaterThan(1000);
  });

  it('bounds what all peers get together, and recovers with time', () => {
    const big = infoOf(2 << 20);
    const serve = new MetadataServe<number>(big);
    let served = 0;
    for (let peer = 0; peer < 40; peer++)
      for (let piece = 0; piece < 128; piece++)
        if ((serve.handleRequest(peer, piece, 0)?.length ?? 0) > 1000) served++;
    expect(served).toBe(8 * 128);
    expect(serve.handleRequest(99, 0, 1000)?.length).toBeGreaterThan(1000);
  });
});
