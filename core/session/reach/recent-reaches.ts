// What came of attempts a moment ago: a hole opens from both ends, and the other end's connection is told by this from a stranger's.
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import type { Rung } from '../../nat/ladder.ts';

/** Both ends of a hole open within a round trip or two. */
const OTHER_END_MS = 5_000;

export interface RecentReach {
  readonly endpoint: Endpoint;
  readonly rung: Rung;
  readonly startedAtMs: number;
  readonly atMs: number;
}

export class RecentReaches {
  readonly #byEndpoint = new Map<string, RecentReach>();

  add(reach: RecentReach): void {
    this.#byEndpoint.set(endpointKey(reach.endpoint), reach);
  }

  /** Our side of the hole was through first; `remote` may be the other side's. */
  otherEndOf(remote: Endpoint, nowMs: number): RecentReach | undefined {
    for (const [key, { atMs }] of this.#byEndpoint)
      if (nowMs - atMs > OTHER_END_MS) this.#byEndpoint.delete(key);
    const other = [...this.#byEndpoint.values()].find(({ endpoint }) => endpoint.host === remote.host);
    return other === undefined || other.rung === 'direct' || other.rung === 'splice' ? undefined : other;
  }
}
