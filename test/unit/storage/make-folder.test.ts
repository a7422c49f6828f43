// Folders that are made on the way to a file, and what is said when the disk does not let us.
import type realFs from 'node:fs';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeFolder } from '../../../core/storage/make-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'tt-folders-'));
afterAll(() => rmSync(root, { recursive: true }));

/** A disk on which what is there is there, and nothing can be made. */
function stubborn(code: string) {
  return {
    lstatSync,
    realpathSync,
    mkdirSync: ((path: string) => {
      const parent = join(path, '..');
      const says = existsSync(path) ? 'EEXIST' : existsSync(parent) ? code : 'ENOENT';
      throw Object.assign(new Error(says), { code: says });
    }) as typeof realFs.mkdirSync,
  };
}

describe('a folder', () => {
  it('is made with all above it, and once more without harm', () => {
    const path = join(root, 'a', 'b', 'c');
    for (let i = 0; i < 2; i++) makeFolder(path, { mode: 0o700 });
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  it('may be a link to one', () => {
    makeFolder(join(root, 'real'));
    symlinkSync('real', join(root, 'link'));
    makeFolder(join(root, 'link', 'below'));
    expect(existsSync(join(root, 'real', 'below'))).toBe(true);
  });

  it('that cannot be made: what the disk says of the first', () => {
    writeFileSync(join(root, 'file'), '');
    expect(() => makeFolder(join(root, 'file'))).toThrow('EEXIST');
    expect(() => makeFolder(join(root, 'file', 'x'))).toThrow('ENOTDIR');
    for (const code of ['EROFS', 'EACCES', 'ENOENT', 'ENOSPC'])
      expect(() => makeFolder(join(root, 'x', 'y', 'z'), { fs: stubborn(code) })).toThrow(code);
  });
});
