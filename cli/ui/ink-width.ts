// The width of text as Ink sees it: ours. The bundle puts this in place of `string-width`, which looks up every braille dot and block among
// the emoji (a third of what a picture costs), and which may disagree with the columns that the rows were laid out for.
import { stripVTControlCharacters } from 'node:util';
import { textWidth } from '../terminal/text.ts';

const ESCAPE = '\u001b';

/** Columns, without what a terminal obeys. @param options as of `string-width` */
export default function stringWidth(
  text: string,
  options: { readonly countAnsiEscapeCodes?: boolean } = {},
): number {
  const isPlain = options.countAnsiEscapeCodes === true || !text.includes(ESCAPE);
  return textWidth(isPlain ? text : stripVTControlCharacters(text));
}
