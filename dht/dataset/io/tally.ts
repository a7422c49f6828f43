// What is counted of the visits of a run, by SQLite: it sorts on disk what does not fit into memory, and a run may have ten million.

import type { DatasetStore } from './store.ts';

/** Errors and nonsense come from somebody who is there. */
const HEARD =
  "outcome IN ('ok', 'stalled_late', 'id_mismatch', 'port_mismatch', 'error_201', 'error_202', 'error_203', 'error_204', 'error_other', 'bad_bencode')";
export const VERIFIED = "outcome IN ('ok', 'stalled_late')";
export const ANSWERED = "outcome IN ('ok', 'stalled_late', 'id_mismatch', 'port_mismatch')";
const TRAPS = "SELECT DISTINCT net FROM visit WHERE outcome = 'trapped'";

/** Nodes of subnets that were set aside count no more. Most runs have none, and need not look at every row for them again. */
export function honestIn(store: DatasetStore): string {
  return store.query(`${TRAPS} LIMIT 1`).length === 0 ? 'TRUE' : `net NOT IN (${TRAPS})`;
}

const QUANTILES = [0.1, 0.25, 0.5, 0.75, 0.9, 0.99];
const FINEST_BITS = 6;
const UNIFORMITY_BINS = 1 << FINEST_BITS;
const ID_DIGITS = 40;
/** Digits that hold the finest bits wherever they begin within the first. */
const HEAD_DIGITS = 3;
const DIGIT_BITS = 4;

/**
 * Who is listed under an id of the zone. `is_in_zone` goes by the id that somebody answered with, where there is one: who was listed
 * here and is somebody else now is in no zone by that.
 */
export function claimedIn(prefix: string, bits: number): string {
  if (bits === 0) return 'id_claimed IS NOT NULL';
  const last = BigInt(`0x${prefix}`) + (1n << BigInt(ID_DIGITS * DIGIT_BITS - bits)) - 1n;
  return `(id_claimed >= '${prefix}' AND id_claimed <= '${last.toString(16).padStart(ID_DIGITS, '0')}')`;
}

export interface NodeCounts {
  /** Listed under an id of the zone and asked; of those, who answered anything at all, and who answered with an id. */
  readonly listed: number;
  readonly heard: number;
  readonly named: number;
  /** Of the latter: with another id than the one they are listed under. */
  readonly otherId: number;
  /** Answered with an id of the zone; with the one they are listed under, and in no trap. */
  readonly answering: number;
  readonly verified: number;
  readonly readOnly: number;
  readonly bep42Valid: number;
  readonly bep42Known: number;
}

/** Nodes of the first pass, in one look at all its visits: topology mode has several of a node. @param honest from `honestIn` @param claimed from `claimedIn` */
export function countNodes(store: DatasetStore, honest: string, claimed: string): NodeCounts {
  const any = (name: string, condition: string): string => `max(coalesce(${condition}, 0)) AS ${name}`;
  const facts = [
    any('l', `${claimed} AND tries > 0`),
    any('h', HEARD),
    any('a', ANSWERED),
    any('m', "outcome = 'id_mismatch'"),
    any('za', `is_in_zone AND ${ANSWERED}`),
    any('zv', `is_in_zone AND ${VERIFIED} AND ${honest}`),
    any('zr', 'is_in_zone AND is_read_only'),
    any('zb', "is_in_zone AND bep42 = 'valid'"),
    any('zk', "is_in_zone AND bep42 IN ('valid', 'invalid')"),
  ];
  const [row] = store.query<{ [Name in keyof NodeCounts]: number | null }>(
    `SELECT sum(l) AS listed, sum(l AND h) AS heard, sum(l AND a) AS named, sum(l AND m) AS otherId,
     sum(za) AS answering, sum(zv) AS verified, sum(zr) AS readOnly, sum(zb) AS bep42Valid, sum(zk) AS bep42Known
     FROM (SELECT ${facts.join(', ')} FROM visit WHERE pass = 1 GROUP BY node)`,
  );
  return {
    listed: row?.listed ?? 0,
    heard: row?.heard ?? 0,
    named: row?.named ?? 0,
    answering: row?.answering ?? 0,
    verified: row?.verified ?? 0,
    otherId: row?.otherId ?? 0,
    readOnly: row?.readOnly ?? 0,
    bep42Valid: row?.bep42Valid ?? 0,
    bep42Known: row?.bep42Known ?? 0,
  };
}

/** @param select of one column `v` */
export function quantiles(
  store: DatasetStore,
  select: string,
  onQuantile: (item: string, value: number) => void,
): void {
  const total = store.query<{ n: number }>(`SELECT count(*) AS n FROM (${select})`)[0]?.n ?? 0;
  let below = 0;
  let next = 0;
  for (const { v, n } of store.each<{ v: number; n: number }>(
    `SELECT v, count(*) AS n FROM (${select}) GROUP BY v ORDER BY v`,
  )) {
    below += n;
    for (; next < QUANTILES.length; next++) {
      const share = QUANTILES[next] as number;
      if (Math.min(total - 1, Math.floor(share * total)) >= below) break;
      onQuantile(`${share * 100} %`, v);
    }
    if (next === QUANTILES.length) return;
  }
}

/** Verified ids by equal parts of the zone. */
export function idBins(store: DatasetStore, zoneBits: number): number[] {
  const digit = Math.min(ID_DIGITS - HEAD_DIGITS, Math.floor(zoneBits / DIGIT_BITS));
  // Of so many bits the finest are those behind the prefix; at the far end of the id there are fewer.
  const shift = HEAD_DIGITS * DIGIT_BITS - (zoneBits - digit * DIGIT_BITS) - FINEST_BITS;
  const finest = new Array<number>(UNIFORMITY_BINS).fill(0);
  let ids = 0;
  for (const { head, n } of store.each<{ head: string; n: number }>(
    `SELECT substr(id, ${digit + 1}, ${HEAD_DIGITS}) AS head, count(*) AS n FROM (
       SELECT DISTINCT id_observed AS id FROM visit WHERE pass = 1 AND is_in_zone = 1 AND ${VERIFIED} AND ${honestIn(store)}
     ) GROUP BY head`,
  )) {
    const value = Number.parseInt(head, 16);
    const bin = (shift >= 0 ? value >>> shift : value << -shift) & (UNIFORMITY_BINS - 1);
    finest[bin] = (finest[bin] as number) + n;
    ids += n;
  }
  // At least eight in each bin, so that the statistic means something.
  const count = Math.min(UNIFORMITY_BINS, 2 ** Math.max(0, Math.floor(Math.log2(ids / 8))));
  const width = UNIFORMITY_BINS / count;
  return Array.from({ length: count }, (_, bin) =>
    finest.slice(bin * width, (bin + 1) * width).reduce((sum, each) => sum + each, 0),
  );
}
