// What databases say about the addresses of a run that has ended, into its enrichment table, from what the dataset shows of them.
import { OperationError } from '../../../core/base/result.ts';
import { ENRICHMENT_TABLE, type EnrichmentRow } from '../more-tables.ts';
import { RUN_TABLE, type RunRow } from '../run-table.ts';
import { AddressBook, geoColumns } from './address-book.ts';
import { writeHeader } from './header-file.ts';
import type { AddressDatabase } from './mmdb.ts';
import type { DatasetStore } from './store.ts';
import { storePlaces } from './summarise.ts';

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

/** @throws OperationError `refused` when nothing can be looked up, or while the run is still written */
function mustBeLegible(header: RunRow): void {
  if (header.ip_privacy === 'hmac')
    throw new OperationError('refused', 'the addresses of this run are hashed: no database has them', {
      hint: 'Crawl with --mmdb FILE, which looks them up before they are hashed; or with --ip-privacy prefix (or raw), then enrich.',
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
  const book = new AddressBook(databases);
  // A damaged database shows on the way: what was known before is then still there.
  const { enriched, ...counts } = store.atomically(() => {
    const counted = replaceRows(store, header, book);
    const changed: RunRow = { ...header, ...geoColumns(book, header.vantage_external) };
    storePlaces(store, header.run_id);
    store.put(RUN_TABLE, [changed]);
    return { ...counted, enriched: changed };
  });
  writeHeader(directory, enriched);
  return { header: enriched, ...counts, database: book.name, date: book.date };
}

function replaceRows(
  store: DatasetStore,
  header: RunRow,
  book: AddressBook,
): Pick<Enrichment, 'addresses' | 'known' | 'ambiguous'> {
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
    const row = book.row(header.run_id, ip, ip, header.ip_privacy);
    if (row === undefined) continue;
    if (book.look(ip)?.isAmbiguous === true) ambiguous++;
    if (row.as_number !== null || row.country !== null) known++;
    batch.push(row);
    if (batch.length >= BATCH) flush();
  }
  flush();
  return { addresses: addresses.length, known, ambiguous };
}
