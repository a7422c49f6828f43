// Everything the program takes from the world around it, as one value: a test runs the whole program with its own.

/** The part of a tty or pipe that we write to. */
export interface OutputStream {
  write(data: string | Uint8Array, done?: (error?: Error | null) => void): boolean;
  on(event: 'error' | 'resize', listener: (error: Error & { code?: string }) => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Environment {
  /** Words after the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** @returns a function that unsubscribes */
  onSignal(signal: NodeJS.Signals, listener: () => void): () => void;
  /** Leaves at once, whatever is under way. */
  exitNow(code: number): void;
  /** Monotonic milliseconds. */
  nowMs(): number;
}

export function processEnvironment(): Environment {
  return {
    argv: process.argv.slice(2),
    env: process.env,
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
