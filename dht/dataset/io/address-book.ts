// What databases say about an address, or about all addresses of a prefix: rows of the enrichment table, and columns of the header.
import { formatIp, parseIp } from '../../../core/base/endpoint.ts';
import { masked } from '../../crawl/opt-out.ts';
import type { EnrichmentRow } from '../more-tables.ts';
import type { RunRow } from '../run-table.ts';
import type { AddressDatabase, AddressFacts } from './mmdb.ts';

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

/** Several databases as one, of whom the first that knows a fact is believed. */
export class AddressBook {
  readonly #databases: readonly AddressDatabase[];
  /** Their names. */
  readonly name: string;
  /** The oldest: nothing here is younger than the date says. ISO 8601. */
  readonly date: string;

  /** @param databases at least one */
  constructor(databases: readonly AddressDatabase[]) {
    this.#databases = databases;
    this.name = databases.map(({ name }) => name).join(' + ');
    this.date = databases.map((each) => each.date).sort()[0] as string;
  }

  /** @param text `192.0.2.7`, or `192.0.2.0/24` for what holds for all of it @throws OperationError `disk` when one is damaged */
  look(text: string): Looked | undefined {
    return look(this.#databases, text);
  }

  /** @param text what is looked up, @param shown what the dataset has instead */
  row(runId: string, text: string, shown: string, privacy: string): EnrichmentRow | undefined {
    const looked = this.look(text);
    if (looked === undefined) return undefined;
    const { facts, prefixBits } = looked;
    return {
      run_id: runId,
      ip: shown,
      as_number: facts.asNumber ?? null,
      as_organisation: facts.organisation ?? null,
      country: facts.country ?? null,
      prefix: privacy === 'raw' ? prefixOf(text, prefixBits) : null,
      is_datacentre: facts.isDatacentre ?? null,
      database: this.name,
      database_date: this.date,
    };
  }
}

/** Of the header. @param vantage our own address, or the prefix of it; null when it is not known */
export function geoColumns(book: AddressBook, vantage: string | null): Partial<RunRow> {
  const facts = vantage === null ? undefined : book.look(vantage)?.facts;
  return {
    geo_database: book.name,
    geo_database_date: book.date,
    ...(facts?.asNumber === undefined ? {} : { vantage_as: facts.asNumber }),
    ...(facts?.country === undefined ? {} : { vantage_country: facts.country }),
  };
}
