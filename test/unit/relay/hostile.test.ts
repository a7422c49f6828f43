// What strangers try with a relay, and what a hostile relay tries with its peers.
import { describe, expect, it } from 'vitest';
import { randomBytes, seededRng } from '../../../core/base/clock.ts';
import { whyNotDial } from '../../../core/relay/addresses.ts';
import { RelayIdentity, reserveText } from '../../../core/relay/identity.ts';
import { DEFAULT_RELAY_LIMITS } from '../../../core/relay/limits.ts';
import { encodeMessage } from '../../../core/relay/message-codec.ts';
import type { ToRelay } from '../../../core/relay/messages.ts';
import { SpliceTable } from '../../../core/relay/splices.ts';
import { liveBytes } from '../../support/live-memory.ts';
import { RelayWorld, type RelayWorld as World } from '../../support/relay-world.ts';

const TORRENT = new Uint8Array(20).fill(7);
const FACTS = { state: 'unknown', filter: 'unknown', tcpPort: 0, udpPort: 0 } as const;

/** A link without any client behind it: what comes is what the test says. */
function intruder(world: World, host: string, port = 9_000) {
  const relay = world.relays[0]!;
  const link = world.nextLink();
  const challenge = relay.server.newChallenge();
  const isIn = relay.server.addLink(link, { remote: { host, port }, isUtp: false }, challenge, world.nowMs);
  const identity = RelayIdentity.random(world.rng);
  const send = (message: ToRelay): void =>
    relay.server.handleMessage(link, encodeMessage(message), world.nowMs);
  const reserve = (relayHost = relay.endpoint.host, key = identity): void => {
    const terms = { key: key.publicKey, infoHashes: [TORRENT], proxied: [], ttlSeconds: 3600 };
    const signature = identity.sign(reserveText(terms, challenge, relayHost)!);
    send({ type: 'reserve', request: 1, ...terms, signature });
  };
  return { link, isIn, identity, send, reserve };
}

describe('a relay', () => {
  it('holds its quotas against 1000 reservations of many keys, and still serves an honest peer', () => {
    const world = new RelayWorld(31);
    const relay = world.relay('44.1.0.1');
    for (let i = 0; i < 1_000; i++) intruder(world, `45.0.${i % 4}.${i % 250}`, 2_000 + i).reserve();
    // Four networks of 32 places would fill it; each address has 8.
    expect(relay.server.links.slotCount).toBeLessThanOrEqual(128);
    const before = relay.server.links.slotCount;
    const one = new RelayWorld(32);
    const other = one.relay('44.1.0.1');
    for (let i = 0; i < 1_000; i++) intruder(one, '45.0.0.1', 2_000 + i).reserve();
    expect(other.server.links.slotCount).toBe(8);
    const honest = one.peer('46.0.0.1', { torrents: [TORRENT] });
    honest.client.addGiven(other.endpoint, one.nowMs);
    one.advance(2_000);
    expect(other.server.links.slotCount).toBe(9);
    expect(before).toBeGreaterThan(0);
  });

  it('takes no signature that was made for another relay, another key or another connection', () => {
    const world = new RelayWorld(33);
    const relay = world.relay('44.1.0.1');
    intruder(world, '45.0.0.1').reserve('44.9.9.9');
    const one = intruder(world, '45.0.0.2');
    one.reserve('44.1.0.1', RelayIdentity.random(world.rng));
    expect(relay.server.links.slotCount).toBe(0);
    expect(relay.server.counters.refusals.signature).toBe(2);
  });

  it('lets nobody in with random tickets, and no ticket in twice', () => {
    const rng = seededRng(34);
    const table = new SpliceTable(DEFAULT_RELAY_LIMITS, rng);
    const parties = [
      { link: 1, host: '44.2.0.1' },
      { link: 2, host: '44.3.0.1' },
    ] as const;
    const splice = table.create([...parties], {}, 0);
    if (typeof splice === 'string') throw new Error(splice);
    for (let i = 0; i < 10_000; i++) expect(table.redeem(randomBytes(rng, 16), i, 1)).toBeUndefined();
    const [a, b] = splice.tickets as [Uint8Array, Uint8Array];
    expect(table.redeem(a, 1, 1)?.startedAtMs).toBeUndefined();
    expect(table.redeem(a, 2, 1)).toBeUndefined();
    expect(table.redeem(b, 3, 10_001)).toBeUndefined();
    expect(table.redeem(b, 4, 9_000)?.startedAtMs).toBe(9_000);
  });

  it('gives one pair two splices, and one network of callers four', () => {
    const table = new SpliceTable(DEFAULT_RELAY_LIMITS, seededRng(35));
    const from = (host: string, to: string) =>
      table.create(
        [
          { link: 1, host },
          { link: 2, host: to },
        ],
        {},
        0,
      );
    expect([1, 2, 3].map(() => typeof from('44.2.0.1', '44.3.0.1'))).toEqual(['object', 'object', 'string']);
    expect(typeof from('44.2.0.2', '44.4.0.1')).toBe('object');
    expect(typeof from('44.2.0.3', '44.5.0.1')).toBe('object');
    expect(from('44.2.0.4', '44.6.0.1')).toBe('quota');
    expect(typeof from('45.2.0.4', '44.6.0.1')).toBe('object');
  });

  it('passes no nonce on twice, nor more than 30 signals a minute', () => {
    const world = new RelayWorld(36);
    const relay = world.relay('44.1.0.1');
    const target = world.peer('44.2.0.1', { torrents: [TORRENT], decide: () => 'none' });
    target.client.addGiven(relay.endpoint, world.nowMs);
    world.advance(1_000);
    const one = intruder(world, '45.0.0.1');
    const call = (nonce: Uint8Array): void =>
      one.send({
        type: 'call',
        nonce,
        infoHash: TORRENT,
        key: undefined,
        endpoint: undefined,
        facts: FACTS,
        tried: [],
      });
    for (let i = 0; i < 5; i++) {
      call(new Uint8Array(16).fill(1));
      world.advance(100);
    }
    expect(target.calls).toHaveLength(1);
    for (let i = 0; i < 200; i++) {
      call(randomBytes(world.rng, 16));
      world.advance(20);
    }
    expect(target.calls.length).toBeLessThanOrEqual(32);
    expect(relay.server.counters.refusals.quota).toBeGreaterThan(150);
  });

  it('stays under 64 MiB with every table full', () => {
    const before = liveBytes();
    const world = new RelayWorld(40);
    const limits = { links: 1_024, reservations: 1_024, reservationsPerHost: 8 };
    const relay = world.relay('44.1.0.1', { limits });
    for (let i = 0; i < 1_500; i++) {
      const one = intruder(world, `${1 + (i >> 8)}.${i & 255}.0.1`, 2_000 + i);
      if (!one.isIn) continue;
      one.reserve();
      // Each with nonces of its own, and a queue that fills up.
      for (let call = 0; call < 25; call++) {
        const nonce = randomBytes(world.rng, 16);
        const facts = FACTS;
        one.send({
          type: 'call',
          nonce,
          infoHash: TORRENT,
          key: undefined,
          endpoint: undefined,
          facts,
          tried: [],
        });
      }
    }
    for (let i = 0; i < 40_000; i++) {
      const [target, nonce] = [new Uint8Array(32), new Uint8Array(16)];
      new DataView(target.buffer).setUint32(0, i >> 5);
      new DataView(nonce.buffer).setUint32(0, i);
      const item = {
        target,
        nonce,
        infoHash: TORRENT,
        facts: FACTS,
        timeMs: 1e12,
        ttlSeconds: 600,
        sender: new Uint8Array(32).fill(i),
      };
      const from = { host: `${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.1`, port: 5_000 };
      relay.server.queues.push(new Uint8Array(512), item, from, world.nowMs);
    }
    expect(relay.server.links.size).toBe(1_024);
    expect(relay.server.queues.itemCount).toBeGreaterThan(10_000);
    expect(relay.server.queues.weight).toBeLessThanOrEqual(16 << 20);
    expect(liveBytes() - before).toBeLessThan(64 << 20);
  });

  it('drops who floods, and who sends what is no message', () => {
    const world = new RelayWorld(37);
    const relay = world.relay('44.1.0.1');
    const wire = (host: string): number => {
      const peer = world.peer(host, { wantsRelays: false });
      peer.client.callThrough(relay.endpoint, { infoHash: TORRENT }, () => {}, world.nowMs);
      world.advance(500);
      return peer.linkTo(relay);
    };
    const flood = wire('45.0.0.1');
    for (let i = 0; i < 400; i++)
      relay.server.handleMessage(flood, encodeMessage({ type: 'peek', request: i }), world.nowMs);
    expect(relay.wires.has(flood)).toBe(false);
    const noise = wire('45.0.0.2');
    relay.server.handleMessage(noise, new Uint8Array([1, 2, 3]), world.nowMs);
    expect(relay.wires.has(noise)).toBe(false);
  });
});

describe('a peer', () => {
  it('dials no private, own or odd address, whatever the relay says', () => {
    const relay = '44.1.0.1';
    const not = (host: string, port = 6_881): string | undefined =>
      whyNotDial({ host, port }, relay, (target) => target.host === '44.2.0.1');
    const forbidden = [
      ...[
        '127.0.0.1',
        '10.1.2.3',
        '192.168.1.1',
        '172.16.0.1',
        '169.254.1.1',
        '100.64.0.1',
        '0.0.0.0',
        '224.0.0.1',
      ],
      ...['255.255.255.255', '240.0.0.1', '::', '::1', '::ffff:192.168.1.1', 'fe80::1', 'fc00::1', 'ff02::1'],
      ...['64:ff9b::c0a8:101', '2002:c0a8:101::1', '2001::1', 'example.org', '44.2.0.1'],
    ];
    for (const host of forbidden) expect(not(host), host).toBeDefined();
    expect(not('44.3.0.1', 22)).toBeDefined();
    expect(not('44.3.0.1', 0)).toBeDefined();
    expect(not('44.3.0.1')).toBeUndefined();
    expect(not('2a00::5')).toBeUndefined();
    // In a private network, met by a relay of the same one.
    expect(whyNotDial({ host: '192.168.1.7', port: 6_881 }, '192.168.1.1', () => false)).toBeUndefined();
    expect(whyNotDial({ host: '192.168.1.7', port: 6_881 }, '10.0.0.1', () => false)).toBeDefined();
  });

  it('follows only what it asked or agreed to', () => {
    const world = new RelayWorld(38);
    const relay = world.relay('44.1.0.1');
    const victim = { host: '44.5.0.1', port: 6_881 };
    const peer = world.peer('44.2.0.1', { torrents: [TORRENT] });
    peer.client.addGiven(relay.endpoint, world.nowMs);
    world.advance(1_000);
    const [link] = peer.client.linksFor(TORRENT);
    const record = {
      ...FACTS,
      host: victim.host,
      sourcePort: 1,
      isUtp: false,
      key: undefined,
      udpPort: victim.port,
    };
    for (let i = 0; i < 1_000; i++) {
      const nonce = randomBytes(world.rng, 16);
      const go = { type: 'go', nonce, way: 'punch', peer: record, delayMs: 0 } as const;
      peer.client.handleMessage(link!, encodeMessage(go), world.nowMs);
      const ticket = {
        type: 'ticket',
        nonce,
        ticket: nonce,
        limits: DEFAULT_RELAY_LIMITS.splice,
        from: victim,
      } as const;
      peer.client.handleMessage(link!, encodeMessage(ticket), world.nowMs);
    }
    expect(world.dialled).toEqual([]);
    expect(peer.splices).toEqual([]);
  });

  it('leaves a relay whose introductions lead nowhere', () => {
    const world = new RelayWorld(39);
    const relay = world.relay('44.1.0.1');
    const peer = world.peer('44.2.0.1', { torrents: [TORRENT] });
    peer.client.handleRelays(0, [relay.endpoint], false, world.nowMs);
    world.advance(2_000);
    for (let i = 0; i < 5; i++) peer.client.reportIntroduction(relay.endpoint, false, world.nowMs);
    world.advance(120_000);
    expect(relay.server.links.slotCount).toBe(0);
    expect(peer.client.status()).toEqual([]);
  });

  it.each([
    ['that the user named', true, [false, false, false, false, false, false]],
    ['of whose introductions some work', false, [false, false, false, false, true, false]],
  ])('keeps a relay %s: holes fail for the NATs as well', (_what, isGiven, introductions) => {
    const world = new RelayWorld(41);
    const relay = world.relay('44.1.0.1');
    const peer = world.peer('44.2.0.1', { torrents: [TORRENT] });
    if (isGiven) peer.client.addGiven(relay.endpoint, world.nowMs);
    else peer.client.handleRelays(0, [relay.endpoint], false, world.nowMs);
    world.advance(2_000);
    for (const worked of introductions) peer.client.reportIntroduction(relay.endpoint, worked, world.nowMs);
    world.advance(60_000);
    expect(relay.server.links.slotCount).toBe(1);
  });
});
