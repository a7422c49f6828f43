// Where the nodes of a pass are: looked up while the addresses are still at hand, stored under what the dataset shows of them.
import type { AddressBook } from '../../dataset/io/address-book.ts';
import type { EnrichmentRow } from '../../dataset/more-tables.ts';
import { ANSWERED, type Outcome, type VisitRow } from '../../dataset/visit-table.ts';

export interface PlaceOptions {
  readonly book: AddressBook;
  readonly ipPrivacy: string;
  /** Topology mode asks a node several times: it counts once. */
  readonly isTopology: boolean;
}

export interface PlaceCounts {
  /** Answering nodes of the zone by ISO 3166 code, and by AS as `AS64500 Example`. */
  readonly countries: ReadonlyMap<string, number>;
  readonly systems: ReadonlyMap<string, number>;
  /** Answering nodes of the zone looked up, whatever came of it. */
  readonly looked: number;
}

export class Places implements PlaceCounts {
  readonly countries = new Map<string, number>();
  readonly systems = new Map<string, number>();
  looked = 0;
  readonly #options: PlaceOptions;
  readonly #counted = new Set<number>();
  #rows = new Map<string, EnrichmentRow>();

  constructor(options: PlaceOptions) {
    this.#options = options;
  }

  /** @param row a visit with its address as it is, @param shown what the dataset has instead */
  take(row: VisitRow, shown: string): void {
    const { book, ipPrivacy, isTopology } = this.#options;
    // What is shown as a prefix is looked up as one: the row holds for all of it.
    const text = ipPrivacy === 'prefix' ? row.net : row.ip;
    const found = this.#rows.get(shown) ?? book.row(row.run_id, text, shown, ipPrivacy);
    if (found === undefined) return;
    this.#rows.set(shown, found);
    if (!row.is_in_zone || !ANSWERED.includes(row.outcome as Outcome)) return;
    if (isTopology) {
      if (this.#counted.has(row.node)) return;
      this.#counted.add(row.node);
    }
    this.looked++;
    if (found.country !== null) add(this.countries, found.country);
    if (found.as_number !== null)
      add(
        this.systems,
        `AS${found.as_number}${found.as_organisation === null ? '' : ` ${found.as_organisation}`}`,
      );
  }

  /** Rows since the last time. */
  drain(): readonly EnrichmentRow[] {
    const rows = [...this.#rows.values()];
    this.#rows = new Map();
    return rows;
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
