// What the screen costs: one long download at full loopback speed from an aria2 seed, with the screen on a terminal of 120x40 and with
// -q on the same terminal. Loading Ink is paid once, drawing all the time, so the two are told apart: the middle of the download is steady.
// The disk thread does the same work in both and is left out: what its pages cost is up to the machine, and moves by more than a screen.
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { encodeBencode } from '../../core/base/bencode-encode.ts';
import { pause } from '../support/wait.ts';
import { type Kept, nowMs, type Program } from './keeper.ts';
import type { Payload } from './payloads.ts';
import { threadsOf } from './probes.ts';
import { RACERS, type Task, ttDownload } from './programs.ts';
import { type Bench, makeTask, startSeed } from './race.ts';

const MIB = 1024 * 1024;
const TERMINAL = [120, 40] as const;
const LOOK_EVERY_MS = 20;
/** Of the download: behind it everything is loaded and compiled; before its end nothing winds up yet. */
const STEADY_FROM = 0.2;
const STEADY_TO = 0.97;
const LEAST_BYTES_PER_SEC = 8_000_000;
const SLACK_BYTES = 256 * MIB;

const PART_BYTES = 1024 * MIB;

/** A folder of equal parts of zeros: to the seed they are one file under many names, which takes no room, and whose hashes need no reading. */
function zeros(parts: number, dir: string): Payload {
  const pieceLength = MIB;
  const name = `zeros-${parts}`;
  const folder = join(dir, name);
  const fileNames = Array.from({ length: parts }, (_, part) => `part-${String(part).padStart(3, '0')}`);
  if (!existsSync(folder)) {
    mkdirSync(folder, { recursive: true });
    const chunk = new Uint8Array(16 * MIB);
    for (const [part, fileName] of fileNames.entries()) {
      const first = join(folder, fileNames[0] as string);
      if (part > 0) linkSync(first, join(folder, fileName));
      // Written, not left out: who reads a hole first pays for its pages.
      else for (let at = 0; at < PART_BYTES; at += chunk.length) appendFileSync(first, chunk);
    }
  }
  const totalBytes = parts * PART_BYTES;
  const hash = createHash('sha1').update(new Uint8Array(pieceLength)).digest();
  const pieces = new Uint8Array((totalBytes / pieceLength) * hash.length);
  for (let at = 0; at < pieces.length; at += hash.length) pieces.set(hash, at);
  const files = fileNames.map((fileName) => ({ length: PART_BYTES, path: [fileName] }));
  const info = { files, name, 'piece length': pieceLength, pieces };
  const infoHash = createHash('sha1').update(encodeBencode(info)).digest('hex');
  const torrentFile = join(dir, `${name}.torrent`);
  writeFileSync(torrentFile, encodeBencode({ info }));
  return {
    name,
    torrentFile,
    infoHash,
    magnet: `magnet:?xt=urn:btih:${infoHash}&dn=${name}`,
    dir,
    totalBytes,
    pieceLength,
    fileCount: parts,
    sha256OfNonEmpty: '',
  };
}

/** Bytes that it handed to the kernel: those of its files, give or take what it says to its peers. */
function writtenBytes(pid: number): number {
  try {
    return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

const DISK_THREAD = 'tt-disk';

/** CPU seconds of all threads but the disk's. */
function cpuOf(pid: number): number {
  return threadsOf(pid).reduce((sum, { name, cpuS }) => (name === DISK_THREAD ? sum : sum + cpuS), 0);
}

interface Cost {
  readonly wallS: number;
  /** Until shortly before the end. */
  readonly cpuS: number;
  readonly steadyWallS: number;
  readonly steadyCpuS: number;
  readonly drawnBytes: number;
}

async function watch(kept: Kept, totalBytes: number): Promise<Cost> {
  const timeoutMs = (totalBytes / LEAST_BYTES_PER_SEC) * 1000;
  const marks: { readonly atMs: number; readonly cpuS: number }[] = [];
  const shares = [STEADY_FROM, STEADY_TO];
  while (kept.exit === undefined) {
    if (nowMs() - kept.startedAtMs > timeoutMs) throw new Error(`${kept.name}: too slow`);
    const next = shares[marks.length];
    if (next !== undefined && writtenBytes(kept.pid) >= next * totalBytes)
      marks.push({ atMs: nowMs(), cpuS: cpuOf(kept.pid) });
    await pause(LOOK_EVERY_MS);
  }
  const { exit } = kept;
  const [from, to] = marks;
  if (exit.code !== 0 || from === undefined || to === undefined)
    throw new Error(`${kept.name} ended with ${exit.code} after ${marks.length} marks`);
  return {
    wallS: (exit.atMs - kept.startedAtMs) / 1000,
    cpuS: to.cpuS,
    steadyWallS: (to.atMs - from.atMs) / 1000,
    steadyCpuS: to.cpuS - from.cpuS,
    drawnBytes: exit.drawnBytes,
  };
}

export interface ScreenCost {
  /** Of one core, of the middle of the download: what the screen takes beyond -q. */
  readonly steadyPercent: number;
  /** CPU seconds that are spent once: loading Ink, and drawing while its code is cold. */
  readonly onceCpuS: number;
  readonly quiet: Cost;
  readonly screen: Cost;
}

let pairCount = 0;

/** One pair of downloads; who goes first changes from pair to pair. */
export async function screenCost(bench: Bench, sizeGib: number): Promise<ScreenCost> {
  const payload = zeros(sizeGib, join(bench.scratch.tmpfs, 'zeros'));
  const room = bench.tracker.room({ isOpen: true });
  const seedTask = await makeTask(bench, payload, room, { dir: payload.dir, fileSystem: 'tmpfs' });
  const seed = await startSeed(bench, RACERS.aria2, seedTask, room);
  const one = async (flags: readonly string[]): Promise<Cost> => {
    const dir = join(bench.scratch.tmpfs, 'screen-out');
    const task: Task = await makeTask(bench, payload, room, { dir, fileSystem: 'tmpfs' });
    const plain = ttDownload(task, flags);
    const program: Program = {
      ...plain,
      name: `tt ${flags.join(' ')}`,
      env: { ...plain.env, TERM: 'xterm-256color' },
      terminal: TERMINAL,
    };
    await bench.keeper.touchMemory(payload.totalBytes + SLACK_BYTES);
    const kept = await bench.keeper.start(program, join(task.stateDir, 'screen'));
    try {
      return await watch(kept, payload.totalBytes);
    } finally {
      await kept.kill();
      rmSync(dir, { recursive: true, force: true });
      rmSync(task.stateDir, { recursive: true, force: true });
    }
  };
  try {
    const isQuietFirst = pairCount++ % 2 === 0;
    const first = await one(isQuietFirst ? ['-q'] : []);
    const second = await one(isQuietFirst ? [] : ['-q']);
    const [quiet, screen] = isQuietFirst ? [first, second] : [second, first];
    return {
      // Per second of the download: the cost of a picture does not depend on how much comes meanwhile.
      steadyPercent: (100 * (screen.steadyCpuS - quiet.steadyCpuS)) / screen.steadyWallS,
      onceCpuS: screen.cpuS - screen.steadyCpuS - (quiet.cpuS - quiet.steadyCpuS),
      quiet,
      screen,
    };
  } finally {
    await seed.kill();
    rmSync(seedTask.stateDir, { recursive: true, force: true });
  }
}
