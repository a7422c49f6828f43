// What is drawn with more than ASCII, in ASCII: for terminals whose locale has nothing else. Pure.
import { textWidth } from './text.ts';

/** Full cells and parts of them, from nothing to all. */
const LEVELS = '_.-=+*%#';
const SHADES: Readonly<Record<string, string>> = { '░': '.', '▒': ':', '▓': '%', '█': '#', '▀': '"' };
const SIGNS: Readonly<Record<string, string>> = {
  ...{ '←': '<', '↑': '^', '→': '>', '↓': 'v' },
  ...{
    '…': '~',
    '·': '.',
    '•': '*',
    '±': '~',
    '×': 'x',
    '–': '-',
    '—': '-',
    '‘': "'",
    '’': "'",
    '“': '"',
    '”': '"',
  },
};

/** Dots of a braille cell, as what looks about as dark. */
function brailleAscii(code: number): string {
  let dots = 0;
  for (let bits = code & 0xff; bits !== 0; bits &= bits - 1) dots++;
  return ' ..:::###'.charAt(dots);
}

function graphemeAscii(character: string): string {
  const code = character.codePointAt(0) as number;
  const known = SHADES[character] ?? SIGNS[character];
  if (known !== undefined) return known;
  if (code >= 0x2800 && code <= 0x28ff) return brailleAscii(code);
  if (code >= 0x2581 && code <= 0x2588) return LEVELS.charAt(code - 0x2581);
  if (code >= 0x2589 && code <= 0x258f) return LEVELS.charAt(0x258f - code);
  if (code === 0x2500 || code === 0x2501) return '-';
  if (code === 0x2502 || code === 0x2503) return '|';
  if (code >= 0x2504 && code <= 0x257f) return '+';
  const [base = ''] = character.normalize('NFD');
  if (base !== '' && base <= '~') return base;
  return '?'.repeat(textWidth(character));
}

/** As many columns as before; styles and other controls stay as they are. A letter loses its accent, a foreign one becomes `?`. */
export function toAscii(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: everything but ASCII
  return text.replace(/[^\u0000-\u007f]/gu, graphemeAscii);
}
