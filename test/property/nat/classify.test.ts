// Our own NAT class: made-up gateways of every kind are recognized whatever the order of what is heard, and one liar changes nothing.

import { describe, expect, it } from 'vitest';
import { NatClassifier, type NatState } from '../../../core/nat/classify.ts';
import type { MappingSnapshot } from '../../../core/nat/port-mapper.ts';
import fc from '../../support/property.ts';

const OWN = '192.168.1.10';
const PUBLIC = '44.101.1.2';
const voters = Array.from({ length: 6 }, (_, i) => `50.${i + 1}.0.1`);

interface World {
  readonly isTranslated: boolean;
  readonly isSymmetric: boolean;
  readonly filter: 'open' | 'address' | 'port';
  readonly tcp: boolean;
  readonly order: readonly number[];
}

function expected({ isTranslated, isSymmetric, filter, tcp }: World): NatState {
  if (!isTranslated && tcp) return 'open';
  if (isSymmetric) return 'apdm';
  if (tcp) return 'mapped';
  if (filter === 'open') return isTranslated ? 'eim-open' : 'open';
  return 'eim';
}

function play(world: World, liar?: number): NatClassifier {
  const { isTranslated, isSymmetric, filter, tcp, order } = world;
  const host = isTranslated ? PUBLIC : OWN_GLOBAL;
  const classifier = new NatClassifier(4);
  classifier.setLocal({ addresses: isTranslated ? [OWN] : [OWN_GLOBAL], udpPort: 7001 });
  const events = [
    ...voters.map((by, i) => () => {
      const port = isSymmetric ? 30_000 + i : isTranslated ? 20_001 : 7001;
      const seen = i === liar ? { host: '9.9.9.9', port: 9 } : { host, port };
      classifier.handleSeen(seen, by);
    }),
    () =>
      classifier.handleDialBack({
        by: '60.1.1.1',
        observedHost: host,
        tcp,
        udp: filter === 'open',
        udpOtherPort: filter === 'open' ? undefined : filter === 'address',
      }),
  ];
  for (const i of order) events[i % events.length]?.();
  for (const event of events) event();
  return classifier;
}
const OWN_GLOBAL = '45.1.1.10';

const world = fc
  .record({
    isTranslated: fc.boolean(),
    isSymmetric: fc.boolean(),
    filter: fc.constantFrom('open' as const, 'address' as const, 'port' as const),
    tcp: fc.boolean(),
    order: fc.array(fc.nat(20), { maxLength: 30 }),
  })
  // Who does not translate keeps the port, and a port that changes is not known to strangers.
  .filter(({ isTranslated, isSymmetric, filter, tcp }) =>
    isSymmetric ? isTranslated && filter !== 'open' && !tcp : true,
  );

describe('NAT class', () => {
  it('is that of the gateway, in whatever order it is heard', () => {
    fc.assert(
      fc.property(world, (made) => {
        const { state, reach, evidence } = play(made).result();
        expect(state).toBe(expected(made));
        expect(reach.mapping).toBe(made.isSymmetric ? 'per-remote' : 'endpoint');
        if (reach.isOpen !== 'yes') expect(reach.filtering).toBe(made.filter);
        expect(evidence.length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });

  it('does not change by one liar', () => {
    fc.assert(
      fc.property(world, fc.nat(voters.length - 1), (made, liar) => {
        const honest = play(made).result();
        const { state, external } = play(made, liar).result();
        expect(state).toBe(honest.state);
        expect(external).toEqual(honest.external);
      }),
      { numRuns: 300 },
    );
  });

  it('counts one network once', () => {
    const classifier = new NatClassifier(4);
    for (let i = 1; i < 200; i++) classifier.handleSeen({ host: '6.6.6.6', port: 6 }, `50.1.0.${i}`);
    expect(classifier.voters).toBe(1);
    expect(classifier.result().state).toBe('unknown');
  });

  it('is not told by neighbours, nor by the other family', () => {
    const classifier = new NatClassifier(4);
    for (const by of ['192.168.1.5', '10.1.1.1', '127.0.0.1', '2001:db8::1'])
      classifier.handleSeen({ host: PUBLIC, port: 1 }, by);
    expect(classifier.voters).toBe(0);
  });

  it('calls silence TCP-ONLY only where TCP works', () => {
    const classifier = new NatClassifier(4);
    classifier.handleSilence(8);
    expect(classifier.result().state).toBe('unknown');
    classifier.handleTcpWorks();
    expect(classifier.result()).toMatchObject({ state: 'tcp-only', reach: { udp: 'no' } });
    classifier.handleSeen({ host: PUBLIC, port: 7001 }, '50.1.1.1');
    expect(classifier.result().reach.udp).toBe('yes');
  });

  it('is MAPPED by a verified mapping and by no claim', () => {
    const mapping = (state: MappingSnapshot['state']): MappingSnapshot => ({
      transport: 'tcp',
      internalPort: 7001,
      state,
      protocol: 'pcp',
      externalHost: PUBLIC,
      externalPort: 7001,
      lifetimeSec: 3600,
      renewInMs: 1,
      answers: {},
    });
    const classifier = play({ isTranslated: true, isSymmetric: true, filter: 'port', tcp: false, order: [] });
    for (const state of ['asking', 'claimed', 'refuted', 'none'] as const) {
      classifier.setMappings([mapping(state)]);
      expect(classifier.result().state).toBe('apdm');
    }
    classifier.setMappings([mapping('verified')]);
    expect(classifier.result()).toMatchObject({ state: 'mapped', reach: { isOpen: 'yes' } });
  });

  it('knows nothing any more after a reset', () => {
    const classifier = play({
      isTranslated: true,
      isSymmetric: false,
      filter: 'port',
      tcp: false,
      order: [],
    });
    classifier.reset();
    expect(classifier.result()).toMatchObject({ state: 'unknown', external: undefined });
  });
});
