import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import {
  type Candidate,
  CandidatePool,
  isDialable,
  MAX_CANDIDATES,
} from '../../../core/discovery/candidates.ts';

function pool(
  options: { rank?: (endpoint: Endpoint) => number; banned?: string; self?: number } = {},
): CandidatePool {
  return new CandidatePool({
    rng: seededRng(1),
    rank: options.rank ?? (() => 0),
    isBanned: (host) => host === options.banned,
    isSelf: ({ port }) => port === options.self,
  });
}
const at = (host: string, port = 6881): Endpoint => ({ host, port });

describe('the candidate pool', () => {
  it('knows an endpoint once, however it is spelled and whoever names it', () => {
    const known = pool();
    expect(known.add([at('10.0.0.1'), at('::ffff:10.0.0.1')], 'tracker')).toBe(1);
    expect(known.add([at('10.0.0.1')], 'pex')).toBe(0);
    expect(known.size).toBe(1);
  });

  it('takes nothing that cannot be a peer', () => {
    const known = pool({ banned: '10.0.0.9', self: 7000 });
    const useless = [at('0.0.0.0'), at('224.0.0.1'), at('255.255.255.255'), at('::'), at('ff02::1'), at('x')];
    known.add(
      [...useless, at('10.0.0.1', 0), at('10.0.0.1', 70000), at('10.0.0.9'), at('10.0.0.1', 7000)],
      'pex',
    );
    expect(known.size).toBe(0);
    expect(isDialable(at('127.0.0.1'))).toBe(true);
  });

  it('does not dial what turns out to be us, until that turns out to be wrong; whom it met is somebody else', () => {
    let self = 0;
    const known = new CandidatePool({
      rng: seededRng(1),
      rank: () => 0,
      isBanned: () => false,
      isSelf: ({ port }) => port === self,
    });
    known.add([at('44.1.1.1', 7000)], 'tracker');
    self = 7000;
    expect(known.next(0, false)).toBeUndefined();
    expect(known.nextReadyMs(false)).toBeUndefined();
    self = 7001;
    const candidate = known.next(0, false) as Candidate;
    expect(candidate.endpoint.port).toBe(7000);
    known.connected(candidate);
    known.retryAtOnce(candidate, false);
    self = 7000;
    expect(known.next(0, false)).toBe(candidate);
    // Behind one gateway two may look alike.
    expect(known.add([at('44.1.1.2', 7000)], 'pex')).toBe(0);
    expect(known.add([at('44.1.1.2', 7000)], 'pex', { isMet: true })).toBe(1);
  });

  it("dials the user's own peers first, then by rank", () => {
    const known = pool({ rank: ({ host }) => Number(host.split('.')[3]) });
    known.add([at('10.0.0.1'), at('10.0.0.3'), at('10.0.0.2')], 'tracker');
    known.add([at('10.0.0.0')], 'manual');
    const order = [0, 0, 0, 0].map(() => known.next(0, false)?.endpoint.host);
    expect(order).toEqual(['10.0.0.0', '10.0.0.3', '10.0.0.2', '10.0.0.1']);
    expect(known.next(0, false)).toBeUndefined();
  });

  it('backs off exponentially, parks after three failures, and wakes when named anew', () => {
    const known = pool();
    known.add([at('10.0.0.1')], 'tracker');
    let nowMs = 0;
    const waits: number[] = [];
    for (let i = 0; i < 3; i++) {
      const candidate = known.next(nowMs, false);
      if (candidate === undefined) throw new Error('not ready');
      known.failed(candidate, nowMs);
      waits.push(candidate.notBeforeMs - nowMs);
      expect(known.next(candidate.notBeforeMs - 1, false)).toBeUndefined();
      nowMs = candidate.notBeforeMs;
    }
    expect(waits[1] as number).toBeGreaterThan((waits[0] as number) * 1.1);
    expect(known.nextReadyMs(false)).toBeUndefined();
    known.add([at('10.0.0.1')], 'tracker');
    expect(known.next(nowMs, false)).toBeDefined();
  });

  it('never parks what the user named', () => {
    const known = pool();
    known.add([at('10.0.0.1')], 'manual');
    let nowMs = 0;
    for (let i = 0; i < 10; i++) {
      const candidate = known.next(nowMs, false);
      expect(candidate).toBeDefined();
      if (candidate === undefined) return;
      known.failed(candidate, nowMs);
      nowMs = candidate.notBeforeMs;
    }
  });

  it('tries the other way of encrypting at once, and passes seeds over while seeding', () => {
    const known = pool();
    known.add([at('10.0.0.1')], 'tracker', { isSeed: true });
    expect(known.next(0, true)).toBeUndefined();
    const candidate = known.next(0, false);
    if (candidate === undefined) throw new Error('not ready');
    known.retryAtOnce(candidate, true);
    expect(known.next(0, false)?.tryPlain).toBe(true);
    expect(candidate.failures).toBe(0);
  });

  it('stays bounded: a flood of names pushes out only what failed', () => {
    const known = pool();
    const many = Array.from({ length: MAX_CANDIDATES + 500 }, (_, i) =>
      at(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`),
    );
    known.add(many, 'pex');
    expect(known.size).toBe(MAX_CANDIDATES);
    const failing = known.next(0, false);
    if (failing === undefined) throw new Error('none');
    known.failed(failing, 0);
    expect(known.add([at('192.168.1.1')], 'tracker')).toBe(1);
    expect(known.find(failing.endpoint)).toBeUndefined();
    expect(known.size).toBe(MAX_CANDIDATES);
  });

  it('waits ever longer for who answers but is of no use, and forgets that after who was', () => {
    const known = pool();
    known.add([at('10.0.0.1')], 'tracker');
    const waits: number[] = [];
    for (let nowMs = 0; waits.length < 3; ) {
      const candidate = known.next(nowMs, false);
      if (candidate === undefined) {
        const readyMs = known.nextReadyMs(false);
        if (readyMs === undefined) break;
        waits.push(readyMs - nowMs);
        nowMs = readyMs;
        continue;
      }
      known.connected(candidate);
      known.failed(candidate, nowMs);
    }
    expect(waits[1]).toBeGreaterThan((waits[0] as number) * 1.1);
    // Parked after three: nobody asks for it until a source names it again.
    expect(waits.length).toBe(2);
    known.add([at('10.0.0.1')], 'tracker');
    expect(known.nextReadyMs(false)).toBeDefined();
  });

  it('is told by the user, or by better times, to try again at once', () => {
    const known = pool();
    known.add([at('10.0.0.1'), at('10.0.0.2')], 'tracker');
    for (let i = 0; i < 2; i++) known.failed(known.next(0, false) as Candidate, 0);
    expect(known.next(0, false)).toBeUndefined();
    known.add([at('10.0.0.2')], 'manual');
    const candidate = known.next(0, false) as Candidate;
    expect(candidate.key).toBe('10.0.0.2:6881');
    known.connected(candidate);
    known.failed(candidate, 0);
    known.retryAnswered();
    expect(known.next(0, false)?.key).toBe('10.0.0.2:6881');
    expect(known.next(0, false)).toBeUndefined();
  });

  it('never dials ourselves twice, whoever names us', () => {
    const known = pool();
    known.add([at('10.0.0.1')], 'pex');
    known.isOurself(known.next(0, false) as Candidate);
    known.add([at('10.0.0.1')], 'manual');
    known.retryAnswered();
    expect(known.next(1e9, false)).toBeUndefined();
  });

  it('full of what one peer invented has room for what the user and trackers name', () => {
    const known = pool();
    known.add(
      Array.from({ length: MAX_CANDIDATES + 10 }, (_, i) => at(`10.1.${i >>> 8}.${i & 255}`)),
      'pex',
    );
    expect(known.size).toBe(MAX_CANDIDATES);
    expect(known.add([at('10.2.0.1')], 'pex')).toBe(0);
    expect(known.add([at('10.2.0.1')], 'tracker')).toBe(1);
    expect(known.add([at('10.2.0.2')], 'manual')).toBe(1);
    expect(known.size).toBe(MAX_CANDIDATES);
    expect(known.next(0, false)?.key).toBe('10.2.0.2:6881');
  });
});
