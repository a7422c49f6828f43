// What a node keeps for others and hands out: filters, items, peers, tokens; and the bytes of its state file.
import { describe, expect, it } from 'vitest';
import { fromHex, latin1, toHex, utf8 } from '../../../core/base/bytes.ts';
import { randomBytes, seededRng } from '../../../core/base/clock.ts';
import { publicKeyOf } from '../../../core/base/ed25519.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import { compareDistance, Id160 } from '../../../dht/base/node-id.ts';
import { OUR_STORES } from '../../../dht/base/options.ts';
import type { DhtItem } from '../../../dht/base/results.ts';
import { Composer } from '../../../dht/krpc/krpc-compose.ts';
import { BLOOM_BYTES, estimate, hasAddress, insertAddress } from '../../../dht/storage/bloom.ts';
import { ItemStore } from '../../../dht/storage/item-store.ts';
import {
  immutableItem,
  immutableTarget,
  isAuthentic,
  mutableTarget,
  signedBuffer,
  signItem,
} from '../../../dht/storage/items.ts';
import { PeerStore } from '../../../dht/storage/peer-store.ts';
import { decodeState, encodeState } from '../../../dht/storage/state.ts';
import { TOKEN_BYTES, Tokens } from '../../../dht/storage/tokens.ts';
import { address, hex, nthAddress, vectors } from './material.ts';

const MINUTE_MS = 60_000;
const NOW_MS = 10_000_000;
const rng = seededRng(7);

describe('BEP 33 filters', () => {
  const vector = vectors('bep33');

  it('give the published bits and estimate', () => {
    const filter = new Uint8Array(BLOOM_BYTES);
    for (let i = 0; i < 256; i++) insertAddress(filter, address(`192.0.2.${i}`));
    for (let i = 0; i < 1000; i++) insertAddress(filter, address(`2001:db8::${i.toString(16)}`));
    expect(toHex(filter)).toBe(vector.filter);
    const { count, error, saturated } = estimate(filter);
    expect(count).toBeCloseTo(vector.estimate, 3);
    // The truth is 1256.
    expect(Math.abs(count - 1256)).toBeLessThan(2 * error);
    expect(saturated).toBe(false);
    expect(hasAddress(filter, address('192.0.2.77'))).toBe(true);
  });

  it('give the published single filter', () => {
    const filter = new Uint8Array(BLOOM_BYTES);
    insertAddress(filter, address('192.168.1.1'));
    expect(toHex(filter)).toBe(vector.single['192.168.1.1']);
  });

  it('count nothing, little and too much', () => {
    expect(estimate(new Uint8Array(BLOOM_BYTES))).toEqual({ count: 0, error: 0, saturated: false });
    expect(estimate(new Uint8Array(BLOOM_BYTES).fill(0xff)).saturated).toBe(true);
  });

  it('state an error that holds in about two of three draws', () => {
    const draws = seededRng(3);
    let within = 0;
    for (let round = 0; round < 60; round++) {
      const filter = new Uint8Array(BLOOM_BYTES);
      for (let i = 0; i < 500; i++) insertAddress(filter, DhtAddress.v4((draws.next() * 2 ** 32) | 0, 1));
      const { count, error } = estimate(filter);
      if (Math.abs(count - 500) <= error) within++;
    }
    expect(within).toBeGreaterThan(30);
    expect(within).toBeLessThan(54);
  });
});

describe('BEP 44 and 46 items', () => {
  const vector = vectors('bep44');

  it('have the published targets, buffers and signatures', () => {
    for (const one of vector.mutable) {
      const item: DhtItem = {
        kind: 'mutable',
        target: hex(one.target),
        v: utf8(one.v_bencoded),
        publicKey: hex(one.k),
        salt: utf8(one.salt),
        seq: BigInt(one.seq),
        signature: hex(one.sig),
      };
      expect(latin1(signedBuffer(item.salt, item.seq, item.v))).toBe(one.signed_buffer);
      expect(toHex(mutableTarget(item.publicKey, item.salt))).toBe(one.target);
      expect(isAuthentic(item)).toBe(true);
      expect(isAuthentic({ ...item, seq: item.seq + 1n })).toBe(false);
      expect(isAuthentic({ ...item, salt: utf8('x') })).toBe(false);
      expect(isAuthentic({ ...item, v: utf8('12:Hello World?') })).toBe(false);
      expect(isAuthentic({ ...item, publicKey: new Uint8Array(32).fill(1) })).toBe(false);
    }
    for (const one of vector.immutable) {
      expect(toHex(immutableTarget(utf8(one.v_bencoded)))).toBe(one.target);
      expect(isAuthentic(immutableItem(utf8(one.v_bencoded)))).toBe(true);
    }
  });

  it('are found from the magnet links of BEP 46', () => {
    for (const { magnet, target } of vectors('bep46').cases) {
      const key = hex(/btpk:([0-9a-f]{64})/.exec(magnet)?.[1] as string);
      const salt = fromHex(/&s=([0-9a-f]*)/.exec(magnet)?.[1] ?? '') as Uint8Array;
      expect(toHex(mutableTarget(key, salt))).toBe(target);
    }
  });

  it('are signed so that they verify; bad values are refused', () => {
    const seed = new Uint8Array(32).fill(9);
    const item = signItem({ seed, v: utf8('i5e'), seq: 3n, salt: utf8('s') });
    expect(isAuthentic(item)).toBe(true);
    expect(item).toMatchObject({ kind: 'mutable', publicKey: publicKeyOf(seed) });
    expect(() => signItem({ seed, v: utf8('nonsense'), seq: 1n })).toThrow(TypeError);
    expect(() => signItem({ seed, v: utf8('i5e'), seq: -1n })).toThrow(TypeError);
    expect(() => signItem({ seed, v: utf8('i5e'), seq: 1n, salt: new Uint8Array(65) })).toThrow(TypeError);
    expect(() => immutableItem(utf8(`1001:${'x'.repeat(1001)}`))).toThrow(TypeError);
  });
});

describe('ItemStore', () => {
  const own = Id160.of(new Uint8Array(20));
  const seed = new Uint8Array(32).fill(1);
  const item = (seq: bigint, text = 'x'): DhtItem =>
    signItem({ seed, v: utf8(`${text.length}:${text}`), seq });

  it('never lets a sequence number fall, and compares before it swaps', () => {
    const store = new ItemStore(OUR_STORES);
    expect(store.put(item(5n), undefined, own, NOW_MS)).toBe('stored');
    expect(store.put(item(4n), undefined, own, NOW_MS)).toBe('seq-too-low');
    expect(store.put(item(5n, 'other'), undefined, own, NOW_MS)).toBe('seq-too-low');
    expect(store.put(item(5n), undefined, own, NOW_MS)).toBe('stored');
    expect(store.put(item(6n), 4n, own, NOW_MS)).toBe('cas-mismatch');
    expect(store.put(item(6n), 5n, own, NOW_MS)).toBe('stored');
    expect(store.get(item(6n).target, NOW_MS)).toMatchObject({ seq: 6n });
  });

  it('forgets after two hours, unless put again', () => {
    const store = new ItemStore(OUR_STORES);
    const { target } = item(1n);
    store.put(item(1n), undefined, own, NOW_MS);
    store.put(item(1n), undefined, own, NOW_MS + 60 * MINUTE_MS);
    expect(store.get(target, NOW_MS + 170 * MINUTE_MS)).toBeDefined();
    expect(store.get(target, NOW_MS + 181 * MINUTE_MS)).toBeUndefined();
  });

  it('keeps the nearest when full', () => {
    const store = new ItemStore({ ...OUR_STORES, maxItems: 10 });
    const items = Array.from({ length: 40 }, (_, i) => immutableItem(utf8(`i${i}e`)));
    for (const one of items) store.put(one, undefined, own, NOW_MS);
    expect(store.size).toBe(10);
    const sorted = [...items].sort((x, y) => compareDistance(own, Id160.of(x.target), Id160.of(y.target)));
    for (const one of sorted.slice(0, 10)) expect(store.get(one.target, NOW_MS)).toBeDefined();
  });
});

describe('PeerStore', () => {
  const hash = new Uint8Array(20).fill(3);

  it('keeps one entry per address, expiring after 30 minutes', () => {
    const store = new PeerStore(OUR_STORES, rng);
    store.announce(hash, address('1.2.3.4', 1), false, NOW_MS);
    store.announce(hash, address('1.2.3.4', 2), true, NOW_MS + 20 * MINUTE_MS);
    store.announce(hash, address('1.2.3.5', 3), false, NOW_MS);
    expect(store.peers).toBe(2);
    const later = store.pick(hash, 4, 50, false, NOW_MS + 31 * MINUTE_MS);
    expect(later.map((peer) => `${peer.host}:${peer.port}`)).toEqual(['1.2.3.4:2']);
    expect(store.pick(hash, 4, 50, false, NOW_MS + 51 * MINUTE_MS)).toEqual([]);
    store.hasRoom(hash, 4, NOW_MS + 60 * MINUTE_MS);
    expect(store.hashes).toBe(0);
  });

  it('keeps the peers of one machine apart on a local network', () => {
    const store = new PeerStore(OUR_STORES, rng);
    for (const port of [1, 2, 2]) store.announce(hash, address('127.0.0.1', port), false, NOW_MS);
    const ports = store.pick(hash, 4, 50, false, NOW_MS).map((peer) => peer.port);
    expect(ports.sort()).toEqual([1, 2]);
  });

  it('tells seeds from peers', () => {
    const store = new PeerStore(OUR_STORES, rng);
    store.announce(hash, address('1.2.3.4'), true, NOW_MS);
    store.announce(hash, address('1.2.3.5'), false, NOW_MS);
    expect(store.pick(hash, 4, 50, true, NOW_MS).map((peer) => peer.host)).toEqual(['1.2.3.5']);
    const filters = store.filters(hash, 4, NOW_MS);
    expect(hasAddress(filters?.seeds as Uint8Array, address('1.2.3.4'))).toBe(true);
    expect(hasAddress(filters?.peers as Uint8Array, address('1.2.3.5'))).toBe(true);
    expect(hasAddress(filters?.peers as Uint8Array, address('1.2.3.4'))).toBe(false);
  });

  it('keeps the families apart', () => {
    const store = new PeerStore(OUR_STORES, rng);
    store.announce(hash, address('2001:db8::5', 9), false, NOW_MS);
    expect(store.pick(hash, 4, 9, false, NOW_MS)).toEqual([]);
    expect(store.pick(hash, 6, 9, false, NOW_MS)[0]).toMatchObject({ host: '2001:db8::5', port: 9 });
  });

  it('is bounded in hashes and in peers, and says so before', () => {
    const store = new PeerStore({ ...OUR_STORES, maxHashes: 5, maxPeersPerHash: 7 }, rng);
    for (let i = 0; i < 50; i++) {
      store.announce(hash, nthAddress(i), false, NOW_MS);
      store.announce(randomBytes(rng, 20), nthAddress(i), false, NOW_MS);
    }
    expect(store.hashes).toBe(5);
    expect(store.hasRoom(hash, 4, NOW_MS)).toBe(false);
    expect(store.hasRoom(randomBytes(rng, 20), 4, NOW_MS)).toBe(false);
    expect(store.pick(hash, 4, 50, false, NOW_MS).length).toBe(7);
  });

  it('gives the same samples for an interval (BEP 51)', () => {
    const store = new PeerStore(OUR_STORES, rng);
    for (let i = 0; i < 100; i++) store.announce(randomBytes(rng, 20), nthAddress(i), false, NOW_MS);
    const first = store.samples(20, NOW_MS);
    const second = store.samples(20, NOW_MS + MINUTE_MS);
    expect(second.samples).toEqual(first.samples);
    expect(second.secondsLeft).toBe(first.secondsLeft - 60);
    expect(new Set(first.samples.map(toHex)).size).toBe(20);
    expect(store.samples(20, NOW_MS + 16 * MINUTE_MS).samples).not.toEqual(first.samples);
  });
});

describe('Tokens', () => {
  const key = new Uint8Array(20).fill(1);
  const make = (tokens: Tokens, from: DhtAddress, nowMs: number): Uint8Array => {
    const out = new Composer().begin();
    tokens.write(out, from, key, 0, nowMs);
    expect(out.at).toBe(TOKEN_BYTES);
    return out.done();
  };

  it('hold for their address and hash, for five to ten minutes', () => {
    const tokens = new Tokens(rng);
    const token = make(tokens, address('1.2.3.4'), NOW_MS);
    expect(tokens.isValid(token, address('1.2.3.4', 99), key, 0, NOW_MS + 5 * MINUTE_MS)).toBe(true);
    expect(tokens.isValid(token, address('1.2.3.4'), key, 0, NOW_MS + 10 * MINUTE_MS)).toBe(false);
    expect(tokens.isValid(token, address('1.2.3.5'), key, 0, NOW_MS)).toBe(false);
    expect(tokens.isValid(token, address('1.2.3.4'), new Uint8Array(20), 0, NOW_MS)).toBe(false);
    expect(tokens.isValid(token.subarray(1), address('1.2.3.4'), key, 0, NOW_MS)).toBe(false);
    expect(new Tokens(rng).isValid(token, address('1.2.3.4'), key, 0, NOW_MS)).toBe(false);
  });

  it('change with the epochs of BEP 5: one of the first moment holds for ten minutes, one of the last for five', () => {
    const tokens = new Tokens(rng);
    const from = address('1.2.3.4');
    const epochMs = 30 * 5 * MINUTE_MS;
    const endMs = epochMs + 10 * MINUTE_MS;
    for (const givenMs of [epochMs, epochMs + 5 * MINUTE_MS - 1]) {
      const token = make(tokens, from, givenMs);
      expect(tokens.isValid(token, from, key, 0, endMs - 1)).toBe(true);
      expect(tokens.isValid(token, from, key, 0, endMs)).toBe(false);
    }
  });
});

describe('state file', () => {
  it('comes back as it was, for both families', () => {
    const state = {
      ids: [
        { family: 4 as const, id: randomBytes(rng, 20) },
        { family: 6 as const, id: randomBytes(rng, 20) },
      ],
      contacts: [
        { id: randomBytes(rng, 20), address: address('1.2.3.4', 5) },
        { id: randomBytes(rng, 20), address: address('2001:db8::5', 6) },
      ],
    };
    const decoded = decodeState(encodeState(state));
    if (!decoded.ok) throw new Error(decoded.reason.what);
    expect(decoded.value.ids).toEqual(state.ids);
    expect(decoded.value.contacts.map((one) => [toHex(one.id), one.address.host, one.address.port])).toEqual(
      state.contacts.map((one) => [toHex(one.id), one.address.host, one.address.port]),
    );
  });

  it('refuses what is none', () => {
    for (const text of ['', 'garbage', 'le', 'd6:formati2ee', 'de'])
      expect(decodeState(utf8(text)).ok, text).toBe(false);
  });
});
