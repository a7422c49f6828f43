// What runs of the matrix put into docs/nat.md: the table of all pairs, and a line for every other setting of the routers and the links.
import type { PairResult } from './pairs.ts';

export interface Setting {
  readonly input: string;
  /** Of a link, one way; undefined: none. */
  readonly delayMs: number | undefined;
  readonly skewMs: number;
}

const COLUMNS = [
  'strangers',
  'links',
  'the seed hears later by',
  'pairs',
  'straight',
  'spliced',
  'unconnected',
  'first byte, straight',
  'first byte, spliced',
];
/** Those that say which setting a line is about. */
const KEY_COLUMNS = 3;

const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

export function isPlain({ input, delayMs, skewMs }: Setting): boolean {
  return input === 'drop' && delayMs === undefined && skewMs === 0;
}

export function table(columns: readonly string[], cells: readonly (readonly string[])[]): string {
  return [line(columns), line(columns.map(() => '---')), ...cells.map(line)].join('\n');
}

/** Median and worst: `1.2 s, 2.4 s at most`. */
function times(results: readonly PairResult[]): string {
  const found = results.flatMap(({ firstByteMs }) => (firstByteMs === undefined ? [] : [firstByteMs]));
  found.sort((a, b) => a - b);
  const [middle, worst] = [found[Math.floor(found.length / 2)], found.at(-1)];
  if (middle === undefined || worst === undefined) return '';
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  return `${seconds(middle)}, ${seconds(worst)} at most`;
}

function settingLine({ input, delayMs = 0, skewMs }: Setting, results: readonly PairResult[]): string {
  const spliced = results.filter(({ rung }) => rung === 'splice');
  const straight = results.filter(({ rung }) => rung !== undefined && rung !== 'splice');
  const moved = straight.filter(({ firstRung, rung }) => firstRung !== rung).length;
  return line([
    ...[input, `${delayMs} ms`, `${skewMs} ms`, results.length],
    moved === 0 ? straight.length : `${straight.length} (${moved} spliced at first)`,
    ...[spliced.length, results.length - spliced.length - straight.length],
    ...[times(straight), times(spliced)],
  ]);
}

/** @param before the table as it stands: lines of other settings are kept */
export function withSetting(before: string, setting: Setting, results: readonly PairResult[]): string {
  const own = settingLine(setting, results);
  const keyOf = (text: string): string => text.split(' | ').slice(0, KEY_COLUMNS).join(' | ');
  const others = before.split('\n').filter((text) => / ms \| /.test(text) && keyOf(text) !== keyOf(own));
  const lines = [...others, own].sort((a, b) => keyOf(a).localeCompare(keyOf(b), 'en', { numeric: true }));
  return [line(COLUMNS), line(COLUMNS.map(() => '---')), ...lines].join('\n');
}

/** What stands between `<!-- name -->` and `<!-- end: name -->`. */
export function replaceBetween(text: string, name: string, make: (before: string) => string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- end: ${name} -->`];
  const from = text.indexOf(start) + start.length;
  const to = text.indexOf(end);
  if (from < start.length || to < from) throw new Error(`docs/nat.md has no place for "${name}"`);
  return `${text.slice(0, from)}\n${make(text.slice(from, to))}\n${text.slice(to)}`;
}
