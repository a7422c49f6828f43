// Visits as rows of the dataset. What an address may look like there is decided by whoever hands in `AddressText`.
import { toHex } from '../../core/base/bytes.ts';
import type { DhtAddress } from '../base/address.ts';
import type { Id160 } from '../base/node-id.ts';
import type { EdgeRow, SampleRow } from '../dataset/more-tables.ts';
import type { VisitRow } from '../dataset/visit-table.ts';
import type { Visit } from './visit.ts';

/** Addresses as the dataset shows them. */
export interface AddressText {
  ip(address: DhtAddress): string;
  /** Of its /24 or /48. */
  net(address: DhtAddress): string;
}

export interface RowContext {
  readonly runId: string;
  readonly pass: number;
  readonly text: AddressText;
  /** Our address as most nodes see it so far; undefined before anybody said. */
  readonly external: DhtAddress | undefined;
}

function hex(id: Id160 | undefined): string | null {
  return id === undefined ? null : id.hex;
}

function micros(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 1000);
}

export function visitRow(visit: Visit, { runId, pass, text, external }: RowContext): VisitRow {
  const { reply, address, idClaimed, target } = visit;
  const sentUs = micros(visit.sentMs);
  const receivedUs = micros(visit.receivedMs);
  return {
    run_id: runId,
    pass,
    number: visit.number,
    node: visit.node,
    id_claimed: hex(idClaimed),
    id_observed: hex(visit.idObserved),
    ip: text.ip(address),
    net: text.net(address),
    port: address.port,
    family: address.family,
    is_in_zone: visit.isInZone,
    source: visit.source,
    first_referrer: visit.firstReferrer ?? null,
    referrer_count: visit.referrerCount,
    queued_us: visit.queuedMs * 1000,
    sent_us: sentUs,
    received_us: receivedUs,
    tries: visit.tries,
    answered_try: visit.answeredTry ?? null,
    round_trip_us: sentUs === null || receivedUs === null ? null : receivedUs - sentUs,
    outcome: visit.outcome,
    query: visit.method,
    target: hex(target),
    probe_bits: target === undefined || idClaimed === undefined ? null : target.sharedBits(idClaimed),
    version_raw: reply?.versionHex ?? null,
    client: reply?.client ?? null,
    is_read_only: reply?.isReadOnly ?? null,
    echo: echoText(reply?.echo, external),
    supports_32: reply?.supports32 ?? null,
    supports_33: reply?.supports33 ?? null,
    supports_42: reply?.supports42 ?? null,
    supports_44: null,
    supports_51: reply?.supports51 ?? null,
    bep42: reply?.bep42 ?? null,
    nodes_count: reply?.listings.length ?? null,
    nodes_other_family: reply?.nodesOtherFamily ?? null,
    nodes_bogon: reply?.nodesBogon ?? null,
    nodes_duplicate_ip: reply?.nodesDuplicateIp ?? null,
    nodes_in_zone: reply?.nodesInZone ?? null,
    nodes_new: reply?.nodesNew ?? null,
    token_bytes: reply?.tokenBytes ?? null,
    value_count: reply?.valueCount ?? null,
    reply_bytes: reply?.bytes ?? null,
    unknown_keys: reply?.unknownKeys ?? null,
  };
}

function echoText(
  echo: DhtAddress | 'malformed' | undefined,
  external: DhtAddress | undefined,
): string | null {
  if (echo === undefined || echo === 'malformed') return echo ?? null;
  return external === undefined || echo.sameHost(external) ? 'same' : 'other';
}

/** Entries of a reply; only a topology crawl keeps them. */
export function edgeRows(visit: Visit, { runId, pass, text }: RowContext): EdgeRow[] {
  const { reply, idObserved } = visit;
  if (reply === undefined || idObserved === undefined) return [];
  return reply.listings.map(({ id, address, node }, position) => ({
    run_id: runId,
    pass,
    visit: visit.number,
    position,
    neighbour_id: id.hex,
    neighbour_node: node < 0 ? null : node,
    ip: text.ip(address),
    port: address.port,
    shared_bits: id.sharedBits(idObserved),
  }));
}

/** @param keepsHashes info hashes are people's business: only on request */
export function sampleRows(visit: Visit, { runId, pass }: RowContext, keepsHashes: boolean): SampleRow[] {
  const samples = visit.reply?.samples;
  if (samples === undefined) return [];
  const key = { run_id: runId, pass, visit: visit.number };
  const none = { interval_s: null, stored: null, sample_count: null };
  const whole: SampleRow = {
    ...key,
    position: -1,
    interval_s: samples.intervalSeconds ?? null,
    stored: samples.stored ?? null,
    sample_count: samples.infoHashes.length,
    info_hash: null,
  };
  if (!keepsHashes) return [whole];
  return [
    whole,
    ...samples.infoHashes.map((hash, position) => ({ ...key, position, ...none, info_hash: toHex(hash) })),
  ];
}
