// What "safe" means, checked without the code under test: used by every test that gets paths from hostile torrents.
import { isAbsolute, join, relative, resolve } from 'node:path';
import { expect } from 'vitest';
import type { Metainfo } from '../../../core/metainfo/metainfo.ts';

export function expectSafePaths(metainfo: Metainfo): void {
  const taken = new Set<string>();
  const folders = new Set<string>();
  const data = metainfo.files.filter((file) => !file.isPadding);
  for (const { path } of metainfo.files) {
    expect(path.length).toBeGreaterThan(0);
    for (const part of path) expectSafePart(part);
    const inside = relative(resolve('/target'), resolve('/target', join(...path)));
    expect(inside === '..' || inside.startsWith('../') || isAbsolute(inside) || inside === '').toBe(false);
    expect(Buffer.byteLength(join(...path))).toBeLessThanOrEqual(2048);
  }
  for (const { path, symlinkTarget } of data) {
    const joined = path.join('/');
    expect(taken.has(joined)).toBe(false);
    taken.add(joined);
    for (let depth = 1; depth < path.length; depth++) folders.add(path.slice(0, depth).join('/'));
    if (metainfo.isMultiFile) expect(path[0]).toBe(metainfo.name);
    for (const part of symlinkTarget ?? []) expectSafePart(part);
  }
  for (const file of taken) expect(folders.has(file)).toBe(false);
  expectSafePart(metainfo.name);
}

function expectSafePart(part: string): void {
  expect(part).not.toBe('');
  expect(part).not.toBe('.');
  expect(part).not.toBe('..');
  expect(/[/\\]/.test(part)).toBe(false);
  expect([...part].every((char) => (char.codePointAt(0) as number) >= 0x20 && char !== '\u007f')).toBe(true);
  expect(Buffer.byteLength(part)).toBeLessThanOrEqual(255);
}
