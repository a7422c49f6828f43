// The UDP sockets of a program, one per family, on the same port where that is possible, for all protocols that share them
// (core/base/datagram-port.ts). Owns nothing else.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type {
  DatagramPort,
  DatagramReceiver,
  IpFamily,
  SendFailureHandler,
  SendOptions,
} from '../../core/base/datagram-port.ts';
import { type Endpoint, isIPv6 } from '../../core/base/endpoint.ts';
import { OperationError } from '../../core/base/result.ts';
import { DhtAddress } from '../base/address.ts';
import { SendPool } from './send-pool.ts';

/** Bursts of a few thousand datagrams survive a busy moment of the process. */
const SOCKET_BUFFER_BYTES = 1 << 20;
/** A power of two: places of senders, each in the one that its address and port point to. */
const SENDER_PLACES = 2048;
/** What the system sends with when nobody says otherwise; it cannot be asked. */
const USUAL_TTL = process.platform === 'win32' ? 128 : 64;
const NO_OPTIONS: SendOptions = {};

export interface UdpShellOptions {
  readonly families: readonly IpFamily[];
  /** 0 for any. */
  readonly port: number;
  readonly bindV4: string | undefined;
  readonly bindV6: string | undefined;
}

/** With the text of its address as the system gives it. */
interface Sender {
  readonly text: string;
  readonly address: DhtAddress;
}

/** What node:dgram says of a datagram that the system refused. */
interface SendError extends NodeJS.ErrnoException {
  readonly address?: string;
  readonly port?: number;
}

type LookupCallback = (error: Error | null, address: string, family: number) => void;

export class UdpShell implements DatagramPort {
  readonly #options: UdpShellOptions;
  #v4: Socket | undefined;
  #v6: Socket | undefined;
  #receivers: readonly DatagramReceiver[] = [];
  #failureHandlers: readonly SendFailureHandler[] = [];
  /** Parsed senders: a node hears from the same few hundred. Whoever comes to a place that is taken gets it. */
  readonly #senders: (Sender | undefined)[] = Array.from({ length: SENDER_PLACES });
  /** Payload comes in runs from one sender. */
  #last: Sender | undefined;
  readonly #copies = new SendPool(
    () => (this.#v4?.getSendQueueCount() ?? 0) + (this.#v6?.getSendQueueCount() ?? 0) === 0,
  );
  #isClosed = false;

  private constructor(options: UdpShellOptions) {
    this.#options = options;
  }

  /** @throws OperationError `network` when the port is taken (EADDRINUSE) or no wanted family can be bound */
  static async open(options: UdpShellOptions): Promise<UdpShell> {
    const shell = new UdpShell(options);
    let failure: unknown;
    for (const family of options.families) {
      try {
        await shell.#bind(family);
      } catch (error) {
        failure = error;
        // A system without one of the families is a normal system; half a port that is somebody else's is not ours.
        if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') {
          await shell.close();
          break;
        }
      }
    }
    if (shell.#isClosed || shell.families.length === 0) {
      const code = (failure as { code?: unknown } | undefined)?.code;
      const why =
        code === 'EADDRINUSE' ? ': the port is taken' : typeof code === 'string' ? ` (${code})` : '';
      throw new OperationError('network', `no UDP socket on port ${options.port}${why}`, {
        cause: failure,
        ...(typeof code === 'string' ? { code } : {}),
        ...(code === 'EADDRINUSE' ? { hint: 'Give another port, or 0 for any that is free.' } : {}),
      });
    }
    return shell;
  }

  get families(): readonly IpFamily[] {
    return [...(this.#v4 === undefined ? [] : [4 as const]), ...(this.#v6 === undefined ? [] : [6 as const])];
  }

  port(family: IpFamily): number | undefined {
    if (this.#isClosed) return undefined;
    return (family === 4 ? this.#v4 : this.#v6)?.address().port;
  }

  send(bytes: Uint8Array, to: Endpoint, options: SendOptions = NO_OPTIONS): void {
    const socket = isIPv6(to.host) ? this.#v6 : this.#v4;
    if (socket === undefined || this.#isClosed) return;
    const datagram = options.isStable === true ? bytes : this.#copies.copy(bytes);
    try {
      if (options.ttl !== undefined) this.#sendWithTtl(socket, datagram, to, options.ttl);
      // A callback costs a turn of the event loop: only who asks for the system's answer gets one.
      else if (options.reportsFailure !== true) socket.send(datagram, to.port, to.host);
      else socket.send(datagram, to.port, to.host, this.#onSent);
    } catch {
      // A closed socket throws instead of calling back.
    }
  }

  addReceiver(receiver: DatagramReceiver): () => void {
    this.#receivers = [...this.#receivers, receiver];
    return () => {
      this.#receivers = this.#receivers.filter((each) => each !== receiver);
    };
  }

  addFailureHandler(handler: SendFailureHandler): () => void {
    this.#failureHandlers = [...this.#failureHandlers, handler];
    return () => {
      this.#failureHandlers = this.#failureHandlers.filter((each) => each !== handler);
    };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const sockets = [this.#v4, this.#v6].filter((socket) => socket !== undefined);
    await Promise.all(sockets.map((socket) => new Promise<void>((done) => socket.close(() => done()))));
  }

  /**
   * node:dgram has the hop limit per socket only. With nothing queued a datagram goes to the kernel inside `send`, so that
   * the limit may be put back right after it.
   */
  #sendWithTtl(socket: Socket, datagram: Uint8Array, to: Endpoint, ttl: number): void {
    if (socket.getSendQueueCount() > 0) return;
    socket.setTTL(ttl);
    try {
      socket.send(datagram, to.port, to.host);
    } finally {
      socket.setTTL(USUAL_TTL);
    }
  }

  /** One for all sends: the system's errors name the address. */
  readonly #onSent = (error: Error | null): void => {
    if (error === null || this.#isClosed) return;
    const { address, port, code } = error as SendError;
    if (address === undefined || port === undefined) return;
    for (const handler of this.#failureHandlers) handler({ host: address, port }, code ?? 'EIO');
  };

  async #bind(family: IpFamily): Promise<void> {
    const { port, bindV4, bindV6 } = this.#options;
    // The second family takes the port of the first, so that peers and firewalls see one.
    const wanted = port !== 0 ? port : ((this.#v4 ?? this.#v6)?.address().port ?? 0);
    const address = family === 4 ? (bindV4 ?? '0.0.0.0') : (bindV6 ?? '::');
    let socket: Socket;
    try {
      socket = await this.#open(family, wanted, address);
    } catch (error) {
      if (port !== 0 || wanted === 0) throw error;
      socket = await this.#open(family, 0, address);
    }
    if (family === 4) this.#v4 = socket;
    else this.#v6 = socket;
  }

  #open(family: IpFamily, port: number, address: string): Promise<Socket> {
    const socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      ipv6Only: family === 6,
      // Addresses are literal always; the default would take a trip through the event loop per datagram.
      lookup: (host: string, _options: unknown, done: LookupCallback) => done(null, host, family),
    });
    return new Promise((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close();
        reject(error);
      });
      socket.bind({ port, address }, () => {
        socket.removeAllListeners('error');
        // Errors of single sends come through their callbacks; nothing else may end the process.
        socket.on('error', () => {});
        socket.on('message', (bytes, info) => this.#handleMessage(bytes, info));
        try {
          socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
          socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
        } catch {
          // The system's own sizes will do.
        }
        resolve(socket);
      });
    });
  }

  #handleMessage(bytes: Uint8Array, info: RemoteInfo): void {
    if (this.#isClosed) return;
    const from = this.#senderOf(info);
    if (from === undefined) return;
    for (const receiver of this.#receivers) if (receiver(bytes, from)) return;
  }

  #senderOf({ address, port }: RemoteInfo): DhtAddress | undefined {
    const last = this.#last;
    if (last !== undefined && last.address.port === port && last.text === address) return last.address;
    const place = placeOf(address, port);
    let sender = this.#senders[place];
    if (sender === undefined || sender.address.port !== port || sender.text !== address) {
      const parsed = DhtAddress.of({ host: address, port });
      if (parsed === undefined) return undefined;
      sender = { text: address, address: parsed };
      this.#senders[place] = sender;
    }
    this.#last = sender;
    return sender.address;
  }
}

function placeOf(text: string, port: number): number {
  let hash = port;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) & (SENDER_PLACES - 1);
}
