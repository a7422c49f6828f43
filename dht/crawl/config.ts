// Everything that decides how a run goes, as one plain object: it is stored with the run, hashed, and read back by a resume.
import { accept, type Result, reject } from '../../core/base/result.ts';
import type { Family } from '../address.ts';
import { POLITE, type ProbeMethod, type ProbePolicy } from './prober.ts';

export const CRAWL_MODES = ['zone', 'full', 'topology', 'sample', 'monitor'] as const;
export type CrawlMode = (typeof CRAWL_MODES)[number];

export interface CrawlConfig {
  readonly mode: CrawlMode;
  readonly family: Family;
  /** `a3f/12`. */
  readonly zone: string;
  readonly seed: number;
  readonly query: ProbeMethod;
  /** Independent second looks: 0 or 1. */
  readonly repeats: number;
  readonly policy: ProbePolicy;
  readonly ipPrivacy: 'hmac' | 'prefix' | 'raw';
  readonly keepsInfoHashes: boolean;
  readonly wantsBoth: boolean;
  /** Share of the verified nodes that is asked again at the end. */
  readonly recheckShare: number;
  /** Lookups to random targets for the estimate from distances. */
  readonly lookups: number;
  /** HOST:PORT. */
  readonly bootstrap: readonly string[];
  /** Ids of our own nodes in the zone, 40 hex digits each. */
  readonly planted: readonly string[];
}

export const DEFAULT_CONFIG: CrawlConfig = {
  mode: 'zone',
  family: 4,
  zone: '0/0',
  seed: 1,
  query: 'find_node',
  repeats: 1,
  policy: POLITE,
  ipPrivacy: 'hmac',
  keepsInfoHashes: false,
  wantsBoth: false,
  recheckShare: 0.01,
  lookups: 16,
  bootstrap: [],
  planted: [],
};

/** Of a stored run: this version's own, or nothing. */
export function readConfig(stored: unknown): Result<CrawlConfig> {
  if (typeof stored !== 'object' || stored === null) return reject('no configuration in it');
  const config = { ...DEFAULT_CONFIG, ...(stored as Partial<CrawlConfig>) };
  if (!CRAWL_MODES.includes(config.mode) || (config.family !== 4 && config.family !== 6))
    return reject('a configuration of another version');
  return accept(config);
}
