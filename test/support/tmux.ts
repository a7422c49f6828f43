// A terminal for the real program: tmux with a server of its own, keys in, the screen out. Nothing sleeps, everything polls.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { makeTempDir } from './temp.ts';
import { waitFor } from './wait.ts';

const TIMEOUT_MS = 60_000;
/** The prompt of the shell that the program is started from. */
const PROMPT = 'shell-prompt>';

export function hasTmux(): boolean {
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export interface TmuxOptions {
  readonly columns: number;
  readonly rows: number;
  readonly cwd: string;
  /** `undefined` removes. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export class Tmux {
  readonly #dir = makeTempDir('tt-tmux-');
  #isClosed = false;

  constructor({ columns, rows, cwd, env }: TmuxOptions) {
    const vars: Record<string, string | undefined> = {
      ...process.env,
      LC_ALL: 'C.UTF-8',
      ...env,
      PS1: `${PROMPT} `,
      ENV: undefined,
    };
    for (const [name, value] of Object.entries(vars)) if (value === undefined) delete vars[name];
    const size = ['-x', String(columns), '-y', String(rows)];
    // A shell, so that there is job control and something to come back to.
    this.#run(['-f', '/dev/null', 'new-session', '-d', ...size, '-c', cwd, 'sh', '-i'], vars);
    this.#run(['set-option', '-g', 'status', 'off']);
    this.#run(['resize-window', ...size]);
  }

  #run(args: readonly string[], env?: Record<string, string | undefined>): string {
    return execFileSync('tmux', ['-u', '-S', `${this.#dir.path}/socket`, ...args], {
      encoding: 'utf8',
      ...(env === undefined ? {} : { env }),
    });
  }

  /** Characters as they are typed. */
  write(text: string): void {
    this.#run(['send-keys', '-l', text]);
  }

  /** A command line for the shell. */
  type(line: string): void {
    this.write(line);
    this.keys('Enter');
  }

  /** Keys by tmux's names: `q`, `Tab`, `C-c`. */
  keys(...keys: readonly string[]): void {
    this.#run(['send-keys', ...keys]);
  }

  paste(text: string): void {
    this.#run(['set-buffer', text]);
    this.#run(['paste-buffer', '-p']);
  }

  resize(columns: number, rows: number): void {
    this.#run(['resize-window', '-x', String(columns), '-y', String(rows)]);
  }

  screen(withStyles = false): string {
    return this.#run(['capture-pane', '-p', ...(withStyles ? ['-e'] : [])]);
  }

  /** What somebody else writes on this terminal. */
  scribble(text: string): void {
    writeFileSync(this.#run(['display-message', '-p', '#{pane_tty}']).trim(), text);
  }

  /** Whether a program has the alternate screen. */
  get isAlternate(): boolean {
    return this.#run(['display-message', '-p', '#{alternate_on}']).trim() === '1';
  }

  get isCursorShown(): boolean {
    return this.#run(['display-message', '-p', '#{cursor_flag}']).trim() === '1';
  }

  /** Whether a row that is too long goes on in the next, as it does in a shell. */
  get isWrapping(): boolean {
    return this.#run(['display-message', '-p', '#{wrap_flag}']).trim() === '1';
  }

  async see(pattern: RegExp): Promise<string> {
    return waitFor(
      () => {
        const screen = this.screen();
        return pattern.test(screen) && screen;
      },
      { what: () => `${pattern} on the screen, which is\n${this.screen()}`, timeoutMs: TIMEOUT_MS },
    );
  }

  /** Back at the shell, the terminal as it was. */
  async backAtShell(): Promise<string> {
    await this.see(new RegExp(`${PROMPT} *\\n*$`));
    return this.screen();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#run(['kill-server']);
    this.#dir.remove();
  }
}
