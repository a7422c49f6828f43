// The lab itself: every kind behaves as its name says, labs do not meet, nothing stays.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXPECTED, NAT_KINDS } from './lab/kinds.ts';
import { NatLab } from './lab/lab.ts';

describe('every kind behaves as it is called', () => {
  let lab: NatLab;
  beforeAll(async () => {
    lab = await NatLab.make({ sites: NAT_KINDS.map((kind) => ({ kind, hairpin: true })) });
  });
  afterAll(() => lab.close());

  for (const [i, kind] of NAT_KINDS.entries()) {
    for (const protocol of ['udp', 'tcp'] as const) {
      it.concurrent(`${kind} ${protocol}`, async () => {
        const { mapping, filtering, portPreserved, hairpin } = await lab.probe(lab.host(i), protocol);
        expect([mapping, filtering]).toEqual(EXPECTED[kind]);
        if (kind === 'port-restricted' || kind === 'full-cone' || kind === 'firewall')
          expect(portPreserved).toBe(true);
        if (kind.includes('shift')) expect(portPreserved).toBe(false);
        if (protocol === 'udp' && kind === 'full-cone') expect(hairpin).toBe(true);
      });
    }
  }
});
