// What has to be done when this process ends, however it ends: test runners end their workers by a signal, which runs no `exit` handlers.
const tasks = new Set<() => void>();
let isInstalled = false;

const NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** @param task synchronous and quick: a worker is killed half a second after it was told to end */
export function atExit(task: () => void): void {
  tasks.add(task);
  if (isInstalled) return;
  isInstalled = true;
  process.on('exit', () => {
    for (const each of tasks) each();
  });
  for (const [signal, number] of Object.entries(NUMBERS) as [keyof typeof NUMBERS, number][])
    process.on(signal, function end() {
      // Whoever else listens decides when to end, and comes to `exit` then.
      if (process.listenerCount(signal) === 1) process.exit(128 + number);
    });
}
