// A screen of styled lines as an SVG picture: the styles of `cli/ui/styled.ts` (SGR), each character in its cell. Block and
// braille characters are drawn, not written: fonts disagree about them, and a graph with gaps is no graph.
import { textWidth } from '../../cli/terminal/text.ts';

const CELL_WIDTH = 8;
const CELL_HEIGHT = 17;
const BASELINE = 13;
const MARGIN = 12;
const BACKGROUND = '#1b1e24';
const FOREGROUND = '#c9d0d9';
const DIM = '#7d8794';
const COLORS: Readonly<Record<number, string>> = {
  31: '#f0716f',
  32: '#8fc873',
  33: '#e3bd68',
  35: '#c792dd',
  36: '#5fc3d0',
};

interface Style {
  readonly color: string | undefined;
  readonly isBold: boolean;
  readonly isDim: boolean;
  readonly isInverse: boolean;
}

const PLAIN: Style = { color: undefined, isBold: false, isDim: false, isInverse: false };

interface Run {
  readonly text: string;
  readonly style: Style;
}

function apply(style: Style, code: number): Style {
  if (code === 0) return PLAIN;
  if (code === 1) return { ...style, isBold: true };
  if (code === 2) return { ...style, isDim: true };
  if (code === 7) return { ...style, isInverse: true };
  if (code === 22) return { ...style, isBold: false, isDim: false };
  if (code === 27) return { ...style, isInverse: false };
  if (code === 39) return { ...style, color: undefined };
  const color = COLORS[code];
  if (color === undefined) throw new Error(`the picture knows no style ${code}`);
  return { ...style, color };
}

/** Text between the switches. @throws on a switch that the screen has no business to use */
export function runsOf(line: string): Run[] {
  const runs: Run[] = [];
  let style = PLAIN;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: styles are made of them
  for (const part of line.split(/(\u001b\[[0-9;]*m)/)) {
    if (!part.startsWith('\u001b[')) {
      if (part !== '') runs.push({ text: part, style });
      continue;
    }
    for (const code of part.slice(2, -1).split(';')) style = apply(style, Number(code));
  }
  return runs;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const number = (value: number): string => String(Math.round(value * 100) / 100);

/** Left, top, width and height as shares of the cell; undefined: not drawn but written. */
function boxOf(character: string): readonly [number, number, number, number] | undefined {
  const code = character.codePointAt(0) as number;
  if (code >= 0x2581 && code <= 0x2588) {
    const height = (code - 0x2580) / 8;
    return [0, 1 - height, 1, height];
  }
  if (code >= 0x2589 && code <= 0x258f) return [0, 0, (0x2590 - code) / 8, 1];
  return undefined;
}

/** Light, medium and dark shade. */
const SHADES: Readonly<Record<string, number>> = { '░': 0.25, '▒': 0.5, '▓': 0.75 };

/** Dots of a braille cell: bit, column, row. */
const DOTS = [
  [0x01, 0, 0],
  [0x02, 0, 1],
  [0x04, 0, 2],
  [0x40, 0, 3],
  [0x08, 1, 0],
  [0x10, 1, 1],
  [0x20, 1, 2],
  [0x80, 1, 3],
] as const;
const DOT_SIZE = 2.4;
const DOT_STEP = CELL_WIDTH / 2;

/** @param xs left edges of half cells with a dot at this height */
function dotLines(y: number, xs: readonly number[]): string {
  const sorted = [...xs].sort((a, b) => a - b);
  let lines = '';
  for (let at = 0; at < sorted.length; ) {
    const first = sorted[at] as number;
    let count = 1;
    while (sorted[at + count] === first + count * DOT_STEP) count++;
    at += count;
    const left = first + (DOT_STEP - DOT_SIZE) / 2;
    lines += `M${number(left)} ${number(y)}h${number((count - 1) * DOT_STEP + DOT_SIZE)}`;
  }
  return lines;
}

class Painter {
  readonly #shapes: string[] = [];
  /** By colour and height; dots side by side become one dashed line, a fraction of the size. */
  readonly #dots = new Map<string, Map<number, number[]>>();
  #x = 0;
  #y = 0;

  line(runs: readonly Run[], row: number): void {
    this.#x = MARGIN;
    this.#y = MARGIN + row * CELL_HEIGHT;
    for (const { text, style } of runs) this.#run(text, style);
  }

  get shapes(): readonly string[] {
    const dash = `stroke-width="${DOT_SIZE}" stroke-dasharray="${DOT_SIZE} ${number(DOT_STEP - DOT_SIZE)}"`;
    const paths = [...this.#dots].map(([color, rows]) => {
      const lines = [...rows].map(([y, xs]) => dotLines(y, xs)).join('');
      return `<path stroke="${color}" ${dash} fill="none" d="${lines}"/>`;
    });
    return [...this.#shapes, ...paths];
  }

  #run(text: string, style: Style): void {
    const front = style.color ?? (style.isDim ? DIM : FOREGROUND);
    const color = style.isInverse ? BACKGROUND : front;
    const columns = textWidth(text);
    if (style.isInverse) this.#box(0, 0, columns, 1, front, 1);
    // Pieces that are drawn, and stretches that are written.
    for (const part of text.match(/[\u2581-\u2593]+|[\u2800-\u28ff]+|[^\u2581-\u2593\u2800-\u28ff]+/g) ??
      []) {
      const code = part.codePointAt(0) as number;
      if (code >= 0x2800 && code <= 0x28ff) this.#braille(part, color);
      else if (code >= 0x2581 && code <= 0x2593) this.#blocks(part, color);
      else this.#write(part, style, color);
    }
  }

  #box(left: number, top: number, width: number, height: number, color: string, opacity: number): void {
    const at = `x="${number(this.#x + left * CELL_WIDTH)}" y="${number(this.#y + top * CELL_HEIGHT)}"`;
    const size = `width="${number(width * CELL_WIDTH)}" height="${number(height * CELL_HEIGHT)}"`;
    const shade = opacity === 1 ? '' : ` fill-opacity="${opacity}"`;
    this.#shapes.push(`<rect ${at} ${size} fill="${color}"${shade}/>`);
  }

  #blocks(text: string, color: string): void {
    for (const same of text.match(/(.)\1*/gu) ?? []) {
      const character = same[0] as string;
      const box = boxOf(character);
      const shade = SHADES[character];
      const isWide = character === '█' || shade !== undefined;
      if (isWide) this.#box(0, 0, same.length, 1, color, shade ?? 1);
      else if (box !== undefined) {
        for (let i = 0; i < same.length; i++) this.#box(i + box[0], box[1], box[2], box[3], color, 1);
      }
      this.#x += same.length * CELL_WIDTH;
    }
  }

  #braille(text: string, color: string): void {
    const rows = this.#dots.get(color) ?? new Map<number, number[]>();
    this.#dots.set(color, rows);
    for (const character of text) {
      const bits = (character.codePointAt(0) as number) - 0x2800;
      for (const [bit, column, row] of DOTS) {
        if ((bits & bit) === 0) continue;
        const y = this.#y + ((row + 0.5) * CELL_HEIGHT) / 4;
        const xs = rows.get(y) ?? [];
        rows.set(y, xs);
        xs.push(this.#x + column * DOT_STEP);
      }
      this.#x += CELL_WIDTH;
    }
  }

  #write(text: string, { isBold }: Style, color: string): void {
    const width = textWidth(text) * CELL_WIDTH;
    if (text.trim() !== '') {
      const lead = text.length - text.trimStart().length;
      const shown = text.trim();
      const x = this.#x + lead * CELL_WIDTH;
      const length = textWidth(shown) * CELL_WIDTH;
      const weight = isBold ? ' font-weight="bold"' : '';
      this.#shapes.push(
        `<text x="${number(x)}" y="${number(this.#y + BASELINE)}" textLength="${length}" lengthAdjust="spacingAndGlyphs" fill="${color}"${weight} xml:space="preserve">${escaped(shown)}</text>`,
      );
    }
    this.#x += width;
  }
}

/** @param lines as `ScreenModel.frame` gives them @param title for those who do not see it */
export function svgOfScreen(lines: readonly string[], columns: number, title: string): string {
  const width = columns * CELL_WIDTH + 2 * MARGIN;
  const height = lines.length * CELL_HEIGHT + 2 * MARGIN;
  const painter = new Painter();
  for (const [row, line] of lines.entries()) painter.line(runsOf(line), row);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="13">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" rx="6" fill="${BACKGROUND}"/>`,
    ...painter.shapes,
    '</svg>',
    '',
  ].join('\n');
}
