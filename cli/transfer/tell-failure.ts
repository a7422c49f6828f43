// One of several torrents that fails at its start is told at once: the others may go on for hours, or, as seeds, for ever.
import type { CommandContext } from '../contract/context.ts';
import { safeText } from '../terminal/text.ts';
import type { Job } from './job.ts';

/** Says nothing when it is the only one: its failure is the result. */
export function tellFailure({ output }: CommandContext, jobs: readonly Job[], job: Job): void {
  const { failure } = job;
  if (failure === undefined || jobs.length < 2) return;
  const { reason, message, hint, code } = failure;
  output.notice('error', `tt: ${safeText(message)}; the others go on`, {
    ...(job.infoHash === undefined ? {} : { torrent: job.infoHash }),
    source: job.source,
    reason,
    message,
    hint,
    code,
  });
}
