// What files are called on a server: the torrent's own names, percent-encoded, never what they were made into for our disk.
import { expect, it } from 'vitest';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { parseInfo } from '../../../core/metainfo/parse-info.ts';
import { webPathsOf } from '../../../core/metainfo/web-paths.ts';
import { isLocalName, parseWebUrl } from '../../../core/webseed/web-url.ts';

function pathsOf(name: string | Uint8Array, files?: readonly (readonly (string | Uint8Array)[])[]) {
  const text = (part: string | Uint8Array): Uint8Array =>
    typeof part === 'string' ? Buffer.from(part) : part;
  const content =
    files === undefined
      ? { length: 5 }
      : { files: files.map((path) => ({ length: 5, path: path.map(text) })) };
  const info = { ...content, name: text(name), 'piece length': 16_384, pieces: new Uint8Array(20) };
  const parsed = parseInfo(encodeBencode(info));
  if (!parsed.ok) throw new Error(parsed.reason.what);
  return webPathsOf(parsed.value);
}

it('says odd names as they are', () => {
  const paths = pathsOf('my data', [
    ['x y', '100%.txt'],
    ['c:\\d', 'é?#&+;'],
    ['漢', "it's(1)"],
  ]);
  expect(paths.name).toBe('my%20data');
  expect(paths.files).toEqual(['x%20y/100%25.txt', 'c%3A%5Cd/%C3%A9%3F%23%26%2B%3B', "%E6%BC%A2/it's(1)"]);
});

it('asks for nothing that a server would take for another path', () => {
  const paths = pathsOf('ok', [['..', 'etc'], ['.', 'x'], ['a/b'], ['', 'x'], ['fine']]);
  expect(paths.files).toEqual([undefined, undefined, undefined, undefined, 'fine']);
});

it('knows the name of a single file', () => {
  expect(pathsOf('a b.iso')).toEqual({ name: 'a%20b.iso', files: ['a%20b.iso'] });
});

it.each([
  ['localhost', true],
  ['LocalHost.', true],
  ['x.localhost', true],
  ['127.1.2.3', true],
  ['::1', true],
  ['::ffff:192.168.0.1', true],
  ['10.0.0.1', true],
  ['169.254.169.254', true],
  ['fd00::1', true],
  ['8.8.8.8', false],
  ['localhost.example', false],
  ['2001:db8::1', false],
])('%s is here: %s', (host, isHere) => {
  expect(isLocalName(host)).toBe(isHere);
});

it.each([
  ['http://2130706433/', '127.0.0.1'],
  ['http://0x7f.1/', '127.0.0.1'],
  ['http://[::FFFF:7f00:1]/', '::ffff:7f00:1'],
])('%s is seen through', (text, host) => {
  const parsed = parseWebUrl(text);
  expect(parsed.ok && parsed.value.host).toBe(host);
  expect(isLocalName(host)).toBe(true);
});

it.each(['ftp://h/x', 'javascript:1', 'nothing', 'http://', `http://h/${'x'.repeat(9000)}`])(
  '%s is none',
  (text) => {
    expect(parseWebUrl(text).ok).toBe(false);
  },
);
