// The measured programs' parent: keeper.py, which learns from wait4 what a program cost. See there for the protocol.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PYTHON } from '../interop/support/requirements.ts';
import { waitFor } from '../support/wait.ts';

const SCRIPT = fileURLToPath(new URL('keeper.py', import.meta.url));
const NS_PER_MS = 1e6;
const SPAWN_TIMEOUT_MS = 10_000;

export interface Exit {
  /** Negative: minus the signal number. */
  readonly code: number;
  readonly cpuUserS: number;
  readonly cpuSysS: number;
  /** CLOCK_MONOTONIC, as nowMs(). */
  readonly atMs: number;
  /** Bytes it sent to its terminal; 0 without one. */
  readonly drawnBytes: number;
}

export interface Program {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Runs in a terminal of this size instead of writing to files. */
  readonly terminal?: readonly [columns: number, rows: number];
}

/** Milliseconds on CLOCK_MONOTONIC: the clock of keeper.py and libtorrent_peer.py as well. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / NS_PER_MS;
}

export class Kept {
  readonly name: string;
  readonly stdoutPath: string;
  readonly stderrPath: string;
  pid = 0;
  startedAtMs = 0;
  exit: Exit | undefined;

  constructor(name: string, outputPrefix: string) {
    this.name = name;
    this.stdoutPath = `${outputPrefix}.out`;
    this.stderrPath = `${outputPrefix}.err`;
  }

  stdout(): string {
    return readFileSync(this.stdoutPath, 'utf8');
  }

  tail(): string {
    const last = (path: string): string =>
      readFileSync(path, 'utf8').trimEnd().split('\n').slice(-12).join('\n');
    return `${this.name}:\n${last(this.stdoutPath)}\n${last(this.stderrPath)}`;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.exit !== undefined || this.pid === 0) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // Gone already.
    }
  }

  async waitForExit(timeoutMs: number): Promise<Exit> {
    return waitFor(() => this.exit, { what: () => `the end of ${this.tail()}`, timeoutMs, everyMs: 5 });
  }

  async kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.waitForExit(SPAWN_TIMEOUT_MS);
  }
}

interface KeeperEvent {
  readonly event: 'spawned' | 'exit' | 'touched';
  readonly key: number;
  readonly pid: number;
  readonly at_ns: number;
  readonly code: number;
  readonly user_s: number;
  readonly sys_s: number;
  readonly drawn: number;
}

export class Keeper {
  readonly #child = spawn(PYTHON, [SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] });
  readonly #kept = new Map<number, Kept>();
  readonly #touched = new Set<number>();
  #nextKey = 1;

  constructor() {
    createInterface({ input: this.#child.stdout }).on('line', (line) =>
      this.#handle(JSON.parse(line) as KeeperEvent),
    );
  }

  #handle(event: KeeperEvent): void {
    if (event.event === 'touched') {
      this.#touched.add(event.key);
      return;
    }
    const kept = this.#kept.get(event.key);
    if (kept === undefined) return;
    if (event.event === 'spawned') {
      kept.pid = event.pid;
      kept.startedAtMs = event.at_ns / NS_PER_MS;
    } else {
      kept.exit = {
        code: event.code,
        cpuUserS: event.user_s,
        cpuSysS: event.sys_s,
        atMs: event.at_ns / NS_PER_MS,
        drawnBytes: event.drawn,
      };
    }
  }

  #send(request: object): number {
    const key = this.#nextKey++;
    this.#child.stdin.write(`${JSON.stringify({ ...request, key })}\n`);
    return key;
  }

  async start(program: Program, outputPrefix: string): Promise<Kept> {
    const kept = new Kept(program.name, outputPrefix);
    const key = this.#nextKey;
    this.#kept.set(key, kept);
    this.#send({
      op: 'spawn',
      argv: program.argv,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: process.env['HOME'] ?? '/root',
        LANG: 'C.UTF-8',
        ...program.env,
      },
      stdout: kept.stdoutPath,
      stderr: kept.stderrPath,
      terminal: program.terminal,
    });
    await waitFor(() => kept.pid !== 0, {
      what: `${program.name} to start`,
      timeoutMs: SPAWN_TIMEOUT_MS,
      everyMs: 1,
    });
    return kept;
  }

  /** See keeper.py: memory warmed equally for everybody. */
  async touchMemory(bytes: number): Promise<void> {
    const key = this.#send({ op: 'touch', bytes });
    await waitFor(() => this.#touched.has(key), {
      what: 'memory to be touched',
      timeoutMs: 60_000,
      everyMs: 5,
    });
  }

  close(): void {
    this.#child.stdin.end();
  }
}
