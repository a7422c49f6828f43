// Whole networks of real machines: repeatable to the byte; clean tables under churn; announces that are found; hostile and
// hidden hosts that stay out.
import { describe, expect, test } from 'vitest';
import { Id160 } from '../../dht/base/node-id.ts';
import { stream } from '../../dht/sim/chance.ts';
import { REAL_NETWORK } from '../../dht/sim/latency.ts';
import { runLookups, somePresent } from '../../dht/sim/measure.ts';
import { MIXED_CLIENTS, ONLY_OURS } from '../../dht/sim/profiles.ts';
import { measureBootstrap } from '../../dht/sim/scenarios/bootstrap.ts';
import { measureChurn } from '../../dht/sim/scenarios/churn.ts';
import { measureEclipse } from '../../dht/sim/scenarios/eclipse.ts';
import { measureNats } from '../../dht/sim/scenarios/nat.ts';
import { measureRecall } from '../../dht/sim/scenarios/recall.ts';
import { measureSybils } from '../../dht/sim/scenarios/sybil.ts';
import { MAINLINE_CHURN } from '../../dht/sim/sessions.ts';
import { World } from '../../dht/sim/world.ts';

const SEED = 1;
const TIMEOUT_MS = 240_000;

/** A small network with everything that draws: churn, loss, translators, several clients, lookups. */
function traceOf(seed: number): string {
  const world = new World({
    seed,
    nodes: 60,
    network: REAL_NETWORK,
    clients: MIXED_CLIENTS,
    churn: { ...MAINLINE_CHURN, medianSessionMin: 5 },
    nats: [{ kind: 'symmetric', lifetimeMs: 60_000, share: 0.2 }],
  });
  world.run(world.nowMs + 120_000);
  const targets = stream(seed, 'workload', 9);
  const lookups = runLookups(
    world,
    somePresent(world, 10).map((host) => ({ host, target: Id160.random(targets) })),
  );
  return `${world.trace} ${lookups.map(({ recall }) => recall.toFixed(3)).join(' ')}`;
}

test('one seed, one run: the trace is the same to the byte', { timeout: TIMEOUT_MS }, () => {
  const first = traceOf(SEED);
  expect(traceOf(SEED)).toBe(first);
  expect(traceOf(SEED + 1)).not.toBe(first);
});

describe('churn with half of the sessions under 200 minutes', () => {
  test('our tables stay clean, for little', { timeout: TIMEOUT_MS }, () => {
    const ours = measureChurn(SEED, 200, 'ours', 200, 40);
    expect(ours.worstDeadShare).toBeLessThanOrEqual(0.02);
    expect(ours.bytesPerSecond).toBeLessThan(100);
    expect(ours.recall).toBeGreaterThanOrEqual(0.95);
    expect(ours.p50Seconds).toBeLessThan(0.8);
  });

  test('announces are found until they expire', { timeout: TIMEOUT_MS }, () => {
    const { ages, accepted } = measureRecall(SEED, 150, ONLY_OURS, 200, 15);
    expect(accepted).toBeGreaterThan(7.5);
    for (const { ageMin, found } of ages) expect([ageMin, found]).toEqual([ageMin, ageMin < 30 ? 1 : 0]);
  });
});

describe('bootstrap', () => {
  test('takes about a second with a third of the saved nodes gone', { timeout: TIMEOUT_MS }, () => {
    const { p50Ms, usedRouters, goodAtEnd } = measureBootstrap(SEED, 200, 0.3, 20);
    expect(p50Ms).toBeLessThan(1_000);
    expect(usedRouters).toBe(0);
    expect(goodAtEnd).toBeGreaterThan(30);
  });

  test('comes from routers alone when nothing is saved', { timeout: TIMEOUT_MS }, () => {
    const { p99Ms, usedRouters, contactsLater } = measureBootstrap(SEED, 200, 1, 10);
    expect(usedRouters).toBe(1);
    expect(p99Ms).toBeLessThan(3_000);
    expect(contactsLater).toBeGreaterThan(30);
  });
});

describe('30 % of the hosts behind translators', () => {
  test('cost us little and the one-minute client a minute', { timeout: TIMEOUT_MS }, () => {
    const ours = measureNats(SEED, 150, 'ours', 0.3, 30);
    const old = measureNats(SEED, 150, 'one-minute', 0.3, 30);
    expect(ours.p50Seconds).toBeLessThan(1);
    expect(ours.deadEnded).toBe(0);
    expect(old.p50Seconds).toBeGreaterThan(20);
  });
});

describe('attackers', () => {
  test('5 % sybils get no place', { timeout: TIMEOUT_MS }, () => {
    const { tableShare, resultShare, recall } = measureSybils(SEED, 200, 'ours', 0.05, 60);
    expect(tableShare).toBeLessThan(0.01);
    expect(resultShare).toBe(0);
    expect(recall).toBeGreaterThanOrEqual(0.95);
  });

  test('64 ids around a key from 64 subnets: announces survive with us, not with npm', {
    timeout: TIMEOUT_MS,
  }, () => {
    const ring = { count: 64, subnets: 64, fitting: false };
    expect(measureEclipse(SEED, 120, 'ours', ring, 15)).toMatchObject({ survival: 1, captured: 0 });
    expect(measureEclipse(SEED, 120, 'k-rpc', ring, 15).survival).toBeLessThan(0.2);
  });

  test('16 ids that fit their addresses are noticed, and outdone', { timeout: TIMEOUT_MS }, () => {
    const ring = { count: 16, subnets: 16, fitting: true };
    const { survival, captured, suspicious } = measureEclipse(SEED, 120, 'ours', ring, 15);
    expect(captured).toBeGreaterThan(0.9);
    expect(suspicious).toBeGreaterThan(0.8);
    expect(survival).toBe(1);
  });
});
