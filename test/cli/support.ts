// Runs the real program through its launcher, with a home, a folder and a network of its own.
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { encodeBencode } from '../../core/base/bencode-encode.ts';
import { composeTorrent } from '../../core/metainfo/compose-torrent.ts';
import { type RunningProcess, type RunResult, run, start } from '../support/process.ts';
import { makeTempDir } from '../support/temp.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const launcher = `${root}bin/tt.cjs`;
/** Long enough for a busy machine; no test waits for it when all is well. */
export const TIMEOUT_MS = 60_000;
/** Flags that keep a test on this machine and away from other tests. */
export const LOCAL = ['--no-lsd', '--port', '0', '--interface', '127.0.0.1'];

export interface Output {
  readonly [key: string]: unknown;
  readonly reason: string;
  readonly exitCode: number;
}

export interface Place {
  readonly path: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  tt(...args: string[]): Promise<RunResult>;
  start(...args: string[]): RunningProcess;
}

/** A folder of its own for one test file. */
export function makePlace(): Place {
  if (!existsSync(`${root}dist/program/main.cjs`))
    throw new Error('dist is missing: run "npm run build" first');
  const dir = makeTempDir('tt-cli-');
  const started: RunningProcess[] = [];
  const env = {
    TT_HOME: `${dir.path}/home`,
    // Nothing leaves this machine: who tests the DHT says --dht and --bootstrap.
    TT_DHT: 'false',
    TT_PORT_MAP: 'false',
    COLUMNS: undefined,
    NO_COLOR: undefined,
    FORCE_COLOR: undefined,
    NODE_ENV: undefined,
  };
  const options = { cwd: dir.path, env };
  afterAll(async () => {
    await Promise.all(started.map((each) => each.stop('SIGKILL')));
    dir.remove();
  });
  return {
    path: dir.path,
    env,
    tt: (...args) => run(process.execPath, [launcher, ...args], { ...options, timeoutMs: TIMEOUT_MS }),
    start: (...args) => {
      const child = start(process.execPath, [launcher, ...args], options);
      started.push(child);
      return child;
    },
  };
}

/** The one JSON object that `--json` promises. */
export function json(result: RunResult): Output {
  const lines = result.stdout.trimEnd().split('\n');
  if (lines.length !== 1)
    throw new Error(`expected one line of JSON, got:\n${result.stdout}\n${result.stderr}`);
  return JSON.parse(lines[0] as string) as Output;
}

/** Bytes that differ everywhere and are the same each time. */
export function payload(bytes: number, seed = 1): Uint8Array {
  const data = new Uint8Array(bytes);
  let state = seed;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    data[i] = state >>> 24;
  }
  return data;
}

/** A .torrent with a name that no honest program would choose. */
export function writeTorrent(file: string, name: string): void {
  const infoBytes = encodeBencode({ length: 1, name, 'piece length': 16384, pieces: new Uint8Array(20) });
  writeFileSync(file, composeTorrent({ infoBytes, comment: 'a \u001b[31mred\u001b[0m comment' }));
}
