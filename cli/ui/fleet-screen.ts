// The model of a coordinator's full screen: keeps what the curves need, hands out rows, and keys to the program.
import type { FleetProgress } from '../../dht/crawl/io/fleet-run.ts';
import type { BandPoint } from './charts.ts';
import type { ModelOptions } from './crawl-screen.ts';
import { squeezed } from './crawl-view.ts';
import { fleetLines } from './fleet-view.ts';
import type { NotingModel } from './model-screen.ts';
import { paintLine } from './styled.ts';

/** Pictures kept; a longer run keeps a coarser curve. */
const MOST_POINTS = 4_096;
const MOST_NOTES = 20;
/** One order says little about the others. */
const LEAST_DONE = 2;

export class FleetModel implements NotingModel {
  onSuspend: (() => void) | undefined;
  onRedraw: (() => void) | undefined;
  readonly #options: ModelOptions;
  readonly #listeners = new Set<() => void>();
  readonly #notes: string[] = [];
  #verified: number[] = [];
  #estimates: BandPoint[] = [];
  #progress: FleetProgress | undefined;
  #count = 0;

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  readonly version = (): number => this.#count;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  update(progress: FleetProgress): void {
    // An attempt that was lost takes its nodes back; the curve shows what there was.
    this.#verified.push(progress.verified);
    if (this.#verified.length > MOST_POINTS) this.#verified = squeezed(this.#verified, MOST_POINTS / 2);
    const { estimate } = progress;
    if (estimate !== undefined) this.#estimates.push([estimate.low, estimate.high]);
    if (this.#estimates.length > MOST_POINTS) this.#estimates = squeezed(this.#estimates, MOST_POINTS / 2);
    this.#progress = progress;
    this.#changed();
  }

  note(text: string): void {
    this.#notes.push(text);
    if (this.#notes.length > MOST_NOTES) this.#notes.shift();
    this.#changed();
  }

  press(key: string): void {
    if (key === 'q') this.#options.quit();
    else if (key === 'ctrl-c') this.#options.interrupt();
    else if (key === 'ctrl-z') this.onSuspend?.();
    else if (key === 'ctrl-l') this.onRedraw?.();
  }

  paste(): void {}

  frame(columns: number, rows: number): readonly string[] {
    const { hasColor, title } = this.#options;
    const progress = this.#progress;
    if (progress === undefined) return [paintLine([title], columns, hasColor)];
    const view = {
      ...{ progress, title, verified: this.#verified, estimates: this.#estimates, notes: this.#notes },
      leftMs: leftMs(progress),
    };
    return fleetLines(view, columns, rows).map((line) => paintLine(line, columns, hasColor));
  }

  #changed(): void {
    this.#count++;
    for (const listener of this.#listeners) listener();
  }
}

/** At the pace of this process; undefined while there is none. */
export function leftMs({ orders, done, doneBefore, elapsedMs }: FleetProgress): number | undefined {
  const since = done - doneBefore;
  return since < LEAST_DONE || done >= orders ? undefined : (elapsedMs / since) * (orders - done);
}
