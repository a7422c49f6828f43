import { defineConfig } from 'vitest/config';
import { isAll } from './test/nat/requirements.ts';

/** Networks with NATs in them: run by test/nat/run.ts, which gives them namespaces of their own. */
export default defineConfig({
  test: {
    environment: 'node',
    reporters: ['default', './test/support/failures.ts'],
    include: ['test/nat/**/*.test.ts'],
    globalSetup: ['test/nat/global-setup.ts', 'test/support/temp-run.ts'],
    setupFiles: ['test/nat/leak-guard.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // With --all the criteria are those of the matrix, and a hundred programs run in one of the files: one after the other.
    maxWorkers: isAll ? 1 : 2,
    maxConcurrency: 10,
  },
});
