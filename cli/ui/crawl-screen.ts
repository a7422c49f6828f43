// The model of a crawl's full screen: keeps what the curves need, hands out rows, and keys to the program.
import type { CrawlProgress } from '../../dht/crawl/io/crawl-run.ts';
import { liveEstimate } from '../dht/live-estimate.ts';
import type { BandPoint } from './charts.ts';
import { type CrawlView, crawlLines, squeezed } from './crawl-view.ts';
import type { NotingModel } from './model-screen.ts';
import { paintLine } from './styled.ts';

/** Pictures kept; a longer run keeps a coarser curve. */
const MOST_POINTS = 4_096;
const MOST_NOTES = 20;

export interface ModelOptions {
  readonly hasColor: boolean;
  readonly title: string;
  quit(): void;
  interrupt(): void;
}

export class CrawlModel implements NotingModel {
  onSuspend: (() => void) | undefined;
  onRedraw: (() => void) | undefined;
  readonly #options: ModelOptions;
  readonly #listeners = new Set<() => void>();
  readonly #notes: string[] = [];
  #verified: number[] = [];
  #rates: number[] = [];
  #estimates: BandPoint[] = [];
  #leftMs: number | undefined;
  #progress: CrawlProgress | undefined;
  #count = 0;

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  readonly version = (): number => this.#count;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** @param leftMs of this look; undefined when nobody can say */
  update(progress: CrawlProgress, leftMs: number | undefined): void {
    const last = this.#progress;
    const seconds = last === undefined ? 0 : (progress.elapsedMs - last.elapsedMs) / 1000;
    if (last !== undefined && seconds > 0) this.#rates.push(Math.max(0, progress.sent - last.sent) / seconds);
    // The second look has curves of its own.
    if (last?.pass !== progress.pass) {
      this.#verified = [];
      this.#estimates = [];
    }
    this.#verified.push(progress.verified);
    if (this.#verified.length > MOST_POINTS) this.#verified = squeezed(this.#verified, MOST_POINTS / 2);
    const estimate = liveEstimate(progress);
    if (estimate !== undefined) this.#estimates.push([estimate.low, estimate.high]);
    if (this.#estimates.length > MOST_POINTS) this.#estimates = squeezed(this.#estimates, MOST_POINTS / 2);
    this.#leftMs = leftMs;
    if (this.#rates.length > MOST_POINTS) this.#rates = this.#rates.slice(-MOST_POINTS / 2);
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
    if (this.#progress === undefined) return [paintLine([title], columns, hasColor)];
    const view: CrawlView = {
      progress: this.#progress,
      title,
      leftMs: this.#leftMs,
      verified: this.#verified,
      rates: this.#rates,
      estimates: this.#estimates,
      notes: this.#notes,
    };
    return crawlLines(view, columns, rows).map((line) => paintLine(line, columns, hasColor));
  }

  #changed(): void {
    this.#count++;
    for (const listener of this.#listeners) listener();
  }
}
