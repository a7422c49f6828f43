// Everything that decides how a run goes, as one plain object: it is stored with the run, hashed, and read back by a resume.
import { accept, type Result, reject } from '../../core/base/result.ts';
import type { Family } from '../base/address.ts';
import type { Pace } from './pacer.ts';
import { POLITE, type ProbePolicy } from './prober.ts';
import { PROBE_METHODS, type ProbeMethod } from './questions.ts';

const CRAWL_MODES = ['zone', 'full', 'topology', 'sample', 'monitor'] as const;
export type CrawlMode = (typeof CRAWL_MODES)[number];
const IP_PRIVACIES: readonly CrawlConfig['ipPrivacy'][] = ['hmac', 'prefix', 'raw'];

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
  /** Of a monitor: how long it looks, and what lies between two crawls for newcomers. */
  readonly windowMs?: number;
  readonly rescanMs?: number;
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

/** Faster than that, one machine is a nuisance to its own uplink first. */
export const MAX_RATE = 100_000;
const MAX_WAIT_MS = 3_600_000;
const MAX_IN_FLIGHT = 1 << 17;

function isPace(value: unknown): boolean {
  const { perSecond, burst } = (value ?? {}) as Partial<Pace>;
  return isWithin(perSecond, Number.MIN_VALUE, MAX_RATE * 10) && isWithin(burst, 1, MAX_RATE * 10);
}

function isWithin(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most;
}

function isPolicy(value: unknown): boolean {
  const policy = (value ?? {}) as Partial<ProbePolicy>;
  return (
    isWithin(policy.tries, 1, 2) &&
    isWithin(policy.tryMs, 1, MAX_WAIT_MS) &&
    isWithin(policy.lateMs, 1, MAX_WAIT_MS) &&
    isWithin(policy.maxInFlight, 1, MAX_IN_FLIGHT) &&
    isPace(policy.total) &&
    isPace(policy.perHost) &&
    isPace(policy.perSubnet)
  );
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

/** Of a stored run or an order: this version's own, or nothing. Whoever wrote it, its limits are limits. */
export function readConfig(stored: unknown): Result<CrawlConfig> {
  if (typeof stored !== 'object' || stored === null) return reject('no configuration in it');
  const config = { ...DEFAULT_CONFIG, ...(stored as Partial<CrawlConfig>) };
  const isOurs =
    CRAWL_MODES.includes(config.mode) &&
    (config.family === 4 || config.family === 6) &&
    PROBE_METHODS.includes(config.query) &&
    IP_PRIVACIES.includes(config.ipPrivacy) &&
    typeof config.zone === 'string' &&
    isWithin(config.seed, 0, Number.MAX_SAFE_INTEGER) &&
    isWithin(config.repeats, 0, 1) &&
    isWithin(config.recheckShare, 0, 1) &&
    isWithin(config.lookups, 0, Number.MAX_SAFE_INTEGER) &&
    isWithin(config.windowMs ?? 1, 1, Number.MAX_SAFE_INTEGER) &&
    isWithin(config.rescanMs ?? 1, 1, Number.MAX_SAFE_INTEGER) &&
    areTexts(config.bootstrap) &&
    areTexts(config.planted);
  if (!isOurs) return reject('a configuration of another version');
  return isPolicy(config.policy) ? accept(config) : reject('a configuration without bounds on its pace');
}
