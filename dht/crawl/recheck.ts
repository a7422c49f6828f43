// How many of the nodes that answered are asked again when the first look is over: for turnover, and for who answers a strange port.
import type { SummaryRow } from '../dataset/more-tables.ts';
import { LONG_LOOK_MS } from './two-looks.ts';

const LEAST = 50;
const MOST = 5_000;
/** After a long look the estimates lean on it: the share that has gone is to be known within a per cent or two. */
const LEAST_AFTER_LONG = 400;
/** And the asking itself is to be short beside the look. */
const MOST_SHARE = 1 / 8;

/** @param share as configured; 0 for none */
export function recheckCount(verified: number, lookMs: number, share: number): number {
  if (share === 0) return 0;
  const afterLong = lookMs < LONG_LOOK_MS ? 0 : Math.min(LEAST_AFTER_LONG, verified * MOST_SHARE);
  return Math.min(MOST, verified, Math.max(LEAST, verified * share, afterLong));
}

export interface Recheck {
  readonly asked: number;
  /** Answered a socket they had never heard from. */
  readonly strangePort: number;
  /** Answered only the socket they knew. */
  readonly knownPort: number;
  /** Middle of it, milliseconds since the start of the run. */
  readonly atMs: number;
}

export function recheckRows(runId: string, { asked, strangePort, knownPort, atMs }: Recheck): SummaryRow[] {
  const nothing = { run_id: runId, metric: 'recheck', low: null, high: null, basis: null };
  return [
    { ...nothing, item: 'asked', value: asked },
    { ...nothing, item: 'strange_port', value: strangePort },
    { ...nothing, item: 'known_port', value: knownPort },
    { ...nothing, item: 'at_s', value: atMs / 1000 },
  ];
}
