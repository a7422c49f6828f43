// uTP on a real port and real time: datagrams go in as they come; what they bring about is sent once, when the turn of the loop
// has handled all that was there. One timer for all connections.
import { networkInterfaces } from 'node:os';
import type { Clock, Rng } from '../base/clock.ts';
import type { DatagramPort, SendOptions } from '../base/datagram-port.ts';
import { type Endpoint, isIPv6, normalizeHost } from '../base/endpoint.ts';
import { isLoopbackAddress } from '../base/local-address.ts';
import type { ByteStream } from './byte-stream.ts';
import { cutDatagrams } from './cut-datagrams.ts';
import type { UtpConnection } from './utp/connection.ts';
import { UtpMux } from './utp/mux.ts';
import { ST_SYN } from './utp/packet.ts';
import type { UtpConnectOptions, UtpStack } from './utp-api.ts';
import { errorOf, type StreamHost, UtpStream } from './utp-stream.ts';

/** Packets stay as they are until they are acked. */
const STABLE: SendOptions = { isStable: true };
const STABLE_SYN: SendOptions = { isStable: true, reportsFailure: true };
/** Gateways that refuse strangers' packets have made up their minds by then (design of the ladder: 300 ms). */
const FIRST_TTL_MS = 300;
const MAX_TIMER_MS = 30_000;

export interface UtpOptions {
  readonly port: DatagramPort;
  readonly clock: Clock;
  /** Must not be foreseeable: connection ids and sequence numbers are drawn from it. */
  readonly rng: Rng;
}

/** Loopback, and the addresses that the interfaces have now: between them the system carries 64 KiB in one piece. */
function machineAddresses(): (host: string) => boolean {
  const own = new Set<string>();
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address } of addresses ?? []) own.add(normalizeHost(address) ?? address);
  }
  return (host) => isLoopbackAddress(host) || own.has(host);
}

export class DatagramUtp implements UtpStack, StreamHost {
  readonly #port: DatagramPort;
  readonly #clock: Clock;
  readonly #mux: UtpMux;
  readonly #remove: readonly (() => void)[];
  #isFlushDue = false;
  #timer: NodeJS.Timeout | undefined;
  #armedForMs = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor({ port, clock, rng }: UtpOptions) {
    this.#port = port;
    this.#clock = clock;
    this.#mux = new UtpMux({
      rng,
      output: {
        send: (bytes, to, ttl) => this.#send(bytes, to, ttl),
        sendProbe: (bytes, to) => this.#sendProbe(bytes, to),
      },
      isThisMachine: machineAddresses(),
    });
    this.#remove = [
      port.addReceiver((bytes, from) => this.#handleDatagram(bytes, from)),
      port.addFailureHandler((to, code) => {
        this.#mux.handleUnreachable(to, code);
        this.#scheduleFlush();
      }),
    ];
  }

  port(family: 4 | 6): number {
    return this.#port.port(family) ?? 0;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  touch(connection: UtpConnection): void {
    this.#mux.touch(connection);
    this.#scheduleFlush();
  }

  connect(endpoint: Endpoint, options: UtpConnectOptions): Promise<ByteStream> {
    return new Promise((resolve, reject) => {
      if (options.signal?.aborted === true) {
        reject(errorOf('ABORT_ERR'));
        return;
      }
      let connection: UtpConnection | undefined;
      const settle = (): void => {
        clearTimeout(timeout);
        options.signal?.removeEventListener('abort', aborted);
      };
      const stream = new UtpStream(this, endpoint, () => connection as UtpConnection, {
        opened: (opened) => {
          settle();
          resolve(opened);
        },
        failed: (error) => {
          settle();
          reject(error);
        },
      });
      const giveUp = (code: string): void => {
        connection?.close(this.nowMs(), code);
        if (connection !== undefined) this.touch(connection);
      };
      const aborted = (): void => giveUp('ABORT_ERR');
      const timeout = setTimeout(() => giveUp('ETIMEDOUT'), options.timeoutMs);
      options.signal?.addEventListener('abort', aborted);
      const { firstTtl, firstTtlMs = FIRST_TTL_MS } = options;
      const low = firstTtl === undefined ? {} : { firstTtl, firstTtlMs };
      connection = this.#isClosed ? undefined : this.#mux.dial(endpoint, stream, low, this.nowMs());
      if (connection !== undefined) {
        this.#scheduleFlush();
        return;
      }
      settle();
      reject(errorOf(this.#isClosed ? 'ABORT_ERR' : 'EAGAIN'));
    });
  }

  listen(onStream: (stream: ByteStream) => void, mayEnter?: (host: string) => boolean): void {
    this.#mux.setAccept(
      (from, connection) => new UtpStream(this, from, connection, { opened: onStream, failed: () => {} }),
      mayEnter,
    );
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#mux.setAccept(undefined);
    this.#mux.closeAll(this.nowMs());
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const remove of this.#remove) remove();
    await this.#port.close();
  }

  #handleDatagram(bytes: Uint8Array, from: Endpoint): boolean {
    if (!this.#mux.handleDatagram(bytes, from, this.#clock.nowMs())) return false;
    this.#scheduleFlush();
    return true;
  }

  #send(bytes: Uint8Array, to: Endpoint, ttl: number | undefined): void {
    if (ttl !== undefined) this.#port.send(bytes, to, { isStable: true, ttl });
    else this.#port.send(bytes, to, (bytes[0] as number) >>> 4 === ST_SYN ? STABLE_SYN : STABLE);
  }

  /** The system takes a datagram inside `send`, unless others wait: then nothing is known. */
  #sendProbe(bytes: Uint8Array, to: Endpoint): boolean {
    const family = isIPv6(to.host) ? 6 : 4;
    const before = cutDatagrams(family);
    this.#port.send(bytes, to, STABLE);
    return cutDatagrams(family) === before;
  }

  /** setImmediate comes when the loop has read what the sockets had: a few dozen datagrams, one ack. */
  #scheduleFlush(): void {
    if (this.#isFlushDue || this.#isClosed) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      if (this.#isClosed) return;
      this.#mux.flush(this.#clock.nowMs());
      this.#arm();
    });
  }

  #arm(): void {
    const dueMs = this.#mux.nextTimeoutMs();
    if (this.#isClosed || dueMs >= this.#armedForMs) return;
    clearTimeout(this.#timer);
    this.#armedForMs = dueMs;
    const waitMs = Math.max(1, Math.ceil(dueMs - this.#clock.nowMs()));
    this.#timer = setTimeout(() => this.#handleTimer(), Math.min(MAX_TIMER_MS, waitMs));
    // Open sockets keep a program alive, waiting does not.
    this.#timer.unref();
  }

  #handleTimer(): void {
    this.#armedForMs = Number.POSITIVE_INFINITY;
    this.#mux.handleTimeout(this.#clock.nowMs());
    this.#arm();
  }
}
