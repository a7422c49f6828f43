// How a session reaches peers: from its own addresses, by TCP and uTP, or through the proxy and never otherwise. Owns every
// attempt under way, and remembers which of the two worked with whom.
import { type Endpoint, endpointKey, isIPv6 } from '../../base/endpoint.ts';
import { OperationError } from '../../base/result.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import { PROXY_FAULT, parseProxy, type SocksProxy } from '../../transport/proxy-url.ts';
import { dialTcp } from '../../transport/tcp.ts';
import type { UtpStack } from '../../transport/utp-api.ts';
import type { WebConnection } from '../../webseed/io/web-dial.ts';
import type { WebUrl } from '../../webseed/web-url.ts';
import { DIAL_TIMEOUT_MS, UTP_TRY_MS } from '../peer-limits.ts';
import type { SessionOptions } from '../session-api.ts';
import type { RelayTransport } from '../shared.ts';
import { type Attempt, raceDials } from './dial-race.ts';
import type { DialFrom } from './punch-ports.ts';

/** What worked with whom; the oldest are forgotten. */
const MAX_REMEMBERED = 2_000;

export interface WayOutOptions
  extends Pick<SessionOptions, 'bindAddresses' | 'ipv4' | 'ipv6' | 'tcp' | 'proxy'> {
  /** undefined: no uTP, or not yet. Never behind a proxy. */
  readonly utp: () => UtpStack | undefined;
  /** A neighbour that sees our uTP endpoint can introduce us (BEP 55): worth the CPU for some. */
  readonly prefersUtp?: (endpoint: Endpoint) => boolean;
  /** The proxy itself does not do its work: once, until it does again. */
  readonly onProxyFault: (message: string) => void;
}

export class WayOut {
  readonly #options: WayOutOptions;
  readonly #proxy: SocksProxy | undefined;
  readonly #given = new AbortController();
  /** By endpointKey: what an attempt brought, or what PEX says of it (BEP 11 flag 0x04). */
  readonly #known = new Map<string, 'tcp' | 'utp' | 'speaks-utp'>();
  #lastFault: string | undefined;

  /** @throws UsageError when the proxy's URL is of no use */
  constructor(options: WayOutOptions) {
    this.#options = options;
    this.#proxy = options.proxy === undefined ? undefined : parseProxy(options.proxy);
  }

  /** Somebody told us that a peer speaks uTP; what we saw ourselves counts more. */
  noteUtp(endpoint: Endpoint): void {
    const key = endpointKey(endpoint);
    if (!this.#known.has(key)) this.#remember(key, 'speaks-utp');
  }

  /** @throws OperationError `network`, with code PROXY_FAULT when no peer is to blame; Error with `code` */
  async connect(endpoint: Endpoint, timeoutMs = DIAL_TIMEOUT_MS): Promise<ByteStream> {
    const { ipv4 = true, ipv6 = true, tcp = true } = this.#options;
    const isV6 = isIPv6(endpoint.host);
    if (isV6 ? !ipv6 : !ipv4) throw new OperationError('network', 'address family is switched off');
    if (this.#proxy !== undefined) {
      if (!tcp) throw new OperationError('network', 'uTP goes through no proxy');
      return this.#connectThrough(this.#proxy, endpoint);
    }
    const key = endpointKey(endpoint);
    const known = this.#known.get(key);
    const utpMs = known === undefined ? UTP_TRY_MS : DIAL_TIMEOUT_MS;
    const utp = this.#utpTo(endpoint, Math.min(timeoutMs, utpMs));
    if (!tcp && utp === undefined) throw new OperationError('network', 'no uTP to that address family');
    const viaTcp = tcp ? this.#tcpTo(endpoint, isV6, timeoutMs) : undefined;
    const isUtpWanted = utp !== undefined && this.#options.prefersUtp?.(endpoint) === true;
    const stream = await this.#dial(
      viaTcp,
      utp,
      isUtpWanted ? 'wanted' : known === 'utp' ? 'first' : 'second',
    );
    this.#remember(key, stream.transport === 'utp' ? 'utp' : 'tcp');
    return stream;
  }

  /**
   * A control connection.
   * @throws as `connect`
   */
  async connectToRelay(relay: Endpoint, via: RelayTransport): Promise<ByteStream> {
    const utp = this.#proxy === undefined && via !== 'tcp' ? this.#utpTo(relay, UTP_TRY_MS) : undefined;
    if (via === 'utp' && utp === undefined)
      throw new OperationError('network', 'no uTP to that address family');
    try {
      if (utp !== undefined) return await utp(this.#given.signal);
    } catch (error) {
      if (via === 'utp') throw error;
      // UDP does not pass here: TCP does.
    }
    const isV6 = isIPv6(relay.host);
    if (this.#proxy !== undefined || this.#options.tcp === false) return this.connect(relay);
    return this.#tcpTo(relay, isV6)(this.#given.signal);
  }

  /** A web server: loaded when the first one is asked. @throws OperationError as `dialWeb` */
  async connectToWeb(url: WebUrl, mayBeLocal: boolean, signal: AbortSignal): Promise<WebConnection> {
    const { ipv4 = true, ipv6 = true, bindAddresses } = this.#options;
    const { dialWeb } = await import('../../webseed/io/web-dial.ts');
    const both = AbortSignal.any([signal, this.#given.signal]);
    return dialWeb(url, mayBeLocal, { proxy: this.#proxy, bindAddresses, ipv4, ipv6 }, both);
  }

  /** Whether TCP leaves from here straight. */
  get dialsTcp(): boolean {
    return this.#proxy === undefined && this.#options.tcp !== false;
  }

  /** By TCP alone, from a port that can be dialled from again. @throws as `connect` */
  dialFrom(endpoint: Endpoint, { localPort, timeoutMs, signal }: DialFrom): Promise<ByteStream> {
    const { ipv4 = true, ipv6 = true } = this.#options;
    const isV6 = isIPv6(endpoint.host);
    if (!this.dialsTcp || (isV6 ? !ipv6 : !ipv4))
      throw new OperationError('network', 'no TCP to that address family');
    const localAddress = this.#localAddress(isV6) ?? (isV6 ? '::' : '0.0.0.0');
    const both = AbortSignal.any([signal, this.#given.signal]);
    const from = localPort === undefined ? { localAddress } : { localAddress, localPort };
    return dialTcp(endpoint, { timeoutMs, signal: both, ...from });
  }

  /** Attempts under way fail now. */
  close(): void {
    this.#given.abort();
  }

  /** At least one of the two is there. */
  #dial(
    tcp: Attempt | undefined,
    utp: Attempt | undefined,
    utpIs: 'wanted' | 'first' | 'second',
  ): Promise<ByteStream> {
    const { signal } = this.#given;
    if (tcp === undefined) return (utp as Attempt)(signal);
    if (utp === undefined) return tcp(signal);
    if (utpIs === 'wanted') return raceDials({ first: utp, second: tcp, preferred: 'first', signal });
    // TCP costs a tenth of the CPU: it is kept where both work, whichever began.
    return utpIs === 'first'
      ? raceDials({ first: utp, second: tcp, preferred: 'second', signal })
      : raceDials({ first: tcp, second: utp, preferred: 'first', signal });
  }

  #tcpTo(endpoint: Endpoint, isV6: boolean, timeoutMs = DIAL_TIMEOUT_MS): Attempt {
    const local = this.#localAddress(isV6);
    const from = local === undefined ? {} : { localAddress: local };
    return (signal) => dialTcp(endpoint, { timeoutMs, signal, ...from });
  }

  /** undefined: the system's choice. */
  #localAddress(isV6: boolean): string | undefined {
    const { bindAddresses } = this.#options;
    const local = bindAddresses?.find((address) => isIPv6(address) === isV6);
    if (bindAddresses !== undefined && local === undefined) {
      throw new OperationError('network', 'no local address of that family to dial from');
    }
    return local;
  }

  #utpTo(endpoint: Endpoint, timeoutMs: number): Attempt | undefined {
    const utp = this.#options.utp();
    if (utp === undefined || utp.port(isIPv6(endpoint.host) ? 6 : 4) === 0) return undefined;
    return (signal) => utp.connect(endpoint, { timeoutMs, signal });
  }

  #remember(key: string, what: 'tcp' | 'utp' | 'speaks-utp'): void {
    this.#known.delete(key);
    this.#known.set(key, what);
    if (this.#known.size <= MAX_REMEMBERED) return;
    const [oldest] = this.#known.keys();
    this.#known.delete(oldest as string);
  }

  async #connectThrough(proxy: SocksProxy, endpoint: Endpoint): Promise<ByteStream> {
    const { dialThroughProxy } = await import('../../transport/socks.ts');
    try {
      const stream = await dialThroughProxy(proxy, endpoint, DIAL_TIMEOUT_MS, this.#given.signal);
      this.#lastFault = undefined;
      return stream;
    } catch (error) {
      if (error instanceof OperationError && error.code === PROXY_FAULT && !this.#given.signal.aborted) {
        if (error.message !== this.#lastFault) this.#options.onProxyFault(error.message);
        this.#lastFault = error.message;
      }
      throw error;
    }
  }
}
