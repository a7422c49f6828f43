// Names from torrents made harmless: single components, whole paths, and files that would share a path.
import { describe, expect, it } from 'vitest';
import {
  assignPaths,
  isSafeComponent,
  pathRulesFor,
  safeComponent,
  safeComponents,
} from '../../../core/metainfo/safe-path.ts';

describe('one component', () => {
  it.each([
    ['..', '_'],
    ['.', '_'],
    ['', '_'],
    ['/', '_'],
    ['../../etc/passwd', '.._.._etc_passwd'],
    ['..\\x', '.._x'],
    ['a\0b', 'a_b'],
    ['a\r\nb\u001b[2Jc\u007f\u009b', 'a__b_[2Jc__'],
    ['evil\u202egpj.exe', 'evil_gpj.exe'],
    ['\u2066x\u2029', '_x_'],
    ['bad\ufffdbytes', 'bad_bytes'],
    ['lone\ud800', 'lone_'],
  ])('%j becomes %j everywhere', (name, safe) => {
    for (const rules of ['posix', 'macos', 'windows'] as const) expect(safeComponent(name, rules)).toBe(safe);
  });

  it.each([
    'a',
    '...',
    '.hidden',
    'ünïcödé 漢字 🙂',
    'two  blanks',
    '-rf',
    '~',
    '$HOME',
    'a:b',
    'what?.mkv',
    'aux.c',
    'CON',
    'x. ',
  ])('%j stays as it is on posix', (name) => expect(isSafeComponent(name)).toBe(true));

  it.each([
    ['CON', '_CON'],
    ['nul.txt', '_nul.txt'],
    ['Com1', '_Com1'],
    ['lpt¹.x', '_lpt¹.x'],
    ['aux .c', '_aux .c'],
    ['console', 'console'],
    ['a:b', 'a_b'],
    ['<>"|?*', '______'],
    ['dots...', 'dots___'],
    ['blank ', 'blank_'],
    ['...', '___'],
  ])('%j becomes %j on windows', (name, safe) => expect(safeComponent(name, 'windows')).toBe(safe));

  it('has at most 255 bytes, whole characters, and keeps its extension', () => {
    expect(safeComponent(`${'x'.repeat(300)}.mkv`)).toBe(`${'x'.repeat(251)}.mkv`);
    const wide = safeComponent('漢'.repeat(200));
    expect(wide).toBe('漢'.repeat(85));
    expect(safeComponent('🙂'.repeat(64))).toBe('🙂'.repeat(63));
    expect(Buffer.byteLength(safeComponent(`a.${'y'.repeat(400)}`))).toBe(255);
    expect(safeComponent('x'.repeat(255))).toBe('x'.repeat(255));
  });

  it('is settled after one pass', () => {
    for (const rules of ['posix', 'macos', 'windows'] as const)
      for (const name of ['a/b', 'con', `${'ü'.repeat(200)}.`, '..', ' ', 'nul...'])
        expect(isSafeComponent(safeComponent(name, rules), rules)).toBe(true);
  });
});

describe('a path', () => {
  it.each([
    [
      ['a', '', '.', 'b'],
      ['a', 'b'],
    ],
    [
      ['..', '..', 'b'],
      ['_', '_', 'b'],
    ],
    [
      ['/', 'etc'],
      ['_', 'etc'],
    ],
    [['', ''], ['_']],
    [[], ['_']],
  ])('%j becomes %j', (parts, safe) => expect(safeComponents(parts)).toEqual(safe));
});

describe('files that want the same path', () => {
  const names = (paths: readonly string[], rules?: 'posix' | 'macos' | 'windows') =>
    assignPaths(
      paths.map((path) => path.split('/')),
      rules,
    ).map((path) => path.join('/'));

  it('get numbers before the extension, clear of names that are taken', () => {
    expect(names(['a.txt', 'a.txt', 'a (2).txt', 'a.txt'])).toEqual([
      'a.txt',
      'a (2).txt',
      'a (2) (2).txt',
      'a (3).txt',
    ]);
  });

  it('never stand where another needs a folder, whichever comes first', () => {
    expect(names(['a', 'a/b'])).toEqual(['a (2)', 'a/b']);
    expect(names(['x/a/b', 'x/a'])).toEqual(['x/a/b', 'x/a (2)']);
  });

  it('are told apart by case only where the file system does', () => {
    expect(names(['Makefile', 'makefile'])).toEqual(['Makefile', 'makefile']);
    for (const rules of ['macos', 'windows'] as const) {
      expect(names(['Makefile', 'makefile'], rules)).toEqual(['Makefile', 'makefile (2)']);
      expect(names(['A/x', 'a/X', 'a'], rules)).toEqual(['A/x', 'a/X (2)', 'a (2)']);
      expect(names(['\u00e9', 'e\u0301'], rules)[1]).toBe('e\u0301 (2)');
    }
  });

  it('keep to 255 bytes', () => {
    const long = `${'x'.repeat(251)}.mkv`;
    expect(names([long, long])).toEqual([long, `${'x'.repeat(247)} (2).mkv`]);
  });

  it('are numbered in linear time', () => {
    const many = names(Array.from({ length: 50_000 }, () => 'same'));
    expect(new Set(many).size).toBe(50_000);
    expect(many[49_999]).toBe('same (50000)');
  });
});

describe('rules by platform', () => {
  it('follow process.platform', () => {
    expect(['linux', 'freebsd', 'darwin', 'win32'].map(pathRulesFor)).toEqual([
      'posix',
      'posix',
      'macos',
      'windows',
    ]);
  });
});
