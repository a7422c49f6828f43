import { describe, expect, it } from 'vitest';
import { resumableTable } from '../../../cli/commands/list.ts';
import { wantsColor } from '../../../cli/terminal/style.ts';
import { formatFields, formatTable } from '../../../cli/terminal/table.ts';
import { padEnd, safeJson, safeText, textWidth, truncateText } from '../../../cli/terminal/text.ts';
import {
  formatBytes,
  formatDuration,
  formatElapsed,
  formatShare,
  formatUnixSeconds,
} from '../../../cli/terminal/units.ts';
import fc from '../../support/property.ts';

/** Anything that a terminal would obey instead of show. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const OBEYED = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

describe('foreign text', () => {
  it('shows escape sequences instead of sending them', () => {
    expect(safeText('a\u001b[2Jb')).toBe('a\\x1b[2Jb');
    expect(safeText('a\nb\rc\td')).toBe('a\\x0ab\\x0dc\\x09d');
    expect(safeText('csi \u009b2J')).toBe('csi \\x9b2J');
    expect(safeText('txt\u202eexe.pdf')).toBe('txt\\u202eexe.pdf');
    expect(safeText('half \ud800')).toBe('half \\ud800');
  });
  it('leaves what people write alone', () => {
    for (const text of ['naïve Ünïcode', '日本語', '👩‍👩‍👧 family', 'مرحبا', 'a\u0301'])
      expect(safeText(text)).toBe(text);
  });
  it('holds for every string, and JSON stays JSON', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        expect(safeText(text)).not.toMatch(OBEYED);
        const json = safeJson({ text });
        expect(json).not.toMatch(OBEYED);
        expect(JSON.parse(json)).toEqual({ text });
      }),
    );
  });
  it('writes bytes as hex', () => expect(safeJson({ a: Uint8Array.of(0, 255) })).toBe('{"a":"00ff"}'));
});

describe('columns', () => {
  it.each([
    ['abc', 3],
    ['日本', 4],
    ['a\u0301b', 2],
    ['👩‍👩‍👧', 2],
    ['ﾊ', 1],
    ['Ａ', 2],
    // Letters of one cluster, and vowel signs with room of their own (wcwidth); inner letters of a Hangul syllable.
    ['हिन्दी', 5],
    ['กำ', 2],
    ['\u1112\u1161\u11ab', 2],
    ['', 0],
  ])('%s takes %d', (text, width) => expect(textWidth(text)).toBe(width));

  it('cuts between characters, never past the width', () => {
    expect(truncateText('abcdef', 4)).toBe('abc…');
    expect(truncateText('abcd', 4)).toBe('abcd');
    expect(truncateText('日本語', 4)).toBe('日…');
    expect(truncateText('x', 0)).toBe('');
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 60 }),
        fc.integer({ min: 0, max: 30 }),
        (text, columns) => {
          const cut = truncateText(text, columns);
          expect(textWidth(cut)).toBeLessThanOrEqual(columns);
          if (textWidth(text) <= columns) expect(cut).toBe(text);
        },
      ),
    );
  });
  it('pads by columns', () => expect(padEnd('日', 4)).toBe('日  '));
});

describe('numbers', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '0.98 KiB'],
    [1024, '1.00 KiB'],
    [10 * 2 ** 20, '10.0 MiB'],
    [123 * 2 ** 20, '123 MiB'],
    [1023.9 * 2 ** 20, '1.00 GiB'],
    [2 ** 50, '1.00 PiB'],
  ])('%d bytes: %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it('keeps sizes within three digits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 52 }), (bytes) => {
        expect(formatBytes(bytes)).toMatch(/^(\d{1,3}|\d\.\d\d|\d\d\.\d) ([KMGTP]i)?B$/);
      }),
    );
  });

  it.each([
    [0, '0s'],
    [59_400, '59s'],
    [59_600, '1m00s'],
    [245_000, '4m05s'],
    [11_220_000, '3h07m'],
    [187_200_000, '2d04h'],
  ])('%d ms: %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

  it('shows tenths of short runs', () => {
    expect(formatElapsed(420)).toBe('0.4s');
    expect(formatElapsed(12_400)).toBe('12s');
  });
  it('says 100 % only when all of it is there', () => {
    expect(formatShare(999_999, 1_000_000)).toBe('99.9%');
    expect(formatShare(1, 1)).toBe('100%');
    expect(formatShare(0, 0)).toBe('100%');
    expect(formatShare(0, 7)).toBe('0.0%');
  });
  it('does not trust dates', () => {
    expect(formatUnixSeconds(0)).toBe('1970-01-01 00:00:00 UTC');
    expect(formatUnixSeconds(1e15)).toBe('1000000000000000');
    expect(formatUnixSeconds(-5)).toBe('-5');
  });
});

it('aligns tables and fields', () => {
  const columns = [{ title: 'N', align: 'right' as const }, { title: 'NAME' }, { title: 'X' }];
  expect(
    formatTable(columns, [
      ['1', '日本', 'a'],
      ['22', 'b', ''],
    ]),
  ).toEqual([' N  NAME  X', ' 1  日本  a', '22  b']);
  expect(
    formatFields([
      ['a', '1'],
      ['long', '2'],
    ]),
  ).toEqual(['a:     1', 'long:  2']);
});

describe('colour', () => {
  const base = { choice: 'auto' as const, env: {}, isTty: true };
  it('follows the flag, then NO_COLOR, then FORCE_COLOR, then the stream', () => {
    expect(wantsColor(base)).toBe(true);
    expect(wantsColor({ ...base, isTty: false })).toBe(false);
    expect(wantsColor({ ...base, env: { TERM: 'dumb' } })).toBe(false);
    expect(wantsColor({ ...base, env: { NO_COLOR: '1' } })).toBe(false);
    expect(wantsColor({ ...base, env: { NO_COLOR: '' } })).toBe(true);
    expect(wantsColor({ ...base, isTty: false, env: { FORCE_COLOR: '1' } })).toBe(true);
    expect(wantsColor({ ...base, env: { FORCE_COLOR: '0' } })).toBe(false);
    expect(wantsColor({ ...base, env: { NO_COLOR: '1', FORCE_COLOR: '1' } })).toBe(false);
    expect(wantsColor({ choice: 'always', env: { NO_COLOR: '1' }, isTty: false })).toBe(true);
    expect(wantsColor({ ...base, choice: 'never' })).toBe(false);
  });
});

describe('the list of what can be resumed', () => {
  it('keeps its columns together beside a name of 255 letters', () => {
    const torrent = {
      infoHash: 'ab'.repeat(20),
      directory: '/there',
      rename: undefined,
      torrentPath: undefined,
      magnet: undefined,
      totalLength: 1000,
      pieceCount: 1,
      verifiedPieces: 1,
      updatedAtMs: 0,
      isOpen: false,
    };
    const lines = resumableTable([
      { ...torrent, name: 'short' },
      { ...torrent, name: 'l'.repeat(255) },
    ]);
    expect(Math.max(...lines.map(textWidth))).toBeLessThan(150);
    expect(lines[1]).toMatch(/ short +\/there$/);
    expect(lines[2]).toMatch(/ l{49}… {2}\/there$/);
  });
});
