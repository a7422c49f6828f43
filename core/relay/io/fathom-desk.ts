// The relay's side of finding out how far away a peer's own gateways are (fathom.ts): UDP ports for one peer and a few seconds. It answers only
// who has the token, from the address that the connection comes from: nobody else can be sent anything.
import { createSocket, type Socket } from 'node:dgram';
import { bytesEqual } from '../../base/bytes.ts';
import { isIPv6, normalizeHost } from '../../base/endpoint.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import { hostPrefix } from '../addresses.ts';
import { encodeFathomEcho, encodeFathomPorts, FATHOM_PORTS, KNOCK } from '../fathom.ts';
import { decodeFrame, FRAME_BYTES } from '../frame.ts';

/** A few round trips. */
const HOLD_MS = 5_000;
const MAX_HELD = 16;
const MAX_OF_HOST = 2;
/** Datagrams get lost. */
const MAX_KNOCKS = 3;

interface Held {
  readonly host: string;
  readonly sockets: readonly Socket[];
  readonly timer: NodeJS.Timeout;
}

export class FathomDesk {
  readonly #held = new Map<ByteStream, Held>();

  get count(): number {
    return this.#held.size;
  }

  handleFrame(stream: ByteStream, token: Uint8Array): void {
    const host = hostPrefix(stream.remote.host);
    const ofHost = [...this.#held.values()].filter((each) => each.host === host).length;
    if (this.#held.size >= MAX_HELD || ofHost >= MAX_OF_HOST) {
      stream.destroy();
      return;
    }
    const type = isIPv6(stream.remote.host) ? 'udp6' : 'udp4';
    const sockets = Array.from({ length: FATHOM_PORTS }, () => createSocket(type));
    const timer = setTimeout(() => stream.destroy(), HOLD_MS);
    timer.unref();
    this.#held.set(stream, { host, sockets, timer });
    stream.events = {
      // It has nothing more to say.
      onBytes: () => stream.destroy(),
      onDrain: () => {},
      onClose: () => this.#drop(stream),
    };
    void Promise.all(sockets.map(bind)).then(
      (ports) => {
        if (!this.#held.has(stream)) return;
        answerKnocks(sockets, token, stream.remote.host);
        stream.write(encodeFathomPorts(token, ports));
      },
      () => stream.destroy(),
    );
  }

  close(): void {
    for (const stream of [...this.#held.keys()]) stream.destroy();
  }

  #drop(stream: ByteStream): void {
    const held = this.#held.get(stream);
    if (held === undefined) return;
    this.#held.delete(stream);
    clearTimeout(held.timer);
    for (const socket of held.sockets) socket.close();
  }
}

function bind(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.bind(0, () => resolve(socket.address().port));
  });
}

/** @param host whose token it is: a knock under another's address would make him get what he never asked for */
function answerKnocks(sockets: readonly Socket[], token: Uint8Array, host: string): void {
  let knocks = 0;
  sockets[KNOCK]?.on('message', (bytes, from) => {
    const frame = bytes.length === FRAME_BYTES ? decodeFrame(bytes) : undefined;
    if (frame?.kind !== 'fathom' || !bytesEqual(frame.token, token)) return;
    if (normalizeHost(from.address) !== normalizeHost(host) || ++knocks > MAX_KNOCKS) return;
    for (const [port, socket] of sockets.entries())
      socket.send(encodeFathomEcho(token, port), from.port, from.address, () => {});
  });
}
