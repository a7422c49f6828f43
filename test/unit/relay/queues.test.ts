// Calls for somebody who is away: three relays, one of which is killed.
import { describe, expect, it } from 'vitest';
import { toHex } from '../../../core/base/bytes.ts';
import { seededRng } from '../../../core/base/clock.ts';
import type { PushResult } from '../../../core/relay/client-queue.ts';
import { RelayIdentity } from '../../../core/relay/identity.ts';
import { DEFAULT_RELAY_LIMITS } from '../../../core/relay/limits.ts';
import { decodeItem, encodeItem } from '../../../core/relay/queue-item.ts';
import { type HeldItem, mergeQueues } from '../../../core/relay/queue-merge.ts';
import { QueueStore } from '../../../core/relay/queue-store.ts';
import { RelayWorld } from '../../support/relay-world.ts';

const TORRENT = new Uint8Array(20).fill(7);

describe('a queue', () => {
  it('brings 20 calls of 5 senders to a peer that was away, once each and in order, with one relay lost', () => {
    const world = new RelayWorld(21);
    const relays = ['44.1.0.1', '45.1.0.1', '46.1.0.1'].map((host) => world.relay(host));
    const target = world.peer('44.2.0.1', { torrents: [TORRENT] });
    const senders = [3, 4, 5, 6, 7].map((n) => world.peer(`44.${n}.0.1`, { wantsRelays: false }));
    const know = (): void => {
      for (const peer of [target, ...senders])
        for (const relay of relays) peer.client.handleRelays(0, [relay.endpoint], false, world.nowMs);
    };
    know();
    world.advance(3_000);
    target.setOffline(true);
    world.advance(30_000);
    const pushed: string[] = [];
    const results: PushResult[] = [];
    for (let i = 0; i < 20; i++) {
      const sender = senders[i % 5]!;
      const nonce = new Uint8Array(16).fill(i + 1);
      pushed.push(toHex(nonce));
      sender.client.push(
        target.client.publicKey,
        TORRENT,
        (result) => results.push(result),
        world.nowMs,
        nonce,
      );
      world.advance(13_000);
    }
    expect(results).toHaveLength(20);
    expect(results.every(({ acks, isOnline }) => acks === 3 && !isOnline)).toBe(true);
    relays[1]!.kill();
    target.setOffline(false);
    target.client.handleNetworkChange(world.nowMs);
    world.advance(10_000);
    expect(target.queued.map(({ nonce }) => toHex(nonce))).toEqual(pushed);
    world.advance(120_000);
    expect(target.queued).toHaveLength(20);
    for (const relay of [relays[0]!, relays[2]!]) expect(relay.server.queues.itemCount).toBe(0);
  });

  it('delivers at once to a peer that is here, and once whatever is pushed again', () => {
    const world = new RelayWorld(22);
    const relays = ['44.1.0.1', '45.1.0.1', '46.1.0.1'].map((host) => world.relay(host));
    const target = world.peer('44.2.0.1', { torrents: [TORRENT] });
    const sender = world.peer('44.3.0.1', { wantsRelays: false });
    for (const peer of [target, sender])
      for (const relay of relays) peer.client.handleRelays(0, [relay.endpoint], false, world.nowMs);
    world.advance(3_000);
    const nonce = new Uint8Array(16).fill(5);
    const results: PushResult[] = [];
    for (let i = 0; i < 3; i++) {
      sender.client.push(
        target.client.publicKey,
        TORRENT,
        (result) => results.push(result),
        world.nowMs,
        nonce,
      );
      world.advance(5_000);
    }
    expect(target.queued).toHaveLength(1);
    expect(results[0]).toMatchObject({ acks: 3, isOnline: true });
    expect(results[2]?.refusals).toEqual(['late', 'late', 'late']);
  });
});

describe('calls that lie at several relays', () => {
  const held = (n: number, timeMs: number): HeldItem => {
    const nonce = new Uint8Array(16).fill(n);
    const item = { nonce, timeMs } as HeldItem['item'];
    return { name: String(n), item, entry: {} as HeldItem['entry'], relay: { host: '44.1.0.1', port: 1 } };
  };

  it('become one list, each once, and no relay is contradicted about its order', () => {
    const wallMs = 1e12;
    // The second sender's clock is an hour slow; both relays know better than it does.
    const [a, b, c, d] = [
      held(1, wallMs - 50_000),
      held(2, wallMs - 3_600_000),
      held(3, wallMs - 30_000),
      held(4, wallMs - 40_000),
    ] as const;
    const merged = mergeQueues([[a, b, c], [a, d, b], []], wallMs);
    expect(merged.map(({ name }) => name)).toEqual(['1', '4', '2', '3']);
    expect(mergeQueues([], wallMs)).toEqual([]);
    // One of two relays lies about the order: everybody is heard all the same, by the times.
    expect(
      mergeQueues(
        [
          [a, c],
          [c, a],
        ],
        wallMs,
      ).map(({ name }) => name),
    ).toEqual(['1', '3']);
  });

  it('are taken in order though the first relay that is back lacks the oldest', () => {
    const world = new RelayWorld(24);
    const relays = ['44.1.0.1', '45.1.0.1', '46.1.0.1'].map((host) => world.relay(host));
    const target = world.peer('44.2.0.1', { torrents: [TORRENT] });
    const sender = world.peer('44.3.0.1', { wantsRelays: false });
    const know = (only: readonly (typeof relays)[number][]): void => {
      for (const peer of [target, sender])
        for (const relay of only) peer.client.handleRelays(0, [relay.endpoint], false, world.nowMs);
    };
    know(relays);
    world.advance(3_000);
    target.setOffline(true);
    world.advance(5_000);
    const push = (n: number): void => {
      const nonce = new Uint8Array(16).fill(n);
      sender.client.push(target.client.publicKey, TORRENT, () => {}, world.nowMs, nonce);
      world.advance(2_000);
    };
    relays[0]!.kill();
    push(1);
    relays[0]!.restart();
    world.advance(90_000);
    push(2);
    expect(relays.map(({ server }) => server.queues.itemCount)).toEqual([1, 2, 2]);
    // Alone at first: whoever acted at once would hear the younger one first.
    target.setOffline(false);
    target.client.handleNetworkChange(world.nowMs);
    world.advance(10_000);
    expect(target.queued.map(({ nonce }) => nonce[0])).toEqual([1, 2]);
    expect(target.client.queueCounts).toMatchObject({ taken: 2 });
    expect(target.client.queueCounts.maxDelayMs).toBeGreaterThan(90_000);
    expect(sender.client.queueCounts).toMatchObject({ pushes: 2, stored: 2, lost: 0 });
  });

  it('nobody keeps what nobody can keep: a push without relays is lost, and said to be', () => {
    const world = new RelayWorld(25);
    const sender = world.peer('44.3.0.1', { wantsRelays: false });
    const results: PushResult[] = [];
    sender.client.push(new Uint8Array(32).fill(1), TORRENT, (result) => results.push(result), world.nowMs);
    world.advance(60_000);
    expect(results).toEqual([{ acks: 0, isOnline: false, refusals: [] }]);
    expect(sender.client.queueCounts).toMatchObject({ pushes: 1, stored: 0, lost: 1 });
  });
});

describe('a call by key', () => {
  it('finds the peer at its own relays, where the caller has no connection yet', () => {
    const world = new RelayWorld(26);
    const relays = ['44.1.0.1', '45.1.0.1', '46.1.0.1'].map((host) => world.relay(host));
    const target = world.peer('44.2.0.1', { torrents: [TORRENT], decide: () => 'punch' });
    target.client.addGiven(relays[2]!.endpoint, world.nowMs);
    const caller = world.peer('44.3.0.1', { wantsRelays: false });
    for (const relay of relays) caller.client.handleRelays(0, [relay.endpoint], false, world.nowMs);
    world.advance(3_000);
    const results: string[] = [];
    const call = (key: Uint8Array): void =>
      caller.client.callKey(
        key,
        { infoHash: TORRENT },
        (result) => results.push(result.kind === 'go' ? result.introduction.way : result.code),
        world.nowMs,
      );
    call(target.client.publicKey);
    world.advance(5_000);
    expect(results).toEqual(['punch']);
    call(new Uint8Array(32).fill(9));
    world.advance(5_000);
    expect(results).toEqual(['punch', 'unknown']);
  });
});

describe('the store', () => {
  const rng = seededRng(23);
  const clock = { wallMs: (nowMs: number) => nowMs + 1e12 };
  const item = (sender: RelayIdentity, target: Uint8Array, n: number, timeMs: number) => {
    const nonce = new Uint8Array(16);
    new DataView(nonce.buffer).setUint32(0, n);
    const facts = { state: 'eim', filter: 'apdf', tcpPort: 0, udpPort: 6_881 } as const;
    const decoded = {
      target,
      infoHash: TORRENT,
      nonce,
      facts,
      timeMs,
      ttlSeconds: 600,
      sender: sender.publicKey,
    };
    return { bytes: encodeItem(decoded, sender), decoded };
  };

  it('keeps to its limits: 4 of a sender, 32 of a queue, 16 of a network, and what is in memory', () => {
    const store = new QueueStore({ ...DEFAULT_RELAY_LIMITS, queueBytes: 40_000 }, clock);
    const target = RelayIdentity.random(rng).publicKey;
    const from = (n: number) => ({ host: `44.${n}.0.1`, port: 5_000 });
    const one = RelayIdentity.random(rng);
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < 6; i++) {
      const { bytes, decoded } = item(one, target, i, 1e12);
      codes.push(store.push(bytes, decoded, from(1), 0));
    }
    expect(codes).toEqual([undefined, undefined, undefined, undefined, 'quota', 'quota']);
    // Keys cost nothing: many of them from one network share its part.
    let taken = 0;
    for (let i = 0; i < 40; i++) {
      const { bytes, decoded } = item(RelayIdentity.random(rng), target, 100 + i, 1e12);
      if (store.push(bytes, decoded, from(2), 0) === undefined) taken++;
    }
    expect(taken).toBe(16);
    for (let i = 0; i < 40; i++) {
      const { bytes, decoded } = item(RelayIdentity.random(rng), target, 200 + i, 1e12);
      store.push(bytes, decoded, from(10 + i), 0);
    }
    expect(store.itemCount).toBe(32);
    for (let i = 0; i < 200; i++) {
      const other = RelayIdentity.random(rng).publicKey;
      const { bytes, decoded } = item(RelayIdentity.random(rng), other, 300 + i, 1e12);
      store.push(bytes, decoded, from(60 + i), 0);
    }
    expect(store.weight).toBeLessThanOrEqual(40_000);
    store.sweep(700_000);
    expect([store.itemCount, store.weight, store.queueCount]).toEqual([0, 0, 0]);
  });

  it('keeps a call as long as its sender asks for it, in its place; nobody else can', () => {
    const store = new QueueStore(DEFAULT_RELAY_LIMITS, clock);
    const target = RelayIdentity.random(rng).publicKey;
    const [one, other] = [RelayIdentity.random(rng), RelayIdentity.random(rng)];
    const from = { host: '44.1.0.1', port: 5_000 };
    const push = (sender: RelayIdentity, n: number, timeMs: number, nowMs: number) => {
      const { bytes, decoded } = item(sender, target, n, 1e12 + timeMs);
      return store.push(bytes, decoded, from, nowMs);
    };
    push(one, 1, 0, 0);
    push(other, 2, 1_000, 1_000);
    expect(push(one, 1, 300_000, 300_000)).toBeUndefined();
    expect(push(other, 1, 300_000, 300_000)).toBe('late');
    const order = (nowMs: number) => store.peek(target, nowMs).map(({ item: bytes }) => decodeItem(bytes));
    expect(order(500_000).map((each) => each.ok && each.value.nonce[3])).toEqual([1, 2]);
    expect(order(700_000).map((each) => each.ok && each.value.nonce[3])).toEqual([1]);
    expect(order(950_000)).toEqual([]);
  });

  it('orders by the clock of the sender, as far as it is believed', () => {
    const store = new QueueStore(DEFAULT_RELAY_LIMITS, clock);
    const target = RelayIdentity.random(rng).publicKey;
    const times = [5_000, -3_600_000, 1_000, 3_600_000];
    for (const [i, offset] of times.entries()) {
      const { bytes, decoded } = item(RelayIdentity.random(rng), target, i, 1e12 + offset);
      store.push(bytes, decoded, { host: `44.${i}.0.1`, port: 5_000 }, 0);
    }
    const order = store.peek(target, 0).map(({ from }) => from.host);
    expect(order).toEqual(['44.1.0.1', '44.2.0.1', '44.0.0.1', '44.3.0.1']);
  });
});
