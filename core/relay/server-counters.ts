// What a relay has done since it started, for its screen and its metrics. Pure.
import { REFUSALS, type Refusal, WAYS, type Way } from './messages.ts';
import type { SpliceEnd } from './splices.ts';

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}

export class RelayCounters {
  /** Granted, renewals included. */
  reservations = 0;
  calls = 0;
  /** What the called peers chose. */
  readonly answers: Record<Way, number> = zeros(WAYS);
  /** Pairs that were joined. */
  splices = 0;
  splicedBytes = 0;
  readonly spliceEnds: Record<SpliceEnd, number> = zeros(['closed', 'bytes', 'time', 'expired']);
  /** Unmodified clients that came to a proxy port. */
  proxied = 0;
  badTickets = 0;
  tests = 0;
  pushes = 0;
  pops = 0;
  malformed = 0;
  readonly refusals: Record<Refusal, number> = zeros(REFUSALS);

  refuse(code: Refusal): void {
    this.refusals[code]++;
  }
}
