// One transfer, measured from outside: spawn, first payload byte on the loopback, complete, verified. The same eyes for everybody.
import { closeSync, existsSync, mkdirSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { nextHosts } from '../interop/support/network.ts';
import { isListening } from '../interop/support/nginx.ts';
import type { StaticTracker, TrackerRoom } from '../interop/support/static-tracker.ts';
import { sha256OfTree } from '../support/hash.ts';
import { freePort } from '../support/ports.ts';
import { pause, waitFor } from '../support/wait.ts';
import { type Keeper, type Kept, nowMs } from './keeper.ts';
import type { Payload } from './payloads.ts';
import { cpuSeconds, loopbackBytes, machineBusySeconds, memoryOf, processTree } from './probes.ts';
import { type Racer, type Task, webSeedUrlOf, webServer } from './programs.ts';

/** How often the harness looks: 0.4 % of a one-second transfer, and about 1 % of a core. */
const LOOK_EVERY_MS = 4;
/** Memory every so many looks. */
const LOOKS_PER_MEMORY = 5;
/** Traffic of a leecher before its first block: announce, handshakes, bitfield. A block is 16 KiB more. */
const HANDSHAKE_BYTES = 20_000;
const SEED_READY_TIMEOUT_MS = 60_000;
/** After the seed is ready: its start-up work dies down. */
const SETTLE_MS = 300;
/** A transfer slower than this is given up. */
const LEAST_BYTES_PER_SEC = 8_000_000;
const LEAST_TIMEOUT_MS = 60_000;
const FLUSH_TIMEOUT_MS = 10_000;
/** What a leecher, and its share of the seed, need for themselves. */
const SLACK_BYTES = 256 * 1024 * 1024;

export interface Bench {
  readonly keeper: Keeper;
  readonly tracker: StaticTracker;
  /** Scratch folders, by file system. */
  readonly scratch: Readonly<Record<FileSystem, string>>;
  readonly homeDir: string;
}

export type FileSystem = 'tmpfs' | 'disk';

/** One run's figures. Rates are payload bytes per second. */
export interface TransferSample {
  readonly wallMs: number;
  /** Process start to first payload byte. */
  readonly firstByteMs: number;
  /** From first payload byte to complete and verified. */
  readonly activeBytesPerSec: number;
  /** Of one leecher: the mean in a swarm. */
  readonly leecherCpuS: number;
  readonly seederCpuS: number;
  readonly anonPeakBytes: number;
  readonly rssPeakBytes: number;
  /** Cores that others kept busy meanwhile. */
  readonly otherCores: number;
}

let taskCount = 0;

export async function makeTask(
  bench: Bench,
  payload: Payload,
  room: TrackerRoom,
  where: {
    readonly dir: string;
    readonly fileSystem: FileSystem;
    readonly utpOnly?: boolean;
    readonly webSeedUrl?: string;
  },
): Promise<Task> {
  const host = nextHosts().v4;
  const stateDir = join(bench.scratch.tmpfs, `state-${taskCount++}`);
  mkdirSync(stateDir, { recursive: true });
  mkdirSync(where.dir, { recursive: true });
  return {
    payload,
    at: { host, port: await freePort('0.0.0.0') },
    trackerUrl: room.urls.v4,
    dir: where.dir,
    stateDir,
    homeDir: bench.homeDir,
    donePath: join(stateDir, 'done'),
    rpcPort: await freePort(),
    utpOnly: where.utpOnly === true,
    ...(where.webSeedUrl === undefined ? {} : { webSeedUrl: where.webSeedUrl }),
  };
}

/** Reads what a program appends to its output and looks for a text in it. */
export class OutputWatch {
  readonly #path: string;
  readonly #marker: string;
  readonly #chunk = Buffer.alloc(64 * 1024);
  #at = 0;
  #carry = '';
  isFound = false;

  constructor(path: string, marker: string) {
    this.#path = path;
    this.#marker = marker;
  }

  look(): boolean {
    if (this.isFound) return true;
    const file = openSync(this.#path, 'r');
    try {
      for (;;) {
        const count = readSync(file, this.#chunk, 0, this.#chunk.length, this.#at);
        if (count === 0) return false;
        this.#at += count;
        const text = this.#carry + this.#chunk.toString('latin1', 0, count);
        if (text.includes(this.#marker)) {
          this.isFound = true;
          return true;
        }
        this.#carry = text.slice(-this.#marker.length);
      }
    } finally {
      closeSync(file);
    }
  }
}

/** Starts a seed and waits until it announces itself as one. */
export async function startSeed(bench: Bench, racer: Racer, task: Task, room: TrackerRoom): Promise<Kept> {
  const seed = await bench.keeper.start(racer.seed(task), join(task.stateDir, 'seed'));
  await waitFor(
    () => {
      if (seed.exit !== undefined) throw new Error(`the seed ended\n${seed.tail()}`);
      return room.announces.some(({ left, port }) => left === 0 && port === task.at.port);
    },
    {
      what: () => `${racer.name} to announce itself as seed\n${seed.tail()}`,
      timeoutMs: SEED_READY_TIMEOUT_MS,
    },
  );
  await pause(SETTLE_MS);
  return seed;
}

async function startWebServer(bench: Bench, task: Task): Promise<Kept> {
  const server = await bench.keeper.start(webServer(task), join(task.stateDir, 'seed'));
  await waitFor(() => isListening(task.at.host, task.at.port), {
    what: () => `nginx to listen\n${server.tail()}`,
    timeoutMs: SEED_READY_TIMEOUT_MS,
  });
  await pause(SETTLE_MS);
  return server;
}

export interface RaceOptions {
  readonly payload: Payload;
  /** nginx: a web seed, and no peer at all. */
  readonly seeder: Racer | 'nginx';
  readonly leecher: Racer;
  readonly leecherCount: number;
  readonly fileSystem: FileSystem;
  readonly utpOnly?: boolean;
}

/** @throws when a leecher ends early, takes too long or delivers other bytes */
export async function race(bench: Bench, options: RaceOptions): Promise<TransferSample> {
  const { payload, leecher } = options;
  const room = bench.tracker.room({ isOpen: true });
  const started: Kept[] = [];
  const dirs: string[] = [];
  try {
    const seedTask = await makeTask(bench, payload, room, {
      dir: payload.dir,
      fileSystem: options.fileSystem,
      utpOnly: options.utpOnly === true,
    });
    dirs.push(seedTask.stateDir);
    const isWeb = options.seeder === 'nginx';
    const seed =
      options.seeder === 'nginx'
        ? await startWebServer(bench, seedTask)
        : await startSeed(bench, options.seeder, seedTask, room);
    started.push(seed);
    const tasks: Task[] = [];
    for (let i = 0; i < options.leecherCount; i++) {
      const dir = join(bench.scratch[options.fileSystem], `out-${taskCount}`);
      const task = await makeTask(bench, payload, room, {
        dir,
        fileSystem: options.fileSystem,
        utpOnly: options.utpOnly === true,
        ...(isWeb ? { webSeedUrl: webSeedUrlOf(seedTask) } : {}),
      });
      dirs.push(dir, task.stateDir);
      tasks.push(task);
    }
    await bench.keeper.touchMemory((payload.totalBytes + SLACK_BYTES) * options.leecherCount);
    const sample = await runLeechers(bench, options, tasks, seed, started);
    for (const task of tasks) {
      const content = join(task.dir, payload.name);
      // libtorrent says "finished" while its last writes are still on their way to the file: it gets the time, unmeasured.
      await waitFor(() => sha256OfTree(content, { emptyFiles: 'ignored' }) === payload.sha256OfNonEmpty, {
        what: `the right bytes from ${leecher.name}`,
        timeoutMs: FLUSH_TIMEOUT_MS,
        everyMs: 200,
      });
    }
    return sample;
  } finally {
    for (const kept of started) await kept.kill();
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
  }
}

async function runLeechers(
  bench: Bench,
  { payload, leecher, leecherCount }: RaceOptions,
  tasks: readonly Task[],
  seed: Kept,
  started: Kept[],
): Promise<TransferSample> {
  const timeoutMs = Math.max(
    LEAST_TIMEOUT_MS,
    (payload.totalBytes * leecherCount * 1000) / LEAST_BYTES_PER_SEC,
  );
  const bytesBefore = loopbackBytes();
  const busyBefore = machineBusySeconds();
  const ownCpuBefore = process.cpuUsage();
  const seedCpuBefore = cpuSeconds(seed.pid);
  const programs = tasks.map((task) => leecher.leech(task, leecherCount > 1));
  const leechers: Kept[] = [];
  for (const [i, program] of programs.entries()) {
    const kept = await bench.keeper.start(program, join((tasks[i] as Task).stateDir, 'leech'));
    leechers.push(kept);
    started.push(kept);
  }
  const startMs = (leechers[0] as Kept).startedAtMs;
  const isDone = leechers.map((kept, i) => {
    if (leecher.doneMarker === undefined) return () => existsSync((tasks[i] as Task).donePath);
    const watch = new OutputWatch(kept.stdoutPath, leecher.doneMarker);
    return () => watch.look();
  });
  const peaks = leechers.map(() => ({ anonBytes: 0, rssBytes: 0 }));
  const openTasks = new Set(leechers.keys());
  let firstByteMs: number | undefined;
  let doneMs = 0;
  for (let looks = 0; openTasks.size > 0; looks++) {
    if (firstByteMs === undefined && loopbackBytes() - bytesBefore > HANDSHAKE_BYTES * leecherCount)
      firstByteMs = nowMs() - startMs;
    if (looks % LOOKS_PER_MEMORY === 0) lookAtMemory(leechers, peaks);
    for (const i of openTasks) {
      const kept = leechers[i] as Kept;
      if ((isDone[i] as () => boolean)()) {
        openTasks.delete(i);
        doneMs = nowMs();
      } else if (kept.exit !== undefined) {
        throw new Error(`${leecher.name} ended (${kept.exit.code}) before it was done\n${kept.tail()}`);
      } else if (nowMs() - startMs > timeoutMs) {
        throw new Error(`${leecher.name} took longer than ${Math.round(timeoutMs)} ms\n${kept.tail()}`);
      }
    }
    if (openTasks.size > 0) await pause(LOOK_EVERY_MS);
  }
  lookAtMemory(leechers, peaks);
  const leecherCpuS = leechers.reduce((sum, kept) => sum + cpuOf(kept), 0);
  const seederCpuS = cpuSeconds(seed.pid) - seedCpuBefore;
  const wallMs = doneMs - startMs;
  const own = process.cpuUsage(ownCpuBefore);
  const busyS = machineBusySeconds() - busyBefore - leecherCpuS - seederCpuS - (own.user + own.system) / 1e6;
  const firstMs = firstByteMs ?? wallMs;
  return {
    wallMs,
    firstByteMs: firstMs,
    activeBytesPerSec: (payload.totalBytes / (wallMs - firstMs)) * 1000,
    leecherCpuS: leecherCpuS / leecherCount,
    seederCpuS,
    anonPeakBytes: Math.max(...peaks.map(({ anonBytes }) => anonBytes)),
    rssPeakBytes: Math.max(...peaks.map(({ rssBytes }) => rssBytes)),
    otherCores: Math.max(0, busyS / (wallMs / 1000)),
  };
}

/** So far, or of its whole life when it has ended. */
function cpuOf(kept: Kept): number {
  const soFar = cpuSeconds(kept.pid);
  return kept.exit === undefined ? soFar : kept.exit.cpuUserS + kept.exit.cpuSysS;
}

function lookAtMemory(leechers: readonly Kept[], peaks: { anonBytes: number; rssBytes: number }[]): void {
  for (const [i, kept] of leechers.entries()) {
    const peak = peaks[i] as { anonBytes: number; rssBytes: number };
    let anonBytes = 0;
    let rssBytes = 0;
    for (const pid of treeOf(kept.pid)) {
      const memory = memoryOf(pid);
      anonBytes += memory.anonBytes;
      rssBytes += memory.rssBytes;
    }
    peak.anonBytes = Math.max(peak.anonBytes, anonBytes);
    peak.rssBytes = Math.max(peak.rssBytes, rssBytes);
  }
}

const trees = new Map<number, { readonly pids: readonly number[]; readonly atMs: number }>();
/** Walking /proc costs more than reading one status: children change rarely. */
const TREE_VALID_MS = 200;

function treeOf(pid: number): readonly number[] {
  const known = trees.get(pid);
  if (known !== undefined && nowMs() - known.atMs < TREE_VALID_MS) return known.pids;
  const pids = processTree(pid);
  trees.set(pid, { pids, atMs: nowMs() });
  return pids;
}
