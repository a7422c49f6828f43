// Runs a session for a command: starts it, shows it through the renderer the flags ask for, and closes it whatever happens.
import type { Command, SessionApi } from '../../core/session/session-api.ts';
import type { CommandContext } from '../contract/context.ts';
import { PicturePace } from '../output/picture-pace.ts';
import type { Renderer } from '../output/renderer.ts';
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
  let stopPictures: (() => void) | undefined;
  const nowMs = (): number => context.environment.nowMs();
  const reachability = new ReachabilityWatch(nowMs());
  const watching = setInterval(() => reachability.update(session.snapshot()), REACHABILITY_INTERVAL_MS);
  try {
    await session.start();
    stopPictures = takePictures(renderer, session);
    return await work();
  } finally {
    stopPictures?.();
    clearInterval(watching);
    const seen = reachability.result(session.snapshot(), nowMs(), Date.now());
    context.interrupts.signal.removeEventListener('abort', onStop);
    renderer.close();
    await session.close(CLOSE_TIMEOUT_MS);
    if (seen !== undefined) await writeReachability(context.settings.stateDir, seen);
    unsubscribe();
  }
}

/** Shows pictures as often as the renderer asks for them, or less often where one is dear. @returns a function that stops it */
function takePictures(renderer: Renderer, session: SessionApi): (() => void) | undefined {
  const { intervalMs, firstAfterMs } = renderer;
  if (intervalMs === undefined) return undefined;
  const pace = new PicturePace(intervalMs);
  let timer: ReturnType<typeof setTimeout>;
  let isStopped = false;
  const take = (): void => {
    const beganAtMs = performance.now();
    renderer.render(session.snapshot());
    // The screen is drawn in a microtask that this has caused: the next but one comes after it.
    queueMicrotask(() =>
      queueMicrotask(() => {
        const tookMs = performance.now() - beganAtMs;
        if (!isStopped) timer = setTimeout(take, pace.nextInMs(tookMs) - tookMs);
      }),
    );
  };
  timer = setTimeout(take, firstAfterMs ?? intervalMs);
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

/** Somebody who pressed Ctrl-C wants to see that it was heard. */
function sayStopping({ output, interrupts }: CommandContext): void {
  if (!output.console.isLive || output.mode.isQuiet || interrupts.reason === undefined) return;
  output.console.err('tt: stopping; once more leaves at once');
}
