// Speaks to any tracker by its URL over every address family its host has (BEP 7), HTTP and UDP alike, each bounded.
import type { Clock, Rng } from '../../core/base/clock.ts';
import { isIPv6 } from '../../core/base/endpoint.ts';
import type { InfoHash } from '../../core/base/ids.ts';
import { OperationError, type Result } from '../../core/base/result.ts';
import {
  decodeAnnounceReply,
  decodeScrapeReply,
  encodeAnnounceQuery,
  encodeScrapeQuery,
} from '../http-codec.ts';
import type {
  AnnounceAnswer,
  AnnounceReply,
  AnnounceRequest,
  ScrapeAnswer,
  TrackerFailure,
} from '../messages.ts';
import { joinQuery, scrapeUrlOf, type TrackerUrl } from '../tracker-url.ts';
import { encodeAnnounceRequest, encodeScrapeRequest, MAX_UDP_SCRAPE_HASHES } from '../udp-codec.ts';
import { failureText, startDeadline } from './deadline.ts';
import { httpGet, type ProxyConnect } from './http-client.ts';
import { type HostAddresses, HostResolver } from './resolve.ts';
import { UdpTrackerClient } from './udp-client.ts';

export type IpFamily = 4 | 6;

export interface TrackerClientOptions {
  readonly userAgent: string;
  readonly clock: Clock;
  /** Unpredictable in a real client: transaction ids come from it. */
  readonly rng: Rng;
  /** Default: both. */
  readonly families?: readonly IpFamily[];
  /** Local addresses to send from, one per family at most; families without one are not used then. */
  readonly bindAddresses?: readonly string[];
  /** Opens TCP connections by host name; UDP then needs `allowUdp` to be said, since it would go around the proxy. */
  readonly connect?: ProxyConnect;
  /** Default: true without `connect`, false with it. */
  readonly allowUdp?: boolean;
}

/** What one family's exchange gave. */
export interface FamilyReply<T> {
  /** Undefined through a proxy, which alone knows. */
  readonly family: IpFamily | undefined;
  /** The tracker's address as asked; the host name through a proxy. */
  readonly from: string;
  readonly result: T;
  readonly tookMs: number;
}

export interface ExchangeOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  /** URLs from torrents may not call arbitrary paths of services on this machine; a person's own may. Default true. */
  readonly guardLocal?: boolean;
}

/** DNS, connection, TLS, redirects and body together. A tracker slower than this is not announced to in practice. */
const HTTP_TIMEOUT_MS = 20_000;
/** Three tries of a datagram (2 + 15 + 30 s) and a little for the look-up. */
const UDP_TIMEOUT_MS = 50_000;

export class TrackerClient {
  readonly #options: TrackerClientOptions;
  readonly #resolver: HostResolver;
  readonly #udp: UdpTrackerClient;
  readonly #closed = new AbortController();

  constructor(options: TrackerClientOptions) {
    this.#options = options;
    this.#resolver = new HostResolver(() => options.clock.nowMs());
    this.#udp = new UdpTrackerClient({
      nowMs: () => options.clock.nowMs(),
      rng: options.rng,
      bindAddress: (family) => this.#bindAddress(family),
    });
  }

  /** Why a URL cannot be used with these options; undefined when it can. */
  refusal(url: TrackerUrl): string | undefined {
    const allowUdp = this.#options.allowUdp ?? this.#options.connect === undefined;
    return url.scheme === 'udp' && !allowUdp ? 'the proxy does not carry UDP' : undefined;
  }

  /** Announces over every family at once. Never rejects: each family's outcome goes to `onOutcome` as it comes. */
  announce(
    url: TrackerUrl,
    requestOf: () => AnnounceRequest,
    options: ExchangeOptions,
    onOutcome: (outcome: FamilyReply<AnnounceReply | TrackerFailure>) => void,
  ): Promise<void> {
    return this.#everyFamily<AnnounceReply | TrackerFailure>(
      url,
      options,
      onOutcome,
      async (family, address, signal) => {
        const answer =
          url.scheme === 'udp'
            ? await this.#announceUdp(url, address, requestOf(), signal)
            : await this.#getHttp(
                url,
                family,
                encodeAnnounceQuery(requestOf()),
                options,
                signal,
                decodeAnnounceReply,
              );
        return answer.kind === 'reply' ? answer.reply : answer.failure;
      },
    );
  }

  /** BEP 48 and BEP 15 scrape, over every family at once. Never rejects. */
  scrape(
    url: TrackerUrl,
    infoHashes: readonly InfoHash[],
    options: ExchangeOptions,
    onOutcome: (outcome: FamilyReply<ScrapeAnswer>) => void,
  ): Promise<void> {
    const fail = (failure: TrackerFailure): ScrapeAnswer => ({ kind: 'failure', failure });
    return this.#everyFamily<ScrapeAnswer>(
      url,
      options,
      (outcome) =>
        onOutcome(
          'message' in outcome.result
            ? { ...outcome, result: fail(outcome.result) }
            : (outcome as FamilyReply<ScrapeAnswer>),
        ),
      async (family, address, signal) => {
        if (url.scheme === 'udp') return this.#scrapeUdp(url, address, infoHashes, signal);
        const scrapeUrl = scrapeUrlOf(url);
        if (scrapeUrl === undefined)
          throw new OperationError('refused', 'this tracker URL has no scrape (BEP 48)');
        const decode = (body: Uint8Array): Result<ScrapeAnswer> => decodeScrapeReply(body, infoHashes);
        return this.#getHttp(scrapeUrl, family, encodeScrapeQuery(infoHashes), options, signal, decode);
      },
    );
  }

  /** Addresses of a peer that a tracker named by host name, within `signal`. */
  resolve(host: string, signal: AbortSignal): Promise<HostAddresses> {
    return this.#resolver.resolve(host, signal);
  }

  /** Host names may only be looked up here when no proxy is to hide them. */
  get canResolve(): boolean {
    return this.#options.connect === undefined;
  }

  close(): void {
    this.#closed.abort(new OperationError('unfinished', 'stopped'));
    this.#udp.close();
  }

  async #everyFamily<T extends object>(
    url: TrackerUrl,
    options: ExchangeOptions,
    onOutcome: (outcome: FamilyReply<T | TrackerFailure>) => void,
    exchange: (family: IpFamily | undefined, address: string, signal: AbortSignal) => Promise<T>,
  ): Promise<void> {
    const nowMs = (): number => this.#options.clock.nowMs();
    const startedMs = nowMs();
    const outer =
      options.signal === undefined
        ? this.#closed.signal
        : AbortSignal.any([options.signal, this.#closed.signal]);
    const timeoutMs = options.timeoutMs ?? (url.scheme === 'udp' ? UDP_TIMEOUT_MS : HTTP_TIMEOUT_MS);
    const deadline = startDeadline(timeoutMs, 'no complete answer', outer);
    const one = async (family: IpFamily | undefined, from: string): Promise<void> => {
      let result: T | TrackerFailure;
      try {
        result = await exchange(family, from, deadline.signal);
      } catch (error) {
        result = networkFailure(error);
      }
      onOutcome({ family, from, result, tookMs: Math.round(nowMs() - startedMs) });
    };
    try {
      const refusal = this.refusal(url);
      if (refusal !== undefined) throw new OperationError('refused', refusal);
      if (this.#options.connect !== undefined && url.scheme !== 'udp') return await one(undefined, url.host);
      // Without a look-up the first packet leaves in this very call, not after a turn of the loop.
      const addresses =
        this.#resolver.known(url.host) ?? (await this.#resolver.resolve(url.host, deadline.signal));
      const targets = this.#targets(addresses);
      if (targets.length === 0) throw new OperationError('network', 'no address of an enabled family');
      await Promise.all(targets.map(([family, address]) => one(family, address)));
    } catch (error) {
      const result = networkFailure(error);
      onOutcome({ family: undefined, from: url.host, result, tookMs: Math.round(nowMs() - startedMs) });
    } finally {
      deadline.clear();
    }
  }

  #targets(addresses: HostAddresses): [IpFamily, string][] {
    const families = this.#options.families ?? [4, 6];
    const isBound = (this.#options.bindAddresses ?? []).length > 0;
    const targets: [IpFamily, string][] = [];
    for (const family of families) {
      const [address] = family === 4 ? addresses.v4 : addresses.v6;
      // Bound to addresses of the other family only, this one would go out by an address nobody chose.
      if (address === undefined || (isBound && this.#bindAddress(family) === undefined)) continue;
      targets.push([family, address]);
    }
    return targets;
  }

  #bindAddress(family: IpFamily): string | undefined {
    return this.#options.bindAddresses?.find((address) => isIPv6(address) === (family === 6));
  }

  async #getHttp<T>(
    url: TrackerUrl,
    family: IpFamily | undefined,
    query: string,
    options: ExchangeOptions,
    signal: AbortSignal,
    decode: (body: Uint8Array) => Result<T>,
  ): Promise<T> {
    const reply = await httpGet({
      url: { ...url, target: joinQuery(url.target, query) },
      userAgent: this.#options.userAgent,
      addressesOf: async (host) => {
        const found = await this.#resolver.resolve(host, signal);
        return family === 6 ? found.v6 : found.v4;
      },
      connect: this.#options.connect,
      localAddress: family === undefined ? undefined : this.#bindAddress(family),
      guardLocal: options.guardLocal ?? true,
      signal,
    });
    const decoded = decode(reply.body);
    if (decoded.ok) return decoded.value;
    // A refusal with a status of its own often has a bencoded reason; when not, the status is the reason.
    if (reply.status !== 200) throw new OperationError('network', `HTTP status ${reply.status}`);
    throw new OperationError('network', `not a tracker's reply: ${decoded.reason.what}`);
  }

  async #announceUdp(
    url: TrackerUrl,
    host: string,
    request: AnnounceRequest,
    signal: AbortSignal,
  ): Promise<AnnounceAnswer> {
    const reply = await this.#udp.exchange(
      { host, port: url.port },
      'announce',
      (connectionId, transaction) => encodeAnnounceRequest(connectionId, transaction, request, url.target),
      signal,
    );
    if (reply.action === 'announce') return { kind: 'reply', reply: reply.reply };
    return { kind: 'failure', failure: trackerFailure(reply.message) };
  }

  async #scrapeUdp(
    url: TrackerUrl,
    host: string,
    infoHashes: readonly InfoHash[],
    signal: AbortSignal,
  ): Promise<ScrapeAnswer> {
    const asked = infoHashes.slice(0, MAX_UDP_SCRAPE_HASHES);
    const reply = await this.#udp.exchange(
      { host, port: url.port },
      'scrape',
      (connectionId, transaction) => encodeScrapeRequest(connectionId, transaction, asked),
      signal,
    );
    if (reply.action === 'error') {
      return { kind: 'failure', failure: trackerFailure(reply.message) };
    }
    return { kind: 'reply', entries: infoHashes.map((_, i) => reply.entries[i]) };
  }
}

function networkFailure(error: unknown): TrackerFailure {
  return { message: failureText(error), retryInMs: undefined, fromTracker: false };
}

function trackerFailure(message: string): TrackerFailure {
  return { message, retryInMs: undefined, fromTracker: true };
}
