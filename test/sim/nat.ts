// `npm run sim -- nat [--seed S] [--swarms N] [--json | --docs FILE]`: the tables of `tt lab nat`, and how they get into docs/nat.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { natTables, PEERS_PER_SWARM } from '../../core/nat/sim/tables.ts';
import { formatMarkdown, formatText } from '../../dht/sim/report.ts';

/** @returns the exit code */
export function simulateNat(args: readonly string[]): number {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '1' },
      swarms: { type: 'string', default: '100' },
      json: { type: 'boolean' },
      docs: { type: 'string' },
    },
  });
  const seed = Number(values.seed);
  const swarms = Number(values.swarms);
  const tables = natTables(seed, swarms);
  if (values.json) console.log(JSON.stringify({ scenario: 'nat', seed, tables }, null, 2));
  else for (const table of tables) console.log(`\n${formatText(table)}`);
  if (values.docs !== undefined) {
    const body = tables.map(formatMarkdown).join('\n\n');
    writePart(
      values.docs,
      `Seed ${seed}, ${swarms * PEERS_PER_SWARM} peers in swarms of ${PEERS_PER_SWARM}.\n\n${body}`,
    );
  }
  return 0;
}

/** Replaces what stands between `<!-- sim: nat -->` and `<!-- end: nat -->`. */
function writePart(path: string, body: string): void {
  const text = readFileSync(path, 'utf8');
  const start = '<!-- sim: nat -->';
  const from = text.indexOf(start);
  const to = text.indexOf('<!-- end: nat -->');
  if (from < 0 || to < from) throw new Error(`${path} has no part for this`);
  writeFileSync(path, `${text.slice(0, from + start.length)}\n${body}\n\n${text.slice(to)}`);
}
