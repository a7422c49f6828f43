// The one table of exit codes and their slugs: the process's status, the JSON `reason` and the help text all come from here.
import type { OperationSlug } from '../../core/base/result.ts';

export type ExitReason = 'done' | 'usage' | OperationSlug | 'hangup' | 'interrupted' | 'terminated';

interface ExitEntry {
  readonly code: number;
  readonly meaning: string;
}

export const EXIT_CODES: Readonly<Record<ExitReason, ExitEntry>> = {
  done: { code: 0, meaning: 'done' },
  unexpected: { code: 1, meaning: 'unexpected: a bug in tt' },
  usage: { code: 2, meaning: 'usage: the command line or the configuration is wrong' },
  timeout: { code: 3, meaning: 'timeout: no metadata, no peers, or --timeout ran out' },
  unfinished: { code: 4, meaning: 'unfinished: stopped before everything was there' },
  'verification-failed': { code: 5, meaning: 'verification failed' },
  network: { code: 6, meaning: 'network: nothing to reach, or no port to listen on' },
  'bad-torrent': { code: 7, meaning: 'bad torrent or magnet' },
  disk: { code: 8, meaning: 'disk: full, missing, or not permitted' },
  refused: { code: 9, meaning: 'refused: private torrent, proxy, unsafe path, or another file in the way' },
  hangup: { code: 129, meaning: 'the terminal went away (SIGHUP)' },
  interrupted: { code: 130, meaning: 'interrupted (SIGINT), also after a clean shutdown' },
  terminated: { code: 143, meaning: 'terminated (SIGTERM), also after a clean shutdown' },
};

/** The status of the process, 0 to 143. */
export function exitCodeOf(reason: ExitReason): number {
  return EXIT_CODES[reason].code;
}

/** Of several results the highest code speaks for all. */
export function worstReason(reasons: readonly ExitReason[]): ExitReason {
  let worst: ExitReason = 'done';
  for (const reason of reasons) if (exitCodeOf(reason) > exitCodeOf(worst)) worst = reason;
  return worst;
}
