// Text from torrents and peers on its way to a terminal: made harmless, measured in columns, cut to fit.

/**
 * What must never reach a terminal raw: C0 and C1 controls and DEL (escape sequences), line and paragraph separators, the
 * bidirectional overrides that make a name read as another, invisible joiners at the edges of trust, and lone surrogates.
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|\p{Surrogate}/gu;

/** Escapes one line of foreign text: ESC becomes `\x1b`, a right-to-left override `\u202e`. */
export function safeText(text: string): string {
  return text.replace(UNSAFE, (unsafe) => {
    const code = unsafe.charCodeAt(0);
    return code <= 0xff ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
  });
}

/** JSON on one line in which nothing is left that a terminal would obey. */
export function safeJson(value: unknown): string {
  const text = JSON.stringify(value, (_key, held: unknown) =>
    held instanceof Uint8Array ? hexOfBytes(held) : held,
  );
  return text.replace(UNSAFE, (unsafe) => `\\u${hex(unsafe.charCodeAt(0), 4)}`);
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}

function hexOfBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => hex(byte, 2)).join('');
}

/** One column a character, beyond doubt: ASCII, Latin letters, and what bars, maps and graphs are made of. */
const SINGLE_COLUMN =
  /^[\x20-\x7e\u00a1-\u00a8\u00aa-\u00ac\u00af-\u02ff\u2026\u2190-\u2193\u2500-\u259f\u2800-\u28ff]*$/;
/** Marks that stand over or under their letter, format characters, and the inner letters of a Hangul syllable. */
const ZERO_WIDTH = /^(?:\p{Mn}|\p{Me}|\p{Cf}|[\u1160-\u11ff\ud7b0-\ud7ff])$/u;
const EMOJI = /\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f/u;

/** First and last of the East Asian Wide and Fullwidth blocks (Unicode UAX 11), merged where only unassigned points lie between. */
const WIDE_RANGES: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18aff],
  [0x1aff0, 0x1b2ff],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
];

let graphemes: Intl.Segmenter | undefined;

/** Made when the first text needs it: loading its tables takes 10 ms of every start. */
function segments(text: string): Intl.Segments {
  graphemes ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return graphemes.segment(text);
}

function codePointWidth(character: string): number {
  const code = character.codePointAt(0) as number;
  if (WIDE_RANGES.some(([first, last]) => code >= first && code <= last)) return 2;
  return ZERO_WIDTH.test(character) ? 0 : 1;
}

/** An emoji sequence is one picture; in everything else each letter and each spacing vowel sign takes its place, as wcwidth has it. */
function graphemeWidth(grapheme: string): number {
  if (EMOJI.test(grapheme)) return 2;
  let width = 0;
  for (const character of grapheme) width += codePointWidth(character);
  return width;
}

/** Terminal columns the text takes. */
export function textWidth(text: string): number {
  if (SINGLE_COLUMN.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segments(text)) width += graphemeWidth(segment);
  return width;
}

/** Cuts to at most `columns`, with `…` where something was cut; never splits a character. */
export function truncateText(text: string, columns: number): string {
  if (columns <= 0) return '';
  if (textWidth(text) <= columns) return text;
  let width = 0;
  let kept = '';
  for (const { segment } of segments(text)) {
    const next = graphemeWidth(segment);
    if (width + next > columns - 1) break;
    kept += segment;
    width += next;
  }
  return `${kept}…`;
}

/** As wide as so many columns of a terminal; longer text stays as it is. */
export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - textWidth(text)));
}

/** As padEnd, with the blanks in front. */
export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - textWidth(text))) + text;
}
