// Databases of addresses in MaxMind's format (MMDB): the only file that knows mmdb-lib. What is in them differs by vendor; here
// MaxMind's, DB-IP's and IPinfo's names are understood.
import { readFileSync } from 'node:fs';
import { Reader } from 'mmdb-lib';
import { OperationError } from '../../../core/base/result.ts';

export interface AddressFacts {
  readonly asNumber: number | undefined;
  readonly organisation: string | undefined;
  /** ISO 3166-1 alpha-2. */
  readonly country: string | undefined;
  readonly isDatacentre: boolean | undefined;
  /** Leading bits of the address that the facts hold for. */
  readonly prefixBits: number;
}

type Fields = Readonly<Record<string, unknown>>;
const MAX_NAME = 200;

function field(record: Fields, ...path: readonly string[]): unknown {
  let at: unknown = record;
  for (const name of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Fields)[name];
  }
  return at;
}

function asNumberOf(record: Fields): number | undefined {
  const found =
    record['autonomous_system_number'] ??
    field(record, 'traits', 'autonomous_system_number') ??
    record['asn'];
  const number = typeof found === 'string' ? Number(found.replace(/^AS/i, '')) : found;
  return typeof number === 'number' && Number.isSafeInteger(number) && number > 0 ? number : undefined;
}

function organisationOf(record: Fields): string | undefined {
  const found =
    record['autonomous_system_organization'] ??
    field(record, 'traits', 'autonomous_system_organization') ??
    record['as_name'] ??
    record['name'];
  return typeof found === 'string' && found !== '' ? found.slice(0, MAX_NAME) : undefined;
}

function countryOf(record: Fields): string | undefined {
  const candidates = [
    field(record, 'country', 'iso_code'),
    record['country_code'],
    record['country'],
    field(record, 'registered_country', 'iso_code'),
  ];
  const code = candidates.find((each) => typeof each === 'string' && /^[A-Za-z]{2}$/.test(each));
  return code === undefined ? undefined : (code as string).toUpperCase();
}

function datacentreOf(record: Fields): boolean | undefined {
  const found =
    field(record, 'traits', 'is_hosting_provider') ?? record['is_hosting_provider'] ?? record['hosting'];
  return typeof found === 'boolean' ? found : undefined;
}

export class AddressDatabase {
  /** `GeoLite2-ASN` and the like. */
  readonly name: string;
  /** Build date, ISO 8601. */
  readonly date: string;
  readonly #path: string;
  readonly #reader: Reader<never>;
  readonly #holds6: boolean;

  private constructor(path: string, reader: Reader<never>) {
    this.#path = path;
    this.#reader = reader;
    this.#holds6 = reader.metadata.ipVersion === 6;
    this.name = reader.metadata.databaseType;
    this.date = reader.metadata.buildEpoch.toISOString();
  }

  /** @throws OperationError `disk` when it cannot be read or is no such database */
  static open(path: string): AddressDatabase {
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why =
        code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : message;
      throw new OperationError('disk', `cannot read the database ${path}: ${why}`, {
        ...(code === undefined ? {} : { code }),
        cause: error,
      });
    }
    try {
      return new AddressDatabase(path, new Reader<never>(bytes));
    } catch (error) {
      throw new OperationError('disk', `${path} is no MMDB database: ${(error as Error).message}`, {
        hint: 'Give the .mmdb file itself, unpacked.',
        cause: error,
      });
    }
  }

  /** @param ip an address as text @returns undefined when the database does not have it */
  find(ip: string): AddressFacts | undefined {
    const is6 = ip.includes(':');
    if (is6 && !this.#holds6) return undefined;
    try {
      const [record, length] = this.#reader.getWithPrefixLength(ip) as [Fields | null, number];
      if (record === null || typeof record !== 'object') return undefined;
      return {
        asNumber: asNumberOf(record),
        organisation: organisationOf(record),
        country: countryOf(record),
        isDatacentre: datacentreOf(record),
        prefixBits: length,
      };
    } catch (error) {
      throw new OperationError('disk', `${this.#path} is damaged: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}
