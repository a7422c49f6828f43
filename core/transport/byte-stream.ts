// What carries a peer connection: TCP today; uTP, a relay's splice or a punched hole look the same from above.
import type { Endpoint } from '../base/endpoint.ts';

export type TransportKind = 'tcp' | 'utp' | 'reverse' | 'punched' | 'relayed';

export interface ByteStreamEvents {
  /** `bytes` is a view of a buffer that is reused as soon as this returns; the receiver may change it in place. */
  onBytes(bytes: Uint8Array): void;
  /** All that was written has left for the kernel. */
  onDrain(): void;
  /** Exactly once; nothing follows it. `error` is undefined when the remote simply ended. */
  onClose(error: Error | undefined): void;
}

export interface ByteStream {
  readonly transport: TransportKind;
  readonly remote: Endpoint;
  readonly localPort: number;
  /** Of a splice: who passes the bytes on. */
  readonly relay?: Endpoint;
  /** Bytes handed to `write` that the kernel has not taken. */
  readonly queuedBytes: number;
  /** Since the stream was opened, also after its end; for the books, absent where nobody counts. */
  readonly receivedBytes?: number;
  readonly sentBytes?: number;
  /** Set once, before the first byte can arrive (same turn as the stream was obtained). */
  events: ByteStreamEvents;
  /** Keeps a reference to `bytes` until they are sent: they must not change. `sent` follows when they may. */
  write(bytes: Uint8Array, sent?: () => void): void;
  /** Writes between cork and uncork leave in one system call. */
  cork(): void;
  uncork(): void;
  pause(): void;
  resume(): void;
  /** Drops the connection at once; onClose follows. */
  destroy(): void;
}
