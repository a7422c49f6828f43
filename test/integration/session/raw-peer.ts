// A peer made of raw bytes: says what a test wants it to say, keeps what it hears.
import net from 'node:net';
import { concatBytes, readU32, writeU32 } from '../../../core/base/bytes.ts';
import { seededRng } from '../../../core/base/clock.ts';
import { MseInitiator, type StreamCipher } from '../../../core/transport/mse.ts';

const PROTOCOL = new TextEncoder().encode('\x13BitTorrent protocol');

export function handshakeBytes(
  infoHash: Uint8Array,
  options: { reserved?: Uint8Array; peerId?: string } = {},
): Uint8Array {
  const peerId = new TextEncoder().encode(
    (options.peerId ?? '-XX0000-raw-raw-raw-').padEnd(20, '.').slice(0, 20),
  );
  return concatBytes([PROTOCOL, options.reserved ?? new Uint8Array(8), infoHash, peerId]);
}

export function frame(id: number, ...parts: (number | Uint8Array)[]): Uint8Array {
  const body = concatBytes(
    parts.map((part) => {
      if (typeof part !== 'number') return part;
      const bytes = new Uint8Array(4);
      writeU32(bytes, 0, part);
      return bytes;
    }),
  );
  const head = new Uint8Array(5);
  writeU32(head, 0, body.length + 1);
  head[4] = id;
  return concatBytes([head, body]);
}

export class RawPeer {
  readonly socket: net.Socket;
  readonly localPort: number;
  #heard: Uint8Array = new Uint8Array(0);
  #waiting: (() => void)[] = [];
  #isClosed = false;
  #cipher: StreamCipher | undefined;

  constructor(socket: net.Socket) {
    this.socket = socket;
    this.localPort = socket.localPort ?? 0;
    socket.on('error', () => {});
    socket.on('data', (bytes: Uint8Array) => {
      this.#cipher?.decrypt(bytes);
      this.#heard = concatBytes([this.#heard, bytes]);
      this.#wake();
    });
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  /** @param from the address it comes from, where not the usual one */
  static connect(port: number, host = '127.0.0.1', from?: string): Promise<RawPeer> {
    const options = { port, host, ...(from === undefined ? {} : { localAddress: from }) };
    return new Promise((resolve, reject) => {
      const socket = net.connect(options, () => resolve(new RawPeer(socket)));
      socket.once('error', reject);
    });
  }

  send(...parts: Uint8Array[]): void {
    const bytes = concatBytes(parts);
    this.#cipher?.encrypt(bytes);
    this.socket.write(bytes);
  }

  /** Negotiates RC4 as the one that dialled; what is sent and heard from then on is payload. */
  async encrypt(infoHash: Uint8Array): Promise<void> {
    const machine = new MseInitiator({ infoHash, rng: seededRng(7), policy: 'require' });
    this.send(machine.start());
    for (;;) {
      const step = machine.receive(await this.take(Math.max(1, this.#heard.length)));
      if (step.kind === 'failed') throw new Error(step.reason);
      if (step.kind !== 'more' && step.kind !== 'done') throw new Error(step.kind);
      if (step.send.length > 0) this.send(step.send);
      if (step.kind !== 'done') continue;
      this.#cipher = step.cipher;
      this.#heard = concatBytes([step.rest, this.#heard]);
      return;
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get heardBytes(): number {
    return this.#heard.length;
  }

  async closed(): Promise<void> {
    while (!this.#isClosed) await this.#change();
  }

  /** Takes exactly so many bytes off what was heard. Rejects when the connection ends first. */
  async take(length: number): Promise<Uint8Array> {
    while (this.#heard.length < length) {
      if (this.#isClosed) throw new Error('closed');
      await this.#change();
    }
    const taken = this.#heard.slice(0, length);
    this.#heard = this.#heard.slice(length);
    return taken;
  }

  /** The next message that is no keep-alive. */
  async frame(): Promise<{ id: number; body: Uint8Array }> {
    for (;;) {
      const length = readU32(await this.take(4), 0);
      if (length === 0) continue;
      const bytes = await this.take(length);
      return { id: bytes[0] as number, body: bytes.subarray(1) };
    }
  }

  /** Skips messages until one with this id. */
  async frameWithId(id: number): Promise<Uint8Array> {
    for (;;) {
      const message = await this.frame();
      if (message.id === id) return message.body;
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** A listener that plays a peer to whoever dials it. */
export function listenRaw(onPeer: (peer: RawPeer) => void): Promise<{ port: number; close: () => void }> {
  return new Promise((resolve) => {
    const sockets = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      sockets.add(socket);
      onPeer(new RawPeer(socket));
    });
    server.listen(0, '127.0.0.1', () => {
      const close = (): void => {
        for (const socket of sockets) socket.destroy();
        server.close();
      };
      resolve({ port: (server.address() as net.AddressInfo).port, close });
    });
  });
}
