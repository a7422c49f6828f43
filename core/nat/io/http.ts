// One HTTP request to the gateway: a bounded answer, no redirect followed, no connection kept.
import { request } from 'node:http';

/** Descriptions have a few KiB. */
const MAX_BODY_BYTES = 128 * 1024;
const MAX_HEADER_BYTES = 8 * 1024;
const TIMEOUT_MS = 5_000;

export interface HttpRequest {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Our address towards the gateway. */
  readonly localHost: string;
  /** In place of the URL's: a literal address with its zone, which a URL cannot carry. */
  readonly connectHost?: string;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** @throws Error on everything that is not a whole, small answer in time */
export function httpRequest(options: HttpRequest): Promise<HttpAnswer> {
  const { url, method, headers, body, localHost, connectHost } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: connectHost ?? url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port === '' ? 80 : Number(url.port),
        path: `${url.pathname}${url.search}`,
        method,
        localAddress: localHost,
        agent: false,
        maxHeaderSize: MAX_HEADER_BYTES,
        headers: {
          host: url.host,
          connection: 'close',
          ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
          ...headers,
        },
      },
      (incoming) => {
        const parts: Buffer[] = [];
        let length = 0;
        incoming.on('data', (part: Buffer) => {
          length += part.length;
          if (length > MAX_BODY_BYTES)
            fail(new Error(`the gateway's answer is longer than ${MAX_BODY_BYTES} bytes`));
          else parts.push(part);
        });
        incoming.once('error', fail);
        incoming.once('end', () => {
          clearTimeout(timer);
          resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') });
        });
      },
    );
    const fail = (error: Error): void => {
      clearTimeout(timer);
      outgoing.destroy();
      reject(error);
    };
    const timer = setTimeout(() => fail(new Error('the gateway does not answer in time')), TIMEOUT_MS);
    timer.unref();
    outgoing.once('error', fail);
    // A program that ends does not wait for it.
    outgoing.once('socket', (socket) => socket.unref());
    outgoing.end(body);
  });
}
