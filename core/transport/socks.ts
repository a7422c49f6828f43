// Outgoing connections through a SOCKS5 proxy (the only import of `socks`). Host names are resolved by the proxy, never here.
import type net from 'node:net';
import { SocksClient } from 'socks';
import type { Endpoint } from '../base/endpoint.ts';
import { OperationError, UsageError } from '../base/result.ts';
import type { ByteStream } from './byte-stream.ts';
import { streamOfSocket } from './tcp.ts';

export interface SocksProxy {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

const DEFAULT_SOCKS_PORT = 1080;

/** Parses `socks5://[user:password@]host[:port]`. @throws UsageError naming what is wrong */
export function parseProxy(text: string): SocksProxy {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(`--proxy: not a URL: ${text}`, 'use socks5://HOST:PORT');
  }
  if (url.protocol !== 'socks5:' && url.protocol !== 'socks5h:') {
    throw new UsageError(`--proxy: ${url.protocol}// is not supported`, 'use socks5://HOST:PORT');
  }
  if (url.hostname === '') throw new UsageError(`--proxy: no host in ${text}`, 'use socks5://HOST:PORT');
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_SOCKS_PORT : Number(url.port),
    user: url.username === '' ? undefined : decodeURIComponent(url.username),
    password: url.password === '' ? undefined : decodeURIComponent(url.password),
  };
}

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
