import { describe, expect, it } from 'vitest';
import { isAsciiOnly, isDumb } from '../../../cli/base/terminal-kind.ts';
import { toAscii } from '../../../cli/terminal/ascii.ts';
import { Console } from '../../../cli/terminal/console.ts';
import { textWidth } from '../../../cli/terminal/text.ts';
import { FakeStream } from './fakes.ts';

describe('a terminal', () => {
  it.each([
    [{ TERM: '' }, true],
    [{ TERM: 'dumb' }, true],
    [{ TERM: 'unknown' }, true],
    [{ TERM: 'xterm-256color' }, false],
    [{ TERM: 'linux' }, false],
  ])('%o is dumb: %s', (env, isIt) => expect(isDumb(env)).toBe(isIt));

  it.each([
    [{}, 'linux', true],
    [{}, 'win32', false],
    [{ LANG: 'C' }, 'linux', true],
    [{ LANG: 'C.UTF-8' }, 'linux', false],
    [{ LANG: 'de_DE.utf8' }, 'linux', false],
    [{ LANG: 'en_GB.UTF-8', LC_ALL: 'C' }, 'linux', true],
    [{ LANG: 'en_GB.UTF-8', LC_CTYPE: 'POSIX' }, 'darwin', true],
    [{ LANG: 'C', LC_ALL: '', LC_CTYPE: 'en_GB.UTF-8' }, 'linux', false],
    [{ LANG: 'en_GB.ISO-8859-1' }, 'linux', true],
  ])('%o on %s has ASCII only: %s', (env, platform, isIt) => expect(isAsciiOnly(env, platform)).toBe(isIt));
});

describe('in ASCII', () => {
  it.each([
    ['▁▂▃▄▅▆▇█ ░▒▓', '_.-=+*%# .:%'],
    ['█▉▊▋▌▍▎▏', '#%*+=-._'],
    ['⠀⠁⠇⣿', ' .:#'],
    ['┌─┬─┐│├┤└┘', '+-+-+|++++'],
    ['↓ 3 MiB/s ↑ 0 · 5… ±2', 'v 3 MiB/s ^ 0 . 5~ ~2'],
    ['Ünïcödé, naïve', 'Unicode, naive'],
    ['日本語 🎉', '?????? ??'],
    ['\u001b[31mrot\u001b[39m', '\u001b[31mrot\u001b[39m'],
  ])('%s is %s', (text, ascii) => expect(toAscii(text)).toBe(ascii));

  it('takes as many columns, whatever it is', () => {
    for (let code = 0xa1; code < 0x1_0000; code += 7) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const text = `a${String.fromCodePoint(code)}b`;
      expect(textWidth(toAscii(text)), text).toBe(textWidth(text));
      // biome-ignore lint/suspicious/noControlCharactersInRegex: nothing else may be left
      expect(toAscii(text)).toMatch(/^[\u0000-\u007f]*$/);
    }
  });

  it('lines for a terminal are; those for a file or a pipe stay as they are', () => {
    const written = (isTTY: boolean, isAscii: boolean): string => {
      const stdout = new FakeStream(isTTY);
      const stderr = new FakeStream(isTTY);
      const rest = {
        argv: [],
        env: {},
        cwd: '/',
        stdin: (async function* () {})(),
        onSignal: () => () => {},
      };
      const console = new Console(
        { ...rest, stdout, stderr, isAscii, exitNow: () => {}, nowMs: () => 0 },
        'never',
      );
      console.out('ä ↓');
      return stdout.text;
    };
    expect(written(true, true)).toBe('a v\n');
    expect(written(true, false)).toBe('ä ↓\n');
    expect(written(false, true)).toBe('ä ↓\n');
  });
});
