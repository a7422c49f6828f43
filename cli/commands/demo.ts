// `tt demo`: a tracker, seeds and a download on this machine, with made-up data and nothing outside. Cleans up after itself.
import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { toHex } from '../../core/base/ids.ts';
import { OperationError, UsageError } from '../../core/base/result.ts';
import { createTorrent } from '../../core/metainfo/io/create-torrent.ts';
import type { Metainfo } from '../../core/metainfo/metainfo.ts';
import type { SessionApi } from '../../core/session/session-api.ts';
import { systemClock, systemRng } from '../../core/session/system.ts';
import { TrackerServer } from '../../tracker/serve/tracker-server.ts';
import { done, type Outcome } from '../base/outcome.ts';
import { optionalFlagValue, parseBytes, parseCount } from '../base/parse.ts';
import { waitFor } from '../base/wait.ts';
import type { CommandContext } from '../contract/context.ts';
import type { Settings } from '../settings/settings.ts';
import { formatBytes, formatCount, formatElapsed, formatRate } from '../terminal/units.ts';
import { composeSession } from '../transfer/compose.ts';
import { Job, watchJobs } from '../transfer/job.ts';
import { runSession } from '../transfer/session-runner.ts';

const DEFAULT_SIZE_BYTES = 64 << 20;
const DEFAULT_SEEDS = 3;
/** Each is a whole client in this process. */
const MOST_SEEDS = 20;
const LOOPBACK = '127.0.0.1';
const CONTENT_NAME = 'tt-demo';
const DATA_NAME = 'data.bin';
const README_TEXT = 'Everything here was made up by "tt demo" and goes away when it ends.\n';
const CHUNK_BYTES = 1 << 20;
/** On loopback anything longer is a fault. */
const DOWNLOAD_TIMEOUT_MS = 120_000;

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags, output } = context;
  const size = optionalFlagValue('--size', flags.text('size'), parseBytes) ?? DEFAULT_SIZE_BYTES;
  const seeds = optionalFlagValue('--seeds', flags.text('seeds'), parseCount) ?? DEFAULT_SEEDS;
  if (seeds > MOST_SEEDS) throw new UsageError(`--seeds: ${MOST_SEEDS} at most, all of them on this machine`);
  const root = await mkdtemp(path.join(os.tmpdir(), 'tt-demo-'));
  const closers: (() => Promise<void>)[] = [];
  const say = (step: string, text: string, data: Readonly<Record<string, unknown>> = {}): void =>
    output.notice('step', `tt: ${text}`, { step, ...data });
  try {
    const original = path.join(root, 'original', CONTENT_NAME);
    const expected = await makeContent(original, size, context.interrupts.signal);
    say('content', `made up ${formatBytes(size)} of random data`, { bytes: size });

    const tracker = await TrackerServer.listen({
      clock: systemClock,
      rng: systemRng,
      host: LOOPBACK,
      port: 0,
    });
    closers.push(() => tracker.close());
    const announceUrl = tracker.urls(LOOPBACK)[0] as string;
    say('tracker', `a tracker of our own listens at ${announceUrl}`, { announceUrl });

    const { metainfo } = await createTorrent(
      { path: original, trackerTiers: [[announceUrl]] },
      { signal: context.interrupts.signal },
    );
    say('torrent', `made a torrent of it: ${formatCount(metainfo.layout.pieceCount, 'piece')}`, {
      pieceCount: metainfo.layout.pieceCount,
    });

    for (let i = 0; i < seeds; i++) {
      const session = await startSeed(context, { root, number: i, metainfo, original });
      closers.push(() => session.close());
    }
    say('seeds', `${formatCount(seeds, 'seed')} announced to the tracker and now serve it`, { seeds });

    const result = await download(context, root, metainfo);
    const actual = await sha256Of(path.join(root, 'download', CONTENT_NAME, DATA_NAME));
    if (actual !== expected) {
      throw new OperationError(
        'verification-failed',
        `the download differs: sha256 ${actual}, not ${expected}`,
      );
    }
    const rate = (size / Math.max(1, result.elapsedMs)) * 1000;
    return done(
      [
        `Downloaded ${formatBytes(size)} in ${formatElapsed(result.elapsedMs)} (${formatRate(rate)}) from ${formatCount(result.peersUsed, 'seed')} on this machine.`,
        `sha256 of the result and of the original agree: ${actual}`,
        '',
        'What happened: the downloader asked the tracker who has the torrent, connected to every seed, fetched',
        'different pieces from each, checked every piece against its hash, and took its leave of the tracker.',
        `Now try: tt create FILE && tt seed FILE, and "tt download" with the magnet link that it prints.`,
      ].join('\n'),
      {
        bytes: size,
        seeds,
        peersUsed: result.peersUsed,
        elapsedMs: Math.round(result.elapsedMs),
        rateBytesPerSec: Math.round(rate),
        sha256: actual,
        verified: true,
      },
    );
  } finally {
    await Promise.all(closers.map((close) => close()));
    await rm(root, { recursive: true, force: true });
  }
}

/** @returns the sha256 of the data file */
async function makeContent(folder: string, size: number, signal: AbortSignal): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'README.txt'), README_TEXT);
  const hash = createHash('sha256');
  const file = await open(path.join(folder, DATA_NAME), 'w');
  try {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let left = size; left > 0; ) {
      signal.throwIfAborted();
      const part = randomFillSync(chunk).subarray(0, Math.min(left, chunk.length));
      hash.update(part);
      await file.writeFile(part);
      left -= part.length;
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

interface SeedPlan {
  readonly root: string;
  readonly number: number;
  readonly metainfo: Metainfo;
  readonly original: string;
}

function demoSession(context: CommandContext, stateDir: string, limits: Partial<Settings>): SessionApi {
  const settings: Settings = {
    ...context.settings,
    ...limits,
    port: [0, 0],
    proxy: '',
    interface: LOOPBACK,
    lsd: false,
    dht: false,
    stateDir,
  };
  return composeSession({ settings, flags: context.flags, log: context.log, overrides: { ipv6: false } });
}

async function startSeed(
  context: CommandContext,
  { root, number, metainfo, original }: SeedPlan,
): Promise<SessionApi> {
  const home = path.join(root, `seed-${number + 1}`);
  const folder = path.join(home, CONTENT_NAME);
  await mkdir(folder, { recursive: true });
  // Seeds only read: they may share the bytes on disk.
  for (const name of ['README.txt', DATA_NAME])
    await link(path.join(original, name), path.join(folder, name));
  const session = demoSession(context, path.join(home, 'state'), { downLimit: 0, upLimit: 0 });
  const job = new Job(`seed ${number + 1}`, { isWanted: false, ratio: undefined, timeMs: undefined }, 0);
  const unwatch = watchJobs(session, [job], () => context.environment.nowMs());
  try {
    await session.start();
    job.infoHash = toHex(metainfo.infoHash);
    await session.add({ source: { metainfo }, directory: home, seedOnly: true });
    await waitFor(context, job.finished, DOWNLOAD_TIMEOUT_MS);
    context.interrupts.signal.throwIfAborted();
    if (job.failure !== undefined) throw new OperationError('unexpected', job.failure.message);
    return session;
  } catch (error) {
    await session.close();
    throw error;
  } finally {
    unwatch();
  }
}

async function download(
  context: CommandContext,
  root: string,
  metainfo: Metainfo,
): Promise<{ readonly elapsedMs: number; readonly peersUsed: number }> {
  const nowMs = (): number => context.environment.nowMs();
  const session = demoSession(context, path.join(root, 'state'), {});
  const startedAtMs = nowMs();
  const job = new Job('download', { isWanted: false, ratio: undefined, timeMs: undefined }, startedAtMs);
  return runSession(
    context,
    session,
    async () => {
      const unwatch = watchJobs(session, [job], nowMs);
      // Seeds part as soon as the download is complete: they are counted as they come.
      const seeds = new Set<string>();
      const unsubscribe = session.subscribe((event) => {
        if (event.kind === 'peer-connected') seeds.add(event.address);
      });
      try {
        job.infoHash = toHex(metainfo.infoHash);
        await session.add({ source: { metainfo }, directory: path.join(root, 'download') });
        const ended = await waitFor(context, job.finished, DOWNLOAD_TIMEOUT_MS);
        context.interrupts.signal.throwIfAborted();
        if (job.failure !== undefined) {
          throw new OperationError('unexpected', `the demo's download failed: ${job.failure.message}`);
        }
        if (ended === 'timeout') throw new OperationError('timeout', "the demo's download did not finish");
        return { elapsedMs: (job.completedAtMs as number) - startedAtMs, peersUsed: seeds.size };
      } finally {
        unsubscribe();
        unwatch();
      }
    },
    {},
  );
}
