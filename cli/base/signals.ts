// SIGINT, SIGTERM and SIGHUP: the first asks for a clean end, the second leaves at once, and five seconds are all a clean end gets.
import { OperationError } from '../../core/base/result.ts';
import type { Environment } from './environment.ts';
import { type ExitReason, exitCodeOf } from './exit-codes.ts';

const REASONS = [
  ['SIGINT', 'interrupted'],
  ['SIGTERM', 'terminated'],
  ['SIGHUP', 'hangup'],
] as const satisfies readonly (readonly [NodeJS.Signals, ExitReason])[];

/** Trackers are told and data is flushed within this, or not at all. */
export const HARD_STOP_MS = 5_000;

/**
 * One Ctrl-C reaches us several times: from the terminal's process group, from npx, and from our own launcher.
 * Nobody presses it twice within this time.
 */
const SAME_PRESS_MS = 300;

export class Interrupts {
  private readonly controller = new AbortController();
  private readonly environment: Environment;
  private readonly unsubscribe: (() => void)[] = [];
  private firstAtMs = 0;
  private first: ExitReason | undefined;
  private hardStop: ReturnType<typeof setTimeout> | undefined;

  constructor(environment: Environment) {
    this.environment = environment;
    for (const [signal, reason] of REASONS) {
      this.unsubscribe.push(environment.onSignal(signal, () => this.handleSignal(reason)));
    }
  }

  /** Aborted by the first signal, or by `stop`. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** undefined unless a signal came. */
  get reason(): ExitReason | undefined {
    return this.first;
  }

  /** Ctrl-C as a key: a terminal in raw mode sends no signal. */
  interrupt(): void {
    this.handleSignal('interrupted');
  }

  /** Ends the command cleanly without a signal: nobody reads what it writes, or `q` was pressed. */
  stop(): void {
    this.controller.abort(new OperationError('unfinished', 'stopped before everything was there'));
  }

  /** Resolves when the command should end. */
  async stopped(): Promise<void> {
    if (this.signal.aborted) return;
    await new Promise<void>((resolve) =>
      this.signal.addEventListener('abort', () => resolve(), { once: true }),
    );
  }

  release(): void {
    clearTimeout(this.hardStop);
    for (const unsubscribe of this.unsubscribe.splice(0)) unsubscribe();
  }

  private handleSignal(reason: ExitReason): void {
    const nowMs = this.environment.nowMs();
    if (this.first !== undefined) {
      if (nowMs - this.firstAtMs >= SAME_PRESS_MS) this.environment.exitNow(exitCodeOf(reason));
      return;
    }
    this.first = reason;
    this.firstAtMs = nowMs;
    this.hardStop = setTimeout(() => this.environment.exitNow(exitCodeOf(reason)), HARD_STOP_MS);
    this.hardStop.unref();
    this.controller.abort();
  }
}
