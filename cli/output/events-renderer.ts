// `--events`: one JSON object a line on stdout: facts as they happen, progress twice a second, and every few seconds what else the screen
// shows, where it changed.
import type { SessionEvent } from '../../core/session/session-api.ts';
import type { FileSnapshot, SessionSnapshot, TorrentSnapshot } from '../../core/session/snapshot.ts';
import type { Console } from '../terminal/console.ts';
import { safeJson } from '../terminal/text.ts';
import type { Meter, Renderer } from './renderer.ts';
import {
  fileRecord,
  type JsonRecord,
  peerRecord,
  reachedRecord,
  sessionRecord,
  sourceRecord,
  torrentNumbers,
} from './snapshot-record.ts';

export const SCHEMA = 'tt/1';
const PROGRESS_INTERVAL_MS = 500;
/** Peers, files, sources, ports, NAT, DHT. */
const DETAILS_INTERVAL_MS = 5_000;

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
  if (event.kind === 'peer-connected' && event.reached !== undefined)
    return { ...head, ...rest, reached: reachedRecord(event.reached) };
  return { ...head, ...rest };
}

/** What one kind of record last said of one subject, so that nothing new is no event. */
class LastSaid {
  private readonly texts = new Map<string, string>();

  isNew(subject: string, value: unknown): boolean {
    const text = safeJson(value);
    // An empty list at the beginning is no news either.
    if ((this.texts.get(subject) ?? '[]') === text) return false;
    this.texts.set(subject, text);
    return true;
  }
}

export class EventsRenderer implements Renderer {
  readonly intervalMs = PROGRESS_INTERVAL_MS;
  private readonly console: Console;
  private readonly said = new LastSaid();
  private readonly files = new Map<string, FileSnapshot[]>();
  private nextDetailsAtMs = Number.NEGATIVE_INFINITY;

  constructor(console: Console) {
    this.console = console;
  }

  render(snapshot: SessionSnapshot): void {
    for (const torrent of snapshot.torrents) {
      const numbers = torrentNumbers(torrent);
      if (this.said.isNew(`progress ${torrent.infoHash}`, numbers))
        this.write(snapshot, 'progress', torrent, numbers);
    }
    if (snapshot.atMs < this.nextDetailsAtMs) return;
    this.nextDetailsAtMs = snapshot.atMs + DETAILS_INTERVAL_MS;
    this.renderDetails(snapshot);
  }

  handleEvent(event: SessionEvent): void {
    // A piece and the files it completes: thousands in a second.
    this.console.outSoon(safeJson(eventRecord(event)));
  }

  close(): void {}

  /** What the panels of the screen show: less often, because it is much. */
  private renderDetails(snapshot: SessionSnapshot): void {
    const session = sessionRecord(snapshot);
    if (this.said.isNew('session', session)) this.write(snapshot, 'session', undefined, session);
    for (const torrent of snapshot.torrents) {
      const { infoHash } = torrent;
      const peers = torrent.peers.map(peerRecord);
      if (this.said.isNew(`peers ${infoHash}`, peers)) this.write(snapshot, 'peers', torrent, { peers });
      // The time that is left until the next announce changes all the time and is no news.
      if (this.said.isNew(`sources ${infoHash}`, torrent.sources)) {
        const sources = torrent.sources.map((source) => sourceRecord(source, snapshot.atMs));
        this.write(snapshot, 'sources', torrent, { sources });
      }
      const files = this.changedFiles(torrent);
      if (files.length > 0) this.write(snapshot, 'files', torrent, { files: files.map(fileRecord) });
    }
  }

  /** All of them first, then those that moved: there may be ten thousand. */
  private changedFiles({ infoHash, files }: TorrentSnapshot): readonly FileSnapshot[] {
    const before = this.files.get(infoHash);
    this.files.set(infoHash, [...files]);
    return files.filter((file, i) => {
      const old = before?.[i];
      return old === undefined || old.verifiedBytes !== file.verifiedBytes || old.priority !== file.priority;
    });
  }

  private write(
    { atMs }: SessionSnapshot,
    event: string,
    torrent: TorrentSnapshot | undefined,
    data: JsonRecord,
  ): void {
    const of = torrent === undefined ? {} : { torrent: torrent.infoHash };
    this.console.out(safeJson({ schema: SCHEMA, event, atMs: Math.round(atMs), ...of, ...data }));
  }
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
