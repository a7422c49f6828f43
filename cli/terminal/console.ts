// The two streams of a command. stdout carries the result only; stderr carries lines, and below them a few live lines
// that are rewritten in place on a terminal. A reader that went away (EPIPE) silences its stream, nothing more;
// a result that a full disk did not take is a failure.
import type { Environment, OutputStream } from '../base/environment.ts';
import { isDumb } from '../base/terminal-kind.ts';
import { toAscii } from './ascii.ts';
import { type Style, styleFor } from './style.ts';
import { truncateText } from './text.ts';

const DEFAULT_COLUMNS = 80;
/** Below this nothing readable is left; above it a line is only harder to follow. */
const LEAST_COLUMNS = 20;
/** What waits while a full screen has the terminal: the newest, as in a scrollback. */
const MOST_HELD_LINES = 200;
/** What a disk says to a stream that writes into a file. */
const DISK_SAYS_NO: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS']);
const ERASE_LINE = '\u001b[K';
const ERASE_BELOW = '\u001b[J';

export class Console {
  /** For stdout. */
  readonly outStyle: Style;
  /** For stderr. */
  readonly errStyle: Style;
  /** Whether live lines are possible on stderr. */
  readonly isLive: boolean;
  /** Terminals here get ASCII only. */
  readonly isAscii: boolean;
  /** What --color says. */
  readonly color: 'auto' | 'always' | 'never';
  private readonly environment: Environment;
  private readonly deaf = new Set<OutputStream>();
  private liveLines: readonly string[] = [];
  /** Set while a full screen has the terminal: sees each line; the line itself waits. */
  private onHeldLine: ((text: string) => void) | undefined;
  private held: { readonly stream: OutputStream; readonly text: string }[] = [];
  private onReaderGone: (() => void) | undefined;
  private lostCode: string | undefined;
  /** Lines of the result that leave when the turn is over, or before anything else does. */
  private gathered = '';

  constructor(environment: Environment, color: 'auto' | 'always' | 'never') {
    this.environment = environment;
    this.color = color;
    const { env, stdout, stderr } = environment;
    this.outStyle = styleFor({ choice: color, env, isTty: stdout.isTTY === true });
    this.errStyle = styleFor({ choice: color, env, isTty: stderr.isTTY === true });
    this.isAscii = environment.isAscii === true;
    this.isLive = stderr.isTTY === true && !isDumb(env);
    for (const stream of [stdout, stderr]) {
      stream.on('error', (error) => {
        this.deaf.add(stream);
        if (stream === stdout && DISK_SAYS_NO.has(error.code ?? '')) this.lostCode ??= error.code;
        if (stream === stdout) this.onReaderGone?.();
      });
    }
  }

  /** Called once nobody reads stdout any more. */
  whenReaderGone(listener: () => void): void {
    this.onReaderGone = listener;
    if (this.deaf.has(this.environment.stdout)) listener();
  }

  /** Why the result did not get to where stdout leads; undefined when it did, or when its reader went away. */
  get lostResultCode(): string | undefined {
    return this.lostCode;
  }

  /** From now on lines wait instead of being written into a full screen; `onLine` may show them there. */
  divert(onLine: (text: string) => void): void {
    this.clearLive();
    this.onHeldLine = onLine;
  }

  /** Writes what has waited. */
  release(): void {
    this.onHeldLine = undefined;
    for (const { stream, text } of this.held.splice(0)) this.write(stream, text);
  }

  /** Columns of stderr: what a live line may use. */
  get columns(): number {
    const fromEnv = Number(this.environment.env['COLUMNS']);
    // A terminal that does not know its width says 0.
    const fromTty = this.environment.stderr.columns || DEFAULT_COLUMNS;
    return Math.max(LEAST_COLUMNS, Number.isInteger(fromEnv) && fromEnv > 0 ? fromEnv : fromTty);
  }

  /** One or several lines of the result. */
  out(text: string): void {
    this.outGathered();
    this.clearLive();
    this.write(this.environment.stdout, `${text}\n`);
  }

  /** One line of many: those of one turn leave in one write, in order with all others. */
  outSoon(text: string): void {
    if (this.gathered === '') queueMicrotask(() => this.outGathered());
    this.gathered += `${text}\n`;
  }

  /** The result as bytes: a torrent on its way into a pipe. */
  async outBytes(bytes: Uint8Array): Promise<void> {
    this.outGathered();
    this.clearLive();
    if (this.deaf.has(this.environment.stdout)) return;
    await new Promise<void>((resolve) => this.environment.stdout.write(bytes, () => resolve()));
  }

  /** A line for people, above the live ones. */
  err(text: string): void {
    this.outGathered();
    const shown = this.liveLines;
    this.clearLive();
    this.write(this.environment.stderr, `${text}\n`);
    if (shown.length > 0) this.live(shown);
  }

  /** Replaces the live lines; each is cut to the width. Without a terminal nothing happens. */
  live(lines: readonly string[]): void {
    if (!this.isLive || this.onHeldLine !== undefined) return;
    // The last column stays free: some terminals wrap as soon as it is written.
    const width = this.columns - 1;
    const cut = lines.map((line) => truncateText(line, width));
    this.write(
      this.environment.stderr,
      `${this.toFirstLive()}${cut.map((line) => line + ERASE_LINE).join('\n')}${ERASE_BELOW}`,
    );
    this.liveLines = cut;
  }

  clearLive(): void {
    if (this.liveLines.length === 0) return;
    this.write(this.environment.stderr, `${this.toFirstLive()}${ERASE_BELOW}`);
    this.liveLines = [];
  }

  /** Resolves when everything written has left the process, or nobody wants it. */
  async flush(): Promise<void> {
    this.outGathered();
    const { stdout, stderr } = this.environment;
    await Promise.all(
      [stdout, stderr].map(
        (stream) =>
          new Promise<void>((resolve) => {
            if (this.deaf.has(stream)) resolve();
            else stream.write('', () => resolve());
          }),
      ),
    );
  }

  private outGathered(): void {
    if (this.gathered === '') return;
    const text = this.gathered;
    this.gathered = '';
    this.clearLive();
    this.write(this.environment.stdout, text);
  }

  private toFirstLive(): string {
    const above = this.liveLines.length - 1;
    return above > 0 ? `\r\u001b[${above}A` : '\r';
  }

  private write(stream: OutputStream, text: string): void {
    if (this.onHeldLine !== undefined && stream.isTTY === true) {
      this.hold(stream, text);
      return;
    }
    const isDrawn = stream.isTTY === true && this.isAscii;
    if (!this.deaf.has(stream)) stream.write(isDrawn ? toAscii(text) : text);
  }

  private hold(stream: OutputStream, text: string): void {
    this.held.push({ stream, text });
    // A result is never dropped, chatter may be.
    if (this.held.length > MOST_HELD_LINES) {
      const oldest = this.held.findIndex((each) => each.stream === this.environment.stderr);
      if (oldest >= 0) this.held.splice(oldest, 1);
    }
    for (const line of text.trimEnd().split('\n')) this.onHeldLine?.(line);
  }
}
