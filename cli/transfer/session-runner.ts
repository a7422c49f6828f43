// Runs a session for a command: starts it, shows it through the renderer the flags ask for, and closes it whatever happens.
import type { Command, SessionApi } from '../../core/session/session-api.ts';
import type { CommandContext } from '../context.ts';
import { logEvent } from './event-log.ts';
import { ReachabilityWatch, writeReachability } from './reachability.ts';

/** Who came in is looked at this often, for `tt doctor`. */
const REACHABILITY_INTERVAL_MS = 5_000;
/** Trackers get this long to hear our goodbye; less than the hard stop after a signal. */
const CLOSE_TIMEOUT_MS = 3_000;

export interface ScreenWishes {
  /** Adds what somebody pasted into the screen. */
  readonly add?: (source: string) => Promise<void>;
}

/** @param screen given where a full screen may be shown */
export async function runSession<T>(
  context: CommandContext,
  session: SessionApi,
  work: () => Promise<T>,
  screen?: ScreenWishes,
): Promise<T> {
  const { interrupts } = context;
  const control = screen && {
    command: (command: Command) => session.command(command),
    snapshot: () => session.snapshot(),
    add: screen.add,
    quit: () => interrupts.stop(),
    interrupt: () => interrupts.interrupt(),
  };
  const renderer = await context.output.renderer(control);
  const unsubscribe = session.subscribe((event) => {
    renderer.handleEvent(event);
    logEvent(context.log, event);
  });
  const onStop = (): void => sayStopping(context);
  context.interrupts.signal.addEventListener('abort', onStop, { once: true });
  let timer: ReturnType<typeof setInterval> | undefined;
  const nowMs = (): number => context.environment.nowMs();
  const reachability = new ReachabilityWatch(nowMs());
  const watching = setInterval(() => reachability.update(session.snapshot()), REACHABILITY_INTERVAL_MS);
  try {
    await session.start();
    if (renderer.intervalMs !== undefined) {
      timer = setInterval(() => renderer.render(session.snapshot()), renderer.intervalMs);
    }
    return await work();
  } finally {
    clearInterval(timer);
    clearInterval(watching);
    const seen = reachability.result(session.snapshot(), nowMs(), Date.now());
    context.interrupts.signal.removeEventListener('abort', onStop);
    renderer.close();
    await session.close(CLOSE_TIMEOUT_MS);
    if (seen !== undefined) await writeReachability(context.settings.stateDir, seen);
    unsubscribe();
  }
}

/** Somebody who pressed Ctrl-C wants to see that it was heard. */
function sayStopping({ output, interrupts }: CommandContext): void {
  if (!output.console.isLive || output.mode.isQuiet || interrupts.reason === undefined) return;
  output.console.err('tt: stopping; once more leaves at once');
}

/**
 * Waits for `work`, at most `timeoutMs` (undefined: for ever) and at most until a signal.
 * @returns what ended the wait
 */
export async function waitFor(
  context: CommandContext,
  work: Promise<unknown>,
  timeoutMs: number | undefined,
): Promise<'done' | 'timeout' | 'stopped'> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waits: Promise<'done' | 'timeout' | 'stopped'>[] = [
    work.then(() => 'done' as const),
    context.interrupts.stopped().then(() => 'stopped' as const),
  ];
  if (timeoutMs !== undefined) {
    waits.push(
      new Promise((resolve) => {
        timer = setTimeout(() => resolve('timeout'), timeoutMs);
      }),
    );
  }
  try {
    return await Promise.race(waits);
  } finally {
    clearTimeout(timer);
  }
}
