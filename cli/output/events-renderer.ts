// `--events`: one JSON object a line on stdout, facts as they happen and a progress record twice a second.
import type { SessionEvent } from '../../core/session/session-api.ts';
import type { SessionSnapshot, TorrentSnapshot } from '../../core/session/snapshot.ts';
import type { Console } from './console.ts';
import type { Meter, Renderer } from './renderer.ts';
import { safeJson } from './text.ts';

export const SCHEMA = 'tt/1';
const PROGRESS_INTERVAL_MS = 500;

/** The event without references into the engine: what --events writes. */
export function eventRecord(event: SessionEvent): Readonly<Record<string, unknown>> {
  const { kind, atMs, torrent, ...rest } = event;
  const head = { schema: SCHEMA, event: kind, atMs: Math.round(atMs), torrent };
  if (event.kind === 'metadata') {
    const { metainfo } = event;
    return {
      ...head,
      name: metainfo.name,
      totalBytes: metainfo.layout.totalLength,
      pieceLength: metainfo.layout.pieceLength,
      pieceCount: metainfo.layout.pieceCount,
      fileCount: metainfo.files.filter((file) => !file.isPadding).length,
    };
  }
  if (event.kind === 'error') {
    const { slug, message, hint, code } = event.error;
    return { ...head, reason: slug, message, hint, code };
  }
  // Files are counted from 1 wherever people and scripts see them, as in `tt info`.
  if (event.kind === 'file-complete') return { ...head, file: event.file + 1, path: event.path };
  return { ...head, ...rest };
}

/** The numbers of one torrent, for --json and for progress records. */
export function torrentNumbers(torrent: TorrentSnapshot): Readonly<Record<string, unknown>> {
  return {
    name: torrent.name,
    state: torrent.state,
    totalBytes: torrent.totalBytes,
    wantedBytes: torrent.wantedBytes,
    verifiedBytes: torrent.verifiedBytes,
    downloadedBytes: torrent.downloadedBytes,
    uploadedBytes: torrent.uploadedBytes,
    downRateBytesPerSec: Math.round(torrent.downRateBytesPerSec),
    upRateBytesPerSec: Math.round(torrent.upRateBytesPerSec),
    etaMs: torrent.etaMs === undefined ? undefined : Math.round(torrent.etaMs),
    peerCount: torrent.peers.length,
  };
}

export class EventsRenderer implements Renderer {
  readonly intervalMs = PROGRESS_INTERVAL_MS;
  private readonly console: Console;
  private readonly lastNumbers = new Map<string, string>();

  constructor(console: Console) {
    this.console = console;
  }

  render(snapshot: SessionSnapshot): void {
    for (const torrent of snapshot.torrents) {
      const numbers = safeJson(torrentNumbers(torrent));
      // Nothing new is no event.
      if (this.lastNumbers.get(torrent.infoHash) === numbers) continue;
      this.lastNumbers.set(torrent.infoHash, numbers);
      const record = { schema: SCHEMA, event: 'progress', atMs: Math.round(snapshot.atMs) };
      this.console.out(safeJson({ ...record, torrent: torrent.infoHash, ...torrentNumbers(torrent) }));
    }
  }

  handleEvent(event: SessionEvent): void {
    this.console.out(safeJson(eventRecord(event)));
  }

  close(): void {}
}

export class EventsMeter implements Meter {
  private readonly console: Console;
  private readonly label: string;
  private readonly nowMs: () => number;
  private nextAtMs = 0;

  constructor(console: Console, label: string, nowMs: () => number) {
    this.console = console;
    this.label = label;
    this.nowMs = nowMs;
  }

  update(bytes: number, totalBytes: number): void {
    const nowMs = this.nowMs();
    if (nowMs < this.nextAtMs) return;
    this.nextAtMs = nowMs + PROGRESS_INTERVAL_MS;
    this.console.out(
      safeJson({
        schema: SCHEMA,
        event: 'progress',
        atMs: Math.round(nowMs),
        work: this.label,
        bytes,
        totalBytes,
      }),
    );
  }

  close(): void {}
}
