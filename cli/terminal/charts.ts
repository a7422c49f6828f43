// Pictures of numbers made of characters: braille areas, sparklines and bars. Pure; every value is drawn against a given top.

const BLOCKS = ' ▁▂▃▄▅▆▇█';
const EIGHTHS = ' ▏▎▍▌▋▊▉';
const BRAILLE_BASE = 0x2800;
/** Dots of a braille cell from the bottom up, left and right column (Unicode Braille Patterns). */
const LEFT_DOTS = [0x40, 0x04, 0x02, 0x01];
const RIGHT_DOTS = [0x80, 0x20, 0x10, 0x08];
const DOTS_PER_ROW = LEFT_DOTS.length;
/** Two values stand side by side in one cell. */
export const VALUES_PER_CELL = 2;

function highestOf(values: readonly number[]): number {
  return values.reduce((highest, value) => Math.max(highest, value), 0);
}

/** The last `columns` values as one row; newest at the right edge. */
export function sparkline(values: readonly number[], columns: number): string {
  const shown = values.slice(-columns);
  const top = highestOf(shown);
  const text = shown
    .map((value) => {
      if (top === 0 || value <= 0) return BLOCKS[1];
      return BLOCKS[Math.max(1, Math.ceil((value / top) * (BLOCKS.length - 1)))];
    })
    .join('');
  return text.padStart(columns);
}

/** `columns` wide; a full block only when the share is 1. */
export function shareBar(share: number, columns: number): string {
  const eighths = Math.floor(Math.max(0, Math.min(1, share)) * columns * EIGHTHS.length);
  const full = Math.floor(eighths / EIGHTHS.length);
  // No blank between what is full and what is not.
  const rest = eighths % EIGHTHS.length === 0 ? '' : (EIGHTHS[eighths % EIGHTHS.length] as string);
  return (full >= columns ? '█'.repeat(columns) : '█'.repeat(full) + rest).padEnd(columns, '░');
}

/** A filled area of `rows` lines, top line first; two values a column, newest at the right edge. */
export function brailleArea(values: readonly number[], columns: number, rows: number, top: number): string[] {
  const shown = values.slice(-columns * VALUES_PER_CELL);
  const offset = columns * VALUES_PER_CELL - shown.length;
  const heightAt = (index: number): number => {
    const value = shown[index - offset];
    if (value === undefined || value <= 0 || top <= 0) return 0;
    return Math.max(1, Math.round(Math.min(1, value / top) * rows * DOTS_PER_ROW));
  };
  const lines: string[] = [];
  for (let row = rows - 1; row >= 0; row--) {
    let line = '';
    for (let column = 0; column < columns; column++) {
      let dots = 0;
      const left = heightAt(column * VALUES_PER_CELL) - row * DOTS_PER_ROW;
      const right = heightAt(column * VALUES_PER_CELL + 1) - row * DOTS_PER_ROW;
      for (let dot = 0; dot < DOTS_PER_ROW; dot++) {
        if (left > dot) dots |= LEFT_DOTS[dot] as number;
        if (right > dot) dots |= RIGHT_DOTS[dot] as number;
      }
      line += dots === 0 ? ' ' : String.fromCodePoint(BRAILLE_BASE + dots);
    }
    lines.push(line);
  }
  return lines;
}

/** What a band is drawn of: its lower and upper edge, oldest first. */
export type BandPoint = readonly [low: number, high: number];

/** A band of `rows` lines between `bottom` and `top`, top line first; two values a column, newest at the right edge. Never thinner than a dot. */
export function brailleBand(
  values: readonly BandPoint[],
  columns: number,
  rows: number,
  [bottom, top]: BandPoint,
): string[] {
  const shown = values.slice(-columns * VALUES_PER_CELL);
  const offset = columns * VALUES_PER_CELL - shown.length;
  const dots = rows * DOTS_PER_ROW;
  const at = (value: number): number => {
    const share = top > bottom ? (value - bottom) / (top - bottom) : 0.5;
    return Math.min(dots - 1, Math.max(0, Math.floor(share * dots)));
  };
  const lines = Array.from({ length: rows }, () => new Uint8Array(columns));
  for (const [i, [low, high]] of shown.entries()) {
    const column = Math.floor((offset + i) / VALUES_PER_CELL);
    const side = (offset + i) % VALUES_PER_CELL === 0 ? LEFT_DOTS : RIGHT_DOTS;
    for (let dot = at(low); dot <= at(high); dot++) {
      const line = lines[rows - 1 - Math.floor(dot / DOTS_PER_ROW)] as Uint8Array;
      line[column] = (line[column] as number) | (side[dot % DOTS_PER_ROW] as number);
    }
  }
  return lines.map((line) =>
    Array.from(line, (bits) => (bits === 0 ? ' ' : String.fromCodePoint(BRAILLE_BASE + bits))).join(''),
  );
}
