// What is said of a run as a whole: its row in the dataset, its header file, and the end of its stream, which say the same.
import { geoColumns } from '../../dataset/io/address-book.ts';
import { writeHeader } from '../../dataset/io/header-file.ts';
import type { DatasetStore } from '../../dataset/io/store.ts';
import { ENRICHMENT_TABLE, SUMMARY_TABLE, type SummaryRow } from '../../dataset/more-tables.ts';
import { RUN_TABLE, type RunRow } from '../../dataset/run-table.ts';
import type { CrawlSetup } from './crawl-setup.ts';

export class RunRecord {
  readonly #setup: Pick<CrawlSetup, 'directory' | 'book' | 'jsonl'>;
  readonly #store: DatasetStore;
  #row: RunRow;

  constructor(setup: Pick<CrawlSetup, 'directory' | 'book' | 'jsonl'>, store: DatasetStore, row: RunRow) {
    this.#setup = setup;
    this.#store = store;
    this.#row = row;
  }

  get row(): RunRow {
    return this.#row;
  }

  /** @throws OperationError when the header cannot be written */
  save(changes: Partial<RunRow>): void {
    this.#row = { ...this.#row, ...changes };
    this.#store.put(RUN_TABLE, [this.#row]);
    writeHeader(this.#setup.directory, this.#row);
  }

  /** With databases of addresses: which, and where we are. @param external our own address as others see it */
  placeOf(external: string | undefined): Partial<RunRow> {
    const { book } = this.#setup;
    return book === undefined ? {} : geoColumns(book, external ?? null);
  }

  /** The stream ends with what is known only at the end. */
  endStream(summary: readonly SummaryRow[]): void {
    const { jsonl, book } = this.#setup;
    if (jsonl === undefined) return;
    if (book !== undefined)
      for (const row of this.#store.rows(ENRICHMENT_TABLE)) jsonl.put(ENRICHMENT_TABLE, [row]);
    jsonl.put(SUMMARY_TABLE, summary);
    jsonl.put(RUN_TABLE, [this.#row]);
  }
}
