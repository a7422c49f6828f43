// The lease machine under random gateways: whatever they answer, and whenever, it asks for nothing that harms, holds at most one
// mapping a transport, renews before the end, and leaves nothing behind.

import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import {
  MAPPING_PROTOCOLS,
  type MapAnswer,
  type MappingKey,
  type MappingProtocol,
  type MapRequest,
  type Transport,
} from '../../../core/nat/mapping-types.ts';
import { PortMapper } from '../../../core/nat/port-mapper.ts';
import fc from '../../support/property.ts';

interface Asked {
  readonly protocol: MappingProtocol;
  readonly request: MapRequest;
  readonly nonce: Uint8Array;
}

class Rig {
  readonly asked: Asked[] = [];
  readonly released: { protocol: MappingProtocol; key: MappingKey }[] = [];
  readonly abandoned: { protocol: MappingProtocol; key: MappingKey }[] = [];
  readonly claims: { transport: Transport; externalPort: number }[] = [];
  readonly checks: MappingProtocol[] = [];
  readonly mapper: PortMapper;

  constructor(ports: { tcp?: number; udp?: number } = { tcp: 7001 }, lifetimeSec?: number) {
    this.mapper = new PortMapper(
      { ports, rng: seededRng(7), ...(lifetimeSec === undefined ? {} : { lifetimeSec }) },
      {
        ask: (protocol, request, nonce) => this.asked.push({ protocol, request, nonce }),
        release: (protocol, key) => this.released.push({ protocol, key }),
        abandon: (protocol, key) => this.abandoned.push({ protocol, key }),
        check: (protocol) => this.checks.push(protocol),
        verify: (transport, _host, externalPort) => this.claims.push({ transport, externalPort }),
        changed: () => undefined,
      },
    );
  }

  state(nowMs = 0): string | undefined {
    return this.mapper.snapshot(nowMs)[0]?.state;
  }
}

const granted = (externalPort = 7001, lifetimeSec = 3600, externalHost = '44.1.1.1'): MapAnswer => ({
  ok: true,
  grant: { externalPort, externalHost, lifetimeSec, epochSec: 1 },
});
const no = (kind: 'absent' | 'refused' | 'conflict' | 'failed' = 'absent'): MapAnswer => ({
  ok: false,
  failure: { kind, what: kind },
});

describe('port mapper', () => {
  it('asks by all protocols at once and holds the first grant', () => {
    const rig = new Rig();
    rig.mapper.start(0);
    expect(rig.asked.map(({ protocol }) => protocol)).toEqual([...MAPPING_PROTOCOLS]);
    rig.mapper.handleAnswer('nat-pmp', 'tcp', granted(), 10);
    rig.mapper.handleAnswer('pcp', 'tcp', granted(), 20);
    rig.mapper.handleAnswer('upnp', 'tcp', granted(8002), 30);
    expect(rig.mapper.snapshot(30)[0]).toMatchObject({ state: 'claimed', protocol: 'nat-pmp' });
    // The same port must stay, another one is given back.
    expect(rig.released.map(({ protocol, key }) => [protocol, key.externalPort])).toEqual([['upnp', 8002]]);
    expect(rig.claims).toHaveLength(1);
  });

  it('renews at half life with the granted port, and asks everybody when it ran out', () => {
    const rig = new Rig({ tcp: 7001 }, 100);
    rig.mapper.start(0);
    rig.mapper.handleAnswer('pcp', 'tcp', granted(8002, 100), 0);
    for (const protocol of ['nat-pmp', 'upnp'] as const) rig.mapper.handleAnswer(protocol, 'tcp', no(), 0);
    rig.asked.length = 0;
    rig.mapper.handleTimeout(49_999);
    expect(rig.asked).toEqual([]);
    rig.mapper.handleTimeout(50_000);
    expect(rig.asked.map(({ protocol, request }) => [protocol, request.externalPort])).toEqual([
      ['pcp', 8002],
    ]);
    rig.mapper.handleAnswer('pcp', 'tcp', no('failed'), 50_001);
    expect(rig.state()).toBe('claimed');
    rig.mapper.handleTimeout(75_000);
    expect(rig.asked).toHaveLength(2);
    rig.mapper.handleAnswer('pcp', 'tcp', no('failed'), 75_001);
    rig.mapper.handleTimeout(100_000);
    expect(
      rig.asked
        .slice(2)
        .map(({ protocol }) => protocol)
        .sort(),
    ).toEqual([...MAPPING_PROTOCOLS].sort());
    expect(rig.state()).toBe('asking');
  });

  it('makes it again when the gateway has lost it, and has it verified again', () => {
    const rig = new Rig();
    rig.mapper.start(0);
    rig.mapper.handleAnswer('pcp', 'tcp', granted(), 0);
    rig.mapper.handleVerdict('tcp', 7001, true, 5);
    expect(rig.state()).toBe('verified');
    rig.asked.length = 0;
    rig.mapper.handleLost('pcp', 1_000);
    expect(rig.asked).toHaveLength(1);
    expect(rig.state()).toBe('claimed');
    rig.mapper.handleAnswer('pcp', 'tcp', granted(), 1_001);
    expect(rig.claims).toHaveLength(2);
  });

  it('gives back what nobody outside gets through, and never calls it mapped', () => {
    const rig = new Rig();
    rig.mapper.start(0);
    rig.mapper.handleAnswer('pcp', 'tcp', granted(), 0);
    rig.mapper.handleAnswer('nat-pmp', 'tcp', granted(), 1);
    rig.mapper.handleVerdict('tcp', 7001, false, 10);
    expect(rig.state()).toBe('refuted');
    expect(rig.released.map(({ protocol }) => protocol).sort()).toEqual(['nat-pmp', 'pcp']);
  });

  it('takes no private outer address for an answer', () => {
    const rig = new Rig();
    rig.mapper.start(0);
    for (const protocol of MAPPING_PROTOCOLS)
      rig.mapper.handleAnswer(protocol, 'tcp', granted(7001, 3600, '100.64.1.2'), 0);
    expect(rig.state()).toBe('none');
    expect(rig.released).toHaveLength(3);
    expect(rig.claims).toEqual([]);
  });

  it('does not ask for ports below 1024', () => {
    const rig = new Rig({ tcp: 80, udp: 443 });
    rig.mapper.start(0);
    rig.mapper.handleTimeout(10 ** 9);
    expect(rig.asked).toEqual([]);
  });

  it("takes back what is asked for when it leaves, but no port that may be another host's", () => {
    const rig = new Rig();
    rig.mapper.start(0);
    rig.mapper.release();
    expect(rig.released).toEqual([]);
    expect(rig.abandoned.map(({ protocol }) => protocol).sort()).toEqual(['nat-pmp', 'pcp']);
  });

  it('tries a few other ports where ours is taken, then rests', () => {
    const rig = new Rig();
    rig.mapper.start(0);
    for (let i = 0; i < 20; i++) {
      const last = rig.asked.at(-1) as Asked;
      rig.mapper.handleAnswer(last.protocol, 'tcp', no('conflict'), i);
      if (rig.asked.at(-1) === last) break;
    }
    expect(rig.asked.length).toBeLessThanOrEqual(6);
    expect(rig.asked.every(({ request }) => request.externalPort >= 1024)).toBe(true);
  });

  it('under random answers at random times', () => {
    const step = fc.record({
      protocol: fc.constantFrom(...MAPPING_PROTOCOLS),
      transport: fc.constantFrom<Transport>('tcp', 'udp'),
      afterMs: fc.integer({ min: 0, max: 4_000_000 }),
      what: fc.constantFrom('grant', 'fail', 'lost', 'news', 'reached', 'refuted', 'time', 'odd'),
      port: fc.integer({ min: 0, max: 70_000 }),
      lifetimeSec: fc.integer({ min: 0, max: 10 ** 6 }),
      kind: fc.constantFrom('absent', 'refused', 'conflict', 'failed' as const),
      host: fc.constantFrom('44.1.1.1', '192.168.0.1', '10.0.0.1'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const rig = new Rig({ tcp: 7001, udp: 7001 }, 3_600);
        const { mapper } = rig;
        mapper.start(0);
        let nowMs = 0;
        let seen = 0;
        const nameOf = (protocol: MappingProtocol, transport: Transport, port: number): string =>
          `${protocol} ${transport} ${port}`;
        const pending = new Set<string>();
        const collect = (): void => {
          for (; seen < rig.asked.length; seen++) {
            const { protocol, request } = rig.asked[seen] as Asked;
            expect(request.lifetimeSec).toBeGreaterThan(0);
            expect(request.externalPort).toBeGreaterThanOrEqual(1024);
            expect(request.externalPort).toBeLessThanOrEqual(65_535);
            // One question at a time to each.
            const name = `${protocol} ${request.transport}`;
            expect(pending.has(name)).toBe(false);
            pending.add(name);
          }
        };
        collect();
        for (const { protocol, transport, afterMs, what, port, lifetimeSec, kind, host } of steps) {
          nowMs += afterMs;
          // Timers are kept by a shell that is never late.
          for (
            let due = mapper.nextTimeoutMs(), turns = 0;
            due <= nowMs && turns < 1_000;
            due = mapper.nextTimeoutMs(), turns++
          ) {
            expect(turns).toBeLessThan(900);
            mapper.handleTimeout(Math.max(due, 0));
            collect();
          }
          const name = `${protocol} ${transport}`;
          if (what === 'lost') mapper.handleLost(protocol, nowMs);
          else if (what === 'news') mapper.handleNews(nowMs);
          else if (what === 'time') mapper.handleTimeout(nowMs);
          else if (what === 'reached' || what === 'refuted') {
            const held = mapper.snapshot(nowMs).find((each) => each.transport === transport);
            mapper.handleVerdict(transport, held?.externalPort ?? port, what === 'reached', nowMs);
          } else if (pending.delete(name)) {
            const answer =
              what === 'fail'
                ? no(kind)
                : granted(what === 'odd' ? port : 7001 + (port % 3), lifetimeSec, host);
            mapper.handleAnswer(protocol, transport, answer, nowMs);
          }
          collect();
          for (const mapping of mapper.snapshot(nowMs)) {
            if (mapping.externalPort === undefined) continue;
            expect(mapping.externalPort).toBeGreaterThanOrEqual(1024);
            expect(mapping.externalHost).toBe('44.1.1.1');
          }
          expect(mapper.grants().length).toBeLessThanOrEqual(6);
        }
        const left = mapper
          .grants()
          .map(({ protocol, key }) => nameOf(protocol, key.transport, key.externalPort));
        rig.released.length = 0;
        mapper.release();
        const releasedNow = rig.released.map(({ protocol, key }) =>
          nameOf(protocol, key.transport, key.externalPort),
        );
        for (const name of left) expect(releasedNow).toContain(name);
        expect(mapper.grants()).toEqual([]);
        expect(mapper.nextTimeoutMs()).toBe(Number.POSITIVE_INFINITY);
        // What comes late is given back as well.
        const count = rig.released.length;
        mapper.handleAnswer('upnp', 'tcp', granted(9_000), nowMs);
        expect(rig.released.length).toBe(count + 1);
      }),
      { numRuns: 500 },
    );
  });
});
