// A web server of our own that does to each request what a test says: right, late, wrong, or nothing that HTTP knows.
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';

export interface WebRequest {
  /** Decoded, below the served folder. */
  readonly path: string;
  readonly fields: ReadonlyMap<string, string>;
  readonly first: number;
  readonly last: number;
  /** What lies there. */
  readonly file: Buffer | undefined;
  readonly socket: net.Socket;
  /** 206 as it should be. */
  serve(): void;
  answer(status: string, fields?: Readonly<Record<string, string>>, body?: Uint8Array | string): void;
}

export class WebServer implements AsyncDisposable {
  readonly requests: WebRequest[] = [];
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  connections = 0;

  private constructor(
    folder: string,
    handle: (request: WebRequest, count: number) => void,
    wrap: (onSocket: (socket: net.Socket) => void) => net.Server,
  ) {
    this.#server = wrap((socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
      let text = '';
      socket.on('data', (bytes) => {
        text += bytes.toString('latin1');
        for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
          const request = requestOf(text.slice(0, end), folder, socket);
          text = text.slice(end + 4);
          this.requests.push(request);
          handle(request, this.requests.length);
        }
      });
    });
  }

  /** @param wrap another kind of server around the same conversation, for TLS */
  static async start(
    folder: string,
    handle: (request: WebRequest, count: number) => void,
    wrap: (onSocket: (socket: net.Socket) => void) => net.Server = (onSocket) => net.createServer(onSocket),
    host = '127.0.0.1',
  ): Promise<WebServer> {
    const server = new WebServer(folder, handle, wrap);
    await new Promise<void>((done) => server.#server.listen(0, host, done));
    return server;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }
  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => this.#server.close(done));
  }
}

function requestOf(text: string, folder: string, socket: net.Socket): WebRequest {
  const [line = '', ...rest] = text.split('\r\n');
  const fields = new Map(
    rest.map((field) => [
      field.slice(0, field.indexOf(':')).toLowerCase(),
      field.slice(field.indexOf(':') + 2),
    ]),
  );
  const path = decodeURIComponent((line.split(' ')[1] as string).split('?')[0] as string);
  let file: Buffer | undefined;
  try {
    file = readFileSync(join(folder, path));
  } catch {
    file = undefined;
  }
  const range = /^bytes=(\d+)-(\d+)$/.exec(fields.get('range') ?? '');
  const [first, last] = [Number(range?.[1]), Number(range?.[2])];
  const answer: WebRequest['answer'] = (status, more = {}, body = '') => {
    const all = { 'Content-Length': String(Buffer.byteLength(body)), ...more };
    const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 ${status}\r\n${head.join('')}\r\n`);
    socket.write(body);
  };
  const serve = (): void => {
    if (file === undefined) answer('404 Not Found');
    else
      answer(
        '206 Partial Content',
        { 'Content-Range': `bytes ${first}-${last}/${file.length}` },
        file.subarray(first, last + 1),
      );
  };
  return { path, fields, first, last, file, socket, serve, answer };
}
