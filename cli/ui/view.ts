// The whole screen as lines: title, panels, message, keys. Pure: the picture of the session and what the person chose in.
import type { SessionSnapshot, TorrentSnapshot } from '../../core/session/snapshot.ts';
import { safeText, textWidth } from '../terminal/text.ts';
import { formatCount, formatRate, formatShare } from '../terminal/units.ts';
import type { History } from './history.ts';
import { KEYS } from './keys.ts';
import { fileLines } from './panels/files.ts';
import { helpLines } from './panels/help.ts';
import { logLines, type ScreenLog } from './panels/log.ts';
import { overviewLines } from './panels/overview.ts';
import { peerLines } from './panels/peers.ts';
import { pieceLines } from './panels/piece-lines.ts';
import { sourceLines } from './panels/sources.ts';
import { torrentLines } from './panels/torrents.ts';
import { chosenIndex, chosenTorrent, isDetailView, PANELS, type PanelName, type UiState } from './state.ts';
import { BLANK, bar, edges, fitLine, type Line, lineWidth, type Span, span } from './styled.ts';

export interface ViewInput {
  readonly snapshot: SessionSnapshot | undefined;
  readonly ui: UiState;
  readonly history: History;
  readonly log: ScreenLog;
  /** Monotonic, of the session: log times count from here. */
  readonly startedAtMs: number;
}

/** Smaller screens get what fits of this. */
const LEAST_COLUMNS = 40;
const LEAST_ROWS = 8;
/** Title, tabs, message and keys. */
const FRAME_ROWS = 4;

const TITLES: Readonly<Record<PanelName, string>> = {
  overview: 'Overview',
  pieces: 'Pieces',
  peers: 'Peers',
  files: 'Files',
  sources: 'Trackers',
  log: 'Log',
};

function titleBar(snapshot: SessionSnapshot, torrent: TorrentSnapshot | undefined, width: number): Line {
  const rates = ` ↓ ${formatRate(snapshot.downRateBytesPerSec)}  ↑ ${formatRate(snapshot.upRateBytesPerSec)} `;
  const whole = torrent?.wantedBytes ?? 0;
  const share = torrent === undefined || whole === 0 ? '' : ` ${formatShare(torrent.verifiedBytes, whole)}`;
  const what =
    torrent === undefined
      ? ` tt  ${formatCount(snapshot.torrents.length, 'torrent')}`
      : ` tt${share}  ${safeText(torrent.name === '' ? torrent.infoHash : torrent.name)}`;
  return bar(edges([what], [rates], width), width, 'inverse');
}

function countOf(panel: PanelName, torrent: TorrentSnapshot): string {
  const counts: Partial<Record<PanelName, number>> = {
    peers: torrent.peers.length,
    files: torrent.files.length,
    sources: torrent.sources.length,
  };
  const count = counts[panel];
  return count === undefined ? '' : ` ${count}`;
}

/**
 * The chosen one stands in brackets, so that it is told without colour or weight. Where there is no room for all of them
 * the counts go first and then the names of the others: where one is must be told in any width.
 */
function tabs(ui: UiState, torrent: TorrentSnapshot, width: number): Line {
  const line = (other: (panel: PanelName) => string): Line =>
    PANELS.map((panel, i) =>
      panel === ui.panel
        ? span('bold', `[${i + 1} ${TITLES[panel]}${countOf(panel, torrent)}]`)
        : ` ${i + 1}${other(panel)} `,
    );
  const forms = [
    line((panel) => ` ${TITLES[panel]}${countOf(panel, torrent)}`),
    line((panel) => ` ${TITLES[panel]}`),
    line(() => ''),
  ];
  return fitLine(forms.find((form) => lineWidth(form) <= width) ?? (forms.at(-1) as Line), width);
}

/** @param hasList there is a list of torrents to go back to */
function footer(panel: PanelName | undefined, hasList: boolean, width: number): Line {
  const line: (string | Span)[] = [];
  let used = 0;
  const specs = KEYS.filter(
    (spec) =>
      spec.footer !== undefined && (spec.panel ?? panel) === panel && (hasList || spec.action !== 'back'),
  );
  // The keys of this panel first: they are the news here.
  const ordered = [
    ...specs.filter((spec) => spec.panel !== undefined),
    ...specs.filter((spec) => spec.panel === undefined),
  ];
  for (const { label, footer: word } of ordered) {
    const key = label.split(' ')[0] as string;
    const columns = textWidth(key) + textWidth(word as string) + 3;
    if (used + columns > width) break;
    used += columns;
    line.push(span('key', key), ` ${word}  `);
  }
  return line;
}

function messageLine({ overlay, message }: UiState, width: number): Line {
  switch (overlay?.kind) {
    case 'confirm':
      return [span('warn', overlay.question), ' y does it, any other key does not'];
    case 'input': {
      const prompt = 'add: ';
      const help =
        overlay.text === '' ? span('dim', '  paste a magnet, a .torrent or host:port; Enter, or Esc') : '';
      // The end of a long magnet is what is being typed.
      const room = Math.max(1, width - prompt.length - 2);
      const safe = safeText(overlay.text);
      const shown = textWidth(safe) > room ? `…${[...safe].slice(-(room - 1)).join('')}` : safe;
      return [span('bold', prompt), shown, span('inverse', ' '), help];
    }
    case 'priority':
      return [span('warn', `priority of file ${overlay.file + 1}?`), ' 0 skips, 4 is normal, 7 is first'];
    default:
      return [span('warn', message)];
  }
}

function detailBody(
  input: ViewInput,
  snapshot: SessionSnapshot,
  torrent: TorrentSnapshot,
  width: number,
  height: number,
): Line[] {
  const { ui, history, log } = input;
  const cursor = ui.cursors[ui.panel];
  switch (ui.panel) {
    case 'overview':
      return overviewLines({ snapshot, torrent, history: history.of(torrent.infoHash), width, height });
    case 'pieces':
      return pieceLines(torrent, width, height);
    case 'peers':
      return peerLines(torrent, width, height, cursor);
    case 'files':
      return fileLines(torrent, width, height, cursor);
    case 'sources':
      return sourceLines({ snapshot, torrent, roundTrips: history.roundTrips, width, height, cursor });
    case 'log':
      return logLines(log, input.startedAtMs, height, cursor);
  }
}

/** Exactly `rows` lines; cut to the width when they are painted. */
export function viewLines(input: ViewInput, columns: number, rows: number): Line[] {
  const { snapshot, ui } = input;
  const width = Math.max(LEAST_COLUMNS, columns);
  const height = Math.max(LEAST_ROWS, rows) - FRAME_ROWS;
  let lines: Line[];
  if (snapshot === undefined) {
    lines = [bar([' tt'], width, 'inverse'), BLANK, [' starting']];
  } else {
    const torrent = isDetailView(ui, snapshot) ? chosenTorrent(ui, snapshot) : undefined;
    const top = [
      titleBar(snapshot, torrent, width),
      torrent === undefined
        ? [span('bold', 'Torrents'), span('dim', '  Enter opens')]
        : tabs(ui, torrent, width),
    ];
    const body =
      ui.overlay?.kind === 'help'
        ? helpLines(width, height, ui.overlay.top)
        : torrent === undefined
          ? torrentLines({
              snapshot,
              history: input.history.total,
              width,
              height,
              cursor: chosenIndex(ui, snapshot),
            })
          : detailBody(input, snapshot, torrent, width, height);
    const filled = [
      ...body.slice(0, height),
      ...Array.from({ length: Math.max(0, height - body.length) }, () => BLANK),
    ];
    lines = [
      ...top,
      ...filled,
      messageLine(ui, width),
      footer(
        torrent === undefined ? undefined : ui.panel,
        torrent !== undefined && snapshot.torrents.length > 1,
        width,
      ),
    ];
  }
  const all = [...lines, ...Array.from({ length: Math.max(0, rows - lines.length) }, () => BLANK)];
  const seen = all.slice(0, rows);
  // A question that is not seen would be answered all the same.
  const said = messageLine(ui, width);
  if (rows > 0 && rows < LEAST_ROWS && lineWidth(said) > 0) seen[rows - 1] = said;
  return seen;
}
