// A model on the whole terminal for as long as something runs: rows to Ink, lines for people into the model's notes. If Ink breaks, the
// progress line takes over.
import type { Terminal } from '../base/environment.ts';
import type { Console } from '../terminal/console.ts';
import { stripStyle } from '../terminal/style.ts';
import { holdTerminal } from '../terminal/terminal-hold.ts';
import type { DrawnModel } from './drawn-model.ts';
import type { MountedScreen } from './screen-mount.tsx';

export interface NotingModel extends DrawnModel {
  /** A line that would have gone to the terminal. */
  note(text: string): void;
}

export class ModelScreen<M extends NotingModel> {
  readonly model: M;
  readonly #console: Console;
  #mounted: MountedScreen | undefined;
  #isClosed = false;

  constructor(console: Console, model: M) {
    this.#console = console;
    this.model = model;
  }

  /** @returns false when the screen cannot be had: the progress line will do */
  async open(terminal: Terminal): Promise<boolean> {
    try {
      const { mountScreen, loadLayout } = await import('./screen-mount.tsx');
      await loadLayout();
      if (this.#isClosed) return false;
      this.#console.divert((line) => this.model.note(stripStyle(line)));
      holdTerminal(() => this.close());
      this.#mounted = mountScreen({
        model: this.model,
        isAscii: this.#console.isAscii,
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
