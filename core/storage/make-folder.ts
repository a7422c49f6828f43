// `mkdir -p` that ends, and says what the disk says. Node's own (24) reports a read-only disk as a missing folder, and
// runs for ever where a folder may not be made and the system calls that ENOENT too (/proc).
import realFs from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf } from './disk-error.ts';

/** @throws what the disk says of the first folder that cannot be made */
export function makeFolder(
  path: string,
  options: { mode?: number; fs?: Pick<typeof realFs, 'mkdirSync' | 'lstatSync' | 'realpathSync'> } = {},
): void {
  const { mode = 0o777, fs = realFs } = options;
  const isFolder = (at: string): boolean => {
    try {
      return fs.lstatSync(fs.realpathSync(at)).isDirectory();
    } catch {
      return false;
    }
  };
  const make = (at: string): boolean => {
    try {
      fs.mkdirSync(at, { mode });
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' && dirname(at) !== at) return false;
      if (!isFolder(at)) throw error;
    }
    return true;
  };
  const missing: string[] = [];
  let at = resolve(path);
  for (; !make(at); at = dirname(at)) missing.push(at);
  // What lies above is there now: who says ENOENT from here on means that it may not be made.
  for (const folder of missing.reverse()) {
    try {
      fs.mkdirSync(folder, { mode });
    } catch (error) {
      if (!isFolder(folder)) throw error;
    }
  }
}
