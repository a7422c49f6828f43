// Rows 5, 6, 11 and 18 of the matrix: who reaches whom, by which rung, how soon; here a part of it for every CI run, the whole of it with
// `npm run test:nat -- matrix`. The leecher and the seed are programs started as a user starts them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SiteKind } from './lab/kinds.ts';
import { NatLab } from './lab/lab.ts';
import { MatrixOpenWorld, OPEN_HOSTS } from './matrix/open.ts';
import { needsSplice, type Pair, tryPair } from './matrix/pairs.ts';
import { isAll } from './requirements.ts';

const KINDS: readonly SiteKind[] = [
  'public',
  'full-cone',
  'addr-restricted',
  'port-restricted',
  'shift',
  'symmetric',
  'cgnat',
  'udp-blocked',
];
/** One of each sort: nothing to do, called back, holes of every difficulty, nothing but a relay. */
const PAIRS: readonly Pair[] = [
  ['port-restricted', 'public'],
  ['public', 'symmetric'],
  ['port-restricted', 'port-restricted'],
  ['shift', 'cgnat'],
  ['addr-restricted', 'symmetric'],
  ['symmetric', 'port-restricted'],
  ['symmetric', 'symmetric'],
  // Row 11: no UDP at one end.
  ['port-restricted', 'udp-blocked'],
  ['udp-blocked', 'public'],
];
const FIRST_BYTE_MS = 5_000;
const GIVE_UP_MS = 20_000;
const PAIR_MS = 60_000;

describe('who reaches whom', () => {
  let lab: NatLab;
  let open: MatrixOpenWorld;
  beforeAll(async () => {
    lab = await NatLab.make({ sites: [...KINDS, ...KINDS].map((kind) => ({ kind })), publics: OPEN_HOSTS });
    open = await MatrixOpenWorld.make(lab);
  });
  afterAll(async () => {
    await lab?.close();
    open?.remove();
  });

  for (const pair of PAIRS) {
    it(
      `${pair[0]} to ${pair[1]}`,
      async () => {
        const result = await tryPair(pair, { lab, open, kinds: KINDS, giveUpMs: GIVE_UP_MS });
        expect(result.rung).toBeDefined();
        expect(result.rung === 'splice').toBe(needsSplice(pair));
        expect(result.firstByteMs).toBeLessThan(isAll ? FIRST_BYTE_MS : GIVE_UP_MS);
      },
      PAIR_MS,
    );
  }

  it('no packet of ours has a private source or target', async () => {
    expect(await lab.leaks()).toEqual({ from_private: 0, to_private: 0, from_carrier: 0, to_carrier: 0 });
  });
});
