// Lines of styled text, and how they become characters for the terminal. A tone is a meaning, never the only sign of it:
// without colour what is left must read the same. Everything is measured in columns, nothing is wider than asked.
import { padEnd, padStart, textWidth, truncateText } from '../terminal/text.ts';

export type Tone = 'bold' | 'dim' | 'inverse' | 'good' | 'warn' | 'bad' | 'down' | 'up' | 'rare' | 'key';

export interface Span {
  /** Safe for a terminal: foreign text has been through safeText. */
  readonly text: string;
  readonly tone: Tone;
}

export type Line = readonly (string | Span)[];

export const BLANK: Line = [];

export function span(tone: Tone, text: string): Span {
  return { tone, text };
}

type Sgr = readonly [on: string, off: string];

const COLORED: Readonly<Record<Tone, Sgr>> = {
  bold: ['1', '22'],
  dim: ['2', '22'],
  inverse: ['7', '27'],
  good: ['32', '39'],
  warn: ['33', '39'],
  bad: ['31', '39'],
  down: ['36', '39'],
  up: ['35', '39'],
  rare: ['33', '39'],
  key: ['1;36', '22;39'],
};

/** NO_COLOR forbids colour, not weight. */
const UNCOLORED: Readonly<Partial<Record<Tone, Sgr>>> = {
  bold: ['1', '22'],
  inverse: ['7', '27'],
  key: ['1', '22'],
};

function paintSpan(text: string, tone: Tone | undefined, hasColor: boolean): string {
  if (tone === undefined || text === '') return text;
  const sgr = (hasColor ? COLORED : UNCOLORED)[tone];
  return sgr === undefined ? text : `\u001b[${sgr[0]}m${text}\u001b[${sgr[1]}m`;
}

export function plainText(line: Line): string {
  return line.map((part) => (typeof part === 'string' ? part : part.text)).join('');
}

/** Columns of a terminal. */
export function lineWidth(line: Line): number {
  return line.reduce((sum, part) => sum + textWidth(typeof part === 'string' ? part : part.text), 0);
}

const ELLIPSIS_ROOM = '  ';

/** At most `columns` wide: the part that crosses the edge ends in `…`, what follows is dropped. */
export function fitLine(line: Line, columns: number): Line {
  if (lineWidth(line) <= columns) return line;
  const kept: (string | Span)[] = [];
  let left = columns;
  for (const part of line) {
    const text = typeof part === 'string' ? part : part.text;
    const width = textWidth(text);
    if (width < left) {
      kept.push(part);
      left -= width;
      continue;
    }
    // Something follows, or this is too long: either way the ellipsis needs a column, and the added text makes it come.
    const cut = truncateText(`${text}${ELLIPSIS_ROOM}`, left);
    kept.push(typeof part === 'string' ? cut : { ...part, text: cut });
    break;
  }
  return kept;
}

/** One row for the terminal, at most `columns` wide. */
export function paintLine(line: Line, columns: number, hasColor: boolean): string {
  return fitLine(line, columns)
    .map((part) => (typeof part === 'string' ? part : paintSpan(part.text, part.tone, hasColor)))
    .join('');
}

/** The whole row in one tone, filled to the edge: a title bar, the chosen row. */
export function bar(line: Line, columns: number, tone: Tone): Line {
  return [span(tone, padEnd(plainText(fitLine(line, columns)), columns))];
}

/** `left` and `right` at the two edges; the right side stays, the left gives way. */
export function edges(left: Line, right: Line, columns: number): Line {
  const rightWidth = lineWidth(right);
  if (rightWidth >= columns) return fitLine(right, columns);
  const fitted = fitLine(left, columns - rightWidth - 1);
  return [...fitted, ' '.repeat(columns - rightWidth - lineWidth(fitted)), ...right];
}

/** Exactly `columns` wide. */
export function cell(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const cut = truncateText(text, columns);
  return align === 'right' ? padStart(cut, columns) : padEnd(cut, columns);
}

const LABEL_COLUMNS = 12;
/** What is left of `columns` beside a label. */
export const valueColumns = (columns: number): number => Math.max(0, columns - LABEL_COLUMNS);

/** A fact: its name in a column of its own, then what it is. */
export function labelled(name: string, ...value: Line): Line {
  return [span('dim', cell(name, LABEL_COLUMNS)), ...value];
}
