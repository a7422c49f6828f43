import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FAILURES_VARIABLE, failureText, readFailures } from '../../support/failures.ts';
import { makeTempDir } from '../../support/temp.ts';

const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));

const BROKEN = `
import { beforeAll, describe, expect, it } from 'vitest';
describe('a suite', () => {
  it('is wrong', () => { expect(1).toBe(2); });
  it('is right', () => {});
});
describe('another', () => {
  beforeAll(() => { throw new Error('no ground to stand on'); });
  it('is never run', () => {});
});
it('leaves a promise behind', () => { void Promise.reject(new Error('nobody caught this')); });
`;

describe('what failed, told once more at the end', () => {
  it('names a test, a hook and what happened outside of both', () => {
    using dir = makeTempDir();
    // A project of its own, with our packages.
    symlinkSync(join(PROJECT, 'node_modules'), join(dir.path, 'node_modules'));
    mkdirSync(join(dir.path, 'deep'));
    writeFileSync(join(dir.path, 'deep', 'broken.test.ts'), BROKEN);
    writeFileSync(join(dir.path, 'vitest.config.mjs'), 'export default {};\n');
    const file = join(dir.path, 'failures');
    const reporter = join(PROJECT, 'test', 'support', 'failures.ts');
    const { status } = spawnSync(
      process.execPath,
      [join(PROJECT, 'node_modules/vitest/vitest.mjs'), 'run', '--root', dir.path, '--reporter', reporter],
      { cwd: dir.path, env: { ...process.env, [FAILURES_VARIABLE]: file }, encoding: 'utf8' },
    );
    expect(status).toBe(1);
    expect(readFailures(file)).toBe(
      [
        'deep/broken.test.ts > a suite > is wrong',
        '    expected 1 to be 2 // Object.is equality',
        'deep/broken.test.ts > another',
        '    no ground to stand on',
        'outside of every test',
        '    nobody caught this',
        '',
      ].join('\n'),
    );
  });

  it('keeps the first lines of a message, without colours, and cuts a long one', () => {
    expect(failureText('p', [`\u001b[31mred\u001b[39m\n\n${'x'.repeat(300)}\nthird\nfourth`])).toBe(
      `p\n    red\n    ${'x'.repeat(195)}…\n    third`,
    );
  });

  it('is nothing where nothing failed', () => {
    using dir = makeTempDir();
    expect(readFailures(join(dir.path, 'none'))).toBe('');
  });
});
