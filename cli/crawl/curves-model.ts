// What the models of a crawl's and of a coordinator's screen share: who draws them, the lines noted, keys to the program, and curves
// that stay short.

import type { NotingModel } from '../ui/model-screen.ts';
import { type Line, paintLine } from '../ui/styled.ts';
import { squeezed } from './crawl-view.ts';

const MOST_NOTES = 20;
/** Points kept; a longer run keeps a coarser curve. */
const MOST_POINTS = 4_096;

export interface ModelOptions {
  readonly hasColor: boolean;
  readonly title: string;
  quit(): void;
  interrupt(): void;
}

export abstract class CurvesModel implements NotingModel {
  onSuspend: (() => void) | undefined;
  onRedraw: (() => void) | undefined;
  protected readonly notes: string[] = [];
  protected readonly title: string;
  readonly #options: ModelOptions;
  readonly #listeners = new Set<() => void>();
  #count = 0;

  constructor(options: ModelOptions) {
    this.#options = options;
    this.title = options.title;
  }

  /** Undefined before the first news. */
  protected abstract lines(columns: number, rows: number): readonly Line[] | undefined;

  readonly version = (): number => this.#count;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  note(text: string): void {
    this.notes.push(text);
    if (this.notes.length > MOST_NOTES) this.notes.shift();
    this.changed();
  }

  press(key: string): void {
    if (key === 'q') this.#options.quit();
    else if (key === 'ctrl-c') this.#options.interrupt();
    else if (key === 'ctrl-z') this.onSuspend?.();
    else if (key === 'ctrl-l') this.onRedraw?.();
  }

  paste(): void {}

  frame(columns: number, rows: number): readonly string[] {
    const lines = this.lines(columns, rows) ?? [[this.title]];
    return lines.map((line) => paintLine(line, columns, this.#options.hasColor));
  }

  protected changed(): void {
    this.#count++;
    for (const listener of this.#listeners) listener();
  }
}

/** A curve with one more point, coarser when it has become long. */
export function extended<T>(curve: readonly T[], point: T): T[] {
  const points = [...curve, point];
  return points.length > MOST_POINTS ? squeezed(points, MOST_POINTS / 2) : points;
}

/** Its newest points only, for what is drawn as it is. */
export function newest<T>(curve: readonly T[], point: T): T[] {
  const points = [...curve, point];
  return points.length > MOST_POINTS ? points.slice(-MOST_POINTS / 2) : points;
}
