// Messages, items and frames: what is written is read; what is not ours is refused and never throws.

import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import { decodeFrame, encodeFrame, looksLikeFrame } from '../../../core/relay/frame.ts';
import { RelayIdentity } from '../../../core/relay/identity.ts';
import { decodeMessage, encodeMessage } from '../../../core/relay/message-codec.ts';
import { NAT_FILTERS, NAT_STATES, REFUSALS, type RelayMessage, WAYS } from '../../../core/relay/messages.ts';
import { decodeItem, encodeItem } from '../../../core/relay/queue-item.ts';
import fc from '../../support/property.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const nonce = bytes(16);
const hash = bytes(20);
const key = bytes(32);
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const port = fc.integer({ min: 0, max: 65_535 });
const endpoint = fc.record({
  host: fc.oneof(fc.ipV4(), fc.constantFrom('2a00::1', '::1', '2001:db8::5')),
  port: fc.integer({ min: 1, max: 65_535 }),
});
const known = {
  state: fc.constantFrom(...NAT_STATES),
  filter: fc.constantFrom(...NAT_FILTERS),
  tcpPort: port,
  udpPort: port,
};
/** Of a call that waits: a port to punch from would be gone by the time it is read. */
const lastingFacts = fc.record(known);
const facts = fc.record(
  { ...known, punchPort: fc.integer({ min: 1, max: 65_535 }) },
  { requiredKeys: ['state', 'filter', 'tcpPort', 'udpPort'] },
);
const record = fc
  .tuple(facts, endpoint, port, fc.boolean(), fc.option(key, { nil: undefined }))
  .map(([own, { host }, sourcePort, isUtp, theirKey]) => ({
    ...own,
    host,
    sourcePort,
    isUtp,
    key: theirKey,
  }));
const way = fc.constantFrom(...WAYS);
const tried = fc.subarray([...WAYS]);
const ways = fc.record({ tcp: fc.boolean(), udp: fc.boolean(), udpOtherPort: fc.boolean() });
const limits = fc.record({ bytes: u32, seconds: fc.integer({ min: 0, max: 600_000 }), bytesPerSec: u32 });
const is = <T extends string>(type: T) => fc.constant(type);
const hashes = fc.array(hash, { maxLength: 16 });
const nonces = fc.array(nonce, { maxLength: 32 });
const undefinedOr = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const message: fc.Arbitrary<RelayMessage> = fc.oneof(
  fc.record({
    type: is('reserve'),
    request: u32,
    key,
    infoHashes: hashes,
    proxied: hashes,
    ttlSeconds: fc.integer({ min: 0, max: 600_000 }),
    signature: bytes(64),
  }),
  fc.record({
    type: is('reserved'),
    request: u32,
    relayId: hash,
    ttlSeconds: fc.integer({ min: 0, max: 600_000 }),
    observed: endpoint,
    limits,
    proxyPort: port,
    proxied: hashes,
  }),
  fc.record({
    type: is('refuse'),
    of: u32,
    code: fc.constantFrom(...REFUSALS),
    request: undefinedOr(u32),
    nonce: undefinedOr(nonce),
  }),
  fc.record({
    type: is('call'),
    nonce,
    infoHash: hash,
    key: undefinedOr(key),
    endpoint: undefinedOr(endpoint),
    facts,
    tried,
  }),
  fc.record({ type: is('called'), nonce, infoHash: hash, caller: record, tried, rttMs: undefinedOr(u32) }),
  fc.record({ type: is('answer'), nonce, way, facts }),
  fc.record({ type: is('go'), nonce, way, peer: record, delayMs: u32 }),
  fc.record({
    type: is('ticket'),
    nonce: undefinedOr(nonce),
    ticket: nonce,
    limits,
    from: undefinedOr(endpoint),
  }),
  fc.record({ type: is('test'), nonce, tcpPort: port, udpPort: port, ways }),
  fc.record({ type: is('tested'), nonce, observed: endpoint, tried: ways, tcpReached: fc.boolean() }),
  fc.record({ type: is('push'), request: u32, key, item: fc.uint8Array({ minLength: 1, maxLength: 512 }) }),
  fc.record({ type: is('pushed'), request: u32, isOnline: fc.boolean() }),
  fc.record({ type: is('peek'), request: u32 }),
  fc.record({
    type: is('items'),
    request: u32,
    entries: fc.array(fc.record({ item: fc.uint8Array({ minLength: 1, maxLength: 512 }), from: endpoint }), {
      maxLength: 6,
    }),
    hasMore: fc.boolean(),
  }),
  fc.record({ type: is('pop'), request: u32, nonces }),
  fc.record({ type: is('popped'), request: u32, count: fc.integer({ min: 0, max: 32 }) }),
  fc.record({ type: is('gone'), nonces }),
  fc.record({ type: is('beat'), count: u32, isEcho: fc.boolean() }),
);

describe('messages', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(message, (sent) => {
        const decoded = decodeMessage(encodeMessage(sent));
        expect(decoded).toEqual({ ok: true, value: sent });
      }),
      { numRuns: 500 },
    );
  });

  it('with any byte changed or cut are read or refused, never more', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.nat(255), fc.boolean(), (sent, at, value, cuts) => {
        const encoded = encodeMessage(sent);
        const index = at % encoded.length;
        if (cuts) decodeMessage(encoded.subarray(0, index));
        else {
          encoded[index] = value;
          decodeMessage(encoded);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('of noise are refused', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => !decodeMessage(noise).ok));
    expect(decodeMessage(new Uint8Array(5_000)).ok).toBe(false);
  });
});

describe('queue items', () => {
  const sender = RelayIdentity.random(seededRng(1));
  it('are read with their signature and not without', () => {
    fc.assert(
      fc.property(
        key,
        hash,
        nonce,
        lastingFacts,
        fc.nat(2 ** 40),
        fc.nat(),
        (target, infoHash, itsNonce, own, timeMs, at) => {
          const item = { target, infoHash, nonce: itsNonce, facts: own, timeMs, ttlSeconds: 600 };
          const encoded = encodeItem(item, sender);
          expect(decodeItem(encoded)).toEqual({ ok: true, value: { ...item, sender: sender.publicKey } });
          const index = at % encoded.length;
          encoded[index] = (encoded[index] as number) ^ 1;
          expect(decodeItem(encoded).ok).toBe(false);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('frames', () => {
  it('are told from everything else by their first bytes', () => {
    const token = new Uint8Array(16).fill(3);
    for (const kind of ['splice', 'test'] as const) {
      const frame = encodeFrame(kind, token);
      expect(frame).toHaveLength(68);
      for (let i = 1; i < 20; i++) expect(looksLikeFrame(frame.subarray(0, i))).toBe('more');
      expect(looksLikeFrame(frame)).toBe('frame');
      expect(decodeFrame(frame)).toEqual({ kind, token, sender: new Uint8Array(20) });
    }
    const bittorrent = new TextEncoder().encode('\x13BitTorrent protocol');
    expect(looksLikeFrame(bittorrent)).toBe('other');
    expect(looksLikeFrame(bittorrent.subarray(0, 1))).toBe('more');
    fc.assert(fc.property(fc.uint8Array({ minLength: 20 }), (noise) => looksLikeFrame(noise) === 'other'));
  });
});
