// The UDP sockets of a node, one per family on the same port where that is possible. Other protocols (uTP) may share them:
// what is not KRPC is handed on, and they send through here. Owns nothing else.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { OperationError } from '../../core/base/result.ts';
import { DhtAddress, type Family } from '../address.ts';

/** Bursts of a few thousand datagrams survive a busy moment of the process. */
const SOCKET_BUFFER_BYTES = 1 << 20;
const MAX_ADDRESS_CACHE = 2048;
/** `q` before the closing `e`: KRPC queries end in `1:y1:qe`. */
const QUERY_MARK = 0x71;

export interface UdpShellOptions {
  readonly families: readonly Family[];
  /** 0 for any. */
  readonly port: number;
  readonly bindV4: string | undefined;
  readonly bindV6: string | undefined;
  readonly onDatagram: (bytes: Uint8Array, from: DhtAddress) => void;
  /** The system refused to send there at once. */
  readonly onUnreachable: (to: DhtAddress) => void;
}

type LookupCallback = (error: Error | null, address: string, family: number) => void;

export class UdpShell {
  readonly #options: UdpShellOptions;
  readonly #sockets = new Map<Family, Socket>();
  /** Parsed senders: a node hears from the same few hundred. */
  readonly #senders = new Map<string, DhtAddress>();
  #isClosed = false;

  private constructor(options: UdpShellOptions) {
    this.#options = options;
  }

  /** @throws OperationError `network` when a wanted family cannot be bound and no other can */
  static async open(options: UdpShellOptions): Promise<UdpShell> {
    const shell = new UdpShell(options);
    let failure: unknown;
    for (const family of options.families) {
      try {
        await shell.#bind(family);
      } catch (error) {
        failure = error;
      }
    }
    if (shell.#sockets.size === 0) {
      const code = (failure as { code?: unknown } | undefined)?.code;
      throw new OperationError('network', `no UDP socket on port ${options.port}`, {
        cause: failure,
        ...(typeof code === 'string' ? { code } : {}),
      });
    }
    return shell;
  }

  get families(): readonly Family[] {
    return [...this.#sockets.keys()];
  }

  port(family: Family): number | undefined {
    return this.#sockets.get(family)?.address().port;
  }

  /** Copies the datagram. Without a socket of the family, or after close, nothing happens. */
  send(datagram: Uint8Array, to: DhtAddress): void {
    const socket = this.#sockets.get(to.family);
    if (socket === undefined || this.#isClosed) return;
    const copy = Buffer.from(datagram);
    try {
      // A callback costs a turn of the event loop: only for queries is the system's answer of use.
      if (copy[copy.length - 2] !== QUERY_MARK) socket.send(copy, to.port, to.host);
      else {
        socket.send(copy, to.port, to.host, (error) => {
          if (error !== null && !this.#isClosed) this.#options.onUnreachable(to);
        });
      }
    } catch {
      // A closed socket throws instead of calling back.
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all(
      [...this.#sockets.values()].map((socket) => new Promise<void>((done) => socket.close(() => done()))),
    );
  }

  async #bind(family: Family): Promise<void> {
    const { port, bindV4, bindV6 } = this.#options;
    // The second family takes the port of the first, so that peers and firewalls see one.
    const wanted = port !== 0 ? port : ([...this.#sockets.values()][0]?.address().port ?? 0);
    const address = family === 4 ? (bindV4 ?? '0.0.0.0') : (bindV6 ?? '::');
    try {
      this.#sockets.set(family, await this.#open(family, wanted, address));
    } catch (error) {
      if (port !== 0 || wanted === 0) throw error;
      this.#sockets.set(family, await this.#open(family, 0, address));
    }
  }

  #open(family: Family, port: number, address: string): Promise<Socket> {
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
    if (from !== undefined) this.#options.onDatagram(bytes, from);
  }

  #senderOf(info: RemoteInfo): DhtAddress | undefined {
    const key = `${info.address}/${info.port}`;
    const known = this.#senders.get(key);
    if (known !== undefined) return known;
    const sender = DhtAddress.of({ host: info.address, port: info.port });
    if (sender === undefined) return undefined;
    if (this.#senders.size >= MAX_ADDRESS_CACHE) this.#senders.clear();
    this.#senders.set(key, sender);
    return sender;
  }
}
