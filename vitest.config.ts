import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'node',
    reporters: ['default', './test/support/failures.ts'],
    include: ['test/**/*.test.{ts,tsx}'],
    exclude: ['test/interop/**', 'test/nat/**', 'test/bench/**'],
    globalSetup: ['test/support/temp-run.ts'],
    // For what hangs, on the slowest machine; the waits inside end earlier and say what for.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
