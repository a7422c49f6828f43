// A uTP connection as a ByteStream. Bytes that come before somebody listens wait in the connection.
import { type Endpoint, isIPv6 } from '../base/endpoint.ts';
import type { ByteStream, ByteStreamEvents } from './byte-stream.ts';
import type { UtpConnection } from './utp/connection.ts';
import type { ConnectionEvents } from './utp/connection-port.ts';

const unset: ByteStreamEvents = { onBytes: () => {}, onDrain: () => {}, onClose: () => {} };

/** What a stream needs of the stack. */
export interface StreamHost {
  nowMs(): number;
  /** The connection has something to send. */
  touch(connection: UtpConnection): void;
  port(family: 4 | 6): number;
}

export class UtpStream implements ByteStream, ConnectionEvents {
  readonly transport = 'utp';
  readonly remote: Endpoint;
  receivedBytes = 0;
  sentBytes = 0;
  readonly #host: StreamHost;
  readonly #connection: () => UtpConnection;
  readonly #opened: (stream: UtpStream) => void;
  readonly #failed: (error: Error) => void;
  #events = unset;
  #isOpen = false;
  #isPaused = false;
  #closed: { readonly code: string | undefined } | undefined;

  /** @param outcome one of the two is called, once */
  constructor(
    host: StreamHost,
    remote: Endpoint,
    connection: () => UtpConnection,
    outcome: { opened(stream: UtpStream): void; failed(error: Error): void },
  ) {
    this.#host = host;
    this.remote = { host: remote.host, port: remote.port };
    this.#connection = connection;
    this.#opened = outcome.opened;
    this.#failed = outcome.failed;
  }

  get localPort(): number {
    return this.#host.port(isIPv6(this.remote.host) ? 6 : 4);
  }

  get queuedBytes(): number {
    return this.#connection().queuedBytes;
  }

  get events(): ByteStreamEvents {
    return this.#events;
  }

  set events(events: ByteStreamEvents) {
    const isFirst = this.#events === unset;
    this.#events = events;
    if (!isFirst) return;
    // Not from within: whoever listens has not finished setting itself up.
    queueMicrotask(() => {
      if (!this.#isPaused) this.#resume();
      if (this.#closed !== undefined) this.#tellClosed();
    });
  }

  write(bytes: Uint8Array, sent?: () => void): void {
    this.sentBytes += bytes.length;
    this.#connection().write(bytes, sent);
    this.#touch();
  }

  /** Everything that is written in one turn of the loop leaves together anyway. */
  cork(): void {}
  uncork(): void {}

  pause(): void {
    this.#isPaused = true;
    this.#connection().pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#resume();
  }

  destroy(): void {
    this.#connection().close(this.#host.nowMs());
    this.#touch();
  }

  // --- ConnectionEvents

  onOpen(): void {
    this.#isOpen = true;
    this.#connection().pause();
    this.#opened(this);
  }

  onBytes(payload: Uint8Array): void {
    this.receivedBytes += payload.length;
    this.#events.onBytes(payload);
  }

  onDrain(): void {
    this.#events.onDrain();
  }

  onClose(code: string | undefined): void {
    this.#closed = { code };
    if (!this.#isOpen) this.#failed(errorOf(code ?? 'ECONNRESET'));
    // As with TCP never from within `destroy`.
    else if (this.#events !== unset) process.nextTick(() => this.#tellClosed());
  }

  #resume(): void {
    if (this.#closed !== undefined) return;
    this.#connection().resume(this.#host.nowMs());
    this.#touch();
  }

  #tellClosed(): void {
    const events = this.#events;
    const code = this.#closed?.code;
    this.#events = { onBytes: () => {}, onDrain: () => {}, onClose: () => {} };
    events.onClose(code === undefined ? undefined : errorOf(code));
  }

  #touch(): void {
    this.#host.touch(this.#connection());
  }
}

const TEXTS: Readonly<Record<string, string>> = {
  ETIMEDOUT: 'connection timed out',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  ABORT_ERR: 'connection attempt given up',
};

export function errorOf(code: string): Error {
  return Object.assign(new Error(TEXTS[code] ?? code), { code });
}
