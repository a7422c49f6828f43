// A run as files that other programs read: one for each table, made beside and renamed, so that a file with its name is whole.
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperationError } from '../../../core/base/result.ts';
import type { Table } from '../columns.ts';
import { csvHeader, csvLine, type ExactRow, jsonLine } from '../export-text.ts';
import { ParquetFile } from './parquet.ts';
import type { DatasetStore } from './store.ts';

export const EXPORT_FORMATS = ['parquet', 'csv', 'jsonl'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface ExportedTable {
  readonly table: string;
  readonly path: string;
  readonly rows: number;
}

export interface ExportOptions {
  readonly format: ExportFormat;
  readonly tables: readonly Table[];
  readonly directory: string;
  /** Name and version of the program, kept in Parquet files. */
  readonly createdBy: string;
  readonly signal: AbortSignal;
}

/** Rows at a time: SQLite's objects are large, some 4 KiB each. */
const BATCH = 1 << 10;

interface TableFile {
  put(rows: readonly ExactRow[]): void | Promise<void>;
  close(): void | Promise<void>;
}

/** Lines of a text format: what makes text of rows. */
export function textOf(format: 'csv' | 'jsonl', table: Table): (rows: readonly ExactRow[]) => string {
  return (rows) =>
    rows.map((row) => (format === 'csv' ? csvLine(table, row) : jsonLine(table, row))).join('');
}

function openTable(path: string, table: Table, { format, createdBy }: ExportOptions): TableFile {
  if (format === 'parquet') return new ParquetFile(path, table, createdBy);
  const file = openSync(path, 'w');
  const lines = textOf(format, table);
  // Not writeSync: on a disk that is nearly full it writes a part and says so to nobody.
  if (format === 'csv') writeFileSync(file, csvHeader(table));
  return { put: (rows) => writeFileSync(file, lines(rows)), close: () => closeSync(file) };
}

/** Rows in batches; between two of them the loop turns, so that a signal is heard. */
export async function* rowBatches(
  store: DatasetStore,
  table: Table,
  signal: AbortSignal,
): AsyncGenerator<readonly ExactRow[]> {
  let batch: ExactRow[] = [];
  for (const row of store.exactRows(table)) {
    batch.push(row);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
    await new Promise((resolve) => setImmediate(resolve));
    if (signal.aborted) return;
  }
  if (batch.length > 0) yield batch;
}

/**
 * @returns what was written; fewer tables than asked for when the signal came
 * @throws OperationError `disk`
 */
export async function exportTables(store: DatasetStore, options: ExportOptions): Promise<ExportedTable[]> {
  const { tables, directory, format, signal } = options;
  const done: ExportedTable[] = [];
  try {
    mkdirSync(directory, { recursive: true });
    for (const table of tables) {
      if (signal.aborted) break;
      const path = join(directory, `${table.name}.${format}`);
      const rows = await exportTable(store, table, `${path}.part`, options);
      if (signal.aborted) rmSync(`${path}.part`, { force: true });
      else {
        renameSync(`${path}.part`, path);
        done.push({ table: table.name, path, rows });
      }
    }
  } catch (error) {
    if (error instanceof OperationError) throw error;
    throw new OperationError('disk', `cannot export to ${directory}: ${(error as Error).message}`, {
      hint: 'Name another folder with --out.',
      cause: error,
    });
  }
  return done;
}

async function exportTable(
  store: DatasetStore,
  table: Table,
  path: string,
  options: ExportOptions,
): Promise<number> {
  const file = openTable(path, table, options);
  let rows = 0;
  try {
    for await (const batch of rowBatches(store, table, options.signal)) {
      await file.put(batch);
      rows += batch.length;
    }
  } catch (error) {
    // What is half there is of no use; that it cannot be ended either is not the news.
    await (async () => file.close())().catch(() => {});
    rmSync(path, { force: true });
    throw error;
  }
  await file.close();
  return rows;
}
