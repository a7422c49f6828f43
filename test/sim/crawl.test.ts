// The crawler against worlds whose truth is known: it finds who is there, tells dead from slow, notices traps, keeps its promises
// of politeness, and goes on after an interruption with nothing lost and nobody asked twice.
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../core/base/clock.ts';
import { DhtAddress } from '../../dht/base/address.ts';
import { Id160 } from '../../dht/base/node-id.ts';
import { CrawlMachine, type CrawlOptions } from '../../dht/crawl/crawl-machine.ts';
import type { Estimate } from '../../dht/crawl/estimates.ts';
import { OptOut } from '../../dht/crawl/opt-out.ts';
import { POLITE } from '../../dht/crawl/prober.ts';
import type { Visit } from '../../dht/crawl/visit.ts';
import { Zone } from '../../dht/crawl/zone.ts';
import { mean, stream } from '../../dht/sim/chance.ts';
import { countOf, runPass, runTrial } from '../../dht/sim/crawl-trial.ts';
import { CrawlWorld, type CrawlWorldOptions } from '../../dht/sim/crawl-world.ts';
import { CALIBRATION_NETWORK } from '../../dht/sim/latency.ts';
import { churnTrial } from '../../dht/sim/scenarios/crawl-churn.ts';

const SEED = 11;

function world(options: Partial<CrawlWorldOptions> = {}): CrawlWorld {
  return new CrawlWorld({
    seed: SEED,
    nodes: 2_000,
    deadShare: 0.25,
    natShare: 0.15,
    network: CALIBRATION_NETWORK,
    horizonMs: 600_000,
    ...options,
  });
}

function zoneAt(bits: number, seed = SEED): Zone {
  return new Zone(Id160.random(stream(seed, 'ids', 9)), bits);
}

describe('a zone', () => {
  it('without dead entries and loss is found nearly to the last node, whatever its size, and nobody is asked twice', () => {
    const net = world({ deadShare: 0, natShare: 0 });
    for (const bits of [0, 1, 3, 6]) {
      const zone = zoneAt(bits);
      const asked = new Map<string, number>();
      const pass = runPass(
        net,
        {
          seed: SEED,
          zone,
          onVisit: ({ address, tries }) => {
            const key = `${address.host}:${address.port}`;
            expect(asked.has(key), `${key} visited twice`).toBe(false);
            asked.set(key, tries);
          },
        },
        1,
      );
      const truth = net.reachable(net.nowMs, (id) => zone.has(id));
      // Each is told by eight on average: e^-8 of them by nobody.
      expect(pass.trueNodes, `/${bits}`).toBeGreaterThanOrEqual(truth - Math.ceil(truth * 0.001));
      expect(Math.max(...asked.values())).toBe(1);
    }
  });

  it('with 40 % of the entries silent misses a per cent, each asked twice', () => {
    const net = world();
    const tries: number[] = [];
    const pass = runPass(
      net,
      { seed: SEED, zone: Zone.everything, onVisit: (visit) => tries.push(visit.tries) },
      1,
    );
    const truth = net.reachable(net.nowMs);
    // 60 % of eight tellers: e^-4.8.
    expect(pass.trueNodes / truth).toBeGreaterThan(0.98);
    const silent = tries.filter((count) => count === 2).length;
    expect(silent / tries.length).toBeGreaterThan(0.35);
    expect(silent / tries.length).toBeLessThan(0.45);
  });

  it('with the same seed is asked in the same order', () => {
    const orders = [1, 1, 2].map((seed) => {
      const order: string[] = [];
      runPass(
        world(),
        { seed, zone: Zone.everything, onVisit: ({ address }) => order.push(address.host) },
        1,
      );
      return order.join();
    });
    expect(orders[0]).toBe(orders[1]);
    expect(orders[2]).not.toBe(orders[0]);
  });

  it('loss is measured, and costs only who was lost twice', () => {
    const net = world({ network: { ...CALIBRATION_NETWORK, lossShare: 0.1 } });
    const trial = runTrial(net, { seed: SEED, zone: Zone.everything });
    const { lossShare } = trial.first.machine.counts;
    // A round trip is lost when either way is: 19 %.
    expect(lossShare).toBeGreaterThan(0.14);
    expect(lossShare).toBeLessThan(0.25);
    expect(trial.p).toBeGreaterThan(0.93);
    expect(trial.p).toBeLessThan(0.99);
    expect(trial.bernoulli?.low).toBeLessThan(trial.nodes);
    expect(trial.bernoulli?.high).toBeGreaterThan(trial.nodes);
    expect(trial.first.verified.size).toBeLessThan(trial.nodes);
  });

  it('slow nodes are late and not dead', () => {
    const net = world({ network: { ...CALIBRATION_NETWORK, medianRoundTripMs: 3_000, sigma: 0.3 } });
    const pass = runPass(net, { seed: SEED, zone: zoneAt(3) }, 1);
    const { outcomes } = pass.machine.counts;
    expect(outcomes.get('stalled_late')).toBeGreaterThan(50);
    expect(pass.trueNodes / net.reachable(net.nowMs, (id) => zoneAt(3).has(id))).toBeGreaterThan(0.95);
  });

  it('without a way in ends', () => {
    const net = world();
    const zone = zoneAt(20);
    const pass = runPass(net, { seed: SEED, zone }, 1);
    expect(pass.machine.isDone).toBe(true);
    expect(pass.verified.size).toBe(net.reachable(net.nowMs, (id) => zone.has(id)));
  });
});

describe('topology', () => {
  it('sees every entry that tables show', () => {
    const net = world({ nodes: 300, deadShare: 0.2, natShare: 0 });
    const edges = new Map<number, Set<string>>();
    const pass = runPass(
      net,
      {
        seed: SEED,
        zone: Zone.everything,
        isTopology: true,
        policy: { perHost: { perSecond: 50, burst: 50 }, perSubnet: { perSecond: 50, burst: 50 } },
        onVisit: (visit: Visit) => {
          const seen = edges.get(visit.node) ?? new Set();
          for (const { address } of visit.reply?.listings ?? []) seen.add(address.host);
          edges.set(visit.node, seen);
        },
      },
      1,
    );
    const sizes = [...edges.values()].map((seen) => seen.size).filter((size) => size > 0);
    // 375 members: about log2(375/8) = 5.5 full buckets of eight, and a tail of the size of one.
    const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
    expect(sizes.length).toBe(300);
    // Each was asked several times, and counts once.
    const { counts } = pass.machine;
    expect(counts.visits).toBeGreaterThan(1_000);
    expect([counts.verified, counts.responded, counts.clients.size > 0]).toEqual([300, 300, true]);
    expect([...counts.clients.values()].reduce((sum, count) => sum + count, 0)).toBe(300);
    expect(counts.asked).toBeLessThanOrEqual(counts.listed);
    expect(mean).toBeGreaterThan(45);
    expect(mean).toBeLessThan(65);
  });
});

describe('traps', () => {
  it('endless invented nodes are noticed, set aside and not counted', () => {
    const zone = zoneAt(4);
    const honest = world({ nodes: 6_000 });
    const net = world({ nodes: 6_000, liarShare: 0.05, liarSubnets: 4 });
    const truth = net.reachable(net.nowMs, (id) => zone.has(id));
    const pass = runPass(net, { seed: SEED, zone }, 1);
    const { traps } = pass.machine.subnets;
    expect(traps.map(({ subnet }) => subnet).sort()).toEqual(
      [0, 1, 2, 3].map((subnet) => `32.0.${subnet}.0/24`),
    );
    // Liars hide whom they know: an honest few are lost, nobody is invented.
    expect(countOf(pass)).toBeLessThanOrEqual(truth + 2);
    expect(countOf(pass)).toBeGreaterThan(truth * 0.9);
    expect(runPass(honest, { seed: SEED, zone }, 1).machine.subnets.traps).toEqual([]);
  });
});

/** A machine whose datagrams are only counted. */
function silentMachine(changes: Partial<CrawlOptions> = {}): {
  machine: CrawlMachine;
  sent: { to: string; atMs: number }[];
  visits: Visit[];
  run(untilMs: number): void;
} {
  const sent: { to: string; atMs: number }[] = [];
  const visits: Visit[] = [];
  let nowMs = 0;
  const machine = new CrawlMachine(
    {
      family: 4,
      zone: Zone.everything,
      isTopology: false,
      method: 'find_node',
      seed: 1,
      rng: seededRng(1),
      ownId: Id160.random(seededRng(2)),
      version: new Uint8Array(0),
      readOnly: true,
      wantsBoth: false,
      policy: POLITE,
      optOut: OptOut.none,
      startMs: 0,
      ...changes,
    },
    {
      send: (_, to) => sent.push({ to: to.host, atMs: nowMs }),
      onListed: () => {},
      onSent: () => {},
      onVisit: (visit) => visits.push(visit),
    },
  );
  const run = (untilMs: number): void => {
    while (!machine.isDone) {
      const nextMs = Math.max(nowMs + 0.5, machine.nextTimeoutMs(nowMs));
      if (nextMs > untilMs) break;
      nowMs = nextMs;
      machine.handleTimeout(nowMs);
    }
    nowMs = untilMs;
  };
  return { machine, sent, visits, run };
}

function mostWithin(times: readonly number[], windowMs: number): number {
  let most = 0;
  for (let i = 0; i < times.length; i++)
    most = Math.max(
      most,
      times.filter((time) => time >= (times[i] as number) && time < (times[i] as number) + windowMs).length,
    );
  return most;
}

describe('politeness', () => {
  const addresses = (count: number, make: (i: number) => string): DhtAddress[] =>
    Array.from({ length: count }, (_, i) => DhtAddress.of({ host: make(i), port: 1000 + i }) as DhtAddress);

  it.each([
    ['in all', 500, 1000, (i: number) => `20.${i >> 8}.${i & 255}.1`, 2_000],
    ['to one address', 4, 1000, () => '20.0.0.1', 40],
    ['to one /24', 16, 1000, (i: number) => `20.0.0.${i + 1}`, 120],
  ])('%s: no more than the limit', (_, most, windowMs, make, count) => {
    const { machine, sent, run } = silentMachine();
    const rng = seededRng(5);
    for (const address of addresses(count, make)) machine.addKnown(Id160.random(rng), address, 0);
    run(300_000);
    const times = sent.map(({ atMs }) => atMs);
    // A second holds the burst and what is refilled meanwhile.
    expect(mostWithin(times, windowMs)).toBeLessThanOrEqual(most * 1.1 + 1);
    expect(sent.length).toBe(count * 2);
  });

  it('who opted out is never asked, and the dataset says so', () => {
    const optOut = OptOut.parse('20.0.0.0/24 # no thanks\n2001:db8::/32\n20.0.1.7\n');
    if (!optOut.ok) throw new Error(optOut.reason.what);
    const { machine, sent, visits, run } = silentMachine({ optOut: optOut.value });
    const rng = seededRng(6);
    for (const host of ['20.0.0.9', '20.0.1.7', '20.0.1.8'])
      machine.addKnown(Id160.random(rng), DhtAddress.of({ host, port: 1 }) as DhtAddress, 0);
    run(60_000);
    expect(new Set(sent.map(({ to }) => to))).toEqual(new Set(['20.0.1.8']));
    expect(visits.map(({ address, outcome }) => `${address.host} ${outcome}`).sort()).toEqual([
      '20.0.0.9 optout',
      '20.0.1.7 optout',
      '20.0.1.8 timeout',
    ]);
    expect(OptOut.parse('20.0.0.0/33')).toMatchObject({ ok: false });
    expect(OptOut.parse('nonsense')).toMatchObject({ ok: false });
  });
});

describe('a crawl that takes an hour while nodes come and go', () => {
  it('says how many there were when its first look was over, and how sure that is', () => {
    const outcomes = Array.from({ length: 40 }, (_, trial) =>
      churnTrial({ seed: SEED, nodes: 2_000 }, 60, trial),
    );
    const ratios = (pick: (outcome: (typeof outcomes)[number]) => Estimate | undefined): number[] =>
      outcomes.map((outcome) => (pick(outcome)?.value ?? 0) / outcome.nodesAtEnd);
    for (const pick of ['bernoulli', 'chapman'] as const) {
      const held = outcomes.filter((outcome) => {
        const { low = 0, high = 0 } = outcome[pick] ?? {};
        return low <= outcome.nodesAtEnd && outcome.nodesAtEnd <= high;
      });
      expect(held.length, pick).toBeGreaterThanOrEqual(35);
    }
    const corrected = mean(ratios(({ bernoulli }) => bernoulli));
    // 250 nodes a zone: 6 % each, 1 % of their mean.
    expect(Math.abs(corrected - 1), `${corrected}`).toBeLessThan(0.03);
    // Those who had left are not those who were there.
    const uncorrected = mean(ratios((outcome) => outcome.uncorrected));
    expect(uncorrected - corrected).toBeGreaterThan(0.015);
  });
});
