// Counters of a node: mutable inside, read-only in snapshots.
import type { DhtStatistics, QueryName } from '../base/results.ts';

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };
export type Counters = Omit<Mutable<DhtStatistics>, 'answered'> & { answered: Record<QueryName, number> };

export function newCounters(): Counters {
  return {
    datagramsIn: 0,
    datagramsOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    queriesIn: 0,
    repliesOut: 0,
    queriesOut: 0,
    repliesIn: 0,
    errorsIn: 0,
    errorsOut: 0,
    malformed: 0,
    dropped: 0,
    strays: 0,
    timeouts: 0,
    lateReplies: 0,
    lookups: 0,
    answered: {
      ping: 0,
      find_node: 0,
      get_peers: 0,
      announce_peer: 0,
      get: 0,
      put: 0,
      sample_infohashes: 0,
    },
  };
}
