// `npm run sim -- nat [--seed S] [--swarms N] [--json | --docs FILE]`: which share of all pairs of peers can connect, against the share
// of peers behind NATs, with and without each rung of the ladder. The ladder is the client's own.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { formatMarkdown, formatText, type Row, type SimTable } from '../../dht/sim/report.ts';
import { CLIENTS, runSwarms } from './nat/swarms.ts';

const NAT_SHARES = [0, 0.25, 0.5, 0.64, 0.8, 0.95, 1];
const PEERS_PER_SWARM = 50;
const PAIRS_PER_SWARM = 100;

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

export function natTables(seed: number, swarms: number): SimTable[] {
  const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;
  const connected: Row[] = [];
  const full: Row[] = [];
  for (const natShare of NAT_SHARES) {
    const results = CLIENTS.map((client) => {
      const size = { swarms, peersPerSwarm: PEERS_PER_SWARM, pairsPerSwarm: PAIRS_PER_SWARM };
      return { client, result: runSwarms({ seed, ...size, natShare, client }) };
    });
    const shares = results.map(({ client, result }) => [
      client.name,
      percent(result.connected, result.pairs),
    ]);
    connected.push({ 'behind NATs': percent(natShare, 1), ...Object.fromEntries(shares) });
    const last = (results.at(-1) as (typeof results)[number]).result;
    full.push({
      'behind NATs': percent(natShare, 1),
      direct: percent(last.byRung.direct, last.pairs),
      reverse: percent(last.byRung.reverse, last.pairs),
      punch: percent(last.byRung.punch, last.pairs),
      splice: percent(last.byRung.splice, last.pairs),
      'median, ms': last.medianMs,
      '95th, ms': last.p95Ms,
    });
  }
  return [
    { title: 'Pairs that connect', rows: connected },
    { title: 'The rung that won, with all rungs there, and the time to a stream', rows: full },
  ];
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
