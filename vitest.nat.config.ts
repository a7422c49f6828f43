import { defineConfig } from 'vitest/config';

/** Networks with NATs in them: run by test/nat/run.ts, which gives them namespaces of their own. */
export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/nat/**/*.test.ts'],
    globalSetup: ['test/nat/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    maxConcurrency: 10,
  },
});
