// `--select`: indices, ranges, names, paths and globs; BEP 53 ranges.
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../core/base/result.ts';
import { globMatches } from '../../../core/metainfo/glob.ts';
import type { Metainfo } from '../../../core/metainfo/metainfo.ts';
import { parseTorrent } from '../../../core/metainfo/parse-torrent.ts';
import { selectByRanges, selectFiles } from '../../../core/metainfo/select-files.ts';
import { looseBencode } from '../../support/bencode-text.ts';

function torrent(paths: readonly string[]): Metainfo {
  const parsed = parseTorrent(
    looseBencode({
      info: {
        files: paths.map((path) => ({
          ...(path.startsWith('.pad/') ? { attr: 'p' } : {}),
          length: 1,
          path: path.split('/'),
        })),
        name: 'show',
        'piece length': 16_384,
        pieces: new Uint8Array(20),
      },
    }),
  );
  if (!parsed.ok) throw new Error(parsed.reason.what);
  return parsed.value;
}

const show = torrent(['a.mkv', '.pad/1', 's1/e1.mkv', 's1/e1.srt', 's1/extras/e2.mkv', 'notes.txt', '7']);

function selected(...patterns: string[]): number[] {
  return selectFiles(show, patterns).flatMap((priority, i) => (priority > 0 ? [i + 1] : []));
}

describe('patterns', () => {
  it.each([
    ['1', [1]],
    ['1-3,6', [1, 3, 6]],
    ['5-', [5, 6, 7]],
    ['7', [7]],
    ['./7', [7]],
    ['*.mkv', [1, 3, 5]],
    ['e?.mkv', [3, 5]],
    ['s1', [3, 4, 5]],
    ['s1/', [3, 4, 5]],
    ['extras', [5]],
    ['s*', [3, 4, 5]],
    ['s1/*.mkv', [3]],
    ['s1/**', [3, 4, 5]],
    ['show/s1/**.srt', [4]],
    ['**/*.mkv', [1, 3, 5]],
    ['show', [1, 3, 4, 5, 6, 7]],
    ['s1/extras/e2.mkv', [5]],
    ['show/notes.txt', [6]],
  ])('%s selects %j', (pattern, files) => expect(selected(pattern)).toEqual(files));

  it('add up, and leave everything else at 0', () => {
    expect(selectFiles(show, ['1', '*.srt'])).toEqual([4, 0, 0, 4, 0, 0, 0]);
  });

  it.each(['0', '8', '3-2', '1,99', 'nothing', '*.avi', '', '.pad', '2', 'E1.MKV'])(
    '%j is an error that names it',
    (pattern) => {
      expect(() => selected(pattern)).toThrow(UsageError);
      expect(() => selected(pattern)).toThrow(/--select/);
    },
  );
});

describe('BEP 53 ranges', () => {
  it.each(['nope', '9'])('names what was given: a flag, or the argument %s alone', (pattern) => {
    const messageOf = (...flag: [] | ['']): string => {
      try {
        selectFiles(show, [pattern], ...flag);
      } catch (error) {
        return (error as Error).message;
      }
      return '';
    };
    expect(messageOf()).toContain('--select');
    expect(messageOf('')).toContain(pattern);
    expect(messageOf('')).not.toContain('--select');
  });
  it('count from 0, skip padding, and mean everything when they hit nothing', () => {
    expect(selectByRanges(show, [[0, 2]])).toEqual([4, 0, 4, 0, 0, 0, 0]);
    expect(selectByRanges(show, [[3, 99_999_999]])).toEqual([0, 0, 0, 4, 4, 4, 4]);
    expect(selectByRanges(show, [[50, 60]])).toEqual([4, 0, 4, 4, 4, 4, 4]);
  });
});

describe('globs', () => {
  it.each([
    ['*', 'abc', true],
    ['*', 'a/b', false],
    ['**', 'a/b', true],
    ['a*c', 'abbc', true],
    ['a?c', 'a/c', false],
    ['a.c', 'abc', false],
    ['[x]', '[x]', true],
    ['?', '🙂', true],
    ['', '', true],
    ['a***b', 'a/x/b', true],
  ])('%s on %s: %s', (pattern, text, matches) => expect(globMatches(pattern, text)).toBe(matches));

  it('need no exponential time', () => {
    expect(globMatches(`${'*a'.repeat(50)}b`, 'a'.repeat(500))).toBe(false);
  });
});
