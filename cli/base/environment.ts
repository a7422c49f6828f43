// Everything the program takes from the world around it, as one value: a test runs the whole program with its own.
import { isatty } from 'node:tty';
import { isAsciiOnly } from './terminal-kind.ts';

/** The part of a tty or pipe that we write to. */
export interface OutputStream {
  write(data: string | Uint8Array, done?: (error?: Error | null) => void): boolean;
  on(event: 'error' | 'resize', listener: (error: Error & { code?: string }) => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Both ends of a terminal: what a full screen needs. */
export interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
}

export interface Environment {
  /** Words after the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** undefined unless stdin and stdout are both a terminal. */
  readonly terminal?: Terminal | undefined;
  /** Terminals get ASCII only: the locale is not of UTF-8. */
  readonly isAscii?: boolean;
  /** @returns a function that unsubscribes */
  onSignal(signal: NodeJS.Signals, listener: () => void): () => void;
  /** Leaves at once, whatever is under way. */
  exitNow(code: number): void;
  /** Monotonic milliseconds. */
  nowMs(): number;
}

/** Asked of the descriptors: looking at process.stdin would open it. */
function terminalOfProcess(): Terminal | undefined {
  if (!isatty(STDIN) || !isatty(STDOUT)) return undefined;
  return {
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
  };
}

const STDIN = 0;
const STDOUT = 1;

export function processEnvironment(): Environment {
  return {
    terminal: terminalOfProcess(),
    argv: process.argv.slice(2),
    env: process.env,
    isAscii: isAsciiOnly(process.env, process.platform),
    cwd: process.cwd(),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    onSignal: (signal, listener) => {
      process.on(signal, listener);
      return () => void process.off(signal, listener);
    },
    exitNow: (code) => process.exit(code),
    nowMs: () => performance.now(),
  };
}
