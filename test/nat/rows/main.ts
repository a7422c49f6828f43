// `npm run test:nat -- rows [--docs] [vitest arguments]`: runs every test behind NATs and prints, row by row of the matrix, what it came to; with
// --docs into docs/nat.md, where rows that were not run (the arguments name files) keep what they have.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeTempDir } from '../../support/temp.ts';
import { assertInside } from '../requirements.ts';
import { MEASURED_VARIABLE, type Measured } from '../support/measured.ts';
import { type RowResult, rowsOf, rowTable } from './rows.ts';

const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));
const DOCS = join(PROJECT, 'docs/nat.md');
const [START, END] = ['<!-- rows -->', '<!-- end: rows -->'];
const LEAK_ROW = 18;

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

assertInside();
const given = process.argv.slice(2);
const writesDocs = given[0] === '--docs';
if (writesDocs) given.shift();
using dir = makeTempDir('tt-nat-rows-');
const [report, measurements] = [join(dir.path, 'report.json'), join(dir.path, 'measured.jsonl')];
const { status } = spawnSync(
  process.execPath,
  [
    ...['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.nat.config.ts'],
    ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...given],
  ],
  { cwd: PROJECT, stdio: 'inherit', env: { ...process.env, [MEASURED_VARIABLE]: measurements } },
);

const results = new Map<number, { passed: number; failed: number; texts: string[] }>();
const resultOf = (row: number): { passed: number; failed: number; texts: string[] } => {
  const known = results.get(row) ?? { passed: 0, failed: 0, texts: [] };
  results.set(row, known);
  return known;
};
const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
for (const { fullName, status: outcome, failureMessages } of testResults.flatMap(
  (file) => file.assertionResults,
)) {
  if (outcome !== 'passed' && outcome !== 'failed') continue;
  for (const row of rowsOf(fullName)) resultOf(row)[outcome]++;
  // Whatever else went wrong there.
  const hasLeaked = failureMessages?.some((message) => message.includes(`row ${LEAK_ROW}:`)) === true;
  resultOf(LEAK_ROW)[hasLeaked ? 'failed' : 'passed']++;
}
for (const line of existsSync(measurements) ? readFileSync(measurements, 'utf8').split('\n') : []) {
  if (line === '') continue;
  const { row, text } = JSON.parse(line) as Measured;
  resultOf(row).texts.push(text);
}
const text = readFileSync(DOCS, 'utf8');
const [from, to] = [text.indexOf(START), text.indexOf(END)];
if (from < 0 || to < from) throw new Error('docs/nat.md has no place for the rows');
const before = text.slice(from, to).split('\n');
// Of several runs that make up the whole, the longest speaks for the row that every test stands for.
const leakLine = before.find((line) => line.startsWith(`| ${LEAK_ROW} |`)) ?? '';
const already = Number(/(\d+) tests/.exec(leakLine)?.[1] ?? 0);
if (resultOf(LEAK_ROW).failed === 0 && resultOf(LEAK_ROW).passed < already) results.delete(LEAK_ROW);
const table = rowTable(results satisfies ReadonlyMap<number, RowResult>, before).join('\n');
process.stdout.write(`\n${table}\n`);
if (writesDocs) writeFileSync(DOCS, `${text.slice(0, from + START.length)}\n${table}\n${text.slice(to)}`);
process.exit(status ?? 1);
