import { describe, expect, it } from 'vitest';
import { toHex } from '../../../core/base/bytes.ts';
import { randomBytes } from '../../../core/base/clock.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import { compareDistance, Id160 } from '../../../dht/base/node-id.ts';
import { LOOKUP_PRESETS, type LookupPolicy, TRUSTING_TABLE } from '../../../dht/base/options.ts';
import type { GetPeersResult, LookupResult, QueryTrace } from '../../../dht/base/results.ts';
import { DhtNet, type NetNode } from '../../support/dht-net.ts';

const NODES = 250;

/** Everybody knows about 60 others; `deadShare` of the net, but never the first ten, is gone. */
function network(seed: number, deadShare: number): DhtNet {
  const net = new DhtNet(seed);
  for (let i = 0; i < NODES; i++) net.add({ maintenance: { enabled: false } });
  net.fillTables(80);
  for (const node of net.nodes.slice(10)) if (net.rng.next() < deadShare) node.isUp = false;
  return net;
}

function truth(net: DhtNet, target: Uint8Array, but: NetNode, count = 8): string[] {
  const aim = Id160.of(target);
  return net.nodes
    .filter((node) => node.isUp && node !== but)
    .sort((x, y) => compareDistance(aim, Id160.of(x.id), Id160.of(y.id)))
    .slice(0, count)
    .map((node) => toHex(node.id));
}

interface Outcome {
  readonly result: LookupResult;
  readonly trace: readonly QueryTrace[];
  readonly recall: number;
  readonly elapsedMs: number;
}

function lookup(
  net: DhtNet,
  node: NetNode,
  policy: Partial<LookupPolicy> = {},
  target = randomBytes(net.rng, 20),
): Outcome {
  let result: LookupResult | undefined;
  const startedAtMs = net.nowMs;
  const operation = net.command(node, (machine, nowMs) =>
    machine.findNode(target, { policy, onDone: (done) => (result = done) }, nowMs),
  );
  net.run(600_000, () => result !== undefined);
  if (result === undefined) throw new Error('the lookup did not end');
  const wanted = truth(net, target, node, policy.closest ?? 8);
  const got = new Set(result.closest.map((one) => toHex(one.id)));
  return {
    result,
    trace: operation.trace(),
    recall: wanted.filter((id) => got.has(id)).length / wanted.length,
    elapsedMs: net.nowMs - startedAtMs,
  };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe('a lookup', () => {
  it('ends on the 8 closest live nodes, nearest first', () => {
    const net = network(1, 0);
    for (const node of net.nodes.slice(0, 10)) {
      const { result, recall } = lookup(net, node);
      expect(recall).toBe(1);
      expect(result.reports[0]?.end).toBe('converged');
      const aim = Id160.of(result.target);
      const ids = result.closest.map((one) => Id160.of(one.id));
      expect(ids).toEqual([...ids].sort((x, y) => compareDistance(aim, x, y)));
    }
  });

  it('finds them among 40 % dead entries, within two seconds', () => {
    const net = network(2, 0.4);
    const outcomes = net.nodes.slice(0, 10).map((node) => lookup(net, node));
    expect(mean(outcomes.map((one) => one.recall))).toBeGreaterThanOrEqual(0.95);
    for (const { elapsedMs, result } of outcomes) {
      expect(elapsedMs).toBeLessThan(2_500);
      expect(result.reports[0]?.queries).toBeLessThanOrEqual(40);
      expect(result.closest.length).toBe(8);
    }
  });

  it('waits for the dead when it never stalls: the one-minute client', () => {
    const net = network(2, 0.4);
    const outcomes = net.nodes.slice(0, 6).map((node) => lookup(net, node, LOOKUP_PRESETS['one-minute']));
    expect(mean(outcomes.map((one) => one.elapsedMs))).toBeGreaterThan(20_000);
  });

  it('loses recall when the dead keep their slots: k-rpc', () => {
    const net = network(2, 0.5);
    const pruned = { ...LOOKUP_PRESETS['fixed-2s'] };
    const kept = { ...pruned, pruneDead: false };
    const recall = (policy: LookupPolicy): number =>
      mean(net.nodes.slice(0, 8).map((node) => lookup(net, node, policy).recall));
    expect(recall(kept)).toBeLessThan(0.75);
    expect(recall(pruned)).toBeGreaterThan(0.9);
  });

  it('asks a dead node three times when told to: jech', () => {
    const net = network(2, 0.3);
    const { result, trace } = lookup(net, net.nodes[0] as NetNode, LOOKUP_PRESETS.jech);
    const timedOut = trace.filter((query) => query.failure === 'timeout');
    expect(timedOut.length).toBeGreaterThan(0);
    for (const query of timedOut)
      expect((query.failedAtMs as number) - query.sentAtMs).toBeGreaterThanOrEqual(30_000);
    expect(result.reports[0]?.queries).toBeGreaterThanOrEqual(trace.length + 2 * timedOut.length);
  });

  it('counts a reply that comes after its stall', () => {
    const net = network(3, 0);
    // One node in five is slow, slower than the first stall time of 600 ms.
    const slow = new Set(
      net.nodes
        .slice(20)
        .filter((_, i) => i % 5 === 0)
        .map((node) => node.address.host),
    );
    net.onDatagram = (sent) => {
      if (!slow.has(sent.from.host)) return true;
      net.at(net.nowMs + 900, () => {
        net.nodes
          .find((node) => node.address.equals(sent.to))
          ?.machine.handleDatagram(sent.bytes, sent.from, net.nowMs);
      });
      return false;
    };
    let late = 0;
    for (const node of net.nodes.slice(0, 10)) {
      const { trace, result } = lookup(net, node);
      net.run(5_000);
      late += result.reports[0]?.lateReplies as number;
      for (const query of trace.filter((one) => one.stalledAtMs !== undefined))
        expect(query.failure).not.toBe('timeout');
    }
    expect(late).toBeGreaterThan(0);
  });

  it('tells the whole story in its trace', () => {
    const net = network(4, 0.3);
    const { trace, result } = lookup(net, net.nodes[0] as NetNode);
    const aim = Id160.of(result.target);
    expect(trace.reduce((sum, { tries }) => sum + tries, 0)).toBe(result.reports[0]?.queries);
    for (const query of trace) {
      expect(query.sharedBits).toBe(Id160.of(query.id as Uint8Array).sharedBits(aim));
      if (query.source.kind === 'reply') {
        const source = trace[query.source.query] as QueryTrace;
        expect(source.answeredAtMs).toBeLessThanOrEqual(query.sentAtMs);
        expect(query.hop).toBe(source.hop + 1);
      } else expect(query.hop).toBe(1);
      expect([query.answeredAtMs, query.stalledAtMs, query.failedAtMs].some((at) => at !== undefined)).toBe(
        true,
      );
    }
    expect(new Set(trace.map((query) => query.address.host)).size).toBe(trace.length);
  });

  it('never has more than alpha queries in flight that have not stalled', () => {
    const net = network(5, 0.5);
    for (const alpha of [1, 3, 8]) {
      const { trace } = lookup(net, net.nodes[1] as NetNode, { alpha });
      for (const { sentAtMs } of trace) {
        const open = trace.filter((query) => {
          const endMs =
            query.stalledAtMs ?? query.answeredAtMs ?? query.failedAtMs ?? Number.POSITIVE_INFINITY;
          return query.sentAtMs <= sentAtMs && endMs > sentAtMs;
        });
        expect(open.length).toBeLessThanOrEqual(alpha);
      }
    }
  });

  it('does not storm on a dead link, and blames nobody for it', () => {
    const net = network(6, 0);
    const node = net.nodes[0] as NetNode;
    const before = node.machine.contacts().length;
    net.onDatagram = (sent) => !sent.to.equals(node.address);
    const { result, trace } = lookup(net, node);
    expect(result.reports[0]?.end).toBe('exhausted');
    expect(trace.length).toBeLessThanOrEqual(20);
    net.run(20_000);
    expect(node.machine.snapshot(net.nowMs).offline).toBe(true);
    // The first ten may go before it is clear that it is us.
    expect(node.machine.contacts().length).toBeGreaterThanOrEqual(before - 10);
  });

  it('asks one at a time once it is clear that hardly anybody answers', () => {
    const net = network(6, 0);
    const node = net.nodes[0] as NetNode;
    net.onDatagram = (sent) => !sent.to.equals(node.address);
    const mostAtOnce = (damping: boolean): number => {
      const { trace } = lookup(net, node, { alpha: 3, damping, useCache: false });
      // Three times three are needed to know.
      const times = trace.slice(9).map(({ sentAtMs }) => sentAtMs);
      expect(times.length).toBeGreaterThan(3);
      return Math.max(...times.map((atMs) => times.filter((other) => other === atMs).length));
    };
    expect(mostAtOnce(true)).toBe(1);
    expect(mostAtOnce(false)).toBe(3);
  });

  it('uses paths that share no node when asked to', () => {
    const net = network(7, 0);
    const { trace, recall } = lookup(net, net.nodes[0] as NetNode, { disjointPaths: 3 });
    expect(new Set(trace.map((query) => query.path))).toEqual(new Set([0, 1, 2]));
    expect(new Set(trace.map((query) => query.address.host)).size).toBe(trace.length);
    for (const query of trace)
      if (query.source.kind === 'reply') expect(trace[query.source.query]?.path).toBe(query.path);
    expect(recall).toBeGreaterThanOrEqual(0.75);
  });

  it('counts one node of a /24 among the closest, however many are nearest', () => {
    const options = {
      maintenance: { enabled: false },
      table: { requireValidIds: false, restrictAddresses: false },
    } as const;
    const net = new DhtNet(13);
    for (let i = 0; i < 60; i++) net.add(options);
    const target = randomBytes(net.rng, 20);
    // Three of one house, with the ids nearest to the target.
    for (const host of [1, 2, 3]) {
      const nodeId = target.slice();
      nodeId[19] = (nodeId[19] as number) ^ host;
      net.add({ ...options, nodeId }, DhtAddress.v4((90 << 24) + host, 6881));
    }
    net.fillTables(60);
    const inHouse = (restrictAddresses: boolean): number => {
      const policy = { restrictAddresses, requireValidIds: false, useCache: false };
      const { result } = lookup(net, net.nodes[0] as NetNode, policy, target);
      expect(result.closest.length).toBe(8);
      return result.closest.filter(({ address }) => address.host.startsWith('90.0.0.')).length;
    };
    expect(inHouse(true)).toBe(1);
    expect(inHouse(false)).toBe(3);
  });

  it('starts the second time where the first one ended', () => {
    const net = network(8, 0);
    const node = net.nodes[0] as NetNode;
    const target = randomBytes(net.rng, 20);
    const first = lookup(net, node, {}, target);
    const second = lookup(net, node, {}, target);
    expect(second.trace.some((query) => query.source.kind === 'cache')).toBe(true);
    expect(second.result.reports[0]?.hopsToClosest).toBe(1);
    expect(second.elapsedMs).toBeLessThanOrEqual(first.elapsedMs);
  });

  it('ends at once with nobody to ask, after the command has returned', () => {
    const net = new DhtNet(9);
    const node = net.add();
    let result: LookupResult | undefined;
    net.command(node, (machine, nowMs) => {
      machine.findNode(new Uint8Array(20), { onDone: (done) => (result = done) }, nowMs);
      expect(result).toBeUndefined();
    });
    net.run(10);
    expect(result?.reports[0]?.end).toBe('exhausted');
  });

  it('says nothing after it was cancelled', () => {
    const net = network(10, 0);
    let calls = 0;
    const operation = net.command(net.nodes[0] as NetNode, (machine, nowMs) =>
      machine.getPeers(
        new Uint8Array(20),
        { onDone: () => calls++, onPeers: () => calls++, onQuery: () => calls++ },
        nowMs,
      ),
    );
    const before = calls;
    operation.cancel();
    net.run(20_000);
    expect(operation.isDone).toBe(true);
    expect(calls).toBe(before);
  });

  it('stops at the first peers when that is enough', () => {
    const net = network(11, 0);
    const hash = randomBytes(net.rng, 20);
    for (const node of net.nodes.slice(1, 4)) {
      let isDone = false;
      net.command(node, (machine, nowMs) =>
        machine.announce(hash, { port: 7, onAnnounced: () => (isDone = true) }, nowMs),
      );
      net.run(30_000, () => isDone);
    }
    const get = (enoughPeers?: number): GetPeersResult => {
      let result: GetPeersResult | undefined;
      net.command(net.nodes[9] as NetNode, (machine, nowMs) =>
        machine.getPeers(
          hash,
          {
            onDone: (done) => (result = done),
            policy: { useCache: false },
            ...(enoughPeers === undefined ? {} : { enoughPeers }),
          },
          nowMs,
        ),
      );
      net.run(30_000, () => result !== undefined);
      return result as GetPeersResult;
    };
    const all = get();
    expect(all.peers.length).toBe(3);
    const first = get(1);
    expect(first.reports[0]?.end).toBe('satisfied');
    expect(first.reports[0]?.queries).toBeLessThanOrEqual(all.reports[0]?.queries as number);
  });

  it('leaves the dead in the tables of trusting clients, and none in ours', () => {
    const deadShare = (trusting: boolean): number => {
      const net = new DhtNet(12);
      for (let i = 0; i < 100; i++) net.add(trusting ? { table: TRUSTING_TABLE } : {});
      net.fillTables(15);
      for (const node of net.nodes.slice(60)) node.isUp = false;
      net.run(16 * 60_000);
      const up = new Set(net.nodes.filter((node) => node.isUp).map((node) => node.address.host));
      const known = net.nodes.slice(0, 60).flatMap((node) => node.machine.contacts());
      expect(known.length).toBeGreaterThan(60 * 8);
      return known.filter((one) => !up.has(one.address.host)).length / known.length;
    };
    expect(deadShare(false)).toBeLessThanOrEqual(0.02);
    expect(deadShare(true)).toBeGreaterThan(0.05);
  });
});
