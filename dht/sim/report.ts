// What a scenario hands back: tables of plain cells, and how they look as text and in documents.

export type Cell = string | number;
export type Row = Readonly<Record<string, Cell>>;

export interface SimTable {
  readonly title: string;
  readonly rows: readonly Row[];
  /** Lines under the table. */
  readonly notes?: readonly string[];
}

/** What printing needs of a run besides its tables. */
export interface SimReport {
  readonly scenario: string;
  readonly seed: number;
  readonly tables: readonly SimTable[];
}

/** Deviation from an expected value, as the tables print it: `+1.2 %`. */
export function deviation(measured: number, expected: number): string {
  if (expected === 0) return measured === 0 ? '0' : formatCell(measured);
  const percent = (measured / expected - 1) * 100;
  return `${percent >= 0 ? '+' : ''}${percent.toFixed(1)} %`;
}

function formatCell(cell: Cell | undefined): string {
  if (cell === undefined) return '';
  if (typeof cell === 'string') return cell;
  if (Number.isNaN(cell)) return '-';
  if (Number.isInteger(cell)) return String(cell);
  return Math.abs(cell) < 0.1 ? cell.toFixed(4) : cell.toFixed(2);
}

/** Columns as wide as their widest cell, all to the right but the first. */
export function formatText(table: SimTable): string {
  const { columns, cells } = shape(table);
  const widths = columns.map((column, i) =>
    Math.max(column.length, ...cells.map((row) => (row[i] ?? '').length)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return [table.title, line(columns), ...cells.map(line), ...(table.notes ?? [])].join('\n');
}

export function formatMarkdown(table: SimTable): string {
  const { columns, cells } = shape(table);
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |`;
  const rule = line(columns.map((_, i) => (i === 0 ? '---' : '---:')));
  const notes = (table.notes ?? []).flatMap((note) => ['', note]);
  return [`**${table.title}**`, '', line(columns), rule, ...cells.map(line), ...notes].join('\n');
}

function shape(table: SimTable): { columns: string[]; cells: string[][] } {
  const columns = Object.keys(table.rows[0] ?? {});
  return { columns, cells: table.rows.map((row) => columns.map((column) => formatCell(row[column]))) };
}
