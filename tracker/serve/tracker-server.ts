// The sockets of the tracker server: HTTP and UDP, IPv4 and IPv6, on one port number. It owns them and closes them all.
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Endpoint, isIPv6, normalizeHost, parseIp } from '../../core/base/endpoint.ts';
import { OperationError } from '../../core/base/result.ts';
import { ConnectionIds } from '../connection-ids.ts';
import { EXPIRE_EVERY_MS } from '../swarm-store.ts';
import { ConnectionShares } from './connection-shares.ts';
import { handleHttp } from './http-handler.ts';
import { TrackerService, type TrackerServiceOptions, type TrackerStats } from './tracker-service.ts';
import { handleDatagram } from './udp-handler.ts';

export interface TrackerServerOptions extends TrackerServiceOptions {
  /** An IP address, or `localhost` for both loopbacks. Default: every address of both families. */
  readonly host?: string;
  /** 0: any that is free for everything. */
  readonly port: number;
  /** Default: the same as `port`. */
  readonly httpPort?: number;
  /** Default: true. */
  readonly udp?: boolean;
  /** Connections over HTTP at a time. Default: 2,048. */
  readonly httpConnections?: number;
}

export interface ListeningOn extends Endpoint {
  readonly protocol: 'http' | 'udp';
}

const MAX_HTTP_CONNECTIONS = 2048;
const MAX_HEADER_BYTES = 8 * 1024;
/** A request is one packet; who takes longer is not a tracker client. */
const REQUEST_TIMEOUT_MS = 10_000;
const TIMEOUT_CHECK_MS = 2_000;
const KEEP_ALIVE_MS = 5_000;
const MAX_REQUESTS_PER_CONNECTION = 100;
/** Hosts of many containers have some hundred addresses; each takes a socket. */
const MAX_UDP_SOCKETS = 1024;
/** Tries to find one port number that TCP and UDP of both families have free. */
const PORT_TRIES = 20;

/** A tracker over HTTP (BEP 3, 23) and UDP (BEP 15) on one port number, for a LAN or a test; all is in memory. */
export class TrackerServer {
  readonly #service: TrackerService;
  readonly #ids = new ConnectionIds(randomBytes(32));
  readonly #http: http.Server[] = [];
  readonly #shares: ConnectionShares;
  /** By the address each is bound to. */
  readonly #udp = new Map<string, dgram.Socket>();
  #minutely: NodeJS.Timeout | undefined;
  #isClosed = false;
  #listening: ListeningOn[] = [];

  private constructor(options: TrackerServerOptions) {
    this.#service = new TrackerService(options);
    this.#shares = new ConnectionShares(options.httpConnections ?? MAX_HTTP_CONNECTIONS);
  }

  /** @throws OperationError `network` when a port is taken or the host is not an address of this machine */
  static async listen(options: TrackerServerOptions): Promise<TrackerServer> {
    for (let tries = 1; ; tries++) {
      const server = new TrackerServer(options);
      try {
        await server.#open(options);
        return server;
      } catch (error) {
        await server.close();
        const code = (error as NodeJS.ErrnoException).code;
        if (options.port === 0 && code === 'EADDRINUSE' && tries < PORT_TRIES) continue;
        const what = code === 'EADDRINUSE' ? `port ${options.port} is taken` : (error as Error).message;
        throw new OperationError('network', `tracker cannot listen: ${what}`, {
          cause: error,
          ...(code === undefined ? {} : { code }),
        });
      }
    }
  }

  /** Every socket, as bound. */
  get listening(): readonly ListeningOn[] {
    return this.#listening;
  }

  /** The UDP port, and the HTTP one unless `httpPort` said otherwise. */
  get port(): number {
    return (this.#listening.find((item) => item.protocol === 'udp') ?? this.#listening[0])?.port ?? 0;
  }

  get httpPort(): number {
    return this.#listening.find((item) => item.protocol === 'http')?.port ?? 0;
  }

  stats(): TrackerStats {
    return this.#service.stats();
  }

  /** Announce URLs under a name or address that clients can reach. */
  urls(host: string): string[] {
    const name = isIPv6(host) ? `[${host}]` : host;
    const urls = [`http://${name}:${this.httpPort}/announce`];
    if (this.#udp.size > 0) urls.push(`udp://${name}:${this.port}/announce`);
    return urls;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#minutely);
    await Promise.all([
      ...this.#http.splice(0).map(async (server) => {
        if (!server.listening) return;
        const closed = once(server, 'close');
        server.close();
        server.closeAllConnections();
        await closed;
      }),
      ...[...this.#udp.values()].map(async (socket) => {
        const closed = once(socket, 'close');
        socket.close();
        await closed;
      }),
    ]);
    this.#udp.clear();
  }

  async #open(options: TrackerServerOptions): Promise<void> {
    const { hosts, isOptional } = hostsOf(options.host);
    let httpPort = options.httpPort ?? options.port;
    let udpPort = options.port;
    for (const [i, host] of hosts.entries()) {
      try {
        httpPort = await this.#listenHttp(host, httpPort);
        if (options.httpPort === undefined) udpPort = httpPort;
        if (options.udp !== false) {
          udpPort = await this.#listenUdp(host, udpPort);
          this.#listening.push({ protocol: 'udp', host, port: udpPort });
        }
      } catch (error) {
        // A machine without IPv6 serves IPv4; a taken port is never skipped over.
        const code = (error as NodeJS.ErrnoException).code;
        if (!isOptional || i === 0 || (code !== 'EADDRNOTAVAIL' && code !== 'EAFNOSUPPORT')) throw error;
      }
    }
    this.#minutely = setInterval(() => {
      this.#service.expire();
      // Addresses come and go with cables and DHCP.
      for (const item of this.#listening) {
        if (item.protocol === 'udp') this.#listenUdp(item.host, item.port).catch(() => {});
      }
    }, EXPIRE_EVERY_MS);
    this.#minutely.unref();
  }

  async #listenHttp(host: string, port: number): Promise<number> {
    const server = http.createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: REQUEST_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        connectionsCheckingInterval: TIMEOUT_CHECK_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
      },
      (request, response) => this.#serveHttp(request, response),
    );
    server.on('connection', (socket: Socket) => this.#takeIn(socket));
    server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
    server.on('clientError', (_error, socket) => {
      this.#service.http.malformed++;
      socket.destroy();
    });
    this.#http.push(server);
    server.listen({ host, port, ipv6Only: true });
    await once(server, 'listening');
    // After this, errors are those of single connections.
    server.on('error', () => {});
    const bound = (server.address() as AddressInfo).port;
    this.#listening.push({ protocol: 'http', host, port: bound });
    return bound;
  }

  #takeIn(socket: Socket): void {
    const host = normalizeHost(socket.remoteAddress ?? '');
    if (host === undefined || !this.#shares.enter(host)) socket.destroy();
    else socket.once('close', () => this.#shares.leave(host));
  }

  #serveHttp(request: http.IncomingMessage, response: http.ServerResponse): void {
    // A body is never read: with it comes the end of the connection.
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { Allow: 'GET, HEAD', Connection: 'close' }).end();
      return;
    }
    const ip = ipOf(request.socket.remoteAddress);
    if (ip === undefined) {
      request.socket.destroy();
      return;
    }
    const answer = handleHttp(this.#service, request.url ?? '/', ip);
    response.writeHead(answer.status, {
      'Content-Type': answer.contentType,
      'Content-Length': answer.body.length,
      'Cache-Control': 'no-store',
    });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
  }

  /**
   * "Every address" is one socket for each: from a socket bound to none the system picks the sender's address of a reply,
   * and a client that asked another address of ours drops it.
   */
  async #listenUdp(host: string, port: number): Promise<number> {
    let bound = port;
    for (const address of isWildcard(host) ? localAddresses(isIPv6(host)) : [host]) {
      if (this.#udp.has(address) || this.#udp.size >= MAX_UDP_SOCKETS || this.#isClosed) continue;
      try {
        bound = await this.#bindUdp(address, bound);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (!isWildcard(host) || code !== 'EADDRNOTAVAIL') throw error;
      }
    }
    return bound;
  }

  async #bindUdp(address: string, port: number): Promise<number> {
    const isV6 = isIPv6(address);
    const socket = dgram.createSocket({ type: isV6 ? 'udp6' : 'udp4', ipv6Only: isV6 });
    socket.on('message', (packet, from) => {
      const ip = ipOf(from.address);
      if (ip === undefined || from.port === 0) return;
      const reply = handleDatagram(this.#service, this.#ids, packet, ip);
      // Who cannot be answered asks again.
      if (reply !== undefined) socket.send(reply, from.port, from.address, () => {});
    });
    socket.bind({ address, port, exclusive: true });
    try {
      await once(socket, 'listening');
    } catch (error) {
      socket.close();
      throw error;
    }
    // After this, errors are those of single datagrams.
    socket.on('error', () => {});
    if (this.#isClosed) socket.close();
    else this.#udp.set(address, socket);
    return this.#isClosed ? port : socket.address().port;
  }
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Link-local IPv6 is left out: nobody can put such an address, which needs its zone, into a tracker URL. */
function localAddresses(isV6: boolean): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses
    .filter((item) => (item.family === 'IPv6') === isV6 && !item.address.startsWith('fe80:'))
    .map((item) => item.address);
}

function hostsOf(host: string | undefined): { hosts: readonly string[]; isOptional: boolean } {
  if (host === undefined) return { hosts: ['0.0.0.0', '::'], isOptional: true };
  if (host === 'localhost') return { hosts: ['127.0.0.1', '::1'], isOptional: true };
  const ip = normalizeHost(host);
  if (ip === undefined) throw new Error(`${host} is not an IP address`);
  return { hosts: [ip], isOptional: false };
}

function ipOf(address: string | undefined): Uint8Array | undefined {
  const host = address === undefined ? undefined : normalizeHost(address);
  return host === undefined ? undefined : parseIp(host);
}
