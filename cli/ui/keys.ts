// Every key of the screen, once: what it does, where it works and what the help says. Nothing else maps keys.
import type { PanelName } from './state.ts';

export type Action =
  | 'interrupt'
  | 'suspend'
  | 'redraw'
  | 'quit'
  | 'help'
  | 'open'
  | 'back'
  | 'next-panel'
  | 'previous-panel'
  | 'panel'
  | 'up'
  | 'down'
  | 'page-up'
  | 'page-down'
  | 'first'
  | 'last'
  | 'pause'
  | 'faster-down'
  | 'slower-down'
  | 'faster-up'
  | 'slower-up'
  | 'sequential'
  | 'recheck'
  | 'announce'
  | 'add'
  | 'remove'
  | 'skip-file'
  | 'lower-file'
  | 'raise-file'
  | 'file-priority';

export interface KeySpec {
  /** Names as keyName gives them. */
  readonly keys: readonly string[];
  readonly action: Action;
  /** How the key is written in the help. */
  readonly label: string;
  readonly help: string;
  /** Only in this panel. */
  readonly panel?: PanelName;
  /** A word for the footer; without one the key is in the help only. */
  readonly footer?: string;
}

export const KEYS: readonly KeySpec[] = [
  { keys: ['q'], action: 'quit', label: 'q', help: 'quit: tell the trackers, save, leave', footer: 'quit' },
  { keys: ['?', 'h'], action: 'help', label: '? h', help: 'this help', footer: 'help' },
  {
    keys: ['p'],
    action: 'pause',
    label: 'p',
    help: 'pause or resume the torrent; after an error, try again',
    footer: 'pause',
  },
  {
    keys: ['a'],
    action: 'add',
    label: 'a',
    help: 'add a magnet, a .torrent or host:port; or just paste it',
    footer: 'add',
  },
  { keys: ['+', '='], action: 'faster-down', label: '+', help: 'raise the download limit' },
  { keys: ['-', '_'], action: 'slower-down', label: '-', help: 'lower the download limit', footer: 'limit' },
  { keys: ['>'], action: 'faster-up', label: '>', help: 'raise the upload limit' },
  { keys: ['<'], action: 'slower-up', label: '<', help: 'lower the upload limit' },
  { keys: ['s'], action: 'sequential', label: 's', help: 'pieces in order, or rarest first again' },
  { keys: ['n'], action: 'announce', label: 'n', help: 'ask trackers and other sources for peers now' },
  { keys: ['r'], action: 'recheck', label: 'r', help: 'hash again what lies on disk (asks first)' },
  { keys: ['x'], action: 'remove', label: 'x', help: 'remove the torrent, files stay (asks first)' },
  { keys: ['1', '2', '3', '4', '5', '6'], action: 'panel', label: '1-6', help: 'go to a panel' },
  { keys: ['tab', 'right', 'l'], action: 'next-panel', label: 'Tab Right l', help: 'next panel' },
  { keys: ['shift-tab', 'left'], action: 'previous-panel', label: 'Shift-Tab Left', help: 'previous panel' },
  { keys: ['up', 'k'], action: 'up', label: 'Up k', help: 'up' },
  { keys: ['down', 'j'], action: 'down', label: 'Down j', help: 'down' },
  { keys: ['page-up'], action: 'page-up', label: 'PgUp', help: 'a page up' },
  { keys: ['page-down'], action: 'page-down', label: 'PgDn', help: 'a page down' },
  { keys: ['home', 'g'], action: 'first', label: 'Home g', help: 'to the beginning' },
  { keys: ['end', 'G'], action: 'last', label: 'End G', help: 'to the end' },
  { keys: ['enter'], action: 'open', label: 'Enter', help: 'open the chosen torrent' },
  {
    keys: ['escape', 'backspace'],
    action: 'back',
    label: 'Esc',
    help: 'back to the list of torrents',
    footer: 'list',
  },
  {
    keys: ['space'],
    action: 'skip-file',
    label: 'Space',
    help: 'fetch the file, or skip it',
    panel: 'files',
    footer: 'skip',
  },
  { keys: ['['], action: 'lower-file', label: '[', help: 'lower the priority of the file', panel: 'files' },
  {
    keys: [']'],
    action: 'raise-file',
    label: ']',
    help: 'raise the priority of the file',
    panel: 'files',
    footer: 'raise',
  },
  {
    keys: ['f'],
    action: 'file-priority',
    label: 'f 0-7',
    help: 'priority of the file: 0 skips, 4 normal, 7 first',
    panel: 'files',
  },
  { keys: ['ctrl-z'], action: 'suspend', label: 'Ctrl-Z', help: 'to the shell; fg comes back' },
  { keys: ['ctrl-l'], action: 'redraw', label: 'Ctrl-L', help: 'draw the screen anew' },
  { keys: ['ctrl-c'], action: 'interrupt', label: 'Ctrl-C', help: 'stop cleanly; twice leaves at once' },
];

export function keySpec(key: string, panel: PanelName | undefined): KeySpec | undefined {
  return KEYS.find((spec) => spec.keys.includes(key) && (spec.panel === undefined || spec.panel === panel));
}

/** What Ink says about a key press: the part of it that is used. */
export interface PressedKey {
  readonly upArrow?: boolean;
  readonly downArrow?: boolean;
  readonly leftArrow?: boolean;
  readonly rightArrow?: boolean;
  readonly pageUp?: boolean;
  readonly pageDown?: boolean;
  readonly home?: boolean;
  readonly end?: boolean;
  readonly return?: boolean;
  readonly escape?: boolean;
  readonly tab?: boolean;
  readonly backspace?: boolean;
  readonly delete?: boolean;
  readonly ctrl?: boolean;
  readonly shift?: boolean;
  readonly meta?: boolean;
}

const NAMED = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['pageUp', 'page-up'],
  ['pageDown', 'page-down'],
  ['home', 'home'],
  ['end', 'end'],
  ['return', 'enter'],
  ['escape', 'escape'],
  ['backspace', 'backspace'],
  ['delete', 'backspace'],
] as const satisfies readonly (readonly [keyof PressedKey, string])[];

/** One name for a key: `q`, `up`, `shift-tab`, `ctrl-c`; text of several characters as it is. */
export function keyName(input: string, key: PressedKey): string {
  if (key.tab === true) return key.shift === true ? 'shift-tab' : 'tab';
  for (const [field, name] of NAMED) if (key[field] === true) return name;
  if (key.ctrl === true) return `ctrl-${input}`;
  return input === ' ' ? 'space' : input;
}
