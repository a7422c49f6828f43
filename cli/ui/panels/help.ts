// The help: every key of the key table, in as many columns as fit.
import { KEYS, type KeySpec } from '../keys.ts';
import { cell, type Line, span } from '../styled.ts';

const LABEL_COLUMNS = 15;
/** From here on two columns are readable. */
const TWO_COLUMNS_FROM = 130;

function keyLine({ label, help, panel }: KeySpec): Line {
  const where = panel === undefined ? '' : ` (${panel} panel)`;
  return [span('key', cell(label, LABEL_COLUMNS)), ` ${help}${where}`];
}

function columnsOf(lines: readonly Line[], width: number): Line[] {
  if (width < TWO_COLUMNS_FROM) return [...lines];
  const half = Math.ceil(lines.length / 2);
  const columnWidth = Math.floor(width / 2);
  return lines.slice(0, half).map((left, i) => {
    const right = lines[half + i] ?? [];
    const used = left.reduce((sum, part) => sum + (typeof part === 'string' ? part : part.text).length, 0);
    return [...left, ' '.repeat(Math.max(1, columnWidth - used)), ...right];
  });
}

/** @param top first line shown: the help may be longer than the screen */
export function helpLines(width: number, height: number, top: number): Line[] {
  const lines = columnsOf(KEYS.map(keyLine), width);
  const room = height - 2;
  const first = Math.max(0, Math.min(top, lines.length - room));
  const shown = lines.slice(first, first + room);
  const more = lines.length > room ? ', Up and Down for more' : '';
  return [[span('bold', 'Keys'), span('dim', `  any other key closes${more}`)], [], ...shown];
}
