// What a reader of a run must know, in sentences of its header.

export interface RunTroubles {
  /** Stopped before the queue was empty. */
  readonly isCut: boolean;
  /** That two looks took together; 0 with one. */
  readonly minutes: number;
  readonly traps: readonly { readonly listed: number }[];
  /** Share of round trips lost; undefined when too few answered to say. */
  readonly loss: number | undefined;
}

/** Below that what churn does is within the interval (`tt lab dht crawl`). */
const LONG_MINUTES = 20;
const LOSSY = 0.1;

export function runWarnings({ isCut, minutes, traps, loss }: RunTroubles): string[] {
  const warnings: string[] = [];
  if (isCut)
    warnings.push('The run was cut: its counts are lower bounds, and it has no second look to correct them.');
  if (traps.length > 0) {
    const listed = traps.reduce((sum, trap) => sum + trap.listed, 0);
    const many = traps.length > 1;
    warnings.push(
      `Traps: ${traps.length} subnet${many ? 's list' : ' lists'} more nodes than chance allows (${listed} so far); ${many ? 'they were set aside and do' : 'it was set aside and does'} not count.`,
    );
  }
  if (!isCut && minutes > LONG_MINUTES)
    warnings.push(
      `Two looks took ${minutes.toFixed(0)} minutes, in which nodes came and went: estimates from both are too high, by about 2 % for looks of ten minutes each and 8 % for an hour each (docs/measurement.md).`,
    );
  if (loss !== undefined && loss > LOSSY)
    warnings.push(
      `The path is lossy: ${(loss * 100).toFixed(0)} % of round trips were lost; dead and unheard are hard to tell apart.`,
    );
  return warnings;
}
