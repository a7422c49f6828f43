// Waiting that can be given up.
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    timer.unref();
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        reject(new Error('not wanted any more'));
      },
      { once: true },
    );
  });
}

/** Waits, and rejects. */
export async function never(ms: number, signal: AbortSignal, why: string): Promise<never> {
  await pause(ms, signal);
  throw new Error(why);
}
