// `tt download SOURCE...`: everything into one session; ends when all of it is there, or as the flags say.
import { stat } from 'node:fs/promises';
import { toHex } from '../../core/base/ids.ts';
import { OperationError, UsageError } from '../../core/base/result.ts';
import { CUT_SHORT_HINT, looksCutShort } from '../../core/metainfo/magnet.ts';
import type { SessionApi } from '../../core/session/session-api.ts';
import type { SessionSnapshot } from '../../core/session/snapshot.ts';
import { type ExitReason, worstReason } from '../base/exit-codes.ts';
import type { Failure, Outcome } from '../base/outcome.ts';
import { optionalFlagValue, parseDurationMs } from '../base/parse.ts';
import { waitFor } from '../base/wait.ts';
import type { CommandContext } from '../contract/context.ts';
import { sessionRecord } from '../output/snapshot-record.ts';
import { formatDuration } from '../terminal/units.ts';
import { magnetName } from '../torrent/describe-torrent.ts';
import { type LoadedSource, loadOne } from '../torrent/load-sources.ts';
import { refuseV2Only, refuseV2OnlyMagnet } from '../torrent/v2-only.ts';
import { guardedSelection, selection, sourceOptions } from '../transfer/add-options.ts';
import { composeSession } from '../transfer/compose.ts';
import { allFinished, Job, watchJobs } from '../transfer/job.ts';
import { runOnDone } from '../transfer/on-done.ts';
import { seedUntil } from '../transfer/seed-until.ts';
import { runSession } from '../transfer/session-runner.ts';
import { tellFailure } from '../transfer/tell-failure.ts';
import { openTrace, traceOption } from '../transfer/trace-file.ts';

interface Prepared {
  readonly job: Job;
  readonly loaded: LoadedSource;
}

/** Loads every source; what cannot be loaded fails its own job and no other. */
async function prepare(context: CommandContext, jobs: readonly Job[]): Promise<readonly Prepared[]> {
  const prepared = await Promise.all(
    jobs.map(async (job): Promise<Prepared | undefined> => {
      try {
        const loaded = await loadOne(context, job.source);
        if ('metainfo' in loaded) refuseV2Only(loaded.metainfo, job.source);
        else refuseV2OnlyMagnet(loaded.magnet, magnetName(loaded.magnet));
        return { job, loaded };
      } catch (error) {
        job.fail(error);
        tellFailure(context, jobs, job);
        return undefined;
      }
    }),
  );
  return prepared.filter((each) => each !== undefined);
}

/** Told at once instead of when the first piece is to be written. @throws OperationError `disk` */
async function checkFolder(folder: string): Promise<void> {
  const stats = await stat(folder).catch(() => undefined);
  if (stats !== undefined && !stats.isDirectory()) {
    throw new OperationError('disk', `--out: ${folder} is not a folder`, { code: 'ENOTDIR' });
  }
}

function infoHashOf(loaded: LoadedSource): string {
  return toHex('metainfo' in loaded ? loaded.metainfo.infoHash : loaded.magnet.infoHash);
}

async function addTorrent(
  context: CommandContext,
  session: SessionApi,
  prepared: Prepared,
  jobs: readonly Job[],
): Promise<void> {
  const { job, loaded } = prepared;
  const { flags, settings } = context;
  try {
    const select = guardedSelection(selection(flags, loaded), (mistake) => job.fail(mistake));
    const options = sourceOptions(context, loaded, job.source);
    job.infoHash = infoHashOf(loaded);
    await session.add({
      ...options,
      directory: settings.out,
      sequential: flags.isOn('sequential'),
      preallocate: settings.preallocate,
      recheck: flags.isOn('recheck'),
      overwrite: flags.isOn('overwrite'),
      ...(select === undefined ? {} : { filePriorities: select }),
    });
  } catch (error) {
    job.fail(error);
    tellFailure(context, jobs, job);
  }
}

/** The same torrent given twice is one download. */
function withoutRepeats(context: CommandContext, prepared: readonly Prepared[]): readonly Prepared[] {
  const seen = new Set<string>();
  return prepared.filter(({ job, loaded }) => {
    const infoHash = infoHashOf(loaded);
    if (!seen.has(infoHash)) {
      seen.add(infoHash);
      return true;
    }
    context.output.warn(`${job.source} is given twice`);
    job.infoHash = infoHash;
    return false;
  });
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags, settings, log, environment } = context;
  const until = seedUntil(flags, false);
  await checkFolder(settings.out);
  const timeoutMs = optionalFlagValue('--timeout', flags.text('timeout'), parseDurationMs);
  const onDone = flags.list('onDone');
  const nowMs = (): number => environment.nowMs();
  const startedAtMs = nowMs();
  const jobs = context.args.map((source) => new Job(source, until, startedAtMs));
  const trace = await openTrace(context);
  const session = composeSession({ settings, flags, log, overrides: traceOption(trace) });
  const loaded = withoutRepeats(context, await prepare(context, jobs));

  let ended: 'done' | 'timeout' | 'stopped' = 'done';
  let last: SessionSnapshot | undefined;
  if (loaded.length > 0) {
    const hooks: Promise<void>[] = [];
    const watchDone = (job: Job): void =>
      job.whenComplete((torrent) => {
        if (onDone.length > 0) hooks.push(runOnDone(context, onDone, torrent));
      });
    const addFromScreen = async (source: string): Promise<void> => {
      const job = new Job(source, until, nowMs());
      const [added] = await prepare(context, [job]);
      const infoHash = added === undefined ? undefined : infoHashOf(added.loaded);
      const twin = session.snapshot().torrents.find((each) => each.infoHash === infoHash);
      // What it is comes first: a long link would push it off the screen.
      if (twin !== undefined) throw new UsageError(`already here: ${twin.name === '' ? source : twin.name}`);
      if (added !== undefined) {
        jobs.push(job);
        watchDone(job);
        await addTorrent(context, session, added, [job]);
      }
      if (job.failure === undefined) return;
      // Told at the screen; what the command was started for has its own exit code.
      if (jobs.includes(job)) jobs.splice(jobs.indexOf(job), 1);
      throw new UsageError(job.failure.message);
    };
    const work = async (): Promise<'done' | 'timeout' | 'stopped'> => {
      const unwatch = watchJobs(session, jobs, nowMs);
      for (const job of jobs) watchDone(job);
      try {
        await Promise.all(loaded.map((each) => addTorrent(context, session, each, jobs)));
        const leftMs = timeoutMs === undefined ? undefined : Math.max(0, startedAtMs + timeoutMs - nowMs());
        return await waitForJobs(context, jobs, leftMs);
      } finally {
        last = unwatch();
        await Promise.all(hooks);
      }
    };
    try {
      ended = await runSession(context, session, work, { add: addFromScreen });
    } finally {
      await trace?.close();
    }
  } else await trace?.close();
  return outcomeOf(context, jobs, last, ended === 'timeout' ? 'timeout' : 'unfinished', timeoutMs);
}

/** --timeout is for getting complete; what seeds afterwards has its own limits. */
async function waitForJobs(
  context: CommandContext,
  jobs: readonly Job[],
  timeoutMs: number | undefined,
): Promise<'done' | 'timeout' | 'stopped'> {
  const all = allFinished(jobs);
  const ended = await waitFor(context, all, timeoutMs);
  const isComplete = jobs.every((job) => job.isComplete || job.failure !== undefined);
  return ended === 'timeout' && isComplete ? waitFor(context, all, undefined) : ended;
}

function outcomeOf(
  context: CommandContext,
  jobs: readonly Job[],
  last: SessionSnapshot | undefined,
  pending: 'timeout' | 'unfinished',
  timeoutMs: number | undefined,
): Outcome {
  const nowMs = context.environment.nowMs();
  const reasons: readonly ExitReason[] = jobs.map((job) => job.reason(pending));
  const isStopped = context.interrupts.signal.aborted;
  const failures: Failure[] = [];
  for (const [i, job] of jobs.entries()) {
    if (job.failure !== undefined) failures.push(job.failure);
    else if (!job.isComplete && !isStopped)
      failures.push(incomplete(job, reasons[i] as ExitReason, timeoutMs));
  }
  // The caller tells the last one, as it does for every command.
  const lastFailure = failures.pop();
  for (const failure of failures) context.output.failure(failure);
  const { output } = context;
  const lines = jobs
    .flatMap((job) => [
      job.line(nowMs) ?? [],
      output.mode.verbose > 0 ? job.accountLines(output.console.outStyle) : [],
    ])
    .flat();
  return {
    reason: worstReason(reasons),
    text: lines.join('\n'),
    data: {
      ...(last === undefined ? {} : { session: sessionRecord(last) }),
      torrents: jobs.map((job) => job.data(pending, nowMs)),
    },
    ...(lastFailure === undefined ? {} : { failure: lastFailure }),
  };
}

function incomplete(job: Job, reason: ExitReason, timeoutMs: number | undefined): Failure {
  const within = timeoutMs === undefined ? '' : ` within ${formatDuration(timeoutMs)}`;
  return {
    reason,
    message: `${job.source}: not complete${within}`,
    hint: looksCutShort(job.source) ? CUT_SHORT_HINT : 'Run the same command again to go on.',
    code: undefined,
    stack: undefined,
  };
}
