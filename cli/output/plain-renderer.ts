// The progress line: rewritten in place on a terminal, a plain line every few seconds elsewhere.
import type { SessionEvent } from '../../core/session/session-api.ts';
import type { SessionSnapshot } from '../../core/session/snapshot.ts';
import type { Console } from '../terminal/console.ts';
import { padStart, safeText } from '../terminal/text.ts';
import { formatBytes, formatCount, formatShare } from '../terminal/units.ts';
import { natNews } from '../ui/panels/nat-lines.ts';
import { progressLines } from './progress-line.ts';
import type { Meter, Renderer } from './renderer.ts';

/** Fast enough to look alive, slow enough to read. */
const LIVE_INTERVAL_MS = 500;
/** In a log file or a pipe: enough to see that it moves. */
const PLAIN_INTERVAL_MS = 5_000;
/** So that a few live lines never scroll an 80x24 terminal. */
const MOST_LIVE_LINES = 16;

/** Of a gateway that changes its mind all day nobody wants to hear every time. */
const MOST_TOLD = 200;

export class PlainRenderer implements Renderer {
  readonly intervalMs: number;
  private readonly console: Console;
  private readonly told = new Set<string>();
  private lastText = '';

  constructor(console: Console) {
    this.console = console;
    this.intervalMs = console.isLive ? LIVE_INTERVAL_MS : PLAIN_INTERVAL_MS;
  }

  render(snapshot: SessionSnapshot): void {
    for (const line of natNews(snapshot)) {
      if (this.isNews(line)) this.say(line);
    }
    const lines = progressLines(snapshot, MOST_LIVE_LINES);
    if (this.console.isLive) {
      this.console.live(lines);
      return;
    }
    const text = lines.map((line) => line.trimStart()).join('\n');
    // A seed may wait for hours: a log says so once.
    if (text !== '' && text !== this.lastText) this.console.err(text);
    this.lastText = text;
  }

  handleEvent(event: SessionEvent): void {
    switch (event.kind) {
      case 'metadata':
        this.say(
          `metadata of ${safeText(event.metainfo.name)}: ${formatBytes(event.metainfo.layout.totalLength)} in ` +
            formatCount(event.metainfo.files.filter((file) => !file.isPadding).length, 'file'),
        );
        break;
      case 'source-error':
        this.warnOnce(`${event.source}: ${event.message}`);
        break;
      case 'peer-banned':
        this.warnOnce(`peer ${event.host} is banned: ${event.reason}`);
        break;
      default:
        break;
    }
  }

  close(): void {
    this.console.clearLive();
  }

  private isNews(text: string): boolean {
    if (this.told.has(text) || this.told.size >= MOST_TOLD) return false;
    this.told.add(text);
    return true;
  }

  private say(text: string): void {
    this.console.err(`${this.console.errStyle.dim('tt:')} ${text}`);
  }

  /** A tracker that stays away says so every time it is asked. */
  private warnOnce(text: string): void {
    if (!this.isNews(text)) return;
    this.console.err(`${this.console.errStyle.yellow('tt: warning:')} ${safeText(text)}`);
  }
}

export class PlainMeter implements Meter {
  private readonly console: Console;
  private readonly label: string;
  private readonly nowMs: () => number;
  private nextAtMs: number;

  /** @param label what is being done, e.g. `hashing`; safe text */
  constructor(console: Console, label: string, nowMs: () => number) {
    this.console = console;
    this.label = label;
    this.nowMs = nowMs;
    // Work that is over at once shows nothing.
    this.nextAtMs = nowMs() + this.intervalMs;
  }

  private get intervalMs(): number {
    return this.console.isLive ? LIVE_INTERVAL_MS : PLAIN_INTERVAL_MS;
  }

  update(bytes: number, totalBytes: number): void {
    const nowMs = this.nowMs();
    if (nowMs < this.nextAtMs) return;
    this.nextAtMs = nowMs + this.intervalMs;
    const line = `${padStart(formatShare(bytes, totalBytes), 6)}  ${this.label}  ${formatBytes(bytes)} of ${formatBytes(totalBytes)}`;
    if (this.console.isLive) this.console.live([line]);
    else this.console.err(line.trimStart());
  }

  close(): void {
    this.console.clearLive();
  }
}
