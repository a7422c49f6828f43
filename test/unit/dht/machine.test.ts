import { describe, expect, it } from 'vitest';
import { toHex, utf8 } from '../../../core/base/bytes.ts';
import { randomBytes } from '../../../core/base/clock.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import { isValidId } from '../../../dht/base/bep42.ts';
import { Id160 } from '../../../dht/base/node-id.ts';
import type {
  AnnounceResult,
  BootstrapResult,
  GetItemResult,
  PingResult,
  PutItemResult,
  SampleResult,
  ScrapeResult,
} from '../../../dht/base/results.ts';
import { immutableItem, signItem } from '../../../dht/storage/items.ts';
import { decodeState, encodeState } from '../../../dht/storage/state.ts';
import { DhtNet, type NetNode, type SentDatagram } from '../../support/dht-net.ts';
import { scan, tree } from './material.ts';

const MINUTE_MS = 60_000;

/** A net of nodes that know each other well. */
function network(seed: number, count = 60): DhtNet {
  const net = new DhtNet(seed);
  for (let i = 0; i < count; i++) net.add();
  net.fillTables(40);
  return net;
}

const nth = (net: DhtNet, i: number): NetNode => net.nodes[i] as NetNode;

describe('peers', () => {
  it('announced by one are found by another, for 30 minutes, from the 8 closest', () => {
    const net = network(1);
    const hash = randomBytes(net.rng, 20);
    const one = nth(net, 1);
    const announced = net.ask<AnnounceResult>(one, (onAnnounced, nowMs) =>
      one.machine.announce(hash, { port: 51413, onAnnounced }, nowMs),
    );
    expect(announced.accepted.length).toBe(8);
    const find = (): readonly DhtAddress[] => {
      const other = nth(net, 2);
      return net.ask<{ readonly peers: readonly DhtAddress[] }>(other, (onDone, nowMs) =>
        other.machine.getPeers(hash, { onDone }, nowMs),
      ).peers;
    };
    expect(find().map((peer) => `${peer.host}:${peer.port}`)).toEqual([`${one.address.host}:51413`]);
    net.run(25 * MINUTE_MS);
    expect(find().length).toBe(1);
    net.run(10 * MINUTE_MS);
    expect(find()).toEqual([]);
  });

  it('are announced with the port the others see when that is asked for', () => {
    const net = network(2);
    const hash = randomBytes(net.rng, 20);
    const one = nth(net, 1);
    net.ask(one, (onAnnounced, nowMs) =>
      one.machine.announce(hash, { port: 1, impliedPort: true, onAnnounced }, nowMs),
    );
    const other = nth(net, 2);
    const { peers } = net.ask<{ readonly peers: readonly DhtAddress[] }>(other, (onDone, nowMs) =>
      other.machine.getPeers(hash, { onDone }, nowMs),
    );
    expect(peers[0]?.port).toBe(6881);
  });

  it('are counted by scrape, within the error it states (BEP 33)', () => {
    const net = network(3, 80);
    const hash = randomBytes(net.rng, 20);
    for (let i = 10; i < 60; i++) {
      const node = nth(net, i);
      net.ask(node, (onAnnounced, nowMs) =>
        node.machine.announce(hash, { port: 9, isSeed: i < 30, onAnnounced }, nowMs),
      );
    }
    const asker = nth(net, 1);
    const result = net.ask<ScrapeResult>(asker, (onDone, nowMs) =>
      asker.machine.scrape(hash, { onDone }, nowMs),
    );
    expect(result.filters).toBeGreaterThanOrEqual(8);
    expect(Math.abs(result.seeds.count - 20)).toBeLessThan(3 * result.seeds.error + 1);
    expect(Math.abs(result.peers.count - 30)).toBeLessThan(3 * result.peers.error + 1);
  });

  it('show up in samples (BEP 51)', () => {
    const net = network(4);
    const hash = randomBytes(net.rng, 20);
    const node = nth(net, 1);
    net.ask(node, (onAnnounced, nowMs) => node.machine.announce(hash, { port: 9, onAnnounced }, nowMs));
    const asker = nth(net, 5);
    const result = net.ask<SampleResult>(asker, (onDone, nowMs) =>
      asker.machine.sample(hash, { onDone }, nowMs),
    );
    const found = new Set(result.replies.flatMap((reply) => reply.samples.map(toHex)));
    expect(found.has(toHex(hash))).toBe(true);
    for (const reply of result.replies) expect(reply.intervalSeconds).toBeLessThanOrEqual(21_600);
  });
});

describe('items (BEP 44)', () => {
  it('that cannot change are put by one and got by another', () => {
    const net = network(5);
    const item = immutableItem(utf8('d3:foo3:bare'));
    const one = nth(net, 1);
    const put = net.ask<PutItemResult>(one, (onDone, nowMs) => one.machine.putItem(item, { onDone }, nowMs));
    expect(put.accepted.length).toBe(8);
    const other = nth(net, 2);
    const got = net.ask<GetItemResult>(other, (onDone, nowMs) =>
      other.machine.getItem(item.target, { onDone }, nowMs),
    );
    expect(got.item?.v).toEqual(item.v);
  });

  it('that change give their newest version; older ones and wrong swaps are refused', () => {
    const net = network(6);
    const seed = new Uint8Array(32).fill(4);
    const salt = utf8('s');
    const version = (seq: bigint) => signItem({ seed, v: utf8(`i${seq}e`), seq, salt });
    const one = nth(net, 1);
    const put = (seq: bigint, cas?: bigint): PutItemResult =>
      net.ask<PutItemResult>(one, (onDone, nowMs) =>
        one.machine.putItem(version(seq), { onDone, ...(cas === undefined ? {} : { cas }) }, nowMs),
      );
    expect(put(5n).accepted.length).toBe(8);
    expect(put(6n, 5n).accepted.length).toBe(8);
    expect(put(7n, 5n).errors.get(301)).toBe(8);
    expect(put(3n).errors.get(302)).toBe(8);
    const other = nth(net, 2);
    const got = net.ask<GetItemResult>(other, (onDone, nowMs) =>
      other.machine.getItem(version(1n).target, { onDone, salt }, nowMs),
    );
    expect(got.item).toMatchObject({ kind: 'mutable', seq: 6n });
    expect(got.forged).toBe(0);
  });
});

describe('bootstrap', () => {
  it('takes under a second from saved nodes, two thirds of them dead', () => {
    const net = network(7, 120);
    const saved = net.nodes.slice(0, 90);
    for (const node of saved) if (net.rng.next() < 0.66) node.isUp = false;
    const fresh = net.add();
    const result = net.ask<BootstrapResult>(fresh, (onDone, nowMs) =>
      fresh.machine.bootstrap({ nodes: saved, onDone }, nowMs),
    );
    expect(result.elapsedMs).toBeLessThan(1_000);
    expect(result.usedRouters).toBe(false);
    expect(result.nodes).toBeGreaterThan(10);
  });

  it('asks routers when the saved nodes do not do', () => {
    const net = network(8);
    const dead = net.nodes.slice(40);
    for (const node of dead) node.isUp = false;
    const router = nth(net, 1);
    const fresh = net.add();
    const result = net.ask<BootstrapResult>(fresh, (onDone, nowMs) =>
      fresh.machine.bootstrap({ nodes: dead, routers: [router.address], onDone }, nowMs),
    );
    expect(result.usedRouters).toBe(true);
    expect(result.nodes).toBeGreaterThanOrEqual(5);
    net.run(10_000);
    expect(fresh.machine.contacts().length).toBeGreaterThanOrEqual(20);
  });

  it('leaves routers alone when it can', () => {
    const net = network(9);
    const router = net.newAddress();
    let asked = 0;
    net.listen(router, () => asked++);
    const fresh = net.add({}, DhtAddress.v4(0x0c000009, 6881));
    net.ask<BootstrapResult>(fresh, (onDone, nowMs) =>
      fresh.machine.bootstrap({ nodes: net.nodes.slice(0, 40), routers: [router], onDone }, nowMs),
    );
    expect(asked).toBe(0);
  });

  it('ends with nothing when there is nobody', () => {
    const net = new DhtNet(10);
    const node = net.add();
    const result = net.ask<BootstrapResult>(node, (onDone, nowMs) =>
      node.machine.bootstrap({ onDone }, nowMs),
    );
    expect(result.nodes).toBe(0);
  });

  it('asks its only entry again when a datagram is lost, and says so when there is no answer at all', () => {
    const net = network(13);
    const router = nth(net, 1);
    const fresh = net.add();
    let asked = 0;
    let lost = Number.POSITIVE_INFINITY;
    net.onDatagram = ({ from, to }) => from !== fresh.address || to !== router.address || ++asked > lost;
    const join = () =>
      net.ask<BootstrapResult>(fresh, (onDone, nowMs) =>
        fresh.machine.bootstrap({ routers: [router.address], onDone }, nowMs),
      );
    const none = join();
    expect(none).toMatchObject({ nodes: 0, usedRouters: true });
    expect(asked).toBe(4);
    asked = 0;
    lost = 1;
    const result = join();
    expect(result.nodes).toBeGreaterThanOrEqual(8);
    expect(result.elapsedMs).toBeLessThan(5_000);
  });

  it('is tried again while the table is empty', () => {
    const net = network(11);
    const router = nth(net, 1);
    router.isUp = false;
    const fresh = net.add();
    net.ask<BootstrapResult>(fresh, (onDone, nowMs) =>
      fresh.machine.bootstrap({ routers: [router.address], onDone }, nowMs),
    );
    expect(fresh.machine.contacts().length).toBe(0);
    router.isUp = true;
    net.run(2 * MINUTE_MS);
    expect(fresh.machine.contacts().length).toBeGreaterThanOrEqual(8);
  });

  it('starts from what was saved', () => {
    const net = network(12);
    const decoded = decodeState(encodeState(nth(net, 3).machine.state(net.nowMs)));
    if (!decoded.ok) throw new Error(decoded.reason.what);
    expect(toHex(decoded.value.ids[0]?.id as Uint8Array)).toBe(toHex(nth(net, 3).id));
    const fresh = net.add();
    const result = net.ask<BootstrapResult>(fresh, (onDone, nowMs) =>
      fresh.machine.bootstrap({ nodes: decoded.value.contacts, onDone }, nowMs),
    );
    expect(result.savedAlive).toBe(decoded.value.contacts.length);
  });
});

describe('the table over time', () => {
  it('verifies who asked us only after three minutes', () => {
    const net = network(13, 20);
    const node = nth(net, 0);
    const stranger = net.add({ maintenance: { enabled: false } });
    const toStranger: SentDatagram[] = [];
    net.onDatagram = (sent) => {
      if (sent.to.equals(stranger.address) && scan(sent.bytes).message.kind === 'query')
        toStranger.push(sent);
      return true;
    };
    net.ask<PingResult>(stranger, (onDone, nowMs) => stranger.machine.ping(node.address, onDone, nowMs));
    const startedAtMs = net.nowMs;
    const isKnown = (): boolean =>
      node.machine.contacts().some((one) => one.address.equals(stranger.address));
    net.run(2.5 * MINUTE_MS);
    expect(isKnown()).toBe(false);
    expect(toStranger).toEqual([]);
    net.run(MINUTE_MS);
    expect(isKnown()).toBe(true);
    expect((toStranger[0] as SentDatagram).atMs - startedAtMs).toBeGreaterThanOrEqual(2.9 * MINUTE_MS);
  });

  it('hands out only who answered within 15 minutes', () => {
    const net = network(14, 20);
    const node = net.add({ maintenance: { enabled: false } });
    for (const other of net.nodes.slice(0, 10)) node.machine.insertVerified(other, net.nowMs, 50);
    const good = (): number => node.machine.snapshot(net.nowMs).families[0]?.good as number;
    expect(good()).toBe(10);
    net.run(14 * MINUTE_MS);
    expect(good()).toBe(10);
    net.run(2 * MINUTE_MS);
    expect(good()).toBe(0);
    expect(node.machine.contacts().length).toBe(10);
  });

  it('loses nobody while we are offline, and knows itself again afterwards', () => {
    const net = network(15, 40);
    const node = nth(net, 0);
    net.run(5 * MINUTE_MS);
    const before = node.machine.contacts().length;
    net.onDatagram = (sent) => !sent.to.equals(node.address) && !sent.from.equals(node.address);
    net.run(60 * MINUTE_MS);
    expect(node.machine.contacts().length).toBeGreaterThanOrEqual(before - 10);
    net.onDatagram = () => true;
    net.run(20 * MINUTE_MS);
    const { good, nodes } = node.machine.snapshot(net.nowMs).families[0] ?? { good: 0, nodes: 0 };
    expect(good).toBeGreaterThanOrEqual(nodes - 2);
    expect(good).toBeGreaterThanOrEqual(30);
  });

  it('survives a sleep of eight hours: nobody is blamed, the neighbourhood is looked up at once', () => {
    const net = network(16, 40);
    const node = nth(net, 0);
    net.run(MINUTE_MS);
    const before = node.machine.contacts().length;
    net.command(node, (machine, nowMs) => machine.findNode(randomBytes(net.rng, 20), {}, nowMs));
    node.isUp = false;
    net.run(8 * 60 * MINUTE_MS);
    node.isUp = true;
    net.command(node, (machine, nowMs) => machine.handleTimeout(nowMs));
    expect(node.machine.contacts().length).toBe(before);
    expect(node.machine.snapshot(net.nowMs).families[0]?.good).toBe(0);
    net.run(30_000);
    expect(node.machine.snapshot(net.nowMs).families[0]?.good).toBeGreaterThanOrEqual(8);
  });

  it('takes an id that fits when others agree on our address (BEP 42)', () => {
    const net = network(17, 40);
    const node = net.add({ nodeId: new Uint8Array(20).fill(1), followAddress: true });
    const isFit = (): boolean =>
      isValidId(Id160.of(node.machine.snapshot(net.nowMs).families[0]?.id as Uint8Array), node.address);
    expect(isFit()).toBe(false);
    net.command(node, (machine, nowMs) => machine.bootstrap({ nodes: net.nodes.slice(0, 20) }, nowMs));
    net.run(5_000);
    expect(isFit()).toBe(true);
    expect(node.machine.snapshot(net.nowMs).families[0]?.externalAddress?.host).toBe(node.address.host);
    expect(node.machine.contacts().length).toBeGreaterThan(5);
  });

  it('keeps a given id', () => {
    const net = network(18, 40);
    const id = new Uint8Array(20).fill(1);
    const node = net.add({ nodeId: id });
    net.command(node, (machine, nowMs) => machine.bootstrap({ nodes: net.nodes.slice(0, 20) }, nowMs));
    net.run(5_000);
    expect(node.machine.snapshot(net.nowMs).families[0]?.id).toEqual(id);
  });
});

describe('read-only nodes (BEP 43)', () => {
  it('say so, answer nobody, and are kept by nobody', () => {
    const net = network(19, 30);
    const shy = net.add({ readOnly: true });
    const queries: SentDatagram[] = [];
    net.onDatagram = (sent) => {
      if (sent.from.equals(shy.address)) queries.push(sent);
      return true;
    };
    net.ask<BootstrapResult>(shy, (onDone, nowMs) =>
      shy.machine.bootstrap({ nodes: net.nodes.slice(0, 20), onDone }, nowMs),
    );
    expect(queries.length).toBeGreaterThan(5);
    for (const { bytes } of queries) expect(tree(bytes).integer('ro')).toBe(1);
    const other = nth(net, 1);
    const before = queries.length;
    net.command(other, (machine, nowMs) => machine.ping(shy.address, () => {}, nowMs));
    net.run(200);
    expect(queries.slice(before).filter((sent) => sent.to.equals(other.address))).toEqual([]);
    net.run(10 * MINUTE_MS);
    for (const node of net.nodes)
      expect(node.machine.contacts().some((one) => one.address.equals(shy.address))).toBe(false);
  });
});

describe('two families (BEP 32)', () => {
  const v6 = (i: number): DhtAddress => DhtAddress.v6(0x20010db8 + i * 65536, i, 0, 1, 6881);

  it('find peers in the IPv6 DHT alone', () => {
    const net = new DhtNet(20);
    for (let i = 0; i < 40; i++) net.add({}, v6(i));
    net.fillTables(30);
    const hash = randomBytes(net.rng, 20);
    const one = nth(net, 1);
    const announced = net.ask<AnnounceResult>(one, (onAnnounced, nowMs) =>
      one.machine.announce(hash, { port: 9, onAnnounced }, nowMs),
    );
    expect(announced.accepted.length).toBe(8);
    const other = nth(net, 2);
    const { peers } = net.ask<{ readonly peers: readonly DhtAddress[] }>(other, (onDone, nowMs) =>
      other.machine.getPeers(hash, { onDone }, nowMs),
    );
    expect(peers.map((peer) => peer.host)).toEqual([one.address.host]);
  });

  it('answer `want` for both, and keep the tables apart', () => {
    const net = new DhtNet(21);
    const node = net.add({ families: [4, 6], table: { requireValidIds: false } });
    for (let i = 0; i < 20; i++) {
      const addresses = [DhtAddress.v4((70 << 24) + i * 256, 6881), v6(i)];
      for (const address of addresses)
        node.machine.insertVerified({ id: randomBytes(net.rng, 20), address }, net.nowMs, 50);
    }
    const sent: Uint8Array[] = [];
    net.onDatagram = ({ bytes }) => {
      sent.push(bytes);
      return false;
    };
    const query =
      'd1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456WANTe1:q9:find_node1:t2:aa1:y1:qe';
    const reply = (want: string, from: DhtAddress): [number | undefined, number | undefined] => {
      node.machine.handleDatagram(utf8(query.replace('WANT', want)), from, net.nowMs);
      const r = tree(sent.at(-1) as Uint8Array).dict('r');
      return [r?.bytes('nodes')?.length, r?.bytes('nodes6')?.length];
    };
    const here = DhtAddress.v4(0x50000001, 1);
    expect(reply('', here)).toEqual([208, undefined]);
    expect(reply('4:wantl2:n42:n6e', here)).toEqual([208, 304]);
    expect(reply('4:wantl2:n6e', here)).toEqual([undefined, 304]);
    expect(reply('4:wantl2:xxe', here)).toEqual([undefined, undefined]);
    expect(reply('', v6(99))).toEqual([undefined, 304]);
  });
});
