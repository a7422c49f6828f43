// One torrent of a command from its source to its end: when it was complete, why it failed, when it has seeded enough.
import path from 'node:path';
import type { SessionApi, SessionEvent } from '../../core/session/session-api.ts';
import type { SessionSnapshot, TorrentSnapshot } from '../../core/session/snapshot.ts';
import { type ExitReason, exitCodeOf } from '../base/exit-codes.ts';
import { failureOf } from '../base/failure.ts';
import type { Failure } from '../base/outcome.ts';
import { torrentDetails, torrentNumbers } from '../output/snapshot-record.ts';
import type { Style } from '../terminal/style.ts';
import { safeText } from '../terminal/text.ts';
import { formatBytes, formatElapsed, formatRate, formatShare } from '../terminal/units.ts';
import { accountData, costAccountLines } from '../ui/account-text.ts';

export interface SeedUntil {
  /** undefined: seeding ends when the download is complete. */
  readonly ratio: number | undefined;
  readonly timeMs: number | undefined;
  readonly isWanted: boolean;
}

/** Bytes of the files that were asked for; `wantedBytes` counts the whole pieces they touch. */
export function wantedFileBytes(torrent: TorrentSnapshot): number {
  return torrent.files.reduce((sum, file) => sum + (file.priority > 0 ? file.length : 0), 0);
}

interface End {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function openEnd(): End {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

export class Job {
  /** As typed. */
  readonly source: string;
  /** 40 hex digits once it is in the session. */
  infoHash: string | undefined;
  failure: Failure | undefined;
  completedAtMs: number | undefined;
  private readonly until: SeedUntil;
  private readonly startedAtMs: number;
  private firstByteAtMs: number | undefined;
  private last: TorrentSnapshot | undefined;
  private lastAtMs = 0;
  private end = openEnd();
  private hasEnded = false;
  private onComplete: ((torrent: TorrentSnapshot) => void) | undefined;

  constructor(source: string, until: SeedUntil, nowMs: number) {
    this.source = source;
    this.until = until;
    this.startedAtMs = nowMs;
  }

  /** Resolves when nothing is left to do for this torrent: it failed, or it is complete and has seeded enough. */
  get finished(): Promise<void> {
    return this.end.promise;
  }

  get isFinished(): boolean {
    return this.hasEnded;
  }

  get isComplete(): boolean {
    return this.completedAtMs !== undefined;
  }

  whenComplete(listener: (torrent: TorrentSnapshot) => void): void {
    this.onComplete = listener;
  }

  fail(error: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = failureOf(error);
    this.finish();
  }

  private finish(): void {
    this.hasEnded = true;
    this.end.resolve();
  }

  /** Somebody mended what was wrong and had it tried again. */
  private reopen(): void {
    if (this.failure === undefined) return;
    this.failure = undefined;
    this.hasEnded = false;
    this.end = openEnd();
  }

  handleEvent(event: SessionEvent, nowMs: number): void {
    if (event.torrent !== this.infoHash) return;
    if (event.kind === 'first-byte') this.firstByteAtMs ??= nowMs;
    if (event.kind === 'error') this.fail(event.error);
    // Removed by somebody at the screen, or the session ends.
    if (event.kind === 'stopped') this.finish();
    if (event.kind === 'resumed') this.reopen();
  }

  /** To be called with fresh pictures: after events, and every second while it seeds. */
  update(torrent: TorrentSnapshot, nowMs: number): void {
    this.last = torrent;
    this.lastAtMs = nowMs;
    if (this.failure !== undefined || torrent.state !== 'seeding') return;
    if (this.completedAtMs === undefined) {
      this.completedAtMs = nowMs;
      this.onComplete?.(torrent);
    }
    if (this.hasSeededEnough(torrent, nowMs)) this.finish();
  }

  private hasSeededEnough(torrent: TorrentSnapshot, nowMs: number): boolean {
    const { isWanted, ratio, timeMs } = this.until;
    if (!isWanted) return true;
    if (ratio !== undefined && torrent.uploadedBytes >= ratio * torrent.wantedBytes) return true;
    return timeMs !== undefined && nowMs - (this.completedAtMs as number) >= timeMs;
  }

  /** @param pending what an unfinished torrent is called: `timeout`, or `unfinished` */
  reason(pending: 'timeout' | 'unfinished'): ExitReason {
    return this.failure?.reason ?? (this.isComplete ? 'done' : pending);
  }

  /** The item in the `tt/1` object. */
  data(pending: 'timeout' | 'unfinished', nowMs: number): Readonly<Record<string, unknown>> {
    const reason = this.reason(pending);
    const { last, failure } = this;
    return {
      source: this.source,
      ok: reason === 'done',
      reason,
      exitCode: exitCodeOf(reason),
      infoHash: this.infoHash,
      ...(last === undefined ? {} : torrentNumbers(last)),
      ...(last === undefined
        ? {}
        : {
            directory: last.directory,
            path: path.join(last.directory, last.name),
            ...torrentDetails(last, this.lastAtMs),
            ...(last.account === undefined ? {} : { account: accountData(last.account) }),
          }),
      elapsedMs: Math.round((this.completedAtMs ?? nowMs) - this.startedAtMs),
      averageRateBytesPerSec: Math.round(this.averageRate(nowMs)),
      ...(failure === undefined
        ? {}
        : { error: { message: failure.message, hint: failure.hint, code: failure.code } }),
    };
  }

  /** One line for a person; undefined for a torrent that never came into the session: its failure says it all. */
  line(nowMs: number): string | undefined {
    const { failure, last } = this;
    if (last === undefined) return undefined;
    if (failure?.reason === 'refused' && last.downloadedBytes === 0) return undefined;
    const name = safeText(last.name === '' ? this.source : last.name);
    const where = `in ${safeText(last.directory)}`;
    const elapsed = formatElapsed((this.completedAtMs ?? nowMs) - this.startedAtMs);
    const sent = last.uploadedBytes > 0 ? `, ${formatBytes(last.uploadedBytes)} sent` : '';
    if (!this.isComplete) {
      const part = `${formatBytes(last.verifiedBytes)} of ${formatBytes(last.wantedBytes)}`;
      return last.wantedBytes === 0
        ? `${name}: no metadata after ${elapsed}`
        : `${name}: ${formatShare(last.verifiedBytes, last.wantedBytes)} (${part}) after ${elapsed}${sent}, ${where}`;
    }
    if (last.downloadedBytes === 0) {
      return `${name}: ${formatBytes(wantedFileBytes(last))}, all there already${sent}, ${where}`;
    }
    const speed = formatRate(this.averageRate(nowMs));
    const { duplicate, failedHash, unrequested } = last.wastedBytes;
    const wasted = `${formatBytes(duplicate + failedHash + unrequested)} wasted`;
    const ratio = `ratio ${last.ratio.toFixed(2)}`;
    return `${name}: ${formatBytes(wantedFileBytes(last))} in ${elapsed} (${speed})${sent}, ${ratio}, ${wasted}, ${where}`;
  }

  /** What became of a seed; undefined where nothing was ever served. */
  seedLine(): string | undefined {
    const { last } = this;
    if (last === undefined || !this.isComplete) return undefined;
    const time = formatElapsed(this.lastAtMs - (this.completedAtMs as number));
    const sent = `${formatBytes(last.uploadedBytes)} sent, ratio ${last.ratio.toFixed(2)}`;
    return `seeded ${safeText(last.name)} for ${time}: ${sent}`;
  }

  /** Where the time went and what it cost; nothing of a torrent that moved no data and waited for none. */
  accountLines(style: Style): readonly string[] {
    const account = this.last?.account;
    if (account === undefined || (this.isComplete && account.bytes.downloaded === 0)) return [];
    return costAccountLines(account, style);
  }

  private averageRate(nowMs: number): number {
    const elapsedMs = (this.completedAtMs ?? nowMs) - (this.firstByteAtMs ?? this.startedAtMs);
    return ((this.last?.downloadedBytes ?? 0) / Math.max(1, elapsedMs)) * 1000;
  }
}

/** Also of those that were added meanwhile, or tried again after an error. */
export async function allFinished(jobs: readonly Job[]): Promise<void> {
  while (jobs.some((job) => !job.isFinished)) await Promise.all(jobs.map((job) => job.finished));
}

/** How often seeding goals are looked at when nothing happens. */
const UPDATE_INTERVAL_MS = 1_000;

/** Feeds events and pictures of the session to its jobs. @returns a function that stops it, and gives the last picture */
export function watchJobs(
  session: SessionApi,
  jobs: readonly Job[],
  nowMs: () => number,
): () => SessionSnapshot {
  const update = (): SessionSnapshot => {
    const snapshot = session.snapshot();
    for (const torrent of snapshot.torrents) {
      for (const job of jobs) if (job.infoHash === torrent.infoHash) job.update(torrent, nowMs());
    }
    return snapshot;
  };
  let isDue = false;
  const unsubscribe = session.subscribe((event) => {
    for (const job of jobs) job.handleEvent(event, nowMs());
    if (isDue || !CHANGES_STATE.has(event.kind)) return;
    isDue = true;
    // The event may come just before the state it announces.
    setImmediate(() => {
      isDue = false;
      update();
    });
  });
  const timer = setInterval(update, UPDATE_INTERVAL_MS);
  return () => {
    clearInterval(timer);
    unsubscribe();
    return update();
  };
}

const CHANGES_STATE: ReadonlySet<SessionEvent['kind']> = new Set<SessionEvent['kind']>([
  'added',
  'checked',
  'started',
  'completed',
  'resumed',
  'paused',
  'error',
]);
