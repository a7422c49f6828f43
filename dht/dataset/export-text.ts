// Rows of a dataset as lines of CSV (RFC 4180) and of JSON. Integers are written digit by digit: none goes through a float. Pure.
import type { Column, Table } from './columns.ts';

/** A value as SQLite gives it, integers as bigint. */
export type ExactValue = null | number | bigint | string | Uint8Array;
export type ExactRow = Readonly<Record<string, ExactValue>>;

/** Nothing at all is an empty value, an empty text is `""`: the two differ. */
function csvValue(value: ExactValue): string {
  if (value === null) return '';
  if (typeof value !== 'string') return String(value);
  return value === '' || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Names of the columns, with CRLF. */
export function csvHeader(table: Table): string {
  return `${Object.keys(table.columns).join(',')}\r\n`;
}

/** One row, columns in the order of the table, with CRLF. */
export function csvLine(table: Table, row: ExactRow): string {
  const values = Object.keys(table.columns).map((name) => csvValue(row[name] ?? null));
  return `${values.join(',')}\r\n`;
}

function jsonValue({ type }: Column, value: ExactValue): string {
  if (value === null) return 'null';
  if (type === 'boolean') return Number(value) === 0 ? 'false' : 'true';
  // It is JSON already.
  if (type === 'json') return String(value);
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** The same object that `--jsonl` streams: the name of the table in `record`, then the columns. */
export function jsonLine(table: Table, row: ExactRow): string {
  const values = Object.entries(table.columns).map(
    ([name, column]) => `${JSON.stringify(name)}:${jsonValue(column, row[name] ?? null)}`,
  );
  return `${[`{"record":${JSON.stringify(table.name)}`, ...values].join(',')}}\n`;
}
