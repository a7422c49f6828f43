// Row 2 of the matrix: what tt finds out about its own NAT, against what the probe finds out about it from outside, for every kind.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NatState } from '../../core/nat/classify.ts';
import type { LabHost } from './lab/host.ts';
import { EXPECTED, NAT_KINDS, type SiteKind } from './lab/kinds.ts';
import { NatLab } from './lab/lab.ts';
import { startDht, startRelay } from './support/open-world.ts';
import { ttJson } from './support/tt.ts';

/** The pass criterion of the row. */
const WITHIN_MS = 5_000;
/** Each is a program that starts, on the same few cores. */
const AT_ONCE = 3;
/** Public hosts: one for the probe and the relay, the others for the DHT, each in another /16. */
const PUBLICS = 6;

interface Status {
  readonly families: readonly {
    readonly state: NatState;
    readonly mapping: 'endpoint' | 'per-remote' | 'unknown';
    readonly filtering: 'open' | 'address' | 'port' | 'unknown';
    readonly external: { readonly host: string; readonly port: number | null } | null;
    readonly isTranslated?: boolean;
  }[];
  readonly classifiedAfterMs: number | null;
}

const OTHERS: readonly SiteKind[] = ['public', 'udp-blocked'];
const KINDS: readonly SiteKind[] = [...NAT_KINDS, ...OTHERS];

function stateOf(kind: SiteKind): NatState {
  if (kind === 'public') return 'open';
  if (kind === 'udp-blocked') return 'tcp-only';
  if (kind === 'web-only') throw new Error('not here');
  const [mapping, filtering] = EXPECTED[kind];
  if (mapping === 'APDM') return 'apdm';
  return filtering === 'EIF' ? 'eim-open' : 'eim';
}

describe('row 2: tt knows its own NAT as the probe does', () => {
  let lab: NatLab;
  let flags: string[];
  beforeAll(async () => {
    lab = await NatLab.make({ sites: KINDS.map((kind) => ({ kind })), publics: PUBLICS });
    flags = [...(await startDht(lab)), '--relay', await startRelay(lab)];
  });
  afterAll(() => lab.close());

  for (let first = 0; first < KINDS.length; first += AT_ONCE) {
    const kinds = KINDS.slice(first, first + AT_ONCE);
    it(kinds.join(', '), async () => {
      await Promise.all(kinds.map((kind, i) => check(kind, lab.host(first + i))));
    });
  }

  async function check(kind: SiteKind, host: LabHost): Promise<void> {
    const [status, probe] = await Promise.all([
      ttJson<Status>(host, ['nat', 'status', '-4', '--port', '7001', ...flags]),
      kind === 'public' ? undefined : lab.probe(host, 'udp'),
    ]);
    const [family] = status.families;
    expect(family?.state, kind).toBe(stateOf(kind));
    // Silence is told from a slow start after a while only.
    if (kind !== 'udp-blocked') expect(status.classifiedAfterMs, kind).toBeLessThanOrEqual(WITHIN_MS);
    if (probe === undefined || probe.mapping === 'blocked') return;
    const mapping = { endpoint: 'EIM', 'per-remote': 'APDM', unknown: undefined }[
      family?.mapping ?? 'unknown'
    ];
    const filtering = { open: 'EIF', address: 'ADF', port: 'APDF', unknown: undefined }[
      family?.filtering ?? 'unknown'
    ];
    expect([mapping, filtering], kind).toEqual([probe.mapping, probe.filtering]);
    expect(family?.external?.host, kind).toBe(host.publicAddress);
    if (mapping === 'EIM') expect(family?.external?.port === 7001, kind).toBe(probe.portPreserved);
    expect(family?.isTranslated, kind).toBe(kind !== 'firewall');
  }
});
