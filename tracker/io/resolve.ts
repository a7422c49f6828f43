// Host names to addresses of both families, bounded in time and in how many look-ups run at once.
import { lookup } from 'node:dns/promises';
import { isIPv6, normalizeHost } from '../../core/base/endpoint.ts';
import { OperationError } from '../../core/base/result.ts';
import { failureText, raceSignal } from './deadline.ts';

export interface HostAddresses {
  readonly v4: readonly string[];
  readonly v6: readonly string[];
}

/** getaddrinfo runs on the four threads that files and crypto share: one is always left to them. */
const MAX_CONCURRENT_LOOKUPS = 3;
/** Announces of many torrents come together; the system's resolver has no cache of its own everywhere. */
const CACHE_MS = 60_000;
const MAX_CACHED_HOSTS = 256;
/** A name with more addresses is a farm; a few of each family are enough to get through. */
const MAX_ADDRESSES_PER_FAMILY = 4;

interface CachedLookup {
  readonly addresses: Promise<HostAddresses>;
  readonly untilMs: number;
}

export class HostResolver {
  readonly #cache = new Map<string, CachedLookup>();
  readonly #nowMs: () => number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Addresses that need no look-up, at once: literal addresses, and `localhost` (RFC 6761). */
  known(host: string): HostAddresses | undefined {
    const ip = normalizeHost(host);
    if (ip !== undefined) return isIPv6(ip) ? { v4: [], v6: [ip] } : { v4: [ip], v6: [] };
    if (host === 'localhost' || host.endsWith('.localhost')) return { v4: ['127.0.0.1'], v6: ['::1'] };
    return undefined;
  }

  /** @throws OperationError `network` when the name has no address; the signal's reason when it fires */
  async resolve(host: string, signal: AbortSignal): Promise<HostAddresses> {
    const known = this.known(host);
    if (known !== undefined) return known;
    const cached = this.#cache.get(host);
    if (cached !== undefined && this.#nowMs() < cached.untilMs) return raceSignal(cached.addresses, signal);
    const addresses = this.#lookup(host);
    this.#cache.delete(host);
    if (this.#cache.size >= MAX_CACHED_HOSTS) {
      const oldest = this.#cache.keys().next().value;
      if (oldest !== undefined) this.#cache.delete(oldest);
    }
    this.#cache.set(host, { addresses, untilMs: this.#nowMs() + CACHE_MS });
    // A failure is not remembered: the network may be back in a second.
    addresses.catch(() => {
      if (this.#cache.get(host)?.addresses === addresses) this.#cache.delete(host);
    });
    return raceSignal(addresses, signal);
  }

  async #lookup(host: string): Promise<HostAddresses> {
    if (this.#running >= MAX_CONCURRENT_LOOKUPS) await new Promise<void>((go) => this.#waiting.push(go));
    this.#running++;
    try {
      const found = await lookup(host, { all: true, order: 'verbatim' });
      const of = (family: number): string[] =>
        found
          .filter((item) => item.family === family)
          .map((item) => item.address)
          .slice(0, MAX_ADDRESSES_PER_FAMILY);
      const addresses = { v4: of(4), v6: of(6) };
      if (addresses.v4.length + addresses.v6.length === 0) throw new Error('host name has no address');
      return addresses;
    } catch (error) {
      throw new OperationError('network', failureText(error), { cause: error });
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }
}
