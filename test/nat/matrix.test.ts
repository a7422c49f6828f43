// Rows 6, 7 and 11 of the matrix: who reaches whom, by which rung, how soon. In each run a part of it; with --all more; every pair, printed
// as a table, with `npm run test:nat -- matrix`. The leecher and the seed are programs started as a user starts them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SiteKind, Unsolicited } from './lab/kinds.ts';
import { NatLab } from './lab/lab.ts';
import { MatrixOpenWorld, OPEN_HOSTS } from './matrix/open.ts';
import {
  MATRIX_PAIRS,
  needsSplice,
  type Pair,
  type PairResult,
  sitesOfMatrix,
  summaryOf,
  tryPair,
} from './matrix/pairs.ts';
import { isAll } from './requirements.ts';
import { measured, seconds } from './support/measured.ts';

/** Of each sort one: nothing to do, holes of every difficulty, nothing but a relay. */
const SOME_PAIRS: readonly Pair[] = [
  ['port-restricted', 'public'],
  ['public', 'symmetric'],
  ['port-restricted', 'port-restricted'],
  ['shift', 'cgnat'],
  ['addr-restricted', 'symmetric'],
  ['symmetric', 'port-restricted'],
  ['symmetric', 'symmetric'],
];
const NO_UDP_PAIRS: readonly Pair[] = [
  ['port-restricted', 'udp-blocked'],
  ['udp-blocked', 'public'],
];
/** Criteria of the rows; a machine that does other things as well is given more. */
const FIRST_BYTE_MS = isAll ? 5_000 : 20_000;
const GIVE_UP_MS = 20_000;
const PAIR_MS = 180_000;

/** A lab for these pairs, made before and taken away after the tests around it. */
function inLab(
  kinds: readonly SiteKind[],
  options: { readonly input?: Unsolicited; readonly delayMs?: number; readonly skewMs?: number } = {},
) {
  const { skewMs = 0, ...lab } = options;
  let made: NatLab | undefined;
  let open: MatrixOpenWorld | undefined;
  beforeAll(async () => {
    made = await NatLab.make({ sites: sitesOfMatrix(kinds, skewMs), publics: OPEN_HOSTS, ...lab });
    open = await MatrixOpenWorld.make(made);
  });
  afterAll(async () => {
    await made?.close();
    open?.remove();
  });
  return (pair: Pair): Promise<PairResult> => {
    if (made === undefined || open === undefined) throw new Error('no lab');
    return tryPair(pair, { lab: made, open, kinds, giveUpMs: GIVE_UP_MS + 16 * skewMs, skewMs });
  };
}

function kindsOf(pairs: readonly Pair[]): SiteKind[] {
  return [...new Set(pairs.flat())];
}

describe('row 6: pairs of NATs', () => {
  const pairs = isAll ? MATRIX_PAIRS : SOME_PAIRS;
  const attempt = inLab(kindsOf(pairs));
  const results: PairResult[] = [];
  for (const pair of pairs) {
    it(
      `row 6: ${pair[0]} to ${pair[1]}`,
      async () => {
        const result = await attempt(pair);
        results.push(result);
        expect(result.rung).toBeDefined();
        expect(result.rung === 'splice').toBe(needsSplice(pair));
        expect(result.firstByteMs).toBeLessThan(FIRST_BYTE_MS);
      },
      PAIR_MS,
    );
  }
  afterAll(() => measured(6, summaryOf(results)));
});

/** What gateways do with strangers, and how much later one side hears of the other. */
const SETTINGS: readonly { readonly input: Unsolicited; readonly skewMs: number }[] = isAll
  ? (['reject', 'accept'] as const).flatMap((input) => [0, 50, 1_000].map((skewMs) => ({ input, skewMs })))
  : [{ input: 'accept', skewMs: 50 }];
const ROW_7_PAIRS: readonly Pair[] = isAll
  ? [
      ['port-restricted', 'port-restricted'],
      ['port-restricted', 'cgnat'],
      ['shift', 'shift'],
      ['cgnat', 'cgnat'],
      ['addr-restricted', 'symmetric'],
      ['symmetric', 'port-restricted'],
    ]
  : [['port-restricted', 'shift']];

for (const { input, skewMs } of SETTINGS) {
  describe(`row 7: gateways that ${input}, links of 20 ms, the seed hears of it ${skewMs} ms later`, () => {
    const attempt = inLab(kindsOf(ROW_7_PAIRS), { input, delayMs: 20, skewMs });
    const results: PairResult[] = [];
    for (const pair of ROW_7_PAIRS) {
      it(
        `row 7: ${pair[0]} to ${pair[1]}`,
        async () => {
          const result = await attempt(pair);
          results.push(result);
          expect(result.rung).toBeDefined();
          expect(result.rung === 'splice').toBe(needsSplice(pair));
        },
        PAIR_MS + 60 * skewMs,
      );
    }
    afterAll(() => {
      const punched = results.filter(({ rung }) => rung !== 'splice' && rung !== undefined).length;
      const firstMs = Math.max(...results.map(({ firstByteMs = Number.NaN }) => firstByteMs));
      measured(
        7,
        `${input}, skew ${skewMs} ms: ${punched} of ${results.length} straight, first byte within ${seconds(firstMs)}`,
      );
    });
  });
}

describe('row 11: no UDP at one end', () => {
  const attempt = inLab(kindsOf(NO_UDP_PAIRS));
  for (const pair of NO_UDP_PAIRS) {
    it(
      `row 11: ${pair[0]} to ${pair[1]}`,
      async () => {
        const { rung, transport, firstByteMs } = await attempt(pair);
        measured(11, `${pair.join(' to ')}: ${rung} over ${transport} after ${firstByteMs} ms`);
        expect(rung).toBeDefined();
        expect(transport).not.toBe('utp');
        expect(firstByteMs).toBeLessThan(GIVE_UP_MS);
      },
      PAIR_MS,
    );
  }
});
