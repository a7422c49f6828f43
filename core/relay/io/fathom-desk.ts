// The relay's side of finding out how far away a peer's own gateways are (fathom.ts): UDP ports for one peer and a few seconds. It answers only
// who has the token, from the address that the connection comes from: nobody else can be sent anything.
import { createSocket, type Socket } from 'node:dgram';
import { bytesEqual } from '../../base/bytes.ts';
import { isIPv6, normalizeHost } from '../../base/endpoint.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import { encodeFathomEcho, encodeFathomPorts, FATHOM_PORTS, KNOCK } from '../fathom.ts';
import { decodeFrame, FRAME_BYTES } from '../frame.ts';
import { HeldConnections } from './held-connections.ts';

/** Datagrams get lost. */
const MAX_KNOCKS = 3;

export class FathomDesk {
  /** For a few round trips. */
  readonly #held = new HeldConnections({ holdMs: 5_000, connections: 16, perHost: 2 });

  handleFrame(stream: ByteStream, token: Uint8Array): void {
    const type = isIPv6(stream.remote.host) ? 'udp6' : 'udp4';
    const sockets: Socket[] = [];
    const isHeld = this.#held.hold(stream, () => {
      for (const socket of sockets) socket.close();
    });
    if (!isHeld) return;
    for (let port = 0; port < FATHOM_PORTS; port++) sockets.push(createSocket(type));
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
    this.#held.close();
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
