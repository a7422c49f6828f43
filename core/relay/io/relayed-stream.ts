// A connection to a relay that has become a connection to a peer: the same bytes, another name at the other end.
import type { Endpoint } from '../../base/endpoint.ts';
import type { ByteStream, ByteStreamEvents, TransportKind } from '../../transport/byte-stream.ts';

export class RelayedStream implements ByteStream {
  readonly transport: TransportKind;
  readonly remote: Endpoint;
  readonly #inner: ByteStream;

  /** @param remote the peer as the relay sees it: for bans, PEX and `yourip` */
  constructor(inner: ByteStream, remote: Endpoint, transport: TransportKind) {
    this.#inner = inner;
    this.remote = remote;
    this.transport = transport;
  }

  get events(): ByteStreamEvents {
    return this.#inner.events;
  }
  set events(events: ByteStreamEvents) {
    this.#inner.events = events;
  }
  get localPort(): number {
    return this.#inner.localPort;
  }
  get queuedBytes(): number {
    return this.#inner.queuedBytes;
  }
  get receivedBytes(): number {
    return this.#inner.receivedBytes ?? 0;
  }
  get sentBytes(): number {
    return this.#inner.sentBytes ?? 0;
  }
  write(bytes: Uint8Array, sent?: () => void): void {
    this.#inner.write(bytes, sent);
  }
  cork(): void {
    this.#inner.cork();
  }
  uncork(): void {
    this.#inner.uncork();
  }
  pause(): void {
    this.#inner.pause();
  }
  resume(): void {
    this.#inner.resume();
  }
  destroy(): void {
    this.#inner.destroy();
  }
}
