// A key and the picture of the session in; the next state of the screen and what is to be done out. Pure.
import type { Command } from '../../core/session/session-api.ts';
import type { FilePriority, SessionSnapshot, TorrentSnapshot } from '../../core/session/snapshot.ts';
import { safeText } from '../terminal/text.ts';
import { formatRate } from '../terminal/units.ts';
import { type Action, keySpec } from './keys.ts';
import { lowerLimit, raiseLimit } from './limits.ts';
import {
  chosenIndex,
  chosenTorrent,
  INITIAL_STATE,
  isDetailView,
  PANELS,
  type PanelName,
  type UiState,
} from './state.ts';
import { clampCursor } from './table.ts';

export type Effect =
  | { readonly kind: 'command'; readonly command: Command }
  | { readonly kind: 'add'; readonly text: string; readonly torrent: string | undefined }
  | { readonly kind: 'quit' }
  | { readonly kind: 'interrupt' }
  | { readonly kind: 'suspend' }
  | { readonly kind: 'redraw' };

export interface Update {
  readonly ui: UiState;
  readonly effects: readonly Effect[];
}

/** Longer than any magnet anybody has seen. */
const MOST_INPUT_CHARS = 16_384;
/** Rows that a page key moves; exact pages matter less than finding one's place again. */
const PAGE_ROWS = 10;
const NORMAL: FilePriority = 4;
const HIGHEST: FilePriority = 7;

const unchanged = (ui: UiState): Update => ({ ui, effects: [] });

function rowCount(panel: PanelName, torrent: TorrentSnapshot | undefined, logRows: number): number {
  if (panel === 'log') return logRows;
  if (torrent === undefined) return 0;
  if (panel === 'peers') return torrent.peers.length;
  if (panel === 'files') return torrent.files.length;
  return panel === 'sources' ? torrent.sources.length : 0;
}

export interface UpdateInput {
  readonly ui: UiState;
  readonly snapshot: SessionSnapshot;
  /** Lines in the log: what its cursor may reach. */
  readonly logRows: number;
}

/** @param key as keyName gives it, or several characters typed at once */
export function press(input: UpdateInput, key: string): Update {
  if (key === 'ctrl-c') return { ui: input.ui, effects: [{ kind: 'interrupt' }] };
  if (key === 'ctrl-z') return { ui: input.ui, effects: [{ kind: 'suspend' }] };
  if (key === 'ctrl-l') return { ui: input.ui, effects: [{ kind: 'redraw' }] };
  const ui = { ...input.ui, message: '' };
  switch (ui.overlay?.kind) {
    case 'help':
      return pressInHelp(ui, ui.overlay.top, key);
    case 'confirm': {
      const { command } = ui.overlay;
      const closed = { ...ui, overlay: undefined };
      if (key === 'y' || key === 'Y') return { ui: closed, effects: [{ kind: 'command', command }] };
      return unchanged({ ...closed, message: 'left as it is' });
    }
    case 'input':
      return pressInInput(ui, ui.overlay.text, key, input.snapshot);
    case 'priority':
      return pressPriority(ui, ui.overlay.file, key, input.snapshot);
    default: {
      const isDetail = isDetailView(ui, input.snapshot);
      const spec = keySpec(key, isDetail ? ui.panel : undefined);
      if (spec !== undefined) return act({ ...input, ui }, spec.action, key);
      return unchanged({
        ...ui,
        message: key.length === 1 ? `${safeText(key)} does nothing; ? shows all keys` : '',
      });
    }
  }
}

/** Pasted text goes to the line for adding, whatever is on the screen. */
export function paste(ui: UiState, text: string): UiState {
  const before = ui.overlay?.kind === 'input' ? ui.overlay.text : '';
  return { ...ui, message: '', overlay: { kind: 'input', text: typed(before, text.trim()) } };
}

/** One line, no controls, bounded. */
function typed(before: string, more: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return (before + more.replace(/[\u0000-\u001f\u007f-\u009f]/g, '')).slice(0, MOST_INPUT_CHARS);
}

function pressInHelp(ui: UiState, top: number, key: string): Update {
  const action = keySpec(key, undefined)?.action;
  const move: Partial<Record<Action, number>> = {
    up: -1,
    down: 1,
    'page-up': -PAGE_ROWS,
    'page-down': PAGE_ROWS,
  };
  const by = action === undefined ? undefined : move[action];
  if (by !== undefined) return unchanged({ ...ui, overlay: { kind: 'help', top: Math.max(0, top + by) } });
  return unchanged({ ...ui, overlay: undefined });
}

function pressInInput(ui: UiState, text: string, key: string, snapshot: SessionSnapshot): Update {
  if (key === 'escape') return unchanged({ ...ui, overlay: undefined });
  if (key === 'backspace')
    return unchanged({ ...ui, overlay: { kind: 'input', text: [...text].slice(0, -1).join('') } });
  if (key === 'enter') {
    const wanted = text.trim();
    const closed = { ...ui, overlay: undefined };
    if (wanted === '') return unchanged(closed);
    const torrent = chosenTorrent(ui, snapshot)?.infoHash;
    return { ui: closed, effects: [{ kind: 'add', text: wanted, torrent }] };
  }
  // Names of other keys are no text.
  if (/^(up|down|left|right|tab|shift-tab|home|end|page-.*|ctrl-.*)$/.test(key)) return unchanged(ui);
  return unchanged({ ...ui, overlay: { kind: 'input', text: typed(text, key === 'space' ? ' ' : key) } });
}

function pressPriority(ui: UiState, file: number, key: string, snapshot: SessionSnapshot): Update {
  const closed = { ...ui, overlay: undefined };
  const torrent = chosenTorrent(ui, snapshot);
  if (torrent === undefined || !/^[0-7]$/.test(key))
    return unchanged({ ...closed, message: 'left as it is' });
  return setPriority(closed, torrent, file, Number(key) as FilePriority);
}

function setPriority(ui: UiState, torrent: TorrentSnapshot, file: number, priority: FilePriority): Update {
  const command: Command = { kind: 'set-file-priority', torrent: torrent.infoHash, file, priority };
  const message = priority === 0 ? 'the file is skipped' : `priority ${priority}`;
  return { ui: { ...ui, message }, effects: [{ kind: 'command', command }] };
}

function act(input: UpdateInput, action: Action, key: string): Update {
  const { ui, snapshot } = input;
  const torrent = chosenTorrent(ui, snapshot);
  switch (action) {
    case 'quit':
      return { ui: { ...ui, message: 'stopping' }, effects: [{ kind: 'quit' }] };
    case 'help':
      return unchanged({ ...ui, overlay: { kind: 'help', top: 0 } });
    case 'add':
      return unchanged({ ...ui, overlay: { kind: 'input', text: '' } });
    case 'open':
      return unchanged(torrent === undefined ? ui : { ...ui, isDetail: true, torrent: torrent.infoHash });
    case 'back':
      return unchanged({ ...ui, isDetail: snapshot.torrents.length > 1 ? false : undefined });
    case 'panel':
      return unchanged({ ...ui, isDetail: true, panel: PANELS[Number(key) - 1] ?? ui.panel });
    case 'next-panel':
      return unchanged(turn(input, 1));
    case 'previous-panel':
      return unchanged(turn(input, -1));
    case 'up':
      return unchanged(move(input, -1));
    case 'down':
      return unchanged(move(input, 1));
    case 'page-up':
      return unchanged(move(input, -PAGE_ROWS));
    case 'page-down':
      return unchanged(move(input, PAGE_ROWS));
    case 'first':
      return unchanged(move(input, Number.NEGATIVE_INFINITY));
    case 'last':
      return unchanged(move(input, Number.POSITIVE_INFINITY));
    case 'faster-down':
    case 'slower-down':
    case 'faster-up':
    case 'slower-up':
      return limit(ui, snapshot, action);
    default:
      return torrent === undefined
        ? unchanged({ ...ui, message: 'there is no torrent' })
        : actOnTorrent(ui, torrent, action);
  }
}

function turn({ ui, snapshot }: UpdateInput, by: number): UiState {
  if (!isDetailView(ui, snapshot)) return ui;
  const next = (PANELS.indexOf(ui.panel) + by + PANELS.length) % PANELS.length;
  return { ...ui, panel: PANELS[next] ?? INITIAL_STATE.panel };
}

function move({ ui, snapshot, logRows }: UpdateInput, by: number): UiState {
  if (!isDetailView(ui, snapshot)) {
    const next = clampCursor(chosenIndex(ui, snapshot) + by, snapshot.torrents.length);
    return { ...ui, torrent: snapshot.torrents[next]?.infoHash };
  }
  const count = rowCount(ui.panel, chosenTorrent(ui, snapshot), logRows);
  // In the log the cursor counts back from the newest, which stands at the bottom.
  const step = ui.panel === 'log' ? -by : by;
  const next = clampCursor(clampCursor(ui.cursors[ui.panel], count) + step, count);
  return { ...ui, cursors: { ...ui.cursors, [ui.panel]: next } };
}

function limit(ui: UiState, snapshot: SessionSnapshot, action: Action): Update {
  const isDown = action === 'faster-down' || action === 'slower-down';
  const now = isDown ? snapshot.downLimitBytesPerSec : snapshot.upLimitBytesPerSec;
  const rate = isDown ? snapshot.downRateBytesPerSec : snapshot.upRateBytesPerSec;
  const next = action.startsWith('faster') ? raiseLimit(now) : lowerLimit(now, rate);
  const command: Command = {
    kind: 'set-limits',
    down: isDown ? next : undefined,
    up: isDown ? undefined : next,
  };
  const message = `${isDown ? 'download' : 'upload'} limit: ${next === 0 ? 'none' : formatRate(next)}`;
  return { ui: { ...ui, message }, effects: [{ kind: 'command', command }] };
}

function actOnTorrent(ui: UiState, torrent: TorrentSnapshot, action: Action): Update {
  const { infoHash } = torrent;
  const name = safeText(torrent.name === '' ? infoHash : torrent.name);
  const run = (command: Command, message: string): Update => ({
    ui: { ...ui, message },
    effects: [{ kind: 'command', command }],
  });
  const ask = (question: string, command: Command): Update =>
    unchanged({ ...ui, overlay: { kind: 'confirm', question, command } });
  switch (action) {
    case 'pause':
      if (torrent.state === 'paused') return run({ kind: 'resume', torrent: infoHash }, 'resumed');
      // It stopped by itself: whoever presses this has mended what was wrong.
      if (torrent.state === 'error') return run({ kind: 'resume', torrent: infoHash }, 'tried again');
      return run({ kind: 'pause', torrent: infoHash }, 'paused');
    case 'sequential': {
      const on = torrent.isSequential !== true;
      return run(
        { kind: 'set-sequential', torrent: infoHash, on },
        on ? 'pieces in order' : 'rarest pieces first',
      );
    }
    case 'announce':
      return run({ kind: 'announce', torrent: infoHash }, 'asking for peers');
    case 'recheck':
      return ask(`Hash all of ${name} again?`, { kind: 'recheck', torrent: infoHash });
    case 'remove':
      return ask(`Remove ${name}? Its files stay.`, { kind: 'remove', torrent: infoHash });
    default:
      return actOnFile(ui, torrent, action);
  }
}

function actOnFile(ui: UiState, torrent: TorrentSnapshot, action: Action): Update {
  const file = torrent.files[clampCursor(ui.cursors.files, torrent.files.length)];
  if (file === undefined) return unchanged({ ...ui, message: 'the files are not known yet' });
  const { index, priority } = file;
  if (action === 'skip-file') return setPriority(ui, torrent, index, priority === 0 ? NORMAL : 0);
  if (action === 'lower-file')
    return setPriority(ui, torrent, index, Math.max(0, priority - 1) as FilePriority);
  if (action === 'raise-file')
    return setPriority(ui, torrent, index, Math.min(HIGHEST, priority + 1) as FilePriority);
  return unchanged({ ...ui, overlay: { kind: 'priority', file: index } });
}
