// The full screen of a crawl: keeps what the curves need, hands rows to Ink, keys to the program. If Ink breaks, the progress line
// takes over.
import type { CrawlProgress } from '../../dht/crawl/io/crawl-run.ts';
import { liveEstimate } from '../dht/live-estimate.ts';
import type { Terminal } from '../environment.ts';
import type { Console } from '../output/console.ts';
import { stripStyle } from '../output/style.ts';
import { holdTerminal } from '../output/terminal-hold.ts';
import type { Interrupts } from '../signals.ts';
import type { BandPoint } from './charts.ts';
import { type CrawlView, crawlLines, squeezed } from './crawl-view.ts';
import type { DrawnModel } from './drawn-model.ts';
import type { MountedScreen } from './screen-mount.tsx';
import { paintLine } from './styled.ts';

/** Pictures kept; a longer run keeps a coarser curve. */
const MOST_POINTS = 4_096;
const MOST_NOTES = 20;

export class CrawlModel implements DrawnModel {
  onSuspend: (() => void) | undefined;
  readonly #options: { readonly hasColor: boolean; readonly title: string; quit(): void; interrupt(): void };
  readonly #listeners = new Set<() => void>();
  readonly #notes: string[] = [];
  #verified: number[] = [];
  #rates: number[] = [];
  #estimates: BandPoint[] = [];
  #leftMs: number | undefined;
  #progress: CrawlProgress | undefined;
  #count = 0;

  constructor(options: {
    readonly hasColor: boolean;
    readonly title: string;
    quit(): void;
    interrupt(): void;
  }) {
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

export class CrawlScreen {
  readonly model: CrawlModel;
  readonly #console: Console;
  #mounted: MountedScreen | undefined;
  #isClosed = false;

  constructor(
    console: Console,
    options: { readonly hasColor: boolean; readonly title: string; readonly interrupts: Interrupts },
  ) {
    const { hasColor, title, interrupts } = options;
    this.#console = console;
    this.model = new CrawlModel({
      hasColor,
      title,
      quit: () => interrupts.stop(),
      interrupt: () => interrupts.interrupt(),
    });
  }

  /** @returns false when the screen cannot be had: the progress line will do */
  async open(terminal: Terminal): Promise<boolean> {
    try {
      const { mountScreen } = await import('./screen-mount.tsx');
      if (this.#isClosed) return false;
      this.#console.divert((line) => this.model.note(stripStyle(line)));
      holdTerminal(() => this.close());
      this.#mounted = mountScreen({
        model: this.model,
        stdin: terminal.stdin,
        stdout: terminal.stdout,
        onCrash: () => this.close(),
      });
      return true;
    } catch {
      this.close();
      return false;
    }
  }

  get isOpen(): boolean {
    return this.#mounted !== undefined;
  }

  /** Gives the terminal back; safe to call twice. */
  close(): void {
    this.#isClosed = true;
    this.#mounted?.unmount();
    this.#mounted = undefined;
    holdTerminal(undefined);
    this.#console.release();
  }
}
