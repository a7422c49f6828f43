// What the scenarios of the crawler share: worlds whose truth is known, a crawl of a given length, and cells of tables.
import type { ProbePolicy } from '../../crawl/prober.ts';
import { CrawlWorld, type CrawlWorldOptions } from '../crawl-world.ts';
import { CALIBRATION_NETWORK } from '../latency.ts';

export const MINUTE_MS = 60_000;
/** Mainline as far as studies show it: a quarter of what tables list is gone, some more is behind translators. */
const MEMBERS = { deadShare: 0.25, natShare: 0.15 };
/** Live among listed. */
const LIVE_SHARE = 0.6;
/** Queries for each listed endpoint: a good half of them is asked twice. */
const QUERIES_EACH = 1.4;

export function worldOf(seed: number, nodes: number, changes: Partial<CrawlWorldOptions> = {}): CrawlWorld {
  return new CrawlWorld({
    seed,
    nodes,
    ...MEMBERS,
    network: CALIBRATION_NETWORK,
    horizonMs: MINUTE_MS,
    ...changes,
  });
}

export function lossy(lossShare: number): Pick<CrawlWorldOptions, 'network'> {
  return { network: { ...CALIBRATION_NETWORK, lossShare } };
}

/** One look at so many live nodes takes about so many minutes: only the pace in all shall decide. */
export function lastingFor(
  minutes: number,
  nodes: number,
): Pick<ProbePolicy, 'total' | 'perHost' | 'perSubnet'> {
  const perSecond = ((nodes / LIVE_SHARE) * QUERIES_EACH) / (minutes * 60);
  return {
    total: { perSecond, burst: Math.max(1, Math.ceil(perSecond / 10)) },
    perHost: { perSecond: 1_000, burst: 1_000 },
    perSubnet: { perSecond: 1_000, burst: 1_000 },
  };
}

export function bias(ratio: number): string {
  return `${ratio >= 1 ? '+' : ''}${((ratio - 1) * 100).toFixed(1)} %`;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
