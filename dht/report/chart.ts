// A chart as data, and as SVG: lines over two axes with bands of uncertainty, or bars with whiskers. Dark on white, in colours
// that the colour-blind tell apart (Okabe and Ito 2008), with dashes once they are used up. Pure.
import { formatTick, linearTicks, logTicks, type Scale, type Tick, type Unit } from './ticks.ts';

export interface Axis {
  readonly label: string;
  readonly unit: Unit;
  readonly scale?: Scale;
  /** The axis reaches at least from here to there. */
  readonly from?: number;
  readonly to?: number;
}

export type Point = readonly [x: number, y: number];

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** `step`: holds its value until the next point. `dots`: no line between. */
  readonly style: 'line' | 'step' | 'dots';
  /** 95 % interval at each point, in the same order. */
  readonly band?: readonly (readonly [low: number, high: number])[];
}

export interface LineChart {
  readonly kind: 'lines';
  readonly title: string;
  /** Below the title: of what, when, and how many observations. */
  readonly note?: string | undefined;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

export interface Bar {
  readonly label: string;
  /** One for each group; undefined: nothing to show. */
  readonly values: readonly (BarValue | undefined)[];
}

export interface BarValue {
  readonly value: number;
  readonly low?: number | null;
  readonly high?: number | null;
}

export interface BarChart {
  readonly kind: 'bars';
  readonly title: string;
  readonly note?: string | undefined;
  readonly value: Axis;
  /** Names of the groups; one without a legend. */
  readonly groups: readonly string[];
  readonly bars: readonly Bar[];
}

export type Chart = LineChart | BarChart;

export const WIDTH = 720;
const HEIGHT = 420;
const FONT_SIZE = 12;
const TITLE_SIZE = 15;
const INK = '#1a1a1a';
const GRID = '#dcdcdc';
const PALETTE = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];
const DASHES = ['', '7 3', '2 3', '9 3 2 3'];
/** Average width of a letter, in ems: no font is at hand here. */
const EM_SHARE = 0.58;
const LEGEND_ROW = 17;
const TOP = 40;
const NOTE_ROW = 18;
const NOTE_INK = '#555555';
const MAX_NOTE = 100;
const BOTTOM = 52;
const RIGHT = 24;
const MAX_LABEL = 34;

export function escapeXml(text: string): string {
  return (
    text
      // Not to be written in XML 1.0 at all; names come from strangers.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/g, '\ufffd')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
  );
}

const n = (value: number): string => String(Math.round(value * 100) / 100);
const textWidth = (text: string): number => text.length * FONT_SIZE * EM_SHARE;
const colorOf = (index: number): string => PALETTE[index % PALETTE.length] as string;
const dashOf = (index: number): string => {
  const dash = DASHES[Math.floor(index / PALETTE.length) % DASHES.length] as string;
  return dash === '' ? '' : ` stroke-dasharray="${dash}"`;
};

interface Scaled {
  readonly ticks: readonly Tick[];
  /** Place along the axis: 0 at its lower end, 1 at its upper; clamped. */
  place(value: number): number;
}

function scaleOf(axis: Axis, values: readonly number[], most: number): Scaled {
  const isLog = axis.scale === 'log';
  const usable = values.filter((value) => Number.isFinite(value) && (!isLog || value > 0));
  const all = [axis.from, axis.to, ...usable].filter((value) => value !== undefined);
  const low = all.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  const high = all.reduce((greatest, value) => Math.max(greatest, value), Number.NEGATIVE_INFINITY);
  const from = Number.isFinite(low) ? low : isLog ? 1 : 0;
  const to = Number.isFinite(high) ? high : from + 1;
  const ticks = isLog ? logTicks(from, to, axis.unit) : linearTicks(from, to, most, axis.unit);
  const at = (value: number): number => (isLog ? Math.log10(Math.max(value, 1e-300)) : value);
  const first = at((ticks[0] as Tick).value);
  const span = at((ticks.at(-1) as Tick).value) - first;
  return { ticks, place: (value) => Math.min(1, Math.max(0, (at(value) - first) / span)) };
}

function text(x: number, y: number, words: string, more = ''): string {
  return `<text x="${n(x)}" y="${n(y)}"${more}>${escapeXml(words)}</text>`;
}

/** Rows of the legend, as many names in one as fit. */
function legendRows(names: readonly string[], width: number): (readonly [name: string, index: number])[][] {
  const rows: (readonly [string, number])[][] = [[]];
  let used = 0;
  for (const [index, name] of names.entries()) {
    const needed = textWidth(name) + 40;
    if (used + needed > width && used > 0) {
      rows.push([]);
      used = 0;
    }
    (rows.at(-1) as (readonly [string, number])[]).push([name, index]);
    used += needed;
  }
  return rows;
}

function legend(
  names: readonly string[],
  left: number,
  top: number,
  mark: (x: number, y: number, index: number) => string,
) {
  if (names.length < 2) return { svg: '', height: 0 };
  const rows = legendRows(names, WIDTH - left - RIGHT);
  const parts = rows.flatMap((row, r) => {
    let x = left;
    const y = top + r * LEGEND_ROW;
    return row.map(([name, index]) => {
      const entry = mark(x, y, index) + text(x + 24, y + 4, name);
      x += textWidth(name) + 40;
      return entry;
    });
  });
  return { svg: parts.join(''), height: rows.length * LEGEND_ROW };
}

function topOf({ note }: Chart): number {
  return note === undefined ? TOP : TOP + NOTE_ROW;
}

function frame({ title, note }: Chart, height: number, parts: readonly string[]): string {
  const cut = note !== undefined && note.length > MAX_NOTE ? `${note.slice(0, MAX_NOTE - 1)}…` : note;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${n(height)}" viewBox="0 0 ${WIDTH} ${n(height)}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="${FONT_SIZE}" fill="${INK}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${WIDTH}" height="${n(height)}" fill="#ffffff"/>`,
    text(16, 22, title, ` font-size="${TITLE_SIZE}" font-weight="bold"`),
    ...(cut === undefined ? [] : [text(16, 40, cut, ` font-size="11" fill="${NOTE_INK}"`)]),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

/** A whole SVG document; text in it is escaped. */
export function chartSvg(chart: Chart): string {
  return chart.kind === 'lines' ? linesSvg(chart) : barsSvg(chart);
}

function linesSvg(chart: LineChart): string {
  const { x, y, series } = chart;
  const ys = series.flatMap(({ points, band }) => [
    ...points.map(([, value]) => value),
    ...(band ?? []).flat(),
  ]);
  const xs = series.flatMap(({ points }) => points.map(([value]) => value));
  const across = scaleOf(x, xs, 8);
  const up = scaleOf(y, ys, 6);
  const left = 30 + Math.max(...up.ticks.map(({ label }) => textWidth(label)));
  const key = legend(
    series.map(({ name }) => name),
    left,
    topOf(chart),
    (at, row, index) =>
      (series[index] as Series).style === 'dots'
        ? `<circle cx="${n(at + 10)}" cy="${n(row)}" r="4" fill="${colorOf(index)}"/>`
        : `<path d="M${n(at)} ${n(row)}h18" stroke="${colorOf(index)}" stroke-width="2.5" fill="none"${dashOf(index)}/>`,
  );
  const top = topOf(chart) + key.height;
  const height = HEIGHT + top - TOP;
  const bottom = height - BOTTOM;
  const right = WIDTH - RIGHT;
  const px = (value: number): number => left + across.place(value) * (right - left);
  const py = (value: number): number => bottom - up.place(value) * (bottom - top);
  const parts: string[] = [key.svg];
  for (const { value, label } of up.ticks) {
    if (label === '') continue;
    parts.push(`<path d="M${n(left)} ${n(py(value))}H${n(right)}" stroke="${GRID}"/>`);
    parts.push(text(left - 6, py(value) + 4, label, ' text-anchor="end"'));
  }
  for (const { value, label } of across.ticks) {
    parts.push(`<path d="M${n(px(value))} ${n(bottom)}v${label === '' ? 3 : 5}" stroke="${INK}"/>`);
    if (label !== '') parts.push(text(px(value), bottom + 19, label, ' text-anchor="middle"'));
  }
  parts.push(`<path d="M${n(left)} ${n(top)}V${n(bottom)}H${n(right)}" stroke="${INK}" fill="none"/>`);
  parts.push(text((left + right) / 2, bottom + 40, x.label, ' text-anchor="middle"'));
  const middle = (top + bottom) / 2;
  parts.push(text(14, middle, y.label, ` text-anchor="middle" transform="rotate(-90 14 ${n(middle)})"`));
  // Bands below all lines.
  for (const [index, each] of series.entries()) parts.push(bandSvg(each, index, px, py));
  for (const [index, each] of series.entries()) parts.push(seriesSvg(each, index, px, py));
  return frame(chart, height, parts);
}

type Place = (value: number) => number;

function seriesSvg({ points, style, band }: Series, index: number, px: Place, py: Place): string {
  const color = colorOf(index);
  const parts: string[] = [];
  if (style === 'dots') {
    for (const [i, [x, y]] of points.entries()) {
      const interval = band?.[i];
      if (interval !== undefined)
        parts.push(`<path d="M${n(px(x))} ${n(py(interval[0]))}V${n(py(interval[1]))}" stroke="${color}"/>`);
      parts.push(`<circle cx="${n(px(x))}" cy="${n(py(y))}" r="4" fill="${color}"/>`);
    }
    return parts.join('');
  }
  parts.push(
    `<path d="${pathOf(points, 'M', style, px, py)}" stroke="${color}" stroke-width="2" fill="none" stroke-linejoin="round"${dashOf(index)}/>`,
  );
  return parts.join('');
}

function pathOf(
  line: readonly Point[],
  from: 'M' | 'L',
  style: Series['style'],
  px: Place,
  py: Place,
): string {
  return line
    .map(([x, y], i) => {
      const [at, height] = [n(px(x)), n(py(y))];
      return i === 0 ? `${from}${at} ${height}` : style === 'step' ? `H${at}V${height}` : `L${at} ${height}`;
    })
    .join('');
}

function bandSvg({ points, style, band }: Series, index: number, px: Place, py: Place): string {
  if (style === 'dots' || band === undefined || band.length !== points.length || points.length < 2) return '';
  const lower = points.map(([x], i): Point => [x, (band[i] as readonly [number, number])[0]]);
  const upper = points.map(([x], i): Point => [x, (band[i] as readonly [number, number])[1]]);
  // There along the upper edge; back along the lower, whose steps then go left before they rise.
  const back = [...lower].reverse().map(([x, y], i): string => {
    const [at, height] = [n(px(x)), n(py(y))];
    return i === 0 || style === 'line' ? `L${at} ${height}` : `V${height}H${at}`;
  });
  return `<path d="${pathOf(upper, 'M', style, px, py)}${back.join('')}Z" fill="${colorOf(index)}" fill-opacity="0.18"/>`;
}

const BAR_HEIGHT = 16;
const GROUPED_BAR_HEIGHT = 12;
const BAR_GAP = 8;

function barsSvg(chart: BarChart): string {
  const { value, groups, bars } = chart;
  const shown = bars.flatMap(({ values }) => values.filter((each) => each !== undefined));
  const numbers = shown.flatMap(({ value: each, low, high }) => [each, low ?? each, high ?? each]);
  const across = scaleOf(value.scale === 'log' ? value : { from: 0, ...value }, numbers, 6);
  const short = (label: string): string =>
    label.length > MAX_LABEL ? `${label.slice(0, MAX_LABEL - 1)}…` : label;
  const left = 26 + Math.min(260, Math.max(30, ...bars.map(({ label }) => textWidth(short(label)))));
  const right = WIDTH - RIGHT - 70;
  const key = legend(
    groups,
    left,
    topOf(chart),
    (x, y, index) =>
      `<rect x="${n(x + 4)}" y="${n(y - 6)}" width="12" height="12" fill="${colorOf(index)}"/>`,
  );
  // No thinner than the figures at their ends.
  const thick = groups.length > 1 ? GROUPED_BAR_HEIGHT : BAR_HEIGHT;
  const pitch = thick * Math.max(1, groups.length) + BAR_GAP;
  const top = topOf(chart) + key.height;
  const bottom = top + bars.length * pitch + BAR_GAP;
  const px = (each: number): number => left + across.place(each) * (right - left);
  const parts: string[] = [key.svg];
  for (const { value: each, label } of across.ticks) {
    if (label === '') continue;
    parts.push(`<path d="M${n(px(each))} ${n(top)}V${n(bottom)}" stroke="${GRID}"/>`);
    parts.push(text(px(each), bottom + 17, label, ' text-anchor="middle"'));
  }
  for (const [row, { label, values }] of bars.entries()) {
    const y = top + BAR_GAP + row * pitch;
    parts.push(text(left - 8, y + (pitch - BAR_GAP) / 2 + 4, short(label), ' text-anchor="end"'));
    for (const [group, each] of values.entries())
      if (each !== undefined) parts.push(barSvg(each, y + group * thick, thick, group, value, left, px));
  }
  parts.push(`<path d="M${n(left)} ${n(top)}V${n(bottom)}" stroke="${INK}"/>`);
  parts.push(text((left + right) / 2, bottom + 38, value.label, ' text-anchor="middle"'));
  return frame(chart, bottom + 50, parts);
}

function barSvg(
  { value, low, high }: BarValue,
  y: number,
  thick: number,
  group: number,
  axis: Axis,
  left: number,
  px: Place,
): string {
  const end = px(value);
  const middle = y + thick / 2;
  const bar = `<rect x="${n(left)}" y="${n(y)}" width="${n(Math.max(0, end - left))}" height="${n(thick - 1)}" fill="${colorOf(group)}"/>`;
  const hasInterval = low !== undefined && low !== null && high !== undefined && high !== null;
  const whisker = hasInterval
    ? `<path d="M${n(px(low))} ${n(middle - 3)}v6m0 -3H${n(px(high))}m0 -3v6" stroke="${INK}" stroke-width="1.4" fill="none"/>`
    : '';
  const step = axis.unit === 'share' ? 0.001 : Math.max(1e-9, value >= 100 ? 1 : value >= 1 ? 0.1 : 0.001);
  const size = Number.isInteger(value) && axis.unit !== 'share' ? 1 : step;
  const at = Math.max(end, hasInterval ? px(high) : end) + 6;
  return bar + whisker + text(at, middle + 4, formatTick(value, axis.unit, size), ' font-size="11"');
}
