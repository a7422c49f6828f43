// Outgoing connections through a SOCKS5 proxy (the only import of `socks`). Host names are resolved by the proxy, never here.
import net from 'node:net';
import { SocksClient } from 'socks';
import type { Endpoint } from '../base/endpoint.ts';
import { OperationError } from '../base/result.ts';
import type { ByteStream } from './byte-stream.ts';
import { PROXY_FAULT, type SocksProxy } from './proxy-url.ts';
import { streamOfSocket } from './tcp.ts';

/** How the package says that the proxy works, but the destination does not. */
const DESTINATION_FAULT = /rejected connection|timed out/i;

/**
 * A socket to `host:port` through the proxy, for anything that speaks over net.Socket.
 * @throws OperationError `network`, with code PROXY_FAULT when it is the proxy that fails
 */
export async function connectThroughProxy(
  proxy: SocksProxy,
  destination: { readonly host: string; readonly port: number },
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<net.Socket> {
  const name = `proxy ${proxy.host}:${proxy.port}`;
  const toProxy = await openSocket(proxy, timeoutMs, signal).catch((error: unknown) => {
    throw new OperationError('network', `${name} cannot be reached: ${reasonOf(error)}`, {
      code: PROXY_FAULT,
      cause: error,
    });
  });
  const giveUp = (): void => {
    toProxy.destroy();
  };
  signal?.addEventListener('abort', giveUp);
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
      existing_socket: toProxy,
      timeout: timeoutMs,
      set_tcp_nodelay: true,
    });
    return socket;
  } catch (error) {
    toProxy.destroy();
    const reason = reasonOf(error);
    throw new OperationError('network', `${name}: ${reason}`, {
      ...(DESTINATION_FAULT.test(reason) ? {} : { code: PROXY_FAULT }),
      cause: error,
    });
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
}

/** To the proxy itself, so that what fails there is told from what fails behind it. */
function openSocket(
  proxy: SocksProxy,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: proxy.host, port: proxy.port, timeout: timeoutMs });
    const fail = (error: Error): void => {
      cleanUp();
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const onTimeout = (): void => fail(new Error('no answer'));
    const onAbort = (): void => fail(new Error('given up'));
    const cleanUp = (): void => {
      socket.off('error', fail);
      socket.off('timeout', onTimeout);
      signal?.removeEventListener('abort', onAbort);
    };
    if (signal?.aborted === true) queueMicrotask(onAbort);
    signal?.addEventListener('abort', onAbort);
    socket.once('error', fail);
    socket.once('timeout', onTimeout);
    socket.once('connect', () => {
      cleanUp();
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return (error as NodeJS.ErrnoException).code ?? error.message;
}

/** A peer connection through the proxy. */
export async function dialThroughProxy(
  proxy: SocksProxy,
  endpoint: Endpoint,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<ByteStream> {
  return streamOfSocket(await connectThroughProxy(proxy, endpoint, timeoutMs, signal), endpoint);
}
