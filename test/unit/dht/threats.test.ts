// One test for each threat that the design names.
import { describe, expect, it } from 'vitest';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { toHex, utf8 } from '../../../core/base/bytes.ts';
import { randomBytes, seededRng } from '../../../core/base/clock.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import { isValidId } from '../../../dht/base/bep42.ts';
import { compareDistance, Id160, randomIdAt } from '../../../dht/base/node-id.ts';
import type { LookupPolicy } from '../../../dht/base/options.ts';
import type { AnnounceResult, GetPeersResult, LookupResult, PingResult } from '../../../dht/base/results.ts';
import { DhtNet, type NetNode } from '../../support/dht-net.ts';
import { liveBytes } from '../../support/live-memory.ts';
import { Box, compactNodes, liar, nthAddress, scan, tree } from './material.ts';

const nth = (net: DhtNet, i: number): NetNode => net.nodes[i] as NetNode;

function findNode(
  net: DhtNet,
  node: NetNode,
  target: Uint8Array,
  policy: Partial<LookupPolicy> = {},
): LookupResult {
  return net.ask(node, (onDone, nowMs) => node.machine.findNode(target, { onDone, policy }, nowMs));
}

describe('a node right beside the target that names a crowd around it', () => {
  const CROWD = Array.from({ length: 8 }, (_, i) => DhtAddress.v4((96 << 24) + i * 256 + 1, 6881));
  const beside = (target: Uint8Array, mask: number): Uint8Array => {
    const id = target.slice();
    id[19] = (id[19] as number) ^ mask;
    return id;
  };
  const asked = (disjointPaths: number): number => {
    const net = new DhtNet(21);
    for (let i = 0; i < 250; i++)
      net.add({ maintenance: { enabled: false }, table: { requireValidIds: false } });
    net.fillTables(25);
    const target = randomBytes(net.rng, 20);
    const address = DhtAddress.v4((95 << 24) + 1, 6881);
    const id = beside(target, 1);
    const node = net.nodes[0] as NetNode;
    node.machine.insertVerified({ id, address }, net.nowMs, 20);
    const named = compactNodes(CROWD.map((one, i) => ({ id: beside(target, i + 2), address: one })));
    net.listen(address, (sent) => {
      // Late enough for its path to know eight that answer, and where it is.
      net.at(net.nowMs + 3_000, () => {
        const tid = scan(sent.bytes).message;
        net.send(
          encodeBencode({ r: { id, nodes: named }, t: tid.copy(tid.tid) as Uint8Array, y: 'r' }),
          address,
          sent.from,
        );
      });
    });
    let count = 0;
    net.onDatagram = ({ to }) => {
      if (CROWD.some((one) => one.equals(to))) count++;
      return true;
    };
    findNode(net, node, target, { disjointPaths, stall: { kind: 'never' }, requireValidIds: false });
    return count;
  };

  it('is not followed on disjoint paths, where every hop must come closer', () => {
    expect(asked(1)).toBe(8);
    expect(asked(3)).toBe(0);
  });
});

describe('sybils that answer everywhere with ids made for the question', () => {
  it('get no places in tables and cost no recall, at 5 %', () => {
    const net = new DhtNet(1);
    for (let i = 0; i < 190; i++) net.add();
    net.fillTables(60);
    const sybils = Array.from({ length: 10 }, (_, i) => DhtAddress.v4((80 << 24) + i * 256 + 1, 6881));
    for (const address of sybils) {
      liar(net, address, (_query, target) => {
        const near = Id160.of(target).toBytes();
        near[19] = (near[19] as number) ^ 1;
        const named = sybils.map((one) => ({
          id: randomIdAt(Id160.of(target), 150, net.rng).toBytes(),
          address: one,
        }));
        return { id: near, nodes: compactNodes(named.slice(0, 8)), token: utf8('t') };
      });
      // They were honest once: that is how they got in.
      for (const node of net.nodes)
        if (net.rng.next() < 0.5)
          node.machine.insertVerified({ id: randomBytes(net.rng, 20), address }, net.nowMs, 20);
    }
    const hosts = new Set(sybils.map((one) => one.host));
    let found = 0;
    for (const node of net.nodes.slice(0, 20)) {
      for (let i = 0; i < 3; i++) {
        const target = randomBytes(net.rng, 20);
        const { closest } = findNode(net, node, target);
        const aim = Id160.of(target);
        const truth = [...net.nodes]
          .filter((one) => one !== node)
          .sort((x, y) => compareDistance(aim, Id160.of(x.id), Id160.of(y.id)));
        const got = new Set(closest.map((one) => toHex(one.id)));
        found += truth.slice(0, 8).filter((one) => got.has(toHex(one.id))).length;
        for (const one of closest) expect(hosts.has(one.address.host)).toBe(false);
      }
    }
    expect(found / (20 * 3 * 8)).toBeGreaterThanOrEqual(0.95);
    net.run(15 * 60_000);
    const tables = net.nodes.slice(0, 20).flatMap((node) => node.machine.contacts());
    expect(tables.filter((one) => hosts.has(one.address.host)).length / tables.length).toBeLessThan(0.01);
  });
});

describe('an eclipse of one info hash', () => {
  const cases: readonly (readonly [ids: number, subnets: number])[] = [
    [8, 1],
    [8, 8],
    [16, 1],
    [64, 8],
    [64, 64],
  ];

  /** Nodes around `hash` that take announces and give nothing; the honest nodes near it know them. */
  function besiege(net: DhtNet, hash: Uint8Array, ids: number, subnets: number): Set<string> {
    const aim = Id160.of(hash);
    const crowd = Array.from({ length: ids }, (_, i) => ({
      id: randomIdAt(aim, 100 + (i % 40), net.rng).toBytes(),
      address: DhtAddress.v4((90 << 24) + (i % subnets) * 256 + Math.floor(i / subnets) + 1, 6881),
    }));
    for (const one of crowd) {
      liar(net, one.address, () => {
        const others = crowd.filter(() => net.rng.next() < 0.4).slice(0, 16);
        return { id: one.id, nodes: compactNodes(others), token: utf8('t') };
      });
    }
    for (const node of net.nodes) for (const one of crowd) node.machine.insertVerified(one, net.nowMs, 10);
    return new Set(crowd.map((one) => one.address.host));
  }

  function scenario(ids: number, subnets: number, enforceIds: boolean): { peers: number; accepted: number } {
    const net = new DhtNet(ids * 100 + subnets);
    const options = {
      maintenance: { enabled: false },
      lookup: { requireValidIds: enforceIds },
      table: { requireValidIds: enforceIds },
    };
    for (let i = 0; i < 150; i++) net.add(options);
    net.fillTables(60);
    const one = nth(net, 0);
    const other = nth(net, 1);
    // Both have lived here for a while: they know how big the network is.
    for (let i = 0; i < 8; i++) {
      for (const node of [one, other]) findNode(net, node, randomBytes(net.rng, 20));
      net.run(5_000);
    }
    const hash = randomBytes(net.rng, 20);
    const sybils = besiege(net, hash, ids, subnets);
    const announced = net.ask<AnnounceResult>(one, (onAnnounced, nowMs) =>
      one.machine.announce(hash, { port: 5, onAnnounced }, nowMs),
    );
    const result = net.ask<GetPeersResult>(other, (onDone, nowMs) =>
      other.machine.getPeers(hash, { onDone }, nowMs),
    );
    return {
      peers: result.peers.length,
      accepted: announced.accepted.filter((node) => !sybils.has(node.address.host)).length,
    };
  }

  it.each(cases)('by %i ids from %i subnets fails where ids must fit addresses', (ids, subnets) => {
    const { peers, accepted } = scenario(ids, subnets, true);
    expect(accepted).toBe(8);
    expect(peers).toBe(1);
  });

  it.each(cases)(
    'by %i ids from %i subnets is noticed by its density where they need not',
    (ids, subnets) => {
      const { peers, accepted } = scenario(ids, subnets, false);
      expect(accepted).toBeGreaterThanOrEqual(4);
      expect(peers).toBe(1);
    },
  );
});

describe('poisoned `nodes`', () => {
  it('send at most two datagrams to a victim named under many ids and ports', () => {
    const net = new DhtNet(3);
    for (let i = 0; i < 30; i++) net.add({ table: { requireValidIds: false } });
    net.fillTables(20);
    const victim = '99.9.9.9';
    const liars = Array.from({ length: 3 }, (_, i) => DhtAddress.v4((80 << 24) + i * 256 + 1, 6881));
    const ids = new Map(liars.map((one) => [one.host, randomBytes(net.rng, 20)]));
    for (const address of liars) {
      liar(net, address, (_query, target) => ({
        id: ids.get(address.host) as Uint8Array,
        nodes: compactNodes(
          Array.from({ length: 100 }, (_, i) => ({
            id: randomIdAt(Id160.of(target), 20 + i, net.rng).toBytes(),
            address: DhtAddress.v4((99 << 24) | (9 << 16) | (9 << 8) | 9, 1000 + i),
          })),
        ),
      }));
    }
    const node = nth(net, 0);
    for (const address of liars)
      node.machine.insertVerified({ id: ids.get(address.host) as Uint8Array, address }, net.nowMs, 5);
    let hits = 0;
    net.onDatagram = (sent) => {
      if (sent.to.host === victim && sent.from.equals(node.address)) hits++;
      return true;
    };
    findNode(net, node, randomBytes(net.rng, 20), { requireValidIds: false });
    net.run(30_000);
    expect(hits).toBeGreaterThan(0);
    expect(hits).toBeLessThanOrEqual(2);
  });

  it('are not followed to local, reserved or broadcast addresses, nor past 16', () => {
    const net = new DhtNet(4);
    const node = net.add({ lookup: { requireValidIds: false }, table: { requireValidIds: false } });
    const address = DhtAddress.v4((80 << 24) + 1, 6881);
    const id = randomBytes(net.rng, 20);
    const bad = [
      '127.0.0.1',
      '10.0.0.1',
      '192.168.1.1',
      '172.20.0.1',
      '169.254.9.9',
      '0.0.0.0',
      '224.0.0.1',
      '255.255.255.255',
      '100.64.0.1',
    ];
    const named = bad.map((host) => DhtAddress.of({ host, port: 6881 }) as DhtAddress);
    const good = Array.from({ length: 30 }, (_, i) => nthAddress(i));
    liar(net, address, () => ({
      id,
      nodes: compactNodes([...named, ...good].map((one) => ({ id: randomBytes(net.rng, 20), address: one }))),
    }));
    node.machine.insertVerified({ id, address }, net.nowMs, 5);
    const asked = new Set<string>();
    net.onDatagram = (sent) => {
      if (sent.from.equals(node.address)) asked.add(sent.to.host);
      return true;
    };
    findNode(net, node, randomBytes(net.rng, 20));
    for (const host of bad) expect(asked.has(host), host).toBe(false);
    expect(asked.size).toBeLessThanOrEqual(1 + 16);
    expect(asked.size).toBeGreaterThan(1);
  });
});

describe('reflection', () => {
  const QUERY = utf8(
    'd1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234566:scrapei1ee1:q9:get_peers1:t2:aa1:y1:qe',
  );

  it('is limited to a burst and two replies a second per address', () => {
    const box = new Box({ table: { requireValidIds: false } });
    for (let i = 0; i < 100; i++)
      box.machine.insertVerified({ id: randomBytes(seededRng(i), 20), address: nthAddress(i) }, box.nowMs, 5);
    let out = 0;
    for (let ms = 0; ms < 10_000; ms += 250) {
      out += box.give(QUERY, nthAddress(500)).length;
      box.nowMs += 250;
    }
    expect(out).toBeLessThanOrEqual(10 + 20);
    expect(out).toBeGreaterThanOrEqual(20);
  });

  it('ends in a ban for floods', () => {
    const box = new Box();
    for (let i = 0; i < 1000; i++) box.give(QUERY, nthAddress(500));
    box.nowMs += 4 * 60_000;
    expect(box.give(QUERY, nthAddress(500))).toEqual([]);
    expect(box.give(QUERY, nthAddress(501)).length).toBe(1);
    box.nowMs += 2 * 60_000;
    expect(box.give(QUERY, nthAddress(500)).length).toBe(1);
  });
});

describe('guessed transactions', () => {
  it('are all missed: a million blind replies from the right address, and the right ones from elsewhere', () => {
    const box = new Box();
    const target = nthAddress(1);
    let result: PingResult | undefined;
    box.machine.ping(target, (done) => (result = done), box.nowMs);
    const { message } = scan(box.sent[0]?.bytes as Uint8Array);
    const right = message.copy(message.tid) as Uint8Array;
    const reply = utf8('d1:rd2:id20:mnopqrstuvwxyz123456e1:t4:XXXX1:y1:re');
    const tidAt = reply.length - 'XXXX1:y1:re'.length;
    const rng = seededRng(2);
    for (let i = 0; i < 1_000_000; i++) {
      const guess = (rng.next() * 2 ** 32) | 0;
      reply[tidAt] = guess >>> 24;
      reply[tidAt + 1] = guess >>> 16;
      reply[tidAt + 2] = guess >>> 8;
      reply[tidAt + 3] = guess;
      box.machine.handleDatagram(reply, target, box.nowMs);
    }
    expect(result).toBeUndefined();
    reply.set(right, tidAt);
    box.machine.handleDatagram(reply, nthAddress(2), box.nowMs);
    box.machine.handleDatagram(reply, target.withPort(6882), box.nowMs);
    expect(result).toBeUndefined();
    box.machine.handleDatagram(reply, target, box.nowMs);
    expect(result?.id).toEqual(utf8('mnopqrstuvwxyz123456'));
    const { strays } = box.machine.snapshot(box.nowMs).statistics;
    // Used once.
    box.machine.handleDatagram(reply, target, box.nowMs);
    expect(box.machine.snapshot(box.nowMs).statistics.strays).toBe(strays + 1);
  });
});

describe('stolen tokens', () => {
  const hash = 'mnopqrstuvwxyz123456';
  const ask = `d1:ad2:id20:abcdefghij01234567899:info_hash20:${hash}e1:q9:get_peers1:t2:aa1:y1:qe`;
  const announce = (token: Uint8Array, to = hash): Uint8Array =>
    encodeBencode({
      a: { id: 'abcdefghij0123456789', info_hash: to, port: 5, token },
      q: 'announce_peer',
      t: 'aa',
      y: 'q',
    });

  it('are worth nothing elsewhere, for another hash, or after ten minutes', () => {
    const box = new Box();
    const mine = nthAddress(1);
    const token = box.ask(ask, mine).dict('r')?.bytes('token')?.slice() as Uint8Array;
    const outcome = (datagram: Uint8Array, from: DhtAddress): unknown =>
      box.ask(datagram, from).list('e')?.[0] ?? 'stored';
    expect(outcome(announce(token), nthAddress(2))).toBe(203);
    expect(outcome(announce(token, 'zzzzzzzzzzzzzzzzzzzz'), mine)).toBe(203);
    expect(outcome(announce(token), mine)).toBe('stored');
    box.nowMs += 11 * 60_000;
    expect(outcome(announce(token), mine)).toBe(203);
    expect(outcome(announce(utf8('guess')), mine)).toBe(203);
    expect(box.machine.snapshot(box.nowMs).storedPeers).toBe(1);
  });

  it('are withheld when the store is full', () => {
    const box = new Box({ stores: { maxPeersPerHash: 2 } });
    for (const i of [1, 2]) {
      const token = box.ask(ask, nthAddress(i)).dict('r')?.bytes('token')?.slice() as Uint8Array;
      box.ask(announce(token), nthAddress(i));
    }
    expect(box.ask(ask, nthAddress(3)).dict('r')?.bytes('token')).toBeUndefined();
    expect(box.ask(ask, nthAddress(3)).dict('r')?.list('values')?.length).toBe(2);
  });
});

describe('memory', () => {
  it('stays bounded under a million senders who ask and announce', () => {
    const sent: Uint8Array[] = [];
    const rng = seededRng(5);
    const box = new Box({ maintenance: { enabled: true } });
    box.sent.push = (one) => {
      sent[0] = one.bytes;
      return 0;
    };
    const ping = utf8('d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe');
    const ask = utf8(
      'd1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe',
    );
    const before = liveBytes();
    let halfway = 0;
    for (let i = 0; i < 1_000_000; i++) {
      if (i === 500_000) halfway = liveBytes();
      const from = DhtAddress.v4((rng.next() * 2 ** 32) | 0, 1 + (i & 0xfff));
      const bytes = i % 10 === 0 ? ask : ping;
      const idAt = 12;
      for (let j = 0; j < 4; j++) bytes[idAt + j] = (rng.next() * 256) | 0;
      if (i % 10 === 0) for (let j = 0; j < 20; j++) bytes[46 + j] = (rng.next() * 256) | 0;
      box.machine.handleDatagram(bytes, from, box.nowMs);
      if (i % 100 === 0 && sent[0] !== undefined) {
        const token = tree(sent[0]).dict('r')?.bytes('token');
        if (token !== undefined) {
          const info_hash = bytes.slice(46, 66);
          const announce = {
            a: { id: bytes.slice(12, 32), info_hash, port: 5, token },
            q: 'announce_peer',
            t: 'a',
            y: 'q',
          };
          box.machine.handleDatagram(encodeBencode(announce), from, box.nowMs);
        }
      }
      if (i % 1000 === 0) box.nowMs += 10;
    }
    const { storedHashes, families, outstanding } = box.machine.snapshot(box.nowMs);
    expect(storedHashes).toBe(2_000);
    expect(families[0]?.quarantined).toBeLessThanOrEqual(64);
    expect(outstanding).toBeLessThanOrEqual(1024);
    // About 4 MiB are held, and the second half of the million adds nothing to them.
    expect(liveBytes() - before).toBeLessThan(16 * 2 ** 20);
    expect(liveBytes() - halfway).toBeLessThan(2 ** 20);
  }, 120_000);
});

describe('a node that answers with another id', () => {
  it('is thrown out at once and does not come back under new ids', () => {
    const net = new DhtNet(6);
    const node = net.add({ maintenance: { enabled: false }, table: { requireValidIds: false } });
    const address = nthAddress(7);
    let claimed = randomBytes(net.rng, 20);
    liar(net, address, () => ({ id: claimed }));
    node.machine.insertVerified({ id: claimed, address }, net.nowMs, 5);
    claimed = randomBytes(net.rng, 20);
    findNode(net, node, randomBytes(net.rng, 20));
    expect(node.machine.contacts()).toEqual([]);
    net.ask<PingResult>(node, (onDone, nowMs) => node.machine.ping(address, onDone, nowMs));
    expect(node.machine.contacts()).toEqual([]);
  });

  it('never counts among the closest, nor does an id that does not fit its address', () => {
    const net = new DhtNet(7);
    const node = net.add({ maintenance: { enabled: false }, table: { requireValidIds: false } });
    const target = randomBytes(net.rng, 20);
    const misfit = { id: target.slice(), address: nthAddress(8) };
    expect(isValidId(Id160.of(misfit.id), misfit.address)).toBe(false);
    liar(net, misfit.address, () => ({ id: misfit.id }));
    node.machine.insertVerified(misfit, net.nowMs, 5);
    expect(findNode(net, node, target).closest).toEqual([]);
    expect(findNode(net, node, target, { requireValidIds: false }).closest.length).toBe(1);
  });
});
