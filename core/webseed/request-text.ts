// A range request as it goes over the wire (RFC 9112, RFC 9110 section 14.2). Pure.
import { utf8 } from '../base/bytes.ts';
import { hostField, type WebUrl } from './web-url.ts';

/** Bytes [begin, end) of what lies at `url`, as they are: compressed ones could not be placed. URLs hold no blanks or ends of lines. */
export function requestText(url: WebUrl, begin: number, end: number, userAgent: string): Uint8Array {
  const { credentials, target } = url;
  const fields = [
    `Host: ${hostField(url)}`,
    `User-Agent: ${userAgent}`,
    'Accept: */*',
    'Accept-Encoding: identity',
    ...(credentials === undefined ? [] : [`Authorization: Basic ${base64(credentials)}`]),
    `Range: bytes=${begin}-${end - 1}`,
    'Connection: keep-alive',
  ];
  return utf8(`GET ${target} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`);
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...utf8(text)));
}
