// The full screen as a renderer. Ink is loaded beside the work, not before it; if it breaks, the progress line takes over
// and the transfer knows nothing of it. Lines for stdout and stderr wait until the terminal is itself again.
import type { SessionEvent } from '../../core/session/session-api.ts';
import type { SessionSnapshot } from '../../core/session/snapshot.ts';
import type { Terminal } from '../base/environment.ts';
import type { Console } from '../terminal/console.ts';
import { stripStyle } from '../terminal/style.ts';
import { safeText } from '../terminal/text.ts';
import { type ScreenControl, ScreenModel } from '../ui/model.ts';
import type { MountedScreen } from '../ui/screen-mount.tsx';
import { PlainRenderer } from './plain-renderer.ts';
import type { Renderer } from './renderer.ts';

/** Calm, and dear: Ink measures every cell of a frame anew, 6 to 10 ms on this thread (`npm run bench -- --only screen`). Keys are answered at once. */
const INTERVAL_MS = 1_000;
/** Ink is loaded by then. */
const FIRST_AFTER_MS = 250;

export interface ScreenOptions {
  readonly console: Console;
  readonly terminal: Terminal;
  readonly control: ScreenControl;
  readonly hasColor: boolean;
  readonly nowMs: () => number;
  /** Tells whoever must give the terminal back in an emergency; undefined: it is itself again. */
  readonly onTerminalHeld: (release: (() => void) | undefined) => void;
}

export class ScreenRenderer implements Renderer {
  readonly intervalMs = INTERVAL_MS;
  readonly firstAfterMs = FIRST_AFTER_MS;
  private readonly options: ScreenOptions;
  private readonly model: ScreenModel;
  private mounted: MountedScreen | undefined;
  private fallback: PlainRenderer | undefined;
  private isClosed = false;

  constructor(options: ScreenOptions) {
    this.options = options;
    const { control, hasColor, nowMs } = options;
    this.model = new ScreenModel({ control, hasColor, nowMs });
    void this.open();
  }

  render(snapshot: SessionSnapshot): void {
    if (this.fallback !== undefined) this.fallback.render(snapshot);
    else this.model.setSnapshot(snapshot);
  }

  handleEvent(event: SessionEvent): void {
    if (this.fallback !== undefined) this.fallback.handleEvent(event);
    else this.model.handleEvent(event);
  }

  close(): void {
    this.isClosed = true;
    this.leave();
    this.fallback?.close();
  }

  private async open(): Promise<void> {
    const { terminal, console, onTerminalHeld } = this.options;
    try {
      const { mountScreen, loadLayout } = await import('../ui/screen-mount.tsx');
      await loadLayout();
      if (this.isClosed) return;
      console.divert((line) => this.model.note(stripStyle(line)));
      onTerminalHeld(() => this.leave());
      this.mounted = mountScreen({
        model: this.model,
        isAscii: console.isAscii,
        stdin: terminal.stdin,
        stdout: terminal.stdout,
        onCrash: (error) => this.fallBack(error),
      });
    } catch (error) {
      this.fallBack(error);
    }
  }

  private leave(): void {
    this.mounted?.unmount();
    this.mounted = undefined;
    this.options.onTerminalHeld(undefined);
    this.options.console.release();
  }

  private fallBack(error: unknown): void {
    if (this.isClosed || this.fallback !== undefined) return;
    this.leave();
    const { console } = this.options;
    this.fallback = new PlainRenderer(console);
    const reason = safeText(error instanceof Error ? error.message : String(error));
    console.err(
      `${console.errStyle.yellow('tt: warning:')} the screen failed (${reason}); the transfer goes on, with a progress line`,
    );
  }
}
