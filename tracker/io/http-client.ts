// One bounded GET from an HTTP tracker: time, headers, body, inflated body and redirects each have a limit.
// Every request has a connection of its own, closed with the reply: trackers are asked twice an hour.
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type net from 'node:net';
import { promisify } from 'node:util';
import type { ZlibOptions } from 'node:zlib';
import { concatBytes } from '../../core/base/bytes.ts';
import { isIPv6, parseIp } from '../../core/base/endpoint.ts';
import { isLocalAddress } from '../../core/base/local-address.ts';
import { OperationError } from '../../core/base/result.ts';
import { destinationRefusal } from '../local-address.ts';
import { parseTrackerUrl, type TrackerUrl } from '../tracker-url.ts';

/**
 * Node's modules, each loaded when a reply or a URL needs it. An `import` of node:http also evaluates its browser-like getters, which
 * loads a whole fetch implementation, and node:tls reads tables: together 50 ms of every start of the program.
 */
const builtin = process.getBuiltinModule.bind(process);

/** 1000 dictionary peers are some 80 KB; a full scrape is not asked for. */
const MAX_BODY_BYTES = 512 * 1024;
/** Bencoded peers do not compress well; ten times is already suspicious. */
const MAX_INFLATED_BYTES = 1 << 20;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_REDIRECTS = 5;
/** One silent address of several must not use up the whole time. */
const CONNECT_TIMEOUT_MS = 6_000;

/** Opens a connection to a host by name, through a proxy. */
export type ProxyConnect = (
  destination: { readonly host: string; readonly port: number },
  timeoutMs: number,
) => Promise<net.Socket>;

export interface HttpGetOptions {
  readonly url: TrackerUrl;
  readonly userAgent: string;
  /** Addresses of a host to try in turn, all of one family; not called when `connect` is given. */
  readonly addressesOf: (host: string) => Promise<readonly string[]>;
  readonly connect: ProxyConnect | undefined;
  readonly localAddress: string | undefined;
  /** Refuse loopback paths that are no tracker's: a torrent must not make us call other local services. */
  readonly guardLocal: boolean;
  readonly signal: AbortSignal;
}

export interface HttpReply {
  readonly status: number;
  readonly body: Uint8Array;
}

/** @throws OperationError or a socket error; the signal's reason when it fires */
export async function httpGet(options: HttpGetOptions): Promise<HttpReply> {
  let url = options.url;
  let fromPublic = false;
  for (let hops = 0; ; hops++) {
    const answer = await fetchHop(options, url, fromPublic);
    if (answer.location === undefined) return answer;
    if (hops === MAX_REDIRECTS) throw new OperationError('network', `more than ${MAX_REDIRECTS} redirects`);
    fromPublic ||= answer.wasPublic;
    url = redirectTarget(url, answer.location);
  }
}

interface HopAnswer extends HttpReply {
  readonly location: string | undefined;
  readonly wasPublic: boolean;
}

function redirectTarget(from: TrackerUrl, location: string): TrackerUrl {
  let absolute: string;
  try {
    absolute = new URL(location, from.href).href;
  } catch {
    throw new OperationError('network', 'redirected to something that is not a URL');
  }
  const parsed = parseTrackerUrl(absolute);
  if (!parsed.ok || parsed.value.scheme === 'udp') {
    throw new OperationError('network', 'redirected to something other than http or https');
  }
  // A password is for the host it was typed for.
  const sameHost = parsed.value.host === from.host && parsed.value.port === from.port;
  return sameHost
    ? { ...parsed.value, credentials: from.credentials }
    : { ...parsed.value, credentials: undefined };
}

async function fetchHop(options: HttpGetOptions, url: TrackerUrl, fromPublic: boolean): Promise<HopAnswer> {
  if (options.connect !== undefined) {
    const connectTo = options.connect;
    const socket = await connectTo({ host: url.host, port: url.port }, CONNECT_TIMEOUT_MS);
    return requestOnce(options, url, { socket, wasPublic: true });
  }
  const addresses = await options.addressesOf(url.host);
  let failure: unknown = new OperationError('network', 'host name has no address of this family');
  for (const [i, address] of addresses.entries()) {
    options.signal.throwIfAborted();
    const { guardLocal } = options;
    const refusal = destinationRefusal({ address, target: url.target, fromPublic, guardLocal });
    if (refusal !== undefined) throw new OperationError('refused', refusal);
    try {
      const isLast = i === addresses.length - 1;
      const connectTimeoutMs = isLast ? undefined : CONNECT_TIMEOUT_MS;
      return await requestOnce(options, url, {
        address,
        connectTimeoutMs,
        wasPublic: !isLocalAddress(address),
      });
    } catch (error) {
      // Only what failed before a word was said may be said again to another address.
      if (!(error instanceof ConnectFailure)) throw error;
      failure = error.cause;
    }
  }
  throw failure;
}

class ConnectFailure extends Error {}

interface HopConnection {
  readonly socket?: net.Socket;
  readonly address?: string;
  readonly connectTimeoutMs?: number | undefined;
  readonly wasPublic: boolean;
}

function requestOnce(options: HttpGetOptions, url: TrackerUrl, via: HopConnection): Promise<HopAnswer> {
  const isTls = url.scheme === 'https';
  const hostText = isIPv6(url.host) ? `[${url.host}]` : url.host;
  const isDefaultPort = url.port === (isTls ? 443 : 80);
  const headers: OutgoingHttpHeaders = {
    Host: isDefaultPort ? hostText : `${hostText}:${url.port}`,
    'User-Agent': options.userAgent,
    'Accept-Encoding': 'gzip',
    Connection: 'close',
  };
  if (url.credentials !== undefined) {
    headers.authorization = `Basic ${Buffer.from(url.credentials).toString('base64')}`;
  }
  // A name is checked against the certificate; an address has no server name (RFC 6066).
  const servername = parseIp(url.host) === undefined ? url.host : '';
  const proxied = via.socket;
  return new Promise<HopAnswer>((resolve, reject) => {
    const request = (isTls ? builtin('node:https') : builtin('node:http')).request({
      method: 'GET',
      path: url.target,
      headers,
      setHost: false,
      maxHeaderSize: MAX_HEADER_BYTES,
      ...(isTls ? { servername } : {}),
      ...(proxied !== undefined
        ? {
            createConnection: () =>
              isTls ? builtin('node:tls').connect({ socket: proxied, servername, host: url.host }) : proxied,
          }
        : { agent: false, host: via.address, port: url.port, localAddress: options.localAddress }),
    });
    let spoke = false;
    let connectTimer: NodeJS.Timeout | undefined;
    const finish = (settle: () => void): void => {
      clearTimeout(connectTimer);
      options.signal.removeEventListener('abort', onAbort);
      request.destroy();
      settle();
    };
    const fail = (error: unknown): void =>
      finish(() => reject(spoke ? error : new ConnectFailure('connect', { cause: error })));
    const onAbort = (): void => {
      spoke = true;
      fail(options.signal.reason);
    };
    if (via.connectTimeoutMs !== undefined) {
      const error = new OperationError('timeout', 'connection timed out', { code: 'ETIMEDOUT' });
      connectTimer = setTimeout(() => fail(error), via.connectTimeoutMs);
    }
    options.signal.addEventListener('abort', onAbort, { once: true });
    // Errors of a request that is over already (its destruction) have nobody to go to.
    request.on('error', fail);
    request.on('socket', (socket) => {
      const onReady = (): void => {
        spoke = true;
        clearTimeout(connectTimer);
      };
      if (proxied === undefined) socket.once(isTls ? 'secureConnect' : 'connect', onReady);
      else onReady();
    });
    request.on('response', (response) => {
      spoke = true;
      readBody(response).then((body) => {
        const status = response.statusCode ?? 0;
        const location = status >= 300 && status < 400 ? response.headers.location : undefined;
        finish(() => resolve({ status, body, location, wasPublic: via.wasPublic }));
      }, fail);
    });
    if (options.signal.aborted) onAbort();
    else request.end();
  });
}

async function readBody(response: IncomingMessage): Promise<Uint8Array> {
  const tooLarge = new OperationError('network', `reply larger than ${MAX_BODY_BYTES >> 10} KiB`);
  const announced = Number(response.headers['content-length'] ?? 0);
  if (announced > MAX_BODY_BYTES) throw tooLarge;
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > MAX_BODY_BYTES) throw tooLarge;
    parts.push(part);
  }
  return inflate(concatBytes(parts), response.headers['content-encoding']);
}

const ZLIB_LOW_NIBBLE_DEFLATE = 8;

async function inflate(body: Uint8Array, encoding: string | undefined): Promise<Uint8Array> {
  const coding = encoding?.trim().toLowerCase() ?? 'identity';
  if (coding === 'identity' || coding === '' || body.length === 0) return body;
  if (coding !== 'gzip' && coding !== 'x-gzip' && coding !== 'deflate') {
    throw new OperationError('network', 'reply in a content encoding that was not asked for');
  }
  // `deflate` ought to be zlib (RFC 9110) and is raw deflate from some servers.
  const isRaw = coding === 'deflate' && ((body[0] ?? 0) & 0x0f) !== ZLIB_LOW_NIBBLE_DEFLATE;
  try {
    const zlib = builtin('node:zlib');
    const inflater = promisify<Uint8Array, ZlibOptions, Uint8Array>(isRaw ? zlib.inflateRaw : zlib.unzip);
    return await inflater(body, { maxOutputLength: MAX_INFLATED_BYTES });
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    const what = isTooLarge
      ? `reply inflates to more than ${MAX_INFLATED_BYTES >> 10} KiB`
      : 'compressed reply is damaged';
    throw new OperationError('network', what, { cause: error });
  }
}
