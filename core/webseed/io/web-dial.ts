// Connections to web servers, straight or through the proxy, TLS or not. Owns the rule whom a torrent may make us call: a URL that came
// with a torrent, and a redirect from out there, never leads to this machine or network; what the user typed may (docs/decisions.md).
import { lookup } from 'node:dns/promises';
import tls from 'node:tls';
import { isIPv6, normalizeHost } from '../../base/endpoint.ts';
import { isLocalAddress } from '../../base/local-address.ts';
import { OperationError } from '../../base/result.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import type { SocksProxy } from '../../transport/proxy-url.ts';
import { dialTcp, openStream, streamOfSocket } from '../../transport/tcp.ts';
import { isLocalName, type WebUrl } from '../web-url.ts';

/** One silent address of several must not use up the whole time. */
const CONNECT_TIMEOUT_MS = 6_000;
/** A name with more addresses than this is tried no further. */
const MAX_ADDRESSES = 6;
/** What node:tls says of certificates that do not hold. */
const BAD_CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|HOSTNAME_MISMATCH/;

export interface WebDialOptions {
  readonly proxy: SocksProxy | undefined;
  readonly bindAddresses: readonly string[] | undefined;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

export interface WebConnection {
  readonly stream: ByteStream;
  /** The server is on this machine or network; never known through a proxy. */
  readonly isLocal: boolean;
}

/** @throws OperationError `refused` where no other attempt would end otherwise (a local address, a certificate); `network` */
export async function dialWeb(
  url: WebUrl,
  mayBeLocal: boolean,
  options: WebDialOptions,
  signal: AbortSignal,
): Promise<WebConnection> {
  if (!mayBeLocal && isLocalName(url.host)) throw localRefusal(url.host);
  if (options.proxy !== undefined)
    return { stream: await throughProxy(options.proxy, url, signal), isLocal: false };
  const addresses = (await addressesOf(url.host)).filter((host) => isUsable(host, options));
  signal.throwIfAborted();
  if (addresses.length === 0)
    throw new OperationError('network', `${url.host} has no address that can be used here`);
  const allowed = addresses.filter((host) => mayBeLocal || !isLocalAddress(host));
  if (allowed.length === 0) throw localRefusal(url.host);
  let failure: unknown;
  for (const host of allowed.slice(0, MAX_ADDRESSES)) {
    try {
      return { stream: await straight(url, host, options, signal), isLocal: isLocalAddress(host) };
    } catch (error) {
      signal.throwIfAborted();
      failure = failure instanceof OperationError ? failure : reasonOf(error);
      if ((failure as OperationError).slug === 'refused') break;
    }
  }
  throw failure;
}

function localRefusal(host: string): OperationError {
  return new OperationError(
    'refused',
    `${host} is on this machine or network, where torrents and redirects may not send tt; give it with --web-seed if it is yours`,
  );
}

async function addressesOf(host: string): Promise<string[]> {
  const literal = normalizeHost(host);
  if (literal !== undefined) return [literal];
  try {
    const found = await lookup(host, { all: true, verbatim: true });
    return found.flatMap(({ address }) => normalizeHost(address) ?? []);
  } catch (error) {
    throw reasonOf(error);
  }
}

function isUsable(host: string, { ipv4, ipv6, bindAddresses }: WebDialOptions): boolean {
  const isV6 = isIPv6(host);
  if (isV6 ? !ipv6 : !ipv4) return false;
  return bindAddresses === undefined || bindAddresses.some((local) => isIPv6(local) === isV6);
}

function straight(
  url: WebUrl,
  host: string,
  { bindAddresses }: WebDialOptions,
  signal: AbortSignal,
): Promise<ByteStream> {
  const localAddress = bindAddresses?.find((local) => isIPv6(local) === isIPv6(host));
  const from = localAddress === undefined ? {} : { localAddress };
  const options = { timeoutMs: CONNECT_TIMEOUT_MS, signal, ...from };
  const endpoint = { host, port: url.port };
  if (!url.isTls) return dialTcp(endpoint, options);
  return openStream(
    endpoint,
    options,
    (connection) => tls.connect({ ...connection, ...identity(url) } as tls.ConnectionOptions),
    'secureConnect',
  );
}

async function throughProxy(proxy: SocksProxy, url: WebUrl, signal: AbortSignal): Promise<ByteStream> {
  const { connectThroughProxy } = await import('../../transport/socks.ts');
  const raw = await connectThroughProxy(proxy, url, CONNECT_TIMEOUT_MS, signal);
  const endpoint = { host: url.host, port: url.port };
  if (!url.isTls) return streamOfSocket(raw, endpoint);
  const socket = tls.connect({ socket: raw, ...identity(url) });
  await new Promise<void>((resolve, reject) => {
    const fail = (error: unknown): void => {
      socket.destroy();
      reject(reasonOf(error));
    };
    const onAbort = (): void => fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', fail);
    socket.once('secureConnect', () => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', fail);
      resolve();
    });
  });
  return streamOfSocket(socket, endpoint);
}

/** A name is checked against the certificate; an address has no server name (RFC 6066), and is checked as such. */
function identity({
  host,
}: WebUrl): Pick<tls.ConnectionOptions, 'servername' | 'ALPNProtocols' | 'checkServerIdentity'> {
  const isAddress = normalizeHost(host) !== undefined;
  return {
    ALPNProtocols: ['http/1.1'],
    servername: isAddress ? '' : host,
    checkServerIdentity: (_name, certificate) => tls.checkServerIdentity(host, certificate),
  };
}

function reasonOf(error: unknown): OperationError {
  if (error instanceof OperationError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const known = code === undefined ? {} : { code };
  if (code !== undefined && BAD_CERTIFICATE.test(code))
    return new OperationError('refused', `its certificate does not hold (${message})`, {
      ...known,
      cause: error,
    });
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new OperationError('network', `its name is not known (${code})`, { ...known, cause: error });
  return new OperationError('network', `no connection (${code ?? message})`, { ...known, cause: error });
}
