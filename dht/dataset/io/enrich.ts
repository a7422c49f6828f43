// What databases say about the addresses of a run, into its enrichment table.
import { join } from 'node:path';
import { formatIp, parseIp } from '../../../core/base/endpoint.ts';
import { OperationError } from '../../../core/base/result.ts';
import { writeHeader } from '../../crawl/io/run-header.ts';
import { HEADER_FILE } from '../../crawl/io/run-parts.ts';
import { masked } from '../../crawl/opt-out.ts';
import { ENRICHMENT_TABLE, type EnrichmentRow } from '../more-tables.ts';
import { RUN_TABLE, type RunRow } from '../run-table.ts';
import type { AddressDatabase, AddressFacts } from './mmdb.ts';
import type { DatasetStore } from './store.ts';

export interface Enrichment {
  readonly header: RunRow;
  readonly addresses: number;
  /** Of which a database knew something. */
  readonly known: number;
  /** Of which it knew something about parts only, with `ip_privacy` prefix. */
  readonly ambiguous: number;
  readonly database: string;
  readonly date: string;
}

const BATCH = 1 << 14;

interface Looked {
  readonly facts: Partial<AddressFacts>;
  readonly prefixBits: number;
  readonly isAmbiguous: boolean;
}

/** What all databases together say; the first that knows a fact is believed. @param text `192.0.2.7` or `192.0.2.0/24` */
function look(databases: readonly AddressDatabase[], text: string): Looked | undefined {
  const [host, length] = text.split('/') as [string, string | undefined];
  const ip = parseIp(host);
  if (ip === undefined) return undefined;
  const needed = length === undefined ? ip.length * 8 : Number(length);
  let facts: Partial<AddressFacts> = {};
  let prefixBits = 0;
  let isAmbiguous = false;
  for (const database of databases) {
    const found = database.find(host);
    if (found === undefined) continue;
    // A database that splits the prefix says something about a part of it only: that is not kept.
    if (found.prefixBits > needed) {
      isAmbiguous = true;
      continue;
    }
    prefixBits = Math.max(prefixBits, found.prefixBits);
    facts = {
      asNumber: facts.asNumber ?? found.asNumber,
      organisation: facts.organisation ?? found.organisation,
      country: facts.country ?? found.country,
      isDatacentre: facts.isDatacentre ?? found.isDatacentre,
    };
  }
  return { facts, prefixBits, isAmbiguous };
}

function prefixOf(ip: string, bits: number): string | null {
  const bytes = parseIp(ip);
  return bytes === undefined || bits === 0 ? null : `${formatIp(masked(bytes, bits))}/${bits}`;
}

/** @throws OperationError `refused` when nothing can be looked up, or while the run is still written */
function mustBeLegible(header: RunRow): void {
  if (header.ip_privacy === 'hmac')
    throw new OperationError('refused', 'the addresses of this run are hashed: no database has them', {
      hint: 'Crawl with --ip-privacy prefix (or raw), then enrich; tt cannot look hashed addresses up, and does not keep the originals.',
    });
  if (header.state === 'running')
    throw new OperationError('refused', 'this run has not ended: its folder is still written to', {
      hint: 'Wait for its end; was it killed, `tt dht crawl --resume` ends it.',
    });
}

/**
 * Replaces the enrichment table, and fills the columns about databases and vantage point of the header.
 * @throws OperationError `refused` or `disk`
 */
export function enrichRun(
  store: DatasetStore,
  directory: string,
  header: RunRow,
  databases: readonly AddressDatabase[],
): Enrichment {
  mustBeLegible(header);
  const database = databases.map(({ name }) => name).join(' + ');
  // The oldest: nothing here is younger than the date says.
  const date = databases.map((each) => each.date).sort()[0] as string;
  const isRaw = header.ip_privacy === 'raw';
  const addresses = store.query<{ ip: string }>(
    'SELECT DISTINCT ip FROM (SELECT ip FROM visit UNION SELECT ip FROM session) ORDER BY ip',
  );
  let known = 0;
  let ambiguous = 0;
  store.execute('DELETE FROM enrichment');
  let batch: EnrichmentRow[] = [];
  const flush = (): void => {
    store.put(ENRICHMENT_TABLE, batch);
    batch = [];
  };
  for (const { ip } of addresses) {
    const looked = look(databases, ip);
    if (looked === undefined) continue;
    const { facts, prefixBits, isAmbiguous } = looked;
    if (isAmbiguous) ambiguous++;
    if (facts.asNumber !== undefined || facts.country !== undefined) known++;
    batch.push({
      run_id: header.run_id,
      ip,
      as_number: facts.asNumber ?? null,
      as_organisation: facts.organisation ?? null,
      country: facts.country ?? null,
      prefix: isRaw ? prefixOf(ip, prefixBits) : null,
      is_datacentre: facts.isDatacentre ?? null,
      database,
      database_date: date,
    });
    if (batch.length >= BATCH) flush();
  }
  flush();
  const vantage = header.vantage_external === null ? undefined : look(databases, header.vantage_external);
  const enriched: RunRow = {
    ...header,
    geo_database: database,
    geo_database_date: date,
    vantage_as: vantage?.facts.asNumber ?? header.vantage_as,
    vantage_country: vantage?.facts.country ?? header.vantage_country,
  };
  store.put(RUN_TABLE, [enriched]);
  writeHeader(join(directory, HEADER_FILE), enriched);
  return { header: enriched, addresses: addresses.length, known, ambiguous, database, date };
}
