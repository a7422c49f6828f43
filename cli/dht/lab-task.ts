// What the thread of `tt lab dht` is told and what it tells back.
import type { SimTable } from '../../dht/sim/report.ts';

export interface LabTask {
  /** A name of DHT_SCENARIOS. */
  readonly scenario: string;
  readonly seed: number;
  readonly nodes: number | undefined;
  readonly effort: number;
}

export interface LabResult {
  readonly tables: readonly SimTable[];
  readonly elapsedMs: number;
}
