// The socket of a node of ours that looks something up for a crawl: the opt-out list and the rate of the crawl are honoured there as
// well, and nothing of what such a node does (bootstrap, lookups, upkeep) can go past them.
import type { DatagramPort, SendFailureHandler, SendOptions } from '../../../core/base/datagram-port.ts';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import { DhtAddress } from '../../base/address.ts';
import type { OptOut } from '../opt-out.ts';
import { type Pace, TotalPace } from '../pacer.ts';

/** What a system's own firewall says. */
const REFUSED = 'EPERM';
/** A lookup has some dozens under way; beyond that the rate is too low for any lookup. */
const MAX_WAITING = 1024;

interface Waiting {
  readonly bytes: Uint8Array;
  readonly to: Endpoint;
  readonly options: SendOptions | undefined;
}

export class PolitePort implements DatagramPort {
  readonly #port: DatagramPort;
  readonly #optOut: OptOut;
  readonly #pace: TotalPace;
  readonly #now: () => number;
  #handlers: readonly SendFailureHandler[] = [];
  readonly #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param port what it sends through; closed with this one
   * @param pace datagrams in all: more wait for their turn
   * @param now milliseconds of a monotonic clock
   */
  constructor(port: DatagramPort, optOut: OptOut, pace: Pace, now: () => number) {
    this.#port = port;
    this.#optOut = optOut;
    this.#pace = new TotalPace(pace);
    this.#now = now;
  }

  get families(): DatagramPort['families'] {
    return this.#port.families;
  }

  port(family: 4 | 6): number | undefined {
    return this.#port.port(family);
  }

  /** Those on the list are refused as by a firewall, so that nobody waits for them. */
  send(bytes: Uint8Array, to: Endpoint, options?: SendOptions): void {
    const address = DhtAddress.of(to);
    if (address === undefined || this.#optOut.has(address) || this.#waiting.length >= MAX_WAITING) {
      this.#refuse(to);
    } else if (this.#waiting.length > 0 || !this.#mayLeave()) {
      // The sender's buffer is its own again after the call; and so may be the object that says where to.
      this.#waiting.push({ bytes: bytes.slice(), to: { host: to.host, port: to.port }, options });
      this.#arm();
    } else {
      this.#leave({ bytes, to, options });
    }
  }

  addReceiver(receiver: Parameters<DatagramPort['addReceiver']>[0]): () => void {
    return this.#port.addReceiver(receiver);
  }

  addFailureHandler(handler: SendFailureHandler): () => void {
    this.#handlers = [...this.#handlers, handler];
    const takeOff = this.#port.addFailureHandler(handler);
    return () => {
      this.#handlers = this.#handlers.filter((each) => each !== handler);
      takeOff();
    };
  }

  close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    return this.#port.close();
  }

  #mayLeave(): boolean {
    const nowMs = this.#now();
    return this.#pace.readyAtMs(nowMs) <= nowMs;
  }

  #leave({ bytes, to, options }: Waiting): void {
    this.#pace.take(this.#now());
    this.#port.send(bytes, to, options);
  }

  /** Not from inside of `send`: a machine may not be called while it sends. */
  #refuse({ host, port }: Endpoint): void {
    setImmediate(() => {
      for (const handler of this.#handlers) handler({ host, port }, REFUSED);
    });
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    const nowMs = this.#now();
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        while (this.#waiting.length > 0 && this.#mayLeave()) this.#leave(this.#waiting.shift() as Waiting);
        if (this.#waiting.length > 0) this.#arm();
      },
      Math.ceil(this.#pace.readyAtMs(nowMs) - nowMs),
    );
  }
}
