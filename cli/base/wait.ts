// Waiting for something that may take too long, or that a signal ends.
import type { Interrupts } from './signals.ts';

/**
 * Waits for `work`, at most `timeoutMs` (undefined: for ever) and at most until a signal.
 * @returns what ended the wait
 */
export async function waitFor(
  { interrupts }: { readonly interrupts: Interrupts },
  work: Promise<unknown>,
  timeoutMs: number | undefined,
): Promise<'done' | 'timeout' | 'stopped'> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waits: Promise<'done' | 'timeout' | 'stopped'>[] = [
    work.then(() => 'done' as const),
    interrupts.stopped().then(() => 'stopped' as const),
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
