// Parquet files of a dataset: the only file that knows hyparquet-writer. One row group at a time is held in memory.
import { fileWriter, ParquetWriter } from 'hyparquet-writer';
import type { Column, Table } from '../columns.ts';
import type { ExactRow, ExactValue } from '../export-text.ts';

/** Of some 50 columns: about 50 MB while it is written. */
const ROW_GROUP = 1 << 15;

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
  #values: unknown[][];
  #rows = 0;

  /** @param createdBy name and version of the program @throws the file system's error */
  constructor(path: string, table: Table, createdBy: string) {
    this.#columns = Object.entries(table.columns);
    this.#values = this.#columns.map(() => []);
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

  /** Kept by columns until a row group is full. */
  async put(rows: readonly ExactRow[]): Promise<void> {
    for (const row of rows) {
      for (const [i, [name, column]] of this.#columns.entries())
        (this.#values[i] as unknown[]).push(toParquet(column, row[name] ?? null));
    }
    this.#rows += rows.length;
    if (this.#rows >= ROW_GROUP) await this.#writeGroup();
  }

  async close(): Promise<void> {
    await this.#writeGroup();
    await this.#writer.finish();
  }

  async #writeGroup(): Promise<void> {
    await this.#writer.write({
      columnData: this.#columns.map(([name], i) => ({ name, data: this.#values[i] as unknown[] })),
      rowGroupSize: Math.max(1, this.#rows),
    });
    this.#values = this.#columns.map(() => []);
    this.#rows = 0;
  }
}
