// Colour, or none: decided once for each stream from --color, NO_COLOR, FORCE_COLOR and what the stream is.
import { isDumb } from '../base/terminal-kind.ts';

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
  green(text: string): string;
}

export interface ColorInputs {
  readonly choice: 'auto' | 'always' | 'never';
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isTty: boolean;
}

export function wantsColor({ choice, env, isTty }: ColorInputs): boolean {
  if (choice !== 'auto') return choice === 'always';
  const no = env['NO_COLOR'];
  if (no !== undefined && no !== '') return false;
  const force = env['FORCE_COLOR'];
  if (force !== undefined && force !== '') return force !== '0' && force !== 'false';
  return isTty && !isDumb(env);
}

function sgr(on: number, off: number): (text: string) => string {
  return (text) => `\u001b[${on}m${text}\u001b[${off}m`;
}

const plain = (text: string): string => text;

const NO_STYLE: Style = { bold: plain, dim: plain, red: plain, yellow: plain, green: plain };

const COLOR_STYLE: Style = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  red: sgr(31, 39),
  yellow: sgr(33, 39),
  green: sgr(32, 39),
};

/** Text of ours without the styles above. */
export function stripStyle(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: styles are made of them
  return text.replace(/\u001b\[[0-9;]*m/g, '');
}

export function styleFor(inputs: ColorInputs): Style {
  return wantsColor(inputs) ? COLOR_STYLE : NO_STYLE;
}
