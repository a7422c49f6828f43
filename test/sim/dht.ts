// `npm run sim -- dht [scenario ...] [--nodes N] [--seed S] [--effort X] [--json | --docs FILE]`: the DHT node's own code in
// simulated networks. `--docs` writes the tables into the generated parts of a document.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { formatMarkdown, formatText, type SimReport } from '../../dht/sim/report.ts';
import { DHT_SCENARIOS } from '../../dht/sim/scenarios.ts';

/** The experiment that measures memory. */
const GROWS = 'scale';

/** @returns the exit code */
export function simulateDht(args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      nodes: { type: 'string' },
      seed: { type: 'string', default: '1' },
      effort: { type: 'string', default: '1' },
      json: { type: 'boolean' },
      docs: { type: 'string' },
    },
  });
  const names = DHT_SCENARIOS.map(({ name }) => name);
  const unknown = positionals.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    console.error(`unknown scenario ${unknown.join(', ')}; there are: ${names.join(', ')}`);
    return 2;
  }
  const seed = Number(values.seed);
  const reports: SimReport[] = [];
  const wanted = DHT_SCENARIOS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  // What a node takes is what the process grows by: counted before others have grown it.
  wanted.sort((a, b) => Number(b.name === GROWS) - Number(a.name === GROWS));
  for (const scenario of wanted) {
    const startedAtMs = performance.now();
    const tables = scenario.run({
      seed,
      nodes: values.nodes === undefined ? undefined : Number(values.nodes),
      effort: Number(values.effort),
      wallMs: () => performance.now(),
      memoryBytes: () => process.memoryUsage.rss(),
    });
    reports.push({ scenario: scenario.name, seed, tables });
    if (values.json) continue;
    const tookSeconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
    console.log(`\n${scenario.name}: ${scenario.title} (seed ${seed}, ${tookSeconds} s)`);
    for (const table of tables) console.log(`\n${formatText(table)}`);
  }
  if (values.json) console.log(JSON.stringify(reports, null, 2));
  if (values.docs !== undefined) writeParts(values.docs, reports);
  return 0;
}

/** Replaces what stands between `<!-- sim: NAME -->` and `<!-- end: NAME -->`. */
function writeParts(path: string, reports: readonly SimReport[]): void {
  let text = readFileSync(path, 'utf8');
  for (const { scenario, seed, tables } of reports) {
    const start = `<!-- sim: ${scenario} -->`;
    const from = text.indexOf(start);
    const to = text.indexOf(`<!-- end: ${scenario} -->`);
    if (from < 0 || to < from) {
      console.error(`${path} has no part for ${scenario}: left out`);
      continue;
    }
    const body = tables.map(formatMarkdown).join('\n\n');
    text = `${text.slice(0, from + start.length)}\nSeed ${seed}.\n\n${body}\n\n${text.slice(to)}`;
  }
  writeFileSync(path, text);
}
