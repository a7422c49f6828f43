// What a reader of a run must know, in sentences of its header.
import { LONG_LOOK_MS, type Turnover } from '../two-looks.ts';

export interface RunTroubles {
  /** Stopped before the queue was empty. */
  readonly isCut: boolean;
  /** That the first of two looks took; 0 with one. */
  readonly minutes: number;
  /** What the estimates were corrected by; undefined for nothing. */
  readonly turnover: Turnover | undefined;
  readonly traps: readonly { readonly listed: number }[];
  /** Share of round trips lost; undefined when too few answered to say. */
  readonly loss: number | undefined;
}

const LOSSY = 0.1;
const MS_PER_MINUTE = 60_000;

export function runWarnings({ isCut, minutes, turnover, traps, loss }: RunTroubles): string[] {
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
  const isLong = minutes * MS_PER_MINUTE >= LONG_LOOK_MS;
  if (!isCut && isLong && turnover !== undefined) {
    const share = (turnover.gone.hits / turnover.gone.of) * 100;
    warnings.push(
      `The first look took ${minutes.toFixed(0)} minutes, in which nodes came and went: the estimates by two looks are of the moment at which it was over, when ${share.toFixed(1)} % of its nodes had gone; \`verified\` is no number of nodes at any one moment.`,
    );
  } else if (!isCut && isLong)
    warnings.push(
      `The first look took ${minutes.toFixed(0)} minutes, in which nodes came and went, and nobody knows how many: estimates by two looks are too high, by about 1 % for ten minutes and 5 % for an hour (docs/measurement.md).`,
    );
  if (loss !== undefined && loss > LOSSY)
    warnings.push(
      `The path is lossy: ${(loss * 100).toFixed(0)} % of round trips were lost; dead and unheard are hard to tell apart.`,
    );
  return warnings;
}
