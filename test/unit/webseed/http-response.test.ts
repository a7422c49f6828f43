// Answers that break HTTP, or its bounds: each ends in one clause, and keeps no more memory than allowed.
import { expect, it } from 'vitest';
import { utf8 } from '../../../core/base/bytes.ts';
import { ResponseReader } from '../../../core/webseed/http-response.ts';

function read(text: string): { readonly wrong: string | undefined; readonly seen: readonly string[] } {
  const seen: string[] = [];
  const reader = new ResponseReader({
    onHead: ({ status, contentLength, keepsAlive }) =>
      seen.push(`${status} ${contentLength} ${keepsAlive ? 'stays' : 'goes'}`),
    onBody: (bytes) => seen.push(Buffer.from(bytes).toString()),
    onEnd: () => seen.push('end'),
  });
  const wrong = reader.receive(utf8(text));
  return { wrong: wrong ?? reader.receiveEnd(), seen };
}

it.each([
  ['SSH-2.0-OpenSSH\r\n\r\n', 'not an HTTP/1 answer'],
  ['HTTP/2 200\r\n\r\n', 'not an HTTP/1 answer'],
  ['HTTP/1.1 099 X\r\n\r\n', 'not an HTTP/1 answer'],
  ['HTTP/1.1 200 OK\r\n: x\r\n\r\n', 'a header field without a name'],
  ['HTTP/1.1 200 OK\r\nA B: x\r\n\r\n', 'a header field with an odd name'],
  ['HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n', 'a Content-Length that is none'],
  ['HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\n', 'a Content-Length that is none'],
  [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
    'an unknown transfer coding: gzip, chunked',
  ],
  ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'a chunk without a size'],
  ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n', 'a chunk is longer than it said'],
  [
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;${'x'.repeat(2000)}`,
    'a line of the chunked coding has no end',
  ],
  [`HTTP/1.1 200 OK\r\nA: ${'x'.repeat(40_000)}`, 'a head of more than 32 KiB'],
  ['HTTP/1.1 101 Switching\r\n\r\n', 'switched protocols unasked'],
  ['HTTP/1.1 103 Early\r\n\r\n'.repeat(20), 'too many interim answers'],
  ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab', 'the connection ended within an answer'],
  ['HTTP/1.1 200 OK\r\nContent-', 'the connection ended within an answer'],
])('%j', (text, wrong) => {
  expect(read(text).wrong).toBe(wrong);
});

it('reads bodies of every kind, and knows who hangs up', () => {
  expect(
    read('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nabHTTP/1.0 200\n\nrest'),
  ).toEqual({
    wrong: undefined,
    seen: ['200 2 stays', 'ab', 'end', '200 undefined goes', 'rest', 'end'],
  });
  expect(read('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n').seen).toEqual([
    '200 0 goes',
    'end',
  ]);
  expect(read('HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\nx').seen[0]).toBe(
    '200 1 stays',
  );
  expect(read('HTTP/1.1 304 Same\r\nContent-Length: 10\r\n\r\n').seen).toEqual(['304 0 stays', 'end']);
});
