// Parquet files of a dataset: the only file that knows hyparquet-writer. One row group at a time is held in memory.
import { fileWriter, ParquetWriter } from 'hyparquet-writer';
import type { Column, Table } from '../columns.ts';
import type { ExactRow, ExactValue } from '../export-text.ts';

/** Of some 50 columns: about 50 MB while it is written. */
export const ROW_GROUP = 1 << 15;

const PARQUET_TYPES = {
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  integer: { type: 'INT64' },
  real: { type: 'DOUBLE' },
  boolean: { type: 'BOOLEAN' },
  json: { type: 'BYTE_ARRAY', converted_type: 'JSON' },
} as const;

function toParquet({ type }: Column, value: ExactValue): unknown {
  if (value === null) return null;
  if (type === 'integer') return BigInt(value as bigint);
  if (type === 'boolean') return Number(value) !== 0;
  if (type === 'real') return Number(value);
  return type === 'json' ? JSON.parse(value as string) : value;
}

export class ParquetFile {
  readonly #columns: readonly (readonly [string, Column])[];
  readonly #writer: ParquetWriter;

  /** @param createdBy name and version of the program @throws the file system's error */
  constructor(path: string, table: Table, createdBy: string) {
    this.#columns = Object.entries(table.columns);
    const columns = this.#columns.map(([name, { type, isNullable }]) => ({
      name,
      repetition_type: isNullable === true ? ('OPTIONAL' as const) : ('REQUIRED' as const),
      ...PARQUET_TYPES[type],
    }));
    this.#writer = new ParquetWriter({
      writer: fileWriter(path),
      schema: [{ name: table.name, num_children: columns.length }, ...columns],
      createdBy,
    });
  }

  /** One row group. */
  async put(rows: readonly ExactRow[]): Promise<void> {
    await this.#writer.write({
      columnData: this.#columns.map(([name, column]) => ({
        name,
        data: rows.map((row) => toParquet(column, row[name] ?? null)),
      })),
      rowGroupSize: Math.max(1, rows.length),
    });
  }

  async close(): Promise<void> {
    await this.#writer.finish();
  }
}
