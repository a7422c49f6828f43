// Puts the screen on the terminal and takes it off again: alternate screen, raw mode, job control. Loads Ink and React,
// so import it only when the screen is wanted.

import type { DrawnModel } from './drawn-model.ts';
import { render } from './ink.ts';

export { loadLayout } from './ink-layout.ts';

import { Screen, type SuspendTerminal } from './screen.tsx';

/** Pictures come twice a second; keys may add some. */
const MOST_FRAMES_PER_SEC = 10;
/** The kernel ignores a stop for a process whose shell is gone: then nobody will continue it either. */
const STOP_GRACE_MS = 200;

/**
 * Terminals disagree about the width of rare characters: a row that one of them finds too wide must end at the edge, not go on in the next
 * row and push everything below it out of place (DECAWM, xterm's ctlseqs).
 */
const WRAP_OFF = '\u001b[?7l';
const WRAP_ON = '\u001b[?7h';

export interface MountOptions {
  readonly model: DrawnModel;
  readonly isAscii?: boolean;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** The screen broke and is gone; the terminal is as it was. */
  readonly onCrash: (error: unknown) => void;
}

export interface MountedScreen {
  /** Leaves the terminal as it was found; at once. */
  unmount(): void;
}

export function mountScreen({ model, isAscii = false, stdin, stdout, onCrash }: MountOptions): MountedScreen {
  let suspend: SuspendTerminal | undefined;
  let isAway = false;
  const onReady = (given: SuspendTerminal): void => {
    suspend = given;
  };

  /** The terminal belongs to others while this runs. */
  const giveBack = async (whileAway: () => Promise<void>): Promise<void> =>
    suspend?.(async () => {
      stdout.write(WRAP_ON);
      await whileAway();
      stdout.write(WRAP_OFF);
    });

  /** Gives the terminal back, stops with everything the shell calls this job, and comes back with `fg`. */
  const stop = (pid: number): void => {
    if (isAway || suspend === undefined) return;
    isAway = true;
    void giveBack(async () => {
      process.off('SIGTSTP', onStop);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, STOP_GRACE_MS);
        process.once('SIGCONT', () => {
          clearTimeout(timer);
          resolve();
        });
        process.kill(pid, 'SIGTSTP');
      });
    }).finally(() => {
      isAway = false;
      process.on('SIGTSTP', onStop);
    });
  };
  const onStop = (): void => stop(process.pid);
  const redraw = (): void => {
    if (!isAway) void giveBack(async () => {});
  };
  /** Continued after a stop that asked nobody: the shell may have changed the terminal meanwhile. */
  const onContinue = redraw;

  // The shell's job: our launcher is part of it.
  model.onSuspend = () => stop(0);
  model.onRedraw = redraw;
  process.on('SIGTSTP', onStop);
  process.on('SIGCONT', onContinue);
  /** Ink gives back what it knows of and lets the signal end the process, as it would have without us. */
  const onQuit = (): void => {
    release();
    process.kill(process.pid, 'SIGQUIT');
  };
  process.once('SIGQUIT', onQuit);
  const release = (): void => {
    model.onSuspend = undefined;
    model.onRedraw = undefined;
    process.off('SIGTSTP', onStop);
    process.off('SIGCONT', onContinue);
    process.off('SIGQUIT', onQuit);
    process.off('exit', release);
    stdout.write(WRAP_ON);
  };
  // Whoever leaves without a goodbye: Ink gives back the rest.
  process.on('exit', release);

  stdout.write(WRAP_OFF);
  const instance = render(<Screen model={model} isAscii={isAscii} onReady={onReady} />, {
    stdin,
    stdout,
    exitOnCtrlC: false,
    patchConsole: false,
    interactive: true,
    alternateScreen: true,
    incrementalRendering: true,
    maxFps: MOST_FRAMES_PER_SEC,
  });
  instance.waitUntilExit().catch((error: unknown) => {
    release();
    onCrash(error);
  });
  return {
    unmount: () => {
      release();
      instance.unmount();
      instance.cleanup();
    },
  };
}
