// Waiting on conditions instead of sleeping: every wait names what it waits for and ends at a deadline.

const POLL_EVERY_MS = 25;
/** A deadline says that something hangs. One that is shorter than this would say how busy the machine is. */
const SHORTEST_DEADLINE_MS = 30_000;

function deadlineAfterMs(asked: number): number {
  // Below a second it is meant to pass.
  return asked < 1_000 ? asked : Math.max(asked, SHORTEST_DEADLINE_MS);
}

class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

export interface WaitOptions {
  /** Ends the sentence "gave up waiting for ..." */
  readonly what: string | (() => string);
  readonly timeoutMs: number;
  readonly everyMs?: number;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks until the answer is neither undefined nor false. Errors of `ask` count as "not yet" until the deadline. */
export async function waitFor<T>(
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  options: WaitOptions,
): Promise<T> {
  const timeoutMs = deadlineAfterMs(options.timeoutMs);
  const deadlineMs = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      lastError = undefined;
    } catch (error) {
      if (error instanceof FatalWaitError) throw error;
      lastError = error;
    }
    if (performance.now() >= deadlineMs) {
      const what = typeof options.what === 'function' ? options.what() : options.what;
      const because = lastError instanceof Error ? `: ${lastError.message}` : '';
      throw new DeadlineError(`gave up waiting for ${what} after ${timeoutMs} ms${because}`);
    }
    await pause(options.everyMs ?? POLL_EVERY_MS);
  }
}

/** Thrown inside `ask`: no use to go on asking (the process is gone, say). */
export class FatalWaitError extends Error {
  override readonly name = 'FatalWaitError';
}

/** Bounds a promise that cannot be cancelled. */
export async function within<T>(promise: Promise<T>, atMostMs: number, what: string): Promise<T> {
  const timeoutMs = deadlineAfterMs(atMostMs);
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, fail) => {
        timer = setTimeout(
          () => fail(new DeadlineError(`gave up waiting for ${what} after ${timeoutMs} ms`)),
          timeoutMs,
        );
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}
