// Which share of all pairs of peers can connect, against the share of peers behind NATs, with and without each rung of the client's
// own ladder, as rows of plain cells. Pure.
import { CLIENTS, runSwarms, type SwarmResult } from './swarms.ts';

/** 64 and 95: what crawls and the wild showed. */
export const NAT_SHARES: readonly number[] = [0, 0.25, 0.5, 0.64, 0.8, 0.95, 1];
export const PEERS_PER_SWARM = 50;
const PAIRS_PER_SWARM = 100;

type Row = Readonly<Record<string, string | number>>;

export interface NatTable {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** One share of NATed peers: a row of each of the two tables. */
export interface NatRows {
  readonly connected: Row;
  readonly won: Row;
}

export function natRows(seed: number, swarms: number, natShare: number): NatRows {
  const size = { seed, swarms, peersPerSwarm: PEERS_PER_SWARM, pairsPerSwarm: PAIRS_PER_SWARM, natShare };
  const results = CLIENTS.map((client) => ({ client, result: runSwarms({ ...size, client }) }));
  const first = { 'behind NATs': percent(natShare, 1) };
  const shares = results.map(({ client, result }) => [client.name, percent(result.connected, result.pairs)]);
  const { pairs, byRung, medianMs, p95Ms } = (results.at(-1) as { result: SwarmResult }).result;
  return {
    connected: { ...first, ...Object.fromEntries(shares) },
    won: {
      ...first,
      direct: percent(byRung.direct, pairs),
      reverse: percent(byRung.reverse, pairs),
      punch: percent(byRung.punch, pairs),
      splice: percent(byRung.splice, pairs),
      'median, ms': medianMs,
      '95th, ms': p95Ms,
    },
  };
}

export function tablesOf(rows: readonly NatRows[]): NatTable[] {
  return [
    { title: 'Pairs that connect', rows: rows.map(({ connected }) => connected) },
    {
      title: 'The rung that won, with all rungs there, and the time to a stream',
      rows: rows.map(({ won }) => won),
    },
  ];
}

export function natTables(
  seed: number,
  swarms: number,
  natShares: readonly number[] = NAT_SHARES,
): NatTable[] {
  return tablesOf(natShares.map((natShare) => natRows(seed, swarms, natShare)));
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`;
}
