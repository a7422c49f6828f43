// How a session reaches peers: from its own addresses, or through the proxy and never otherwise. Owns every attempt under way.
import { type Endpoint, isIPv6 } from '../base/endpoint.ts';
import { OperationError } from '../base/result.ts';
import type { ByteStream } from '../transport/byte-stream.ts';
import { PROXY_FAULT, parseProxy, type SocksProxy } from '../transport/proxy-url.ts';
import { dialTcp } from '../transport/tcp.ts';
import { DIAL_TIMEOUT_MS } from './peer-limits.ts';
import type { SessionOptions } from './session-api.ts';

export class WayOut {
  readonly #options: Pick<SessionOptions, 'bindAddresses' | 'ipv4' | 'ipv6' | 'tcp'>;
  readonly #proxy: SocksProxy | undefined;
  readonly #onProxyFault: (message: string) => void;
  readonly #given = new AbortController();
  #lastFault: string | undefined;

  /**
   * @param onProxyFault the proxy itself does not do its work: once, until it does again
   * @throws UsageError when the proxy's URL is of no use
   */
  constructor(
    options: Pick<SessionOptions, 'bindAddresses' | 'ipv4' | 'ipv6' | 'tcp' | 'proxy'>,
    onProxyFault: (message: string) => void,
  ) {
    this.#options = options;
    this.#proxy = options.proxy === undefined ? undefined : parseProxy(options.proxy);
    this.#onProxyFault = onProxyFault;
  }

  /** @throws OperationError `network`, with code PROXY_FAULT when no peer is to blame; Error with `code` */
  async connect(endpoint: Endpoint): Promise<ByteStream> {
    const { bindAddresses, ipv4 = true, ipv6 = true, tcp = true } = this.#options;
    const isV6 = isIPv6(endpoint.host);
    if (!tcp || (isV6 ? !ipv6 : !ipv4)) throw new OperationError('network', 'address family is switched off');
    if (this.#proxy !== undefined) return this.#connectThrough(this.#proxy, endpoint);
    const local = bindAddresses?.find((address) => isIPv6(address) === isV6);
    if (bindAddresses !== undefined && local === undefined) {
      throw new OperationError('network', 'no local address of that family to dial from');
    }
    return dialTcp(endpoint, {
      timeoutMs: DIAL_TIMEOUT_MS,
      signal: this.#given.signal,
      ...(local === undefined ? {} : { localAddress: local }),
    });
  }

  /** Attempts under way fail now. */
  close(): void {
    this.#given.abort();
  }

  async #connectThrough(proxy: SocksProxy, endpoint: Endpoint): Promise<ByteStream> {
    const { dialThroughProxy } = await import('../transport/socks.ts');
    try {
      const stream = await dialThroughProxy(proxy, endpoint, DIAL_TIMEOUT_MS, this.#given.signal);
      this.#lastFault = undefined;
      return stream;
    } catch (error) {
      if (error instanceof OperationError && error.code === PROXY_FAULT && !this.#given.signal.aborted) {
        if (error.message !== this.#lastFault) this.#onProxyFault(error.message);
        this.#lastFault = error.message;
      }
      throw error;
    }
  }
}
