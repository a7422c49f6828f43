// Outgoing connections through a SOCKS5 proxy (the only import of `socks`). Host names are resolved by the proxy, never here.
import type net from 'node:net';
import { SocksClient } from 'socks';
import type { Endpoint } from '../base/endpoint.ts';
import { OperationError } from '../base/result.ts';
import type { ByteStream } from './byte-stream.ts';
import type { SocksProxy } from './proxy-url.ts';
import { streamOfSocket } from './tcp.ts';

/** A socket to `host:port` through the proxy, for anything that speaks over net.Socket. @throws OperationError `network` */
export async function connectThroughProxy(
  proxy: SocksProxy,
  destination: { readonly host: string; readonly port: number },
  timeoutMs: number,
): Promise<net.Socket> {
  try {
    const { socket } = await SocksClient.createConnection({
      command: 'connect',
      destination: { host: destination.host, port: destination.port },
      proxy: {
        host: proxy.host,
        port: proxy.port,
        type: 5,
        ...(proxy.user === undefined ? {} : { userId: proxy.user }),
        ...(proxy.password === undefined ? {} : { password: proxy.password }),
      },
      timeout: timeoutMs,
      set_tcp_nodelay: true,
    });
    return socket;
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new OperationError('network', `proxy ${proxy.host}:${proxy.port}: ${cause}`, { cause: error });
  }
}

/** A peer connection through the proxy. */
export async function dialThroughProxy(
  proxy: SocksProxy,
  endpoint: Endpoint,
  timeoutMs: number,
): Promise<ByteStream> {
  return streamOfSocket(await connectThroughProxy(proxy, endpoint, timeoutMs), endpoint);
}
