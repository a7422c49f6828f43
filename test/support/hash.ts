// One digest for a file or a whole tree, so that "the same data arrived" is one comparison.
import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

const READ_BYTES = 128 * 1024;
const readBuffer = Buffer.alloc(READ_BYTES);

function sha256OfFile(path: string): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const count = readSync(file, readBuffer, 0, READ_BYTES, null);
      if (count === 0) break;
      hash.update(readBuffer.subarray(0, count));
    }
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}

/** Relative paths of all files below `root` (or `['']` when it is a file), sorted, `/` as separator. */
export function listFiles(root: string): string[] {
  if (lstatSync(root).isFile()) return [''];
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

/**
 * Digest over sorted paths and contents: equal when names, number of files and all bytes are equal.
 * @param options.emptyFiles `ignored` for clients that leave out files of no bytes (Transmission)
 */
export function sha256OfTree(
  root: string,
  options: { readonly emptyFiles?: 'counted' | 'ignored' } = {},
): string {
  const hash = createHash('sha256');
  for (const name of listFiles(root)) {
    const path = name === '' ? root : join(root, name);
    if (options.emptyFiles === 'ignored' && lstatSync(path).size === 0) continue;
    hash.update(`${name}\0${sha256OfFile(path)}\n`);
  }
  return hash.digest('hex');
}
