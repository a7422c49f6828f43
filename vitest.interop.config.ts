import { defineConfig } from 'vitest/config';

/** Real programs of others: run by test/interop/run.ts, inside a network of its own. */
export default defineConfig({
  test: {
    environment: 'node',
    reporters: ['default', './test/support/failures.ts'],
    include: ['test/interop/**/*.test.ts'],
    globalSetup: ['test/support/temp-run.ts', 'test/interop/support/global-setup.ts'],
    // Daemons take seconds to start and Transmission unchokes on a ten-second tick; what hangs ends earlier, by a wait that says what for.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    pool: 'forks',
    maxWorkers: 2,
    // Most cases wait for somebody's timer: many at once cost little.
    maxConcurrency: 8,
  },
});
