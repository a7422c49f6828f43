// TCP streams over node:net. Reads go through `onread` into one buffer shared by all sockets: libuv fills it and calls
// back in the same turn, so no read allocates (measured 33-50 % less CPU than 'data' events).
import net from 'node:net';
import { type Endpoint, normalizeHost } from '../base/endpoint.ts';
import { OperationError } from '../base/result.ts';
import type { ByteStream, ByteStreamEvents } from './byte-stream.ts';

/** 64 KiB to 1 MiB measure alike; this size keeps a few hundred blocks' worth of work between two turns of the loop. */
const READ_BUFFER_BYTES = 256 * 1024;
/** On Windows reads are posted ahead of time, so a buffer cannot be shared between sockets. */
const CAN_SHARE_BUFFER = process.platform !== 'win32';
const UNSHARED_BUFFER_BYTES = 64 * 1024;

let sharedBuffer: Uint8Array | undefined;

function readBuffer(): Uint8Array {
  if (!CAN_SHARE_BUFFER) return new Uint8Array(UNSHARED_BUFFER_BYTES);
  sharedBuffer ??= new Uint8Array(READ_BUFFER_BYTES);
  return sharedBuffer;
}

const unset: ByteStreamEvents = { onBytes: () => {}, onDrain: () => {}, onClose: () => {} };

class TcpStream implements ByteStream {
  readonly transport = 'tcp';
  readonly remote: Endpoint;
  readonly localPort: number;
  events: ByteStreamEvents = unset;
  readonly #socket: net.Socket;
  #error: Error | undefined;

  constructor(socket: net.Socket, remote: Endpoint) {
    this.#socket = socket;
    this.remote = remote;
    this.localPort = socket.localPort ?? 0;
    socket.setNoDelay(true);
    socket.on('drain', () => this.events.onDrain());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      const { onClose } = this.events;
      const events = this.events;
      this.events = unset;
      onClose.call(events, this.#error);
    });
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }
  // Counted by the system's handle: nothing is added to the path of a read.
  get receivedBytes(): number {
    return this.#socket.bytesRead;
  }
  get sentBytes(): number {
    return this.#socket.bytesWritten ?? 0;
  }

  write(bytes: Uint8Array, sent?: () => void): void {
    this.#socket.write(bytes, sent);
  }
  cork(): void {
    this.#socket.cork();
  }
  uncork(): void {
    this.#socket.uncork();
  }
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    if (!this.#socket.destroyed) this.#socket.resume();
  }
  destroy(): void {
    this.#socket.destroy();
  }
}

/** Wraps a socket that somebody else opened (a proxy's); reads allocate. */
export function streamOfSocket(socket: net.Socket, remote: Endpoint): ByteStream {
  const stream = new TcpStream(socket, remote);
  socket.on('data', (bytes) => stream.events.onBytes(bytes as Uint8Array));
  return stream;
}

export interface DialOptions {
  readonly timeoutMs: number;
  /** Local address to dial from. */
  readonly localAddress?: string;
  /**
   * Local port to dial from, of a connection that is bound to `localAddress` (or to the wildcard) as well. Nobody may listen there:
   * then it is EADDRINUSE, `reusePort` or not (Node 24, Linux).
   */
  readonly localPort?: number;
  readonly signal?: AbortSignal;
}

/** Opens one TCP connection. @throws Error with `code` (ECONNREFUSED, ETIMEDOUT, ...) */
export function dialTcp(endpoint: Endpoint, options: DialOptions): Promise<ByteStream> {
  return openStream(endpoint, options, net.connect, 'connect');
}

/**
 * The same for sockets of other kinds that take the options of net.connect, `onread` among them.
 * @param ready the event after which it may be spoken to
 */
export function openStream(
  endpoint: Endpoint,
  options: DialOptions,
  connect: (options: net.NetConnectOpts) => net.Socket,
  ready: 'connect' | 'secureConnect',
): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    let stream: TcpStream | undefined;
    const buffer = readBuffer();
    const socket = connect({
      host: endpoint.host,
      port: endpoint.port,
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
      ...(options.localPort === undefined ? {} : { localPort: options.localPort }),
      onread: {
        buffer,
        callback: (length: number, bytes: Uint8Array): boolean => {
          stream?.events.onBytes(bytes.subarray(0, length));
          return true;
        },
      },
    });
    const fail = (error: Error): void => {
      cleanUp();
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const timeout = setTimeout(
      () => fail(Object.assign(new Error('connection attempt timed out'), { code: 'ETIMEDOUT' })),
      options.timeoutMs,
    );
    const aborted = (): void =>
      fail(Object.assign(new Error('connection attempt given up'), { code: 'ABORT_ERR' }));
    const cleanUp = (): void => {
      clearTimeout(timeout);
      options.signal?.removeEventListener('abort', aborted);
      socket.off('error', fail);
    };
    options.signal?.addEventListener('abort', aborted);
    if (options.signal?.aborted === true) queueMicrotask(aborted);
    socket.once('error', fail);
    socket.once(ready, () => {
      cleanUp();
      stream = new TcpStream(socket, endpoint);
      resolve(stream);
    });
  });
}

export interface TcpListener {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Adopts an accepted connection with `onread`, which node:net offers only to sockets it makes itself. */
function adopt(raw: net.Socket): ByteStream | undefined {
  const host = normalizeHost(raw.remoteAddress ?? '');
  const port = raw.remotePort;
  if (host === undefined || port === undefined) {
    raw.destroy();
    return undefined;
  }
  const holder = raw as net.Socket & { _handle?: unknown };
  const handle = holder._handle;
  if (handle == null) return streamOfSocket(raw, { host, port });
  holder._handle = null;
  // An empty shell now; unless it is destroyed, its server counts it as open and never finishes closing.
  raw.destroy();
  let stream: TcpStream | undefined;
  const options = {
    handle,
    onread: {
      buffer: readBuffer(),
      callback: (length: number, bytes: Uint8Array): boolean => {
        stream?.events.onBytes(bytes.subarray(0, length));
        return true;
      },
    },
  };
  const socket = new net.Socket(options as unknown as net.SocketConstructorOpts);
  stream = new TcpStream(socket, { host, port });
  socket.resume();
  return stream;
}

/** Says of a connection that the system accepted what becomes of it: exactly one of the two is called, once, now or later. */
export type Doorkeeper = (
  host: string,
  visitor: { readonly admit: () => void; readonly refuse: () => void },
) => void;

/** What node:net knows of an accepted connection before it makes a socket of it. */
interface AcceptedHandle {
  getpeername(out: { address?: string }): number;
  close(): void;
}

/**
 * Puts the keeper between the system and node:net, so that who is refused costs no socket object. Where Node is built otherwise
 * nobody is asked.
 */
function placeKeeper(server: net.Server, keeper: Doorkeeper): void {
  type Accept = (this: unknown, status: number, accepted?: AcceptedHandle) => void;
  const handle = (server as unknown as { _handle?: { onconnection?: Accept } })._handle;
  const accept = handle?.onconnection;
  if (handle == null || accept === undefined) return;
  handle.onconnection = function (status, accepted) {
    const peer: { address?: string } = {};
    const isKnown = status === 0 && accepted !== undefined && accepted.getpeername(peer) === 0;
    const host = isKnown ? normalizeHost(peer.address ?? '') : undefined;
    if (accepted === undefined || host === undefined) {
      accept.call(this, status, accepted);
      return;
    }
    keeper(host, { admit: () => accept.call(this, status, accepted), refuse: () => accepted.close() });
  };
}

const LISTEN_TROUBLE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is taken (EADDRINUSE)',
  EACCES: 'ports so low need more rights (EACCES)',
  EADDRNOTAVAIL: 'the address is not of this machine (EADDRNOTAVAIL)',
};

/** @throws OperationError `network` when the address cannot be bound (code EADDRINUSE, EACCES, EADDRNOTAVAIL, ...) */
export function listenTcp(
  host: string,
  port: number,
  onStream: (stream: ByteStream) => void,
  keeper?: Doorkeeper,
): Promise<TcpListener> {
  return new Promise((resolve, reject) => {
    const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: false }, (raw) => {
      const stream = adopt(raw);
      if (stream !== undefined) onStream(stream);
    });
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new OperationError(
          'network',
          `cannot listen on ${host} port ${port}: ${LISTEN_TROUBLE[error.code ?? ''] ?? error.message}`,
          {
            hint: 'give another --port, or --port 0 for any that is free',
            ...(error.code === undefined ? {} : { code: error.code }),
            cause: error,
          },
        ),
      );
    });
    server.listen({ host, port, ipv6Only: host.includes(':'), backlog: 128 }, () => {
      const address = server.address() as net.AddressInfo;
      server.removeAllListeners('error');
      // Running out of file descriptors while accepting must not end the process.
      server.on('error', () => {});
      if (keeper !== undefined) placeKeeper(server, keeper);
      resolve({
        host,
        port: address.port,
        close: () => new Promise((done) => server.close(() => done())),
      });
    });
  });
}
