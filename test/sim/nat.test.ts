import { describe, expect, it } from 'vitest';
import type { Rung } from '../../core/nat/ladder.ts';
import { attempt, expectedRung } from '../../core/nat/sim/attempt.ts';
import { LAB_KINDS } from '../../core/nat/sim/nat-model.ts';
import { CLIENTS, runSwarms } from '../../core/nat/sim/swarms.ts';
import { natTables } from '../../core/nat/sim/tables.ts';

const ALL: ReadonlySet<Rung> = new Set<Rung>(['direct', 'reverse', 'punch', 'splice']);
const latencyMs = { direct: 40, callerRelay: 20, targetRelay: 30 };
const world = { latencyMs, rungs: ALL, hasRelay: true, hasSplice: true };
const PAIRS = LAB_KINDS.flatMap((a, i) => LAB_KINDS.slice(i).map((b) => [a, b] as const));

describe('all pairs of the lab, packet by packet', () => {
  const both = PAIRS.flatMap(([a, b]) => [[a, b] as const, [b, a] as const]);

  it('whoever knows itself reaches everybody by the way that the matrix says, in time', () => {
    for (const [a, b] of both) {
      const reached = attempt(a, b, world);
      const names = `${a.name} to ${b.name}`;
      // A hidden peer is called for before it is dialled, so that an open one may be met half-way.
      const expected = expectedRung(a, b);
      expect(reached?.rung, names).toBe(expected);
      expect(reached?.ms, names).toBeLessThan(1_500);
    }
    const spliced = PAIRS.filter(([a, b]) => attempt(a, b, world)?.rung === 'splice');
    expect(PAIRS).toHaveLength(45);
    expect(spliced).toHaveLength(11);
  });

  it('knowing nothing of themselves they still connect, all of them, within five seconds', () => {
    for (const [a, b] of both) {
      const reached = attempt(a, b, { ...world, knowsItself: false });
      expect(reached, `${a.name} to ${b.name}`).toBeDefined();
      expect(reached?.ms).toBeLessThan(5_000);
    }
  });

  it('without a relay only open doors are found', () => {
    for (const [a, b] of both) {
      const reached = attempt(a, b, { ...world, hasRelay: false, hasSplice: false });
      expect(reached?.rung, `${a.name} to ${b.name}`).toBe(b.reach.isOpen === 'yes' ? 'direct' : undefined);
    }
  });
});

describe('swarms', () => {
  const size = { seed: 7, swarms: 10, peersPerSwarm: 50, pairsPerSwarm: 100 };

  it('each rung reaches more pairs than the one before, and all of them reach everybody', () => {
    const shares = CLIENTS.map((client) => runSwarms({ ...size, natShare: 0.8, client }).connected);
    expect([...shares].sort((a, b) => a - b)).toEqual(shares);
    expect(shares[0]).toBeLessThan(500);
    expect(shares.at(-1)).toBe(1000);
  });

  it('the mix is the one that was measured: about seven in ten pairs behind NATs can punch', () => {
    const client = CLIENTS[3] as (typeof CLIENTS)[number];
    const { connected, pairs } = runSwarms({ ...size, natShare: 1, client });
    expect(connected / pairs).toBeGreaterThan(0.63);
    expect(connected / pairs).toBeLessThan(0.78);
  });

  it('the same seed gives the same table', () => {
    expect(natTables(3, 2)).toEqual(natTables(3, 2));
  });
});
