// Who of one run is in another: counted by SQLite over both files, without reading either into memory.
import { OperationError } from '../../../core/base/result.ts';
import type { DatasetStore } from '../../dataset/io/store.ts';
import type { RunRow } from '../../dataset/run-table.ts';
import type { Retention } from '../comparison.ts';

export interface StoredRun {
  readonly label: string;
  readonly run: RunRow;
  readonly store: DatasetStore;
}

const VERIFIED = "pass = 1 AND is_in_zone = 1 AND outcome IN ('ok', 'stalled_late')";
const HOUR_MS = 3_600_000;

function startMs({ run }: StoredRun): number {
  return Date.parse(run.started_utc);
}

/** Why nodes of the two cannot be told to be the same. */
function obstacle(one: RunRow, other: RunRow): string | undefined {
  if (one.family !== other.family) return 'one is of IPv4, the other of IPv6';
  if (one.mode === 'monitor' || other.mode === 'monitor') return 'a monitor has sessions, no visits';
  if (one.ip_privacy !== other.ip_privacy) return 'their addresses are hidden in different ways';
  if (one.ip_privacy === 'hmac' && one.ip_key_id !== other.ip_key_id)
    return 'their addresses are hashed with different keys';
  const bits = Math.min(one.zone_bits, other.zone_bits);
  const shared = (BigInt(`0x${one.zone_prefix}`) ^ BigInt(`0x${other.zone_prefix}`)) >> BigInt(160 - bits);
  return shared === 0n ? undefined : 'their zones have no id in common';
}

/** First and last id of the narrower zone, as text. */
function rangeOf(one: RunRow, other: RunRow): readonly [string, string] {
  const { zone_prefix: prefix, zone_bits: bits } = one.zone_bits >= other.zone_bits ? one : other;
  const last = BigInt(`0x${prefix}`) | ((1n << BigInt(160 - bits)) - 1n);
  return [prefix, last.toString(16).padStart(40, '0')];
}

/** @param earlier and @param later by their starts @throws OperationError `disk` when the other file cannot be read */
function between(earlier: StoredRun, later: StoredRun): Retention {
  // Who is not there may not have been asked.
  const isCut = later.run.state !== 'complete';
  const reason =
    obstacle(earlier.run, later.run) ??
    (isCut ? 'the later run was cut: it has not asked everybody' : undefined);
  const hours = (startMs(later) - startMs(earlier)) / HOUR_MS;
  const pair = { from: earlier.label, to: later.label, hours, reason };
  if (reason !== undefined) return { ...pair, before: 0, stayed: 0, sameId: 0 };
  const { store } = earlier;
  try {
    store.execute('ATTACH DATABASE ? AS later', later.store.path);
  } catch (error) {
    throw new OperationError('disk', `cannot read ${later.store.path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  try {
    const range = rangeOf(earlier.run, later.run);
    const nodes = (columns: string, schema: string): string =>
      `SELECT DISTINCT ${columns} FROM ${schema}.visit WHERE ${VERIFIED} AND id_observed BETWEEN '${range[0]}' AND '${range[1]}'`;
    const count = (sql: string): number =>
      store.query<{ n: number }>(`SELECT count(*) AS n FROM (${sql})`)[0]?.n ?? 0;
    const whole = 'id_observed, ip, port';
    return {
      ...pair,
      before: count(nodes(whole, 'main')),
      stayed: count(`${nodes(whole, 'main')} INTERSECT ${nodes(whole, 'later')}`),
      sameId: count(
        `SELECT * FROM (${nodes(whole, 'main')}) WHERE id_observed IN (${nodes('id_observed', 'later')})`,
      ),
    };
  } finally {
    store.execute('DETACH DATABASE later');
  }
}

/** Every pair of runs, the earlier first. */
export function retentionOf(runs: readonly StoredRun[]): Retention[] {
  const ordered = [...runs].sort((x, y) => startMs(x) - startMs(y));
  return ordered.flatMap((earlier, i) => ordered.slice(i + 1).map((later) => between(earlier, later)));
}
