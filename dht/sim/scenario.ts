// What a scenario is, and what the shell lends it: the outside clock and memory, since simulations read neither.
import type { SimTable } from './report.ts';

export interface ScenarioOptions {
  readonly seed: number;
  /** Size of the network; undefined for the scenario's own. */
  readonly nodes: number | undefined;
  /** Multiplies the number of trials; tests use less, precise tables more. */
  readonly effort: number;
  /** Wall clock, milliseconds. */
  readonly wallMs: () => number;
  /** Bytes the process holds. */
  readonly memoryBytes: () => number;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  run(options: ScenarioOptions): SimTable[];
}

/** A number of trials scaled by the effort, at least one. */
export function trials(options: ScenarioOptions, usual: number): number {
  return Math.max(1, Math.round(usual * options.effort));
}
