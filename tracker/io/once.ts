// One question to one tracker, for `tt tracker announce|scrape`: plain results, one per address family.
import { randomInt } from '../../core/base/clock.ts';
import { type Endpoint, endpointKey } from '../../core/base/endpoint.ts';
import { type InfoHash, type PeerId, toHex } from '../../core/base/ids.ts';
import { UsageError } from '../../core/base/result.ts';
import type { AnnounceReply, AnnounceRequest, ScrapeEntry, TrackerFailure } from '../messages.ts';
import { parseTrackerUrl, type TrackerUrl } from '../tracker-url.ts';
import { type IpFamily, TrackerClient, type TrackerClientOptions } from './tracker-client.ts';

export interface AnnounceOnceOptions extends TrackerClientOptions {
  readonly url: string;
  readonly infoHash: InfoHash;
  readonly peerId: PeerId;
  /** Default 0: we are not listed, only told. */
  readonly port?: number;
  /** Default 50. */
  readonly numwant?: number;
  /** Default: 1, a leecher about to finish. */
  readonly left?: number;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface AnnounceOnceFamily {
  readonly family: IpFamily | undefined;
  /** The tracker's address. */
  readonly from: string;
  readonly tookMs: number;
  /** Why there is no answer; undefined when there is one. */
  readonly error: string | undefined;
  readonly warning: string | undefined;
  readonly intervalMs: number | undefined;
  readonly minIntervalMs: number | undefined;
  readonly seeds: number | undefined;
  readonly leechers: number | undefined;
  readonly downloads: number | undefined;
  readonly externalHost: string | undefined;
  /** `1.2.3.4:80`, `[::1]:80`; host names as they came. */
  readonly peers: readonly string[];
}

export interface AnnounceOnceResult {
  readonly url: string;
  readonly infoHash: string;
  /** At least one family was answered. */
  readonly ok: boolean;
  readonly families: readonly AnnounceOnceFamily[];
}

export interface ScrapeOnceResult {
  readonly url: string;
  readonly ok: boolean;
  readonly families: readonly {
    readonly family: IpFamily | undefined;
    readonly from: string;
    readonly tookMs: number;
    readonly error: string | undefined;
    /** In the order asked. */
    readonly torrents: readonly ({ readonly infoHash: string; readonly known: boolean } & ScrapeEntry)[];
  }[];
}

/** The farewell is a courtesy: nobody waits long for its reply. */
const FAREWELL_TIMEOUT_MS = 2_000;
const DEFAULT_NUMWANT = 50;

/**
 * Announces `started` over every family and, when it named a port, `stopped` right after: a probe leaves no dead peer behind.
 * @throws UsageError when the URL is not a tracker's
 */
export async function announceOnce(options: AnnounceOnceOptions): Promise<AnnounceOnceResult> {
  const url = checkedUrl(options.url);
  const client = new TrackerClient(options);
  const key = randomInt(options.rng, 2 ** 32);
  const port = options.port ?? 0;
  const request = (event: 'started' | 'stopped'): AnnounceRequest => ({
    infoHash: options.infoHash,
    peerId: options.peerId,
    port,
    uploaded: 0,
    downloaded: 0,
    left: options.left ?? 1,
    corrupt: 0,
    event,
    numwant: event === 'stopped' ? 0 : (options.numwant ?? DEFAULT_NUMWANT),
    key,
    trackerId: undefined,
  });
  const families: AnnounceOnceFamily[] = [];
  try {
    await client.announce(
      url,
      () => request('started'),
      exchangeOptions(options),
      (outcome) => {
        families.push({
          family: outcome.family,
          from: outcome.from,
          tookMs: outcome.tookMs,
          ...familyResult(outcome.result),
        });
      },
    );
    if (port !== 0 && families.some((item) => item.error === undefined)) {
      const farewell = { ...exchangeOptions(options), timeoutMs: FAREWELL_TIMEOUT_MS };
      await client.announce(
        url,
        () => request('stopped'),
        farewell,
        () => {},
      );
    }
  } finally {
    client.close();
  }
  families.sort(byFamily);
  const ok = families.some((item) => item.error === undefined);
  return { url: url.href, infoHash: toHex(options.infoHash), ok, families };
}

/** @throws UsageError when the URL is not a tracker's */
export async function scrapeOnce(
  options: TrackerClientOptions & {
    readonly url: string;
    readonly infoHashes: readonly InfoHash[];
    readonly timeoutMs?: number;
    readonly signal?: AbortSignal;
  },
): Promise<ScrapeOnceResult> {
  const url = checkedUrl(options.url);
  const client = new TrackerClient(options);
  const families: ScrapeOnceResult['families'][number][] = [];
  try {
    await client.scrape(
      url,
      options.infoHashes,
      exchangeOptions(options),
      ({ family, from, tookMs, result }) => {
        const torrents =
          result.kind === 'failure'
            ? []
            : options.infoHashes.map((hash, i) => ({
                infoHash: toHex(hash),
                known: result.entries[i] !== undefined,
                ...(result.entries[i] ?? { seeds: 0, leechers: 0, downloads: 0 }),
              }));
        const error = result.kind === 'failure' ? result.failure.message : undefined;
        families.push({ family, from, tookMs, error, torrents });
      },
    );
  } finally {
    client.close();
  }
  families.sort(byFamily);
  return { url: url.href, ok: families.some((item) => item.error === undefined), families };
}

function checkedUrl(text: string): TrackerUrl {
  const parsed = parseTrackerUrl(text);
  if (parsed.ok) return parsed.value;
  throw new UsageError(`${text}: ${parsed.reason.what}`, 'use http://, https:// or udp://HOST:PORT');
}

function exchangeOptions(options: { readonly timeoutMs?: number; readonly signal?: AbortSignal }) {
  return {
    guardLocal: false,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
}

function byFamily(a: { family: IpFamily | undefined }, b: { family: IpFamily | undefined }): number {
  return (a.family ?? 0) - (b.family ?? 0);
}

function familyResult(
  result: AnnounceReply | TrackerFailure,
): Omit<AnnounceOnceFamily, 'family' | 'from' | 'tookMs'> {
  if (!('peers' in result)) return { ...NOTHING, error: result.message };
  const named = (peer: { host: string; port: number }): string => `${peer.host}:${peer.port}`;
  return {
    error: undefined,
    warning: result.warning,
    intervalMs: result.intervalMs,
    minIntervalMs: result.minIntervalMs,
    seeds: result.seeds,
    leechers: result.leechers,
    downloads: result.downloads,
    externalHost: result.externalHost,
    peers: [...result.peers.map((peer: Endpoint) => endpointKey(peer)), ...result.namedPeers.map(named)],
  };
}

const NOTHING: Omit<AnnounceOnceFamily, 'family' | 'from' | 'tookMs'> = {
  error: undefined,
  warning: undefined,
  intervalMs: undefined,
  minIntervalMs: undefined,
  seeds: undefined,
  leechers: undefined,
  downloads: undefined,
  externalHost: undefined,
  peers: [],
};
