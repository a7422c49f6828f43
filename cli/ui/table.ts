// Tables that fit: columns of fixed width, the last takes what is left, the least needed go first when there is no room.
// Only the rows in sight are made, so that ten thousand files cost what twenty cost.
import { truncateText } from '../terminal/text.ts';
import { bar, cell, type Line, type Span, span, type Tone } from './styled.ts';

export interface Column<T> {
  readonly title: string;
  readonly width: number;
  readonly align?: 'left' | 'right';
  /** Dropped on screens narrower than this. */
  readonly fromColumns?: number;
  readonly text: (row: T) => string;
  readonly tone?: (row: T) => Tone | undefined;
}

export interface TableOptions<T> {
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  /** Index of the chosen row; undefined: nothing to choose. */
  readonly cursor?: number | undefined;
  readonly width: number;
  readonly height: number;
  /** In place of rows when there are none. */
  readonly empty: string;
}

/** A choice is marked by this as well as by inverse video. */
const MARK = '> ';
const NO_MARK = '  ';
const GAP = ' ';
/** What a flexible column needs to be of any use. */
const LEAST_FLEXIBLE = 8;

/** First row to show so that the chosen one is in sight, near the middle. */
function firstVisible(cursor: number, count: number, room: number): number {
  return Math.max(0, Math.min(cursor - Math.floor(room / 2), count - room));
}

export function clampCursor(cursor: number, count: number): number {
  return Math.max(0, Math.min(cursor, count - 1));
}

/** Without the flexible column. */
function fixedWidth<T>(columns: readonly Column<T>[]): number {
  return columns.slice(0, -1).reduce((sum, column) => sum + column.width + GAP.length, MARK.length);
}

/** On a screen too narrow for all, the columns beside the flexible one go: it says which row this is. */
function visibleColumns<T>(columns: readonly Column<T>[], width: number): readonly Column<T>[] {
  const visible = columns.filter(({ fromColumns = 0 }) => width >= fromColumns);
  while (visible.length > 1 && fixedWidth(visible) + LEAST_FLEXIBLE > width) visible.splice(-2, 1);
  return visible;
}

export function tableLines<T>(options: TableOptions<T>): Line[] {
  const { rows, width, height } = options;
  const columns = visibleColumns(options.columns, width);
  const flexible = Math.max(LEAST_FLEXIBLE, width - fixedWidth(columns));
  const widthOf = (i: number): number =>
    i === columns.length - 1 ? flexible : (columns[i] as Column<T>).width;
  const title = columns
    .map((column, i) => cell(column.title, widthOf(i), column.align))
    .join(GAP)
    .trimEnd();
  const lines: Line[] = [[span('dim', NO_MARK + title)]];
  if (rows.length === 0) return [...lines, [NO_MARK, span('dim', options.empty)]].slice(0, height);
  const needsCount = rows.length > height - 1;
  const room = Math.max(1, height - 1 - (needsCount ? 1 : 0));
  const cursor = clampCursor(options.cursor ?? 0, rows.length);
  const first = firstVisible(cursor, rows.length, room);
  const shown = rows.slice(first, first + room);
  for (const [offset, row] of shown.entries()) {
    const cells: (string | Span)[] = [];
    for (const [i, column] of columns.entries()) {
      // What ends the row is not filled up: blanks cost as much to draw as letters.
      const isLast = i === columns.length - 1;
      const text = isLast
        ? truncateText(column.text(row), flexible)
        : cell(column.text(row), widthOf(i), column.align) + GAP;
      const tone = column.tone?.(row);
      cells.push(tone === undefined ? text : span(tone, text));
    }
    const isChosen = options.cursor !== undefined && first + offset === cursor;
    lines.push(isChosen ? bar([MARK, ...cells], width, 'inverse') : [NO_MARK, ...cells]);
  }
  if (needsCount) {
    const last = first + shown.length;
    lines.push([NO_MARK, span('dim', `${first + 1}-${last} of ${rows.length}`)]);
  }
  return lines;
}
