// The last things that happened, and the words for them. The newest stands at the bottom; the cursor goes back in time.
import type { SessionEvent } from '../../../core/session/session-api.ts';
import { safeText } from '../../terminal/text.ts';
import { formatBytes, formatCount, formatElapsed } from '../../terminal/units.ts';
import { type Line, span, type Tone } from '../styled.ts';

export interface LogEntry {
  readonly atMs: number;
  readonly tone: Tone | undefined;
  /** Safe for a terminal. */
  readonly text: string;
}

const MOST_ENTRIES = 500;
const TIME_COLUMNS = 8;

export class ScreenLog {
  private readonly kept: LogEntry[] = [];

  get entries(): readonly LogEntry[] {
    return this.kept;
  }

  add(entry: LogEntry): void {
    this.kept.push(entry);
    if (this.kept.length > MOST_ENTRIES) this.kept.shift();
  }
}

/** What a person wants to read of an event; undefined for those that come in hundreds. */
export function eventWords(event: SessionEvent): readonly [Tone | undefined, string] | undefined {
  switch (event.kind) {
    case 'added':
      return [undefined, `added ${safeText(event.name)}`];
    case 'metadata':
      return [
        'good',
        `metadata of ${safeText(event.metainfo.name)}: ${formatBytes(event.metainfo.layout.totalLength)}`,
      ];
    case 'checking':
      return [undefined, `checking ${formatBytes(event.bytes)} on disk`];
    case 'checked':
      return [
        undefined,
        `checked: ${event.verifiedPieces} of ${formatCount(event.pieceCount, 'piece')} are there`,
      ];
    case 'started':
      return [undefined, 'started'];
    case 'first-byte':
      return ['good', 'the first data came in'];
    case 'piece':
      return undefined;
    case 'piece-failed':
      return ['bad', `piece ${event.piece} failed its hash and is fetched again`];
    case 'file-complete':
      return ['good', `file ${event.file + 1} is complete: ${safeText(event.path)}`];
    case 'completed':
      return ['good', 'complete'];
    case 'peer-connected':
      return ['dim', `connected to ${safeText(event.address)} ${safeText(event.client)}`];
    case 'peer-disconnected':
      return ['dim', `lost ${safeText(event.address)}: ${safeText(event.reason)}`];
    case 'peer-banned':
      return ['warn', `peer ${safeText(event.host)} is banned: ${safeText(event.reason)}`];
    case 'source-error':
      return ['warn', `${safeText(event.source)}: ${safeText(event.message)}`];
    case 'paused':
      return [undefined, 'paused'];
    case 'resumed':
      return [undefined, 'resumed'];
    case 'error':
      return ['bad', safeText(event.error.message)];
    case 'stopped':
      return [undefined, 'stopped'];
  }
}

/** @param back how many entries before the newest the last line shall be */
export function logLines(log: ScreenLog, startedAtMs: number, height: number, back: number): Line[] {
  const { entries } = log;
  if (entries.length === 0) return [[span('dim', 'nothing happened yet')]];
  const end = Math.max(Math.min(height, entries.length), entries.length - back);
  return entries.slice(Math.max(0, end - height), end).map((entry): Line => {
    const time = formatElapsed(Math.max(0, entry.atMs - startedAtMs)).padStart(TIME_COLUMNS);
    return [span('dim', `${time}  `), entry.tone === undefined ? entry.text : span(entry.tone, entry.text)];
  });
}
