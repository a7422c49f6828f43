// `tt seed PATH...`: makes the torrent where there is none, prints the magnet link, serves until told to stop.
import path from 'node:path';
import { toHex } from '../../core/base/ids.ts';
import { OperationError, UsageError } from '../../core/base/result.ts';
import { createTorrent } from '../../core/metainfo/io/create-torrent.ts';
import { formatMagnet, magnetOf } from '../../core/metainfo/magnet.ts';
import type { Metainfo } from '../../core/metainfo/metainfo.ts';
import type { AddTorrentOptions, SessionApi } from '../../core/session/session-api.ts';
import type { SessionSnapshot } from '../../core/session/snapshot.ts';
import { worstReason } from '../base/exit-codes.ts';
import { interfaceAddresses } from '../base/interfaces.ts';
import type { Failure, Outcome } from '../base/outcome.ts';
import { optionalFlagValue, parseDurationMs } from '../base/parse.ts';
import { waitFor } from '../base/wait.ts';
import type { CommandContext } from '../contract/context.ts';
import { sessionRecord } from '../output/snapshot-record.ts';
import { safeText } from '../terminal/text.ts';
import { locateContent } from '../torrent/content-path.ts';
import { loadOne } from '../torrent/load-sources.ts';
import { refuseV2Only } from '../torrent/v2-only.ts';
import { refuseOther, writeTorrent } from '../torrent/write-torrent.ts';
import { sourceOptions } from '../transfer/add-options.ts';
import { composeSession } from '../transfer/compose.ts';
import { allFinished, Job, watchJobs } from '../transfer/job.ts';
import { magnetPeers } from '../transfer/magnet-peers.ts';
import { seedUntil } from '../transfer/seed-until.ts';
import { runSession } from '../transfer/session-runner.ts';
import { tellFailure } from '../transfer/tell-failure.ts';
import { openTrace, traceOption } from '../transfer/trace-file.ts';
import { createOptions } from './create.ts';

/** Apart from the downloads: the same torrent can be seeded and downloaded on one machine, as everybody tries first. */
const SEED_STATE_NAME = 'seeding';

interface Content {
  readonly job: Job;
  readonly metainfo: Metainfo;
  readonly directory: string;
  readonly rename: string | undefined;
  /** Of a torrent made a moment ago. */
  readonly hashed?: AddTorrentOptions['hashed'];
}

/** The torrent for a path: the one given, or a new one. */
async function contentOf(context: CommandContext, job: Job): Promise<Content> {
  const { flags, environment, interrupts, output } = context;
  const given = path.resolve(environment.cwd, job.source);
  const torrent = flags.text('torrent');
  if (torrent !== undefined) {
    const loaded = await loadOne(context, torrent);
    if (!('metainfo' in loaded)) throw new UsageError('--torrent needs a .torrent, not a magnet link');
    refuseV2Only(loaded.metainfo, torrent);
    return { job, metainfo: loaded.metainfo, ...(await locateContent(loaded.metainfo, given)) };
  }
  const out = flags.text('torrentOut');
  if (out !== undefined) await refuseOther(context, out);
  const meter = output.meter('hashing');
  const created = await createTorrent(
    // A --tracker is the torrent's own tracker here, and part of the magnet link.
    createOptions(context, given),
    {
      signal: interrupts.signal,
      onProgress: ({ hashedBytes, totalBytes }) => meter.update(hashedBytes, totalBytes),
    },
  ).finally(() => meter.close());
  if (out !== undefined) {
    await refuseOther(context, out, created.metainfo);
    const file = await writeTorrent(context, { bytes: created.torrentBytes, out, mayOverwrite: true });
    output.notice('torrent-written', `tt: wrote ${file ?? 'the torrent to stdout'}`, { torrentPath: file });
  }
  const base = path.basename(given);
  const { metainfo } = created;
  return {
    job,
    metainfo,
    directory: path.dirname(given),
    rename: base === metainfo.name ? undefined : base,
    hashed: created.hashed,
  };
}

function checkFlags(context: CommandContext): void {
  const { args, flags, output } = context;
  if (args.length > 1 && flags.text('torrent') !== undefined) {
    throw new UsageError(
      '--torrent describes one PATH, but several are given',
      'Seed them with one command each.',
    );
  }
  if (args.length > 1 && flags.text('torrentOut') !== undefined) {
    throw new UsageError(
      '--torrent-out is one file, but several PATHs are given',
      'Make them with "tt create".',
    );
  }
  if (flags.text('torrentOut') === '-' && output.isForPrograms) {
    throw new UsageError('--torrent-out - and --json or --events both want stdout');
  }
  if (flags.text('torrent') !== undefined && flags.text('torrentOut') !== undefined) {
    throw new UsageError('--torrent and --torrent-out exclude each other');
  }
}

export async function run(context: CommandContext): Promise<Outcome> {
  checkFlags(context);
  const { flags, settings, log, environment } = context;
  const until = seedUntil(flags, true);
  const timeoutMs = optionalFlagValue('--timeout', flags.text('timeout'), parseDurationMs);
  const nowMs = (): number => environment.nowMs();
  const jobs = context.args.map((each) => new Job(each, until, nowMs()));
  const stateDir = path.join(settings.stateDir, SEED_STATE_NAME);
  const trace = await openTrace(context);
  const session = composeSession({
    settings: { ...settings, stateDir },
    flags,
    log,
    overrides: traceOption(trace),
  });
  const contents: Content[] = [];
  for (const job of jobs) {
    try {
      contents.push(await contentOf(context, job));
    } catch (error) {
      job.fail(error);
      tellFailure(context, jobs, job);
    }
  }
  const magnets = new Map<Job, string>();
  let ended: 'done' | 'timeout' | 'stopped' = 'done';
  let lastSeen: SessionSnapshot | undefined;
  if (contents.length > 0) {
    ended = await runSession(
      context,
      session,
      async () => {
        const unwatch = watchJobs(session, jobs, nowMs);
        try {
          for (const content of contents) announceWhenReady(context, session, content, magnets);
          await Promise.all(contents.map((content) => addSeed(context, session, content, jobs)));
          return await waitFor(context, allFinished(jobs), timeoutMs);
        } finally {
          lastSeen = unwatch();
        }
      },
      {},
    ).finally(() => trace?.close());
  } else await trace?.close();
  return outcomeOf(context, jobs, lastSeen, magnets, ended === 'timeout');
}

async function addSeed(
  context: CommandContext,
  session: SessionApi,
  content: Content,
  jobs: readonly Job[],
): Promise<void> {
  const { job, metainfo, directory, rename, hashed } = content;
  try {
    const options = sourceOptions(context, { metainfo }, job.source);
    job.infoHash = toHex(metainfo.infoHash);
    await session.add({
      ...options,
      // In a torrent of our own making they are its trackers already.
      trackers: (options.trackers ?? []).filter((url) => !metainfo.trackerTiers.flat().includes(url)),
      directory,
      seedOnly: true,
      ...(rename === undefined ? {} : { rename }),
      ...(hashed === undefined ? {} : { hashed }),
    });
  } catch (error) {
    job.fail(error);
    tellFailure(context, jobs, job);
  }
}

/** Prints the link once the data is checked and served: only then does it lead anywhere. */
function announceWhenReady(
  context: CommandContext,
  session: SessionApi,
  { job, metainfo }: Content,
  magnets: Map<Job, string>,
): void {
  const { settings, output, flags } = context;
  job.whenComplete(() => {
    const bound = settings.interface === '' ? undefined : interfaceAddresses(settings.interface);
    const snapshot = session.snapshot();
    const extra = flags.list('tracker').filter((url) => !metainfo.trackerTiers.flat().includes(url));
    const tiers = [...metainfo.trackerTiers, ...extra.map((url) => [url])];
    const peers = tiers.length > 0 || metainfo.isPrivate ? [] : magnetPeers(snapshot, bound);
    const magnet = formatMagnet(magnetOf({ ...metainfo, trackerTiers: tiers }, peers));
    magnets.set(job, magnet);
    const port = snapshot.listen[0]?.port;
    output.notice('seeding', `tt: seeding ${safeText(metainfo.name)} on port ${port}; Ctrl-C stops`, {
      torrent: job.infoHash,
      name: metainfo.name,
      magnet,
      port,
    });
    if (!output.isForPrograms && flags.text('torrentOut') !== '-') output.console.out(magnet);
  });
}

function outcomeOf(
  context: CommandContext,
  jobs: readonly Job[],
  lastSeen: SessionSnapshot | undefined,
  magnets: ReadonlyMap<Job, string>,
  isTimeout: boolean,
): Outcome {
  const nowMs = context.environment.nowMs();
  const failures: Failure[] = jobs.map((job) => job.failure).filter((failure) => failure !== undefined);
  if (isTimeout && failures.length === 0) {
    const error = new OperationError('timeout', 'seeding stopped: --timeout ran out');
    failures.push({
      reason: 'timeout',
      message: error.message,
      hint: undefined,
      code: undefined,
      stack: undefined,
    });
  }
  for (const line of jobs.flatMap((job) => job.seedLine() ?? [])) context.output.summary(line);
  const last = failures.pop();
  for (const failure of failures) context.output.failure(failure);
  const reasons = jobs.map((job) => job.reason('unfinished'));
  return {
    reason: worstReason(isTimeout ? [...reasons, 'timeout'] : reasons),
    text: '',
    data: {
      ...(lastSeen === undefined ? {} : { session: sessionRecord(lastSeen) }),
      torrents: jobs.map((job) => ({ ...job.data('unfinished', nowMs), magnet: magnets.get(job) })),
    },
    ...(last === undefined ? {} : { failure: last }),
  };
}
