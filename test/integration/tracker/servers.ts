// Loopback servers that do as each test tells them, and the options every client under test shares.
import dgram from 'node:dgram';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Clock, seededRng } from '../../../core/base/clock.ts';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import { infoHashOf, peerIdOf } from '../../../core/base/ids.ts';
import type { PeerSourceEvents, SoughtTorrent } from '../../../core/base/peer-source.ts';

export const realClock: Clock = { nowMs: () => performance.now() };
export const clientOptions = { userAgent: 'tt-test/1', clock: realClock, rng: seededRng(20) };
export const HASH = infoHashOf(new Uint8Array(20).fill(0x2b));
const PEER = peerIdOf(new Uint8Array(20).fill(0x2d));
export const probe = { ...clientOptions, infoHash: HASH, peerId: PEER };

export class ScriptedHttp {
  readonly requests: http.IncomingMessage[] = [];
  /** Local addresses the requests came from. */
  readonly clients: string[] = [];
  readonly sockets = new Set<Socket>();
  readonly server: http.Server;

  constructor(answer: http.RequestListener) {
    this.server = http.createServer((request, response) => {
      this.requests.push(request);
      this.clients.push(request.socket.remoteAddress ?? '');
      // Clients under test cut such connections; that is the point.
      response.on('error', () => {});
      answer(request, response);
    });
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  static async start(answer: http.RequestListener, host = '127.0.0.1'): Promise<ScriptedHttp> {
    const scripted = new ScriptedHttp(answer);
    scripted.server.listen(0, host);
    await once(scripted.server, 'listening');
    return scripted;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/announce`;
  }

  query(index: number): URLSearchParams {
    return new URL(this.requests[index]?.url ?? '', 'http://x').searchParams;
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}

export type UdpAnswer = (packet: Buffer, reply: (bytes: Uint8Array) => void, from: dgram.RemoteInfo) => void;

export class ScriptedUdp {
  readonly packets: Buffer[] = [];
  readonly socket = dgram.createSocket('udp4');

  static async start(answer: UdpAnswer): Promise<ScriptedUdp> {
    const scripted = new ScriptedUdp();
    scripted.socket.on('message', (packet, from) => {
      scripted.packets.push(packet);
      answer(packet, (bytes) => scripted.socket.send(bytes, from.port, from.address), from);
    });
    scripted.socket.bind(0, '127.0.0.1');
    await once(scripted.socket, 'listening');
    return scripted;
  }

  get endpoint(): Endpoint {
    return { host: '127.0.0.1', port: this.socket.address().port };
  }

  get url(): string {
    return `udp://127.0.0.1:${this.endpoint.port}/announce`;
  }

  async close(): Promise<void> {
    const closed = once(this.socket, 'close');
    this.socket.close();
    await closed;
  }
}

/** What a test hears from a search. */
export class Heard implements PeerSourceEvents {
  readonly peers: Endpoint[] = [];
  readonly external: string[] = [];

  onPeers(peers: readonly Endpoint[]): void {
    this.peers.push(...peers);
  }

  onExternalAddress(host: string): void {
    this.external.push(host);
  }
}

export interface TorrentChanges {
  readonly port?: number;
  readonly peer?: number;
  readonly left?: number | undefined;
  readonly isPrivate?: boolean;
}

export function torrentWith(
  trackerTiers: readonly (readonly string[])[],
  changes: TorrentChanges = {},
): SoughtTorrent {
  return {
    infoHash: HASH,
    peerId: peerIdOf(new Uint8Array(20).fill(changes.peer ?? 1)),
    isPrivate: changes.isPrivate ?? false,
    trackerTiers,
    dhtNodes: [],
    listenPort: () => changes.port ?? 1111,
    transfer: () => ({
      downloaded: 5,
      uploaded: 6,
      left: 'left' in changes ? changes.left : 7,
      corrupt: 0,
    }),
    wanted: () => 50,
  };
}
