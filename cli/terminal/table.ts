// Plain tables: columns as wide as their widest cell, numbers to the right, nothing drawn around them.
import { padEnd, padStart, textWidth } from './text.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const GAP = '  ';

/** Cells must be safe text already. @returns lines without trailing blanks */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map((column, i) =>
    rows.reduce((widest, row) => Math.max(widest, textWidth(row[i] ?? '')), textWidth(column.title)),
  );
  const lineOf = (cells: readonly string[]): string =>
    columns
      .map((column, i) => (column.align === 'right' ? padStart : padEnd)(cells[i] ?? '', widths[i] as number))
      .join(GAP)
      .trimEnd();
  return [lineOf(columns.map((column) => column.title)), ...rows.map(lineOf)];
}

/** `name: value` lines with the values in one column. */
export function formatFields(fields: readonly (readonly [name: string, value: string])[]): string[] {
  const width = fields.reduce((widest, [name]) => Math.max(widest, textWidth(name)), 0);
  return fields.map(([name, value]) => `${padEnd(`${name}:`, width + 1)}  ${value}`.trimEnd());
}
