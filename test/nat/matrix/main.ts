// `npm run test:nat -- matrix [--docs] [--input drop|reject|accept] [--delay MS] [--skew MS] [--only A,B]`: every pair of kinds, a tt
// leecher behind one and a tt seed behind the other, printed as a matrix: the rung of the ladder that won, and the ms from the leecher's
// start to its first byte. --skew: the seed hears everything from relay, neighbour and DHT so much later. --docs writes the matrix into
// docs/nat.md or, of another setting than the plain one, a line about it.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Unsolicited } from '../lab/kinds.ts';
import { NatLab } from '../lab/lab.ts';
import { assertInside } from '../requirements.ts';
import { isPlain, replaceBetween, table, withSetting } from './docs.ts';
import { MatrixOpenWorld, OPEN_HOSTS } from './open.ts';
import {
  MATRIX_KINDS,
  MATRIX_PAIRS,
  matrixRows,
  type Pair,
  type PairResult,
  sitesOfMatrix,
  summaryOf,
  tryPair,
} from './pairs.ts';

const DOCS = fileURLToPath(new URL('../../../docs/nat.md', import.meta.url));
const GIVE_UP_MS = 15_000;
/** Of a leecher that comes through a relay, at a skew. */
const ROUND_TRIPS = 16;

assertInside();
const { values } = parseArgs({
  options: {
    docs: { type: 'boolean' },
    input: { type: 'string', default: 'drop' },
    delay: { type: 'string' },
    skew: { type: 'string', default: '0' },
    only: { type: 'string', multiple: true },
  },
});

const only = values.only?.map((text) => text.split(',') as unknown as Pair);
const pairs = MATRIX_PAIRS.filter(
  ([a, b]) => only === undefined || only.some(([x, y]) => (x === a && y === b) || (x === b && y === a)),
);
const skewMs = Number(values.skew);
const delayMs: { delayMs?: number } = values.delay === undefined ? {} : { delayMs: Number(values.delay) };
await using lab = await NatLab.make({
  sites: sitesOfMatrix(MATRIX_KINDS, skewMs),
  publics: OPEN_HOSTS,
  input: values.input as Unsolicited,
  ...delayMs,
});
const open = await MatrixOpenWorld.make(lab);
const results: PairResult[] = [];
try {
  for (const pair of pairs) {
    const result = await tryPair(pair, {
      ...{ lab, open, skewMs, kinds: MATRIX_KINDS },
      giveUpMs: GIVE_UP_MS + ROUND_TRIPS * skewMs,
    });
    results.push(result);
    const { rung = 'none', firstRung = rung, transport = '', firstByteMs = '' } = result;
    const first = firstRung === rung ? '' : ` (${firstRung} at first)`;
    console.log(
      `${pair[0].padEnd(16)} ${pair[1].padEnd(16)} ${rung.padEnd(8)} ${transport.padEnd(8)} ${firstByteMs}${first}`,
    );
  }
  console.log(JSON.stringify(await lab.leaks()));
} finally {
  open.remove();
}
const header = ['leecher \\ seed', ...MATRIX_KINDS];
const rows = matrixRows(results);
const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)));
for (const row of [header, ...rows])
  console.log(
    row
      .map((text, i) => text.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
console.log(summaryOf(results));
if (values.docs === true) {
  if (only !== undefined) throw new Error('--docs is about all pairs: leave --only out');
  const setting = { input: values.input, skewMs, delayMs: delayMs.delayMs };
  const text = readFileSync(DOCS, 'utf8');
  const changed = isPlain(setting)
    ? replaceBetween(text, 'matrix', () => `${table(header, rows)}\n\n${summaryOf(results)}`)
    : replaceBetween(text, 'matrix: settings', (before) => withSetting(before, setting, results));
  writeFileSync(DOCS, changed);
}
