// What a command sees of the outside: results, failures, warnings, and a way to show work in progress that fits the flags.
import type { Environment } from '../base/environment.ts';
import { exitCodeOf } from '../base/exit-codes.ts';
import type { Failure, Outcome } from '../base/outcome.ts';
import { isDumb } from '../base/terminal-kind.ts';
import type { Console } from '../terminal/console.ts';
import { wantsColor } from '../terminal/style.ts';
import { holdTerminal } from '../terminal/terminal-hold.ts';
import { safeJson, safeText } from '../terminal/text.ts';
import type { ScreenControl } from '../ui/model.ts';
import { EventsMeter, EventsRenderer, SCHEMA } from './events-renderer.ts';
import { PlainMeter, PlainRenderer } from './plain-renderer.ts';
import { type Meter, quietMeter, quietRenderer, type Renderer } from './renderer.ts';

export interface OutputMode {
  /** One object on stdout at the end. */
  readonly isJson: boolean;
  /** NDJSON on stdout all the time; the result object comes last. */
  readonly isEvents: boolean;
  readonly isQuiet: boolean;
  readonly verbose: number;
  /** --screen or --no-screen; undefined: wherever it fits. */
  readonly screen?: boolean | undefined;
}

/** Terminals of build machines are for logs. */
export function isCi(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0' && value !== 'false';
}

/** -vv and more: stack traces with errors. */
const STACK_VERBOSITY = 2;

export class Output {
  readonly mode: OutputMode;
  readonly console: Console;
  private readonly environment: Environment;

  constructor(environment: Environment, console: Console, mode: OutputMode) {
    this.environment = environment;
    this.console = console;
    this.mode = mode;
  }

  get isForPrograms(): boolean {
    return this.mode.isJson || this.mode.isEvents;
  }

  /** @param control what a full screen may ask for; without it there is none */
  async renderer(control?: ScreenControl): Promise<Renderer> {
    if (this.mode.isEvents) return new EventsRenderer(this.console);
    if (this.wantsNoProgress()) return quietRenderer;
    const { terminal, env } = this.environment;
    if (control === undefined || terminal === undefined || !this.wantsScreen())
      return new PlainRenderer(this.console);
    const { ScreenRenderer } = await import('./screen-renderer.ts');
    return new ScreenRenderer({
      console: this.console,
      terminal,
      control,
      hasColor: wantsColor({ choice: this.console.color, env, isTty: true }),
      nowMs: () => this.environment.nowMs(),
      onTerminalHeld: holdTerminal,
    });
  }

  private wantsScreen(): boolean {
    const { env } = this.environment;
    if (this.mode.isJson || isDumb(env)) return false;
    return this.mode.screen ?? !isCi(env['CI']);
  }

  meter(label: string): Meter {
    if (this.mode.isEvents) return new EventsMeter(this.console, label, () => this.environment.nowMs());
    if (this.wantsNoProgress()) return quietMeter;
    return new PlainMeter(this.console, label, () => this.environment.nowMs());
  }

  /** A fact in the middle of a command: an NDJSON record with --events, else a line on stderr unless -q. */
  notice(event: string, text: string, data: Readonly<Record<string, unknown>>): void {
    if (this.mode.isEvents) {
      const atMs = Math.round(this.environment.nowMs());
      this.console.out(safeJson({ schema: SCHEMA, event, atMs, ...data }));
    } else if (!this.mode.isQuiet) {
      this.console.err(text);
    }
  }

  /** The last word to a person, on stderr; programs have the result. */
  summary(text: string): void {
    if (!this.isForPrograms && !this.mode.isQuiet)
      this.console.err(`${this.console.errStyle.dim('tt:')} ${text}`);
  }

  warn(text: string): void {
    if (!this.mode.isQuiet)
      this.console.err(`${this.console.errStyle.yellow('tt: warning:')} ${safeText(text)}`);
  }

  failure(failure: Failure): void {
    const { errStyle } = this.console;
    const lines = [`${errStyle.red('tt:')} ${safeLines(failure.message)}`];
    if (failure.hint !== undefined) lines.push(`    ${safeLines(failure.hint)}`);
    if (this.mode.verbose >= STACK_VERBOSITY && failure.stack !== undefined) {
      lines.push(...failure.stack.split('\n').map((line) => errStyle.dim(`    ${safeText(line)}`)));
    }
    this.console.err(lines.join('\n'));
  }

  result(command: string, outcome: Outcome): void {
    if (!this.isForPrograms) {
      if (outcome.text !== '') this.console.out(outcome.text);
      return;
    }
    const { failure } = outcome;
    const error =
      failure === undefined
        ? {}
        : { error: { message: failure.message, hint: failure.hint, code: failure.code } };
    this.console.out(
      safeJson({
        schema: SCHEMA,
        ...(this.mode.isEvents ? { event: 'result' } : {}),
        command,
        ok: outcome.reason === 'done',
        reason: outcome.reason,
        exitCode: exitCodeOf(outcome.reason),
        ...outcome.data,
        ...error,
      }),
    );
  }

  private wantsNoProgress(): boolean {
    return this.mode.isQuiet || (this.mode.isJson && !this.console.isLive);
  }
}

/** Our own messages may hold a line break; foreign text in them may hold anything else. */
function safeLines(text: string): string {
  return text.split('\n').map(safeText).join('\n    ');
}
