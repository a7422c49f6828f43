// A path for datagrams between one client and a real one, on which a test decides what arrives: the peer dials the path's endpoint.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Endpoint } from './client.ts';

/** The header of a uTP packet (BEP 29), as far as tests ask. */
export interface Seen {
  readonly kind: 'data' | 'fin' | 'state' | 'reset' | 'syn';
  readonly id: number;
  readonly seq: number;
}

const KINDS = ['data', 'fin', 'state', 'reset', 'syn'] as const;

/** @returns what goes on now, in that order: [bytes], or [] to lose or to keep it back */
export type Rule = (bytes: Uint8Array, seen: Seen, isFromTarget: boolean) => readonly Uint8Array[];

function read(bytes: Buffer): Seen {
  const kind = KINDS[bytes.readUInt8(0) >>> 4] ?? 'data';
  return { kind, id: bytes.readUInt16BE(2), seq: bytes.readUInt16BE(16) };
}

export class UdpPath implements AsyncDisposable {
  readonly endpoint: Endpoint;
  readonly #sockets: readonly [near: Socket, far: Socket];
  #client: Endpoint | undefined;

  private constructor(sockets: readonly [Socket, Socket], target: Endpoint, rule: Rule) {
    this.#sockets = sockets;
    const [near, far] = sockets;
    this.endpoint = { host: near.address().address, port: near.address().port };
    near.on('message', (bytes, { address, port }) => {
      this.#client = { host: address, port };
      for (const each of rule(bytes, read(bytes), false)) far.send(each, target.port, target.host);
    });
    far.on('message', (bytes) => {
      if (this.#client === undefined) return;
      const { host, port } = this.#client;
      for (const each of rule(bytes, read(bytes), true)) near.send(each, port, host);
    });
  }

  /** @param host the path's own address, IPv4 */
  static async open(host: string, target: Endpoint, rule: Rule): Promise<UdpPath> {
    const sockets = [createSocket('udp4'), createSocket('udp4')] as const;
    for (const socket of sockets) {
      socket.bind(0, host);
      await once(socket, 'listening');
    }
    return new UdpPath(sockets, target, rule);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.close();
  }
}
