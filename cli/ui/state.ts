// What the person at the screen has chosen: which torrent, which panel, where the cursor is. Nothing of the engine's.

import type { Command } from '../../core/session/session-api.ts';
import type { SessionSnapshot, TorrentSnapshot } from '../../core/session/snapshot.ts';

export const PANELS = ['overview', 'pieces', 'peers', 'files', 'sources', 'log'] as const;
export type PanelName = (typeof PANELS)[number];

export type Overlay =
  | { readonly kind: 'help'; readonly top: number }
  | { readonly kind: 'confirm'; readonly question: string; readonly command: Command }
  | { readonly kind: 'input'; readonly text: string }
  | { readonly kind: 'priority'; readonly file: number };

export interface UiState {
  /** undefined: the list when there are several torrents, else the only one's panels. */
  readonly isDetail: boolean | undefined;
  /** Info hash of the chosen torrent; undefined: the first. */
  readonly torrent: string | undefined;
  readonly panel: PanelName;
  readonly cursors: Readonly<Record<PanelName, number>>;
  readonly overlay: Overlay | undefined;
  /** What became of the last key; until the next one. */
  readonly message: string;
}

export const INITIAL_STATE: UiState = {
  isDetail: undefined,
  torrent: undefined,
  panel: 'overview',
  cursors: { overview: 0, pieces: 0, peers: 0, files: 0, sources: 0, log: 0 },
  overlay: undefined,
  message: '',
};

export function isDetailView(ui: UiState, snapshot: SessionSnapshot): boolean {
  if (snapshot.torrents.length === 0) return false;
  return ui.isDetail ?? snapshot.torrents.length === 1;
}

/** Where the chosen torrent stands in the list. */
export function chosenIndex(ui: UiState, snapshot: SessionSnapshot): number {
  return Math.max(
    0,
    snapshot.torrents.findIndex((torrent) => torrent.infoHash === ui.torrent),
  );
}

export function chosenTorrent(ui: UiState, snapshot: SessionSnapshot): TorrentSnapshot | undefined {
  return snapshot.torrents[chosenIndex(ui, snapshot)];
}
