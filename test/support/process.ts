// Runs real programs for tests: own process group, bounded capture, lines as they come, a deadline on every wait, and no survivor.
import { type ChildProcess, spawn } from 'node:child_process';
import { atExit } from './at-exit.ts';
import { FatalWaitError, type WaitOptions, waitFor, within } from './wait.ts';

/** Enough for any log a person will read after a failure. */
const KEPT_LINES = 2_000;
/** A program told to stop that has not after this long is killed. */
const STOP_TIMEOUT_MS = 8_000;

const running = new Set<RunningProcess>();
let hasExitHook = false;

export interface StartOptions {
  readonly name?: string;
  readonly cwd?: string;
  /** Added to this process's environment; `undefined` removes. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: 'pipe' | 'ignore';
}

export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunResult extends ExitStatus {
  readonly stdout: string;
  readonly stderr: string;
}

export class RunningProcess {
  readonly name: string;
  readonly child: ChildProcess;
  readonly stdoutLines: string[] = [];
  readonly stderrLines: string[] = [];
  readonly exited: Promise<ExitStatus>;
  #status: ExitStatus | undefined;
  readonly #lineListeners = new Set<(line: string, stream: 'stdout' | 'stderr') => void>();

  constructor(file: string, args: readonly string[], options: StartOptions = {}) {
    this.name = options.name ?? file;
    const env: Record<string, string | undefined> = { ...process.env, ...options.env };
    for (const [key, value] of Object.entries(env)) if (value === undefined) delete env[key];
    this.child = spawn(file, args, {
      cwd: options.cwd,
      env,
      detached: true,
      stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'],
    });
    running.add(this);
    installExitHook();
    this.exited = new Promise((resolve) => {
      const ended = (status: ExitStatus): void => {
        this.#status ??= status;
        running.delete(this);
        resolve(this.#status);
      };
      this.child.once('error', (error) => {
        this.stderrLines.push(`cannot start ${file}: ${error.message}`);
        ended({ code: 127, signal: null });
      });
      this.child.once('close', (code, signal) => ended({ code, signal }));
    });
    this.#capture('stdout', this.stdoutLines);
    this.#capture('stderr', this.stderrLines);
  }

  #capture(stream: 'stdout' | 'stderr', lines: string[]): void {
    const source = this.child[stream];
    if (source === null) return;
    const keep = (line: string): void => {
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.splice(0, lines.length - KEPT_LINES);
    };
    let rest = '';
    source.setEncoding('utf8').on('data', (text: string) => {
      const ended = (rest + text).split(/\r?\n/);
      rest = ended.pop() ?? '';
      for (const line of ended) {
        keep(line);
        for (const listener of this.#lineListeners) listener(line, stream);
      }
    });
    source.on('end', () => {
      if (rest !== '') keep(rest);
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get status(): ExitStatus | undefined {
    return this.#status;
  }

  /** Whole lines only: the last words of a program that was killed may end anywhere. */
  onLine(listener: (line: string, stream: 'stdout' | 'stderr') => void): () => void {
    this.#lineListeners.add(listener);
    return () => this.#lineListeners.delete(listener);
  }

  /** The last lines of both streams, for failure messages. */
  tail(count = 15): string {
    const lines = (label: string, all: string[]): string[] =>
      all.slice(-count).map((line) => `${label} ${line}`);
    return [...lines('  out|', this.stdoutLines), ...lines('  err|', this.stderrLines)].join('\n');
  }

  /** Like waitFor, but gives up at once with the program's last words when the program ends. */
  async waitFor<T>(
    ask: () => T | undefined | false | Promise<T | undefined | false>,
    options: WaitOptions,
  ): Promise<T> {
    const what = (): string => {
      const text = typeof options.what === 'function' ? options.what() : options.what;
      return `${text} (${this.name})\n${this.tail()}\n`;
    };
    return waitFor(
      async () => {
        const answer = await Promise.resolve()
          .then(ask)
          .catch((error: unknown) => {
            if (this.#status === undefined) throw error;
            return undefined;
          });
        if ((answer === undefined || answer === false) && this.#status !== undefined) {
          const { code, signal } = this.#status;
          throw new FatalWaitError(`${this.name} ended (${signal ?? code}) before: ${what()}`);
        }
        return answer;
      },
      { ...options, what },
    );
  }

  /** The first line of either stream, past or to come, that the predicate takes. */
  waitForLine(predicate: RegExp | ((line: string) => boolean), timeoutMs: number): Promise<string> {
    const test = predicate instanceof RegExp ? (line: string) => predicate.test(line) : predicate;
    return this.waitFor(() => this.stdoutLines.find(test) ?? this.stderrLines.find(test), {
      what: `a line like ${predicate}`,
      timeoutMs,
    });
  }

  /** Signals the whole process group. */
  signal(signal: NodeJS.Signals): void {
    if (this.child.pid === undefined) return;
    try {
      process.kill(-this.child.pid, signal);
    } catch {
      // Gone already.
    }
  }

  async waitForExit(timeoutMs: number): Promise<RunResult> {
    try {
      const status = await within(this.exited, timeoutMs, `${this.name} to end`);
      return { ...status, stdout: this.stdoutLines.join('\n'), stderr: this.stderrLines.join('\n') };
    } catch (error) {
      this.signal('SIGKILL');
      throw new Error(`${(error as Error).message}\n${this.tail()}`);
    }
  }

  /** Asks politely, then insists. Never throws. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<ExitStatus> {
    this.signal(signal);
    const timer = setTimeout(() => this.signal('SIGKILL'), STOP_TIMEOUT_MS);
    const status = await this.exited;
    clearTimeout(timer);
    // Children that outlived their parent.
    this.signal('SIGKILL');
    return status;
  }
}

function installExitHook(): void {
  if (hasExitHook) return;
  hasExitHook = true;
  atExit(() => {
    for (const child of running) child.signal('SIGKILL');
  });
}

export function start(file: string, args: readonly string[], options: StartOptions = {}): RunningProcess {
  return new RunningProcess(file, args, options);
}

/** Runs to the end. Does not judge the exit code. */
export async function run(
  file: string,
  args: readonly string[],
  options: StartOptions & { readonly timeoutMs?: number } = {},
): Promise<RunResult> {
  return new RunningProcess(file, args, options).waitForExit(options.timeoutMs ?? 60_000);
}

/** Runs to the end and insists on exit code 0. @returns standard output */
export async function runOk(
  file: string,
  args: readonly string[],
  options: StartOptions & { readonly timeoutMs?: number } = {},
): Promise<string> {
  const result = await run(file, args, options);
  if (result.code !== 0) {
    throw new Error(
      `${[file, ...args].join(' ')} ended with ${result.signal ?? result.code}\n${result.stdout}\n${result.stderr}`,
    );
  }
  return result.stdout;
}
