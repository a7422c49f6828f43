// The other measured lives of a client: hashing complete content, metadata by magnet, and doing nothing.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pause, waitFor } from '../support/wait.ts';
import type { Kept, Program } from './keeper.ts';
import { nowMs } from './keeper.ts';
import type { Payload } from './payloads.ts';
import { cpuSeconds, memoryOf, processTree, pssOf } from './probes.ts';
import { RACERS, type Racer, type Task } from './programs.ts';
import { type Bench, makeTask, OutputWatch, startSeed } from './race.ts';

const TIMEOUT_MS = 60_000;
const LOOK_EVERY_MS = 3;
/** Start-up work is over after this. */
const IDLE_AFTER_MS = 5_000;
/** Over which idle CPU is measured. */
const IDLE_WINDOW_MS = 3_000;

export interface TimedSample {
  readonly wallMs: number;
  readonly cpuS: number;
}

/** Spawn until the marker shows, or until the end when there is none. */
async function timeProgram(
  bench: Bench,
  program: Program,
  task: Task,
  marker: string | undefined,
): Promise<TimedSample> {
  const kept = await bench.keeper.start(program, join(task.stateDir, 'run'));
  try {
    if (marker === undefined) {
      const exit = await kept.waitForExit(TIMEOUT_MS);
      if (exit.code !== 0) throw new Error(`${program.name} ended with ${exit.code}\n${kept.tail()}`);
      return { wallMs: exit.atMs - kept.startedAtMs, cpuS: exit.cpuUserS + exit.cpuSysS };
    }
    const watch = new OutputWatch(kept.stdoutPath, marker);
    await waitFor(() => watch.look() || endedEarly(kept), {
      what: () => `${marker}\n${kept.tail()}`,
      timeoutMs: TIMEOUT_MS,
      everyMs: LOOK_EVERY_MS,
    });
    return { wallMs: nowMs() - kept.startedAtMs, cpuS: cpuSeconds(kept.pid) };
  } finally {
    await kept.kill();
  }
}

function endedEarly(kept: Kept): false {
  if (kept.exit !== undefined) throw new Error(`${kept.name} ended (${kept.exit.code})`);
  return false;
}

interface TransmissionTorrent {
  readonly status: number;
  readonly leftUntilDone: number;
  readonly metadataPercentComplete: number;
}
const TRANSMISSION_SEEDING = 6;

class TransmissionRpc {
  readonly #url: string;
  #sessionId = '';

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}/transmission/rpc`;
  }

  async call<T>(method: string, fields: object): Promise<T> {
    for (;;) {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'x-transmission-session-id': this.#sessionId },
        body: JSON.stringify({ method, arguments: fields }),
      });
      if (response.status !== 409) return ((await response.json()) as { arguments: T }).arguments;
      this.#sessionId = response.headers.get('x-transmission-session-id') ?? '';
      await response.text();
    }
  }

  async torrent(infoHash: string): Promise<TransmissionTorrent | undefined> {
    const fields = ['status', 'leftUntilDone', 'metadataPercentComplete'];
    const { torrents } = await this.call<{ torrents: TransmissionTorrent[] }>('torrent-get', {
      ids: [infoHash],
      fields,
    });
    return torrents[0];
  }
}

/** Transmission takes work by RPC only: from its start to the state that says it is done, like the others. */
async function timeTransmission(
  bench: Bench,
  task: Task,
  request: object,
  isDone: (torrent: TransmissionTorrent) => boolean,
): Promise<TimedSample> {
  const kept = await bench.keeper.start(
    RACERS.transmission.check(task) as Program,
    join(task.stateDir, 'run'),
  );
  try {
    const rpc = new TransmissionRpc(task.rpcPort);
    await waitFor(async () => (await rpc.call('session-get', {})) !== undefined, {
      what: () => `the RPC of ${kept.tail()}`,
      timeoutMs: TIMEOUT_MS,
      everyMs: LOOK_EVERY_MS,
    });
    await rpc.call('torrent-add', { ...request, 'download-dir': task.dir, paused: false });
    await waitFor(
      async () => {
        const torrent = await rpc.torrent(task.payload.infoHash);
        return torrent !== undefined && isDone(torrent);
      },
      { what: () => `transmission\n${kept.tail()}`, timeoutMs: TIMEOUT_MS, everyMs: LOOK_EVERY_MS },
    );
    return { wallMs: nowMs() - kept.startedAtMs, cpuS: cpuSeconds(kept.pid) };
  } finally {
    await kept.kill();
  }
}

/** Time to hash complete content with no resume data, process start included. */
export async function recheck(bench: Bench, racer: Racer, payload: Payload): Promise<TimedSample> {
  const room = bench.tracker.room();
  const task = await makeTask(bench, payload, room, { dir: payload.dir, fileSystem: 'tmpfs' });
  try {
    if (racer.name === 'transmission') {
      const metainfo = readFileSync(payload.torrentFile).toString('base64');
      return await timeTransmission(
        bench,
        task,
        { metainfo },
        ({ status, leftUntilDone }) => status === TRANSMISSION_SEEDING && leftUntilDone === 0,
      );
    }
    return await timeProgram(bench, racer.check(task) as Program, task, racer.checkMarker);
  } finally {
    rmSync(task.stateDir, { recursive: true, force: true });
  }
}

/** Process start to metadata, the tracker in the link and one seed behind it. */
export async function magnetToMetadata(
  bench: Bench,
  racer: Racer,
  seeder: Racer,
  payload: Payload,
): Promise<TimedSample> {
  const room = bench.tracker.room({ isOpen: true });
  const seedTask = await makeTask(bench, payload, room, { dir: payload.dir, fileSystem: 'tmpfs' });
  const dir = join(bench.scratch.tmpfs, 'metadata');
  mkdirSync(dir, { recursive: true });
  const task = await makeTask(bench, payload, room, { dir, fileSystem: 'tmpfs' });
  const seed = await startSeed(bench, seeder, seedTask, room);
  try {
    if (racer.name === 'transmission') {
      const filename = `${payload.magnet}&tr=${encodeURIComponent(task.trackerUrl)}`;
      return await timeTransmission(
        bench,
        task,
        { filename },
        ({ metadataPercentComplete }) => metadataPercentComplete === 1,
      );
    }
    return await timeProgram(bench, racer.metadata(task) as Program, task, racer.metadataMarker);
  } finally {
    await seed.kill();
    for (const path of [dir, task.stateDir, seedTask.stateDir])
      rmSync(path, { recursive: true, force: true });
  }
}

export interface IdleSample {
  readonly rssBytes: number;
  readonly pssBytes: number;
  readonly anonBytes: number;
  /** Of one core. */
  readonly cpuShare: number;
}

/** One torrent seeding, nobody there. */
export async function idle(bench: Bench, racer: Racer, payload: Payload): Promise<IdleSample> {
  const room = bench.tracker.room();
  const task = await makeTask(bench, payload, room, { dir: payload.dir, fileSystem: 'tmpfs' });
  const seed = await startSeed(bench, racer, task, room);
  try {
    await pause(IDLE_AFTER_MS);
    const cpuBefore = cpuSeconds(seed.pid);
    await pause(IDLE_WINDOW_MS);
    const cpuShare = ((cpuSeconds(seed.pid) - cpuBefore) * 1000) / IDLE_WINDOW_MS;
    const pids = processTree(seed.pid);
    const sum = (of: (pid: number) => number): number => pids.reduce((total, pid) => total + of(pid), 0);
    return {
      rssBytes: sum((pid) => memoryOf(pid).rssBytes),
      pssBytes: sum(pssOf),
      anonBytes: sum((pid) => memoryOf(pid).anonBytes),
      cpuShare,
    };
  } finally {
    await seed.kill();
    rmSync(task.stateDir, { recursive: true, force: true });
  }
}
