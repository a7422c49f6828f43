// One datagram to the gateway and its answer, on a connected socket: strangers are not heard, and "port unreachable" is known at once.
import { createSocket, type Socket } from 'node:dgram';

export type ExchangeResult<T> = T | 'silent' | 'refused';

interface Pending {
  /** @returns true when the datagram was the answer */
  handle(bytes: Uint8Array): boolean;
  fail(): void;
}

export class GatewayExchange {
  readonly #gateway: string;
  readonly #port: number;
  readonly #bind: string | undefined;
  readonly #pending = new Set<Pending>();
  #socket: Promise<Socket | undefined> | undefined;
  #isClosed = false;

  /** @param bind our address towards the gateway */
  constructor(gateway: string, port: number, bind: string | undefined) {
    this.#gateway = gateway;
    this.#port = port;
    this.#bind = bind;
  }

  /**
   * Sends, and sends again after each delay, until an answer matches.
   * @param decode undefined: not the answer
   * @returns `silent` after the last delay, `refused` when nothing listens there or the network is not there
   */
  async ask<T extends object>(
    request: Uint8Array,
    delaysMs: readonly number[],
    decode: (bytes: Uint8Array) => T | undefined,
  ): Promise<ExchangeResult<T>> {
    this.#socket ??= this.#open();
    const socket = await this.#socket;
    if (socket === undefined || this.#isClosed) return 'refused';
    return new Promise((resolve) => {
      let sent = 0;
      let timer: NodeJS.Timeout | undefined;
      const finish = (result: ExchangeResult<T>): void => {
        clearTimeout(timer);
        this.#pending.delete(pending);
        resolve(result);
      };
      const pending: Pending = {
        handle: (bytes) => {
          const answer = decode(bytes);
          if (answer === undefined) return false;
          finish(answer);
          return true;
        },
        fail: () => finish('refused'),
      };
      const next = (): void => {
        const delayMs = delaysMs[sent++];
        if (delayMs === undefined) {
          finish('silent');
          return;
        }
        socket.send(request, (error) => {
          // The kernel tells the refusal of one datagram with the next: it is about all that are on their way.
          if (error !== null) this.#failAll();
        });
        timer = setTimeout(next, delayMs);
        // A silent gateway keeps no program alive.
        timer.unref();
      };
      this.#pending.add(pending);
      next();
    });
  }

  /** Sends once and does not wait. */
  async tell(message: Uint8Array): Promise<void> {
    this.#socket ??= this.#open();
    const socket = await this.#socket;
    if (socket === undefined || this.#isClosed) return;
    await new Promise<void>((resolve) => socket.send(message, () => resolve()));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#failAll();
    (await this.#socket)?.close();
  }

  #failAll(): void {
    for (const pending of [...this.#pending]) pending.fail();
  }

  #open(): Promise<Socket | undefined> {
    const socket = createSocket(this.#gateway.includes(':') ? 'udp6' : 'udp4');
    return new Promise((resolve) => {
      socket.on('error', () => {
        // ECONNREFUSED of a datagram sent before: nobody there.
        this.#failAll();
        resolve(undefined);
      });
      socket.on('message', (bytes) => {
        for (const pending of this.#pending) if (pending.handle(bytes)) return;
      });
      socket.on('connect', () => resolve(socket));
      socket.bind({ port: 0, ...(this.#bind === undefined ? {} : { address: this.#bind }) }, () => {
        socket.connect(this.#port, this.#gateway);
      });
      socket.unref();
    });
  }
}
