// A small HTTP tracker for tests that answers at once with what it was told, and remembers who announced what. One server holds many
// swarms: each test has a room (a path of its own). Whoever announces in an `open` room becomes a peer of it.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { authority, type Endpoint } from './client.ts';
import { type Family, TRACKER_V4, TRACKER_V6 } from './network.ts';

export interface Announce {
  readonly event: string;
  readonly peerId: string;
  readonly host: string;
  readonly port: number;
  readonly left: number;
  readonly uploaded: number;
  readonly downloaded: number;
}

/** Short, so that clients which found nobody ask again soon; most have a minimum of their own. */
const INTERVAL_SECONDS = 5;

export class TrackerRoom {
  readonly path: string;
  readonly urls: Readonly<Record<Family, string>>;
  readonly announces: Announce[] = [];
  readonly isOpen: boolean;
  readonly #peers = new Map<string, Endpoint>();

  constructor(path: string, urls: Readonly<Record<Family, string>>, isOpen: boolean) {
    this.path = path;
    this.urls = urls;
    this.isOpen = isOpen;
  }

  addPeer(endpoint: Endpoint): void {
    this.#peers.set(authority(endpoint), endpoint);
  }

  reply(announce: Announce): Buffer {
    this.announces.push(announce);
    const self = authority(announce);
    if (this.isOpen && announce.event !== 'stopped')
      this.addPeer({ host: announce.host, port: announce.port });
    const others = [...this.#peers.values()].filter((peer) => authority(peer) !== self);
    const v4 = Buffer.concat(others.filter(({ host }) => isIP(host) === 4).map(compact));
    const v6 = Buffer.concat(others.filter(({ host }) => isIP(host) === 6).map(compact));
    return Buffer.concat([
      Buffer.from(`d8:intervali${INTERVAL_SECONDS}e12:min intervali1e5:peers${v4.length}:`, 'latin1'),
      v4,
      Buffer.from(`6:peers6${v6.length}:`, 'latin1'),
      v6,
      Buffer.from('e'),
    ]);
  }
}

function compact({ host, port }: Endpoint): Buffer {
  const portBytes = [port >> 8, port & 255];
  if (isIP(host) === 4) return Buffer.from([...host.split('.').map(Number), ...portBytes]);
  const [head = '', tail = ''] = host.split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const left = groups(head);
  const right = groups(tail);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Buffer.from([...all.flatMap((group) => [group >> 8, group & 255]), ...portBytes]);
}

export class StaticTracker {
  readonly #servers: Server[] = [];
  readonly #rooms = new Map<string, TrackerRoom>();
  #ports: Record<Family, number> = { v4: 0, v6: 0 };

  /** @param hosts where to listen; default the interop network's tracker addresses */
  async start(hosts: Readonly<Record<Family, string>> = { v4: TRACKER_V4, v6: TRACKER_V6 }): Promise<void> {
    this.#ports = { v4: await this.#listen(hosts.v4), v6: await this.#listen(hosts.v6) };
    this.#hosts = hosts;
  }
  #hosts: Readonly<Record<Family, string>> = { v4: '', v6: '' };

  #listen(host: string): Promise<number> {
    const server = createServer((request, response) => this.#handle(request, response));
    this.#servers.push(server);
    return new Promise((resolve, fail) => {
      server.once('error', fail);
      server.listen(0, host, () => {
        const address = server.address();
        resolve(address !== null && typeof address === 'object' ? address.port : 0);
      });
    });
  }

  room(options: { readonly isOpen?: boolean; readonly peers?: readonly Endpoint[] } = {}): TrackerRoom {
    const path = `/room${this.#rooms.size}/announce`;
    const url = (family: Family): string =>
      `http://${authority({ host: this.#hosts[family], port: this.#ports[family] })}${path}`;
    const room = new TrackerRoom(path, { v4: url('v4'), v6: url('v6') }, options.isOpen ?? false);
    for (const peer of options.peers ?? []) room.addPeer(peer);
    this.#rooms.set(path, room);
    return room;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const room = this.#rooms.get(path);
    if (room === undefined) {
      response.writeHead(404).end();
      return;
    }
    const fields = new Map(
      query.split('&').map((pair) => {
        const at = pair.indexOf('=');
        return [pair.slice(0, at), pair.slice(at + 1)] as const;
      }),
    );
    const number = (name: string): number => Number(fields.get(name) ?? '0');
    const body = room.reply({
      event: fields.get('event') ?? '',
      peerId: fields.get('peer_id') ?? '',
      host: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
      port: number('port'),
      left: number('left'),
      uploaded: number('uploaded'),
      downloaded: number('downloaded'),
    });
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length }).end(body);
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }
}
