// The UDP side of a session: the shared port beside the TCP listener's, and uTP on it.
import type { Clock, Rng } from '../base/clock.ts';
import type { DatagramPort, OpenDatagramPort } from '../base/datagram-port.ts';
import { isIPv6 } from '../base/endpoint.ts';
import type { OperationError } from '../base/result.ts';
import type { ByteStream } from '../transport/byte-stream.ts';
import type { UtpStack } from '../transport/utp-api.ts';
import type { ListenSnapshot } from './snapshot.ts';

export interface DatagramsOptions {
  readonly openPort: OpenDatagramPort;
  /** Where TCP listens; 0: nowhere. */
  readonly besidePort: number;
  /** Without TCP: the first free one of these. */
  readonly portRange: readonly [first: number, last: number];
  /** undefined: no uTP. */
  readonly utp:
    | {
        readonly clock: Clock;
        readonly rng: Rng;
        readonly onStream: (stream: ByteStream) => void;
        readonly mayEnter: (host: string) => boolean;
      }
    | undefined;
}

export class SessionDatagrams {
  #port: DatagramPort | undefined;
  #utp: UtpStack | undefined;
  #incomingCount = 0;
  #isClosed = false;

  /** undefined until it is open, or without UDP. */
  get port(): DatagramPort | undefined {
    return this.#port;
  }

  get utp(): UtpStack | undefined {
    return this.#utp;
  }

  /** Of uTP; 0 without it. */
  get utpPort(): number {
    return this.#utp?.port(4) || this.#utp?.port(6) || 0;
  }

  /** @throws OperationError `network` */
  async open(options: DatagramsOptions): Promise<void> {
    const port = await openSomewhere(options);
    if (this.#isClosed) {
      await port.close();
      return;
    }
    this.#port = port;
    if (options.utp === undefined) return;
    const { onStream, mayEnter, clock, rng } = options.utp;
    const { DatagramUtp } = await import('../transport/utp-stack.ts');
    const utp = new DatagramUtp({ port, clock, rng });
    utp.listen((stream) => {
      this.#incomingCount++;
      onStream(stream);
    }, mayEnter);
    this.#utp = utp;
    if (this.#isClosed) await utp.close();
  }

  /** @param bound the local addresses of the port; undefined: all */
  snapshot(bound: readonly string[] | undefined): ListenSnapshot[] {
    const families = this.#utp === undefined ? [] : (this.#port?.families ?? []);
    return families.map((family) => ({
      transport: 'utp',
      host: bound?.find((host) => isIPv6(host) === (family === 6)) ?? (family === 4 ? '0.0.0.0' : '::'),
      port: this.#port?.port(family) ?? 0,
      incomingCount: this.#incomingCount,
    }));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#utp?.close();
    await this.#port?.close();
  }
}

async function openSomewhere({ openPort, besidePort, portRange }: DatagramsOptions): Promise<DatagramPort> {
  const [first, last] = besidePort === 0 ? portRange : [besidePort, besidePort];
  for (let number = first; ; number++) {
    try {
      return await openPort(number);
    } catch (error) {
      if ((error as OperationError).code !== 'EADDRINUSE') throw error;
      if (number < last) continue;
      // Somebody else holds the number for UDP: any other will do, since PEX, the DHT and punching tell it.
      if (besidePort !== 0) return openPort(0);
      throw error;
    }
  }
}
