// What the engine and the NAT parts want of uTP (BEP 29); `utp-stack.ts` is it on a real DatagramPort.
import type { Endpoint } from '../base/endpoint.ts';
import type { ByteStream } from './byte-stream.ts';

export interface UtpConnectOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /**
   * Hop limit of the first SYNs: enough to leave our gateway, too few to reach the peer's, where an early datagram
   * may close the door. After UtpConnectOptions.firstTtlMs (default 300) the ordinary one. Hole punching only.
   */
  readonly firstTtl?: number;
  readonly firstTtlMs?: number;
}

export interface UtpStack {
  /** UDP port of the family; 0 without one. */
  port(family: 4 | 6): number;
  /** @throws Error with `code`: ETIMEDOUT, ECONNREFUSED (the peer reset), ENETUNREACH, ..., ABORT_ERR */
  connect(endpoint: Endpoint, options: UtpConnectOptions): Promise<ByteStream>;
  /**
   * From now on SYNs of strangers are answered; without a listener they are ignored. One listener; the last one counts.
   * @param mayEnter asked before anything is kept or said: false ignores the SYN
   */
  listen(onStream: (stream: ByteStream) => void, mayEnter?: (host: string) => boolean): void;
  /** Ends all connections (FIN, unacknowledged) and gives its hold on the port back. Safe to call twice. */
  close(): Promise<void>;
}
